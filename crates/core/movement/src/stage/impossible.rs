//! Why an event cannot follow, in words for people.

use crate::gate::Gate;
use banjia_types::{RouteName, Share, Stage, Timestamp, VendorName};
use thiserror::Error;

/// Why an event cannot follow, or an order cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Impossible {
    /// The first event must create the move.
    #[error("the move is not created yet")]
    NotCreated,
    /// A move is created once.
    #[error("the move is created already")]
    AlreadyCreated,
    /// The log belongs to another text.
    #[error("the log is of a text with the hash {found}, and this text has {expected}")]
    OtherText {
        /// The hash in the log.
        found: String,
        /// The hash of the text.
        expected: String,
    },
    /// Nothing follows a seal.
    #[error("the move is sealed: nothing follows")]
    IsSealed,
    /// The event lies before the last one.
    #[error("the event is of {at}, before the last one of {last}")]
    Backwards {
        /// The time of the event.
        at: Timestamp,
        /// The time of the last event.
        last: Timestamp,
    },
    /// The event starts from another stage.
    #[error("the move is at {is} and not at {found}")]
    NotFrom {
        /// The stage in the event.
        found: Stage,
        /// The present stage.
        is: Stage,
    },
    /// The event starts from another share.
    #[error("the share is {is} and not {found}")]
    NotFromShare {
        /// The share in the event.
        found: Share,
        /// The present share.
        is: Share,
    },
    /// A step forward must be the next one.
    #[error("the next step is not {to}; gates lead one step forward at a time")]
    NotNext {
        /// The step that was requested.
        to: String,
    },
    /// A person paused the move.
    #[error("the move is paused by {by}: {reason}")]
    IsPaused {
        /// The person.
        by: String,
        /// The reason.
        reason: String,
    },
    /// There is nothing to resume.
    #[error("the move is not paused")]
    NotPaused,
    /// The deadline has passed.
    #[error("the deadline has passed: set a new date, or name the stage yourself with a reason")]
    AfterDeadline,
    /// The deadline has not passed.
    #[error("the deadline has not passed")]
    BeforeDeadline,
    /// The text of the move has the other policy for its deadline.
    #[error("the move's text says otherwise for its deadline")]
    OtherPolicy,
    /// The move holds already.
    #[error("the move holds already")]
    IsHeld,
    /// No step forward is made in a blackout.
    #[error("nothing goes forward in this blackout{}", because(.reason))]
    InBlackout {
        /// The reason of the blackout.
        reason: String,
    },
    /// The present share is held for longer, or the move cools down after a step back.
    #[error("the next step forward may be made from {from}")]
    TooEarly {
        /// The earliest moment of the next step.
        from: Timestamp,
    },
    /// A gate does not pass, or its result is missing.
    #[error("on {route} a gate does not hold or was not judged: {gate:?}")]
    GateOpen {
        /// The route.
        route: RouteName,
        /// The gate.
        gate: Gate,
    },
    /// A step back needs a gate that trips.
    #[error("no gate breaks: there is no reason to go back")]
    NothingBreaks,
    /// There is no way back.
    #[error("the source cannot be asked any more: there is no way back")]
    NoSource,
    /// The source is gone already.
    #[error("the source is gone already")]
    AlreadyDead,
    /// The source's end date has not passed, or that is recorded already.
    #[error("the source's date has not passed, or that is recorded already")]
    NotPassing,
    /// The move has no such route.
    #[error("the move has no route {0}")]
    NoRoute(RouteName),
    /// The route has no other destination.
    #[error("the route {0} has no other destination, or uses it already")]
    NoOther(RouteName),
    /// Each route needs a destination, once.
    #[error("it must say for each route of the move, once, where it goes")]
    ChoicesDiffer,
    /// The move is at this stage already.
    #[error("the move is at {0} already")]
    SameStage(Stage),
    /// A move is sealed by its own command only.
    #[error("a move is sealed by its own command, when everything is accounted for")]
    NotByOverride,
    /// Before `live` only canaries have a share, and it is neither nothing nor all.
    #[error("the share {share} does not belong to the stage {stage}")]
    WrongShare {
        /// The stage.
        stage: Stage,
        /// The share.
        share: Share,
    },
    /// The dates are out of order or in the past.
    #[error("a new deadline lies ahead, and the source's date is not before it")]
    WrongDates,
    /// Only one rehearsal runs at a time.
    #[error("a rehearsal runs until {until}")]
    InRehearsal {
        /// When the running one ends.
        until: Timestamp,
    },
    /// No rehearsal is running.
    #[error("no rehearsal is running")]
    NoRehearsal,
    /// The rehearsal is out of its bounds.
    #[error("a rehearsal is for a share above 0, ends within a day and before the source's date")]
    WrongRehearsal,
    /// Only a live move gives up its source.
    #[error("only a live move lets go of its source; this one is at {0}")]
    NotLive(Stage),
    /// The credentials belong to another vendor.
    #[error("the move leaves {expected} and not {found}")]
    OtherVendor {
        /// The vendor in the event.
        found: VendorName,
        /// The vendor in the text.
        expected: VendorName,
    },
    /// The credentials are removed already.
    #[error("the credentials are removed already")]
    AlreadyRemoved,
    /// The credentials must be removed before the seal.
    #[error("the source's credentials are not removed yet")]
    CredentialsFirst,
    /// People have this warning already.
    #[error("people were told of this already")]
    AlreadyWarned,
    /// There are no such pages.
    #[error("there are no pages up to that number")]
    NoPages,
    /// An order needs a person and a reason.
    #[error("say who orders it and why, in at most {0} bytes each")]
    NoReason(usize),
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
