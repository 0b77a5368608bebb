//! Why an event cannot follow, for people.

use crate::gate::Gate;
use banjia_types::{RouteName, Share, Stage, Timestamp, VendorName};
use thiserror::Error;

/// Why an event cannot follow, or an order cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Impossible {
    /// The first event creates the move.
    #[error("the move is not created yet")]
    NotCreated,
    /// It does so once.
    #[error("the move is created already")]
    AlreadyCreated,
    /// The log belongs to another text.
    #[error("the log is of a text with the hash {found}, and this text has {expected}")]
    OtherText {
        /// In the log.
        found: String,
        /// Of the text.
        expected: String,
    },
    /// Nothing follows a seal.
    #[error("the move is sealed: nothing follows")]
    IsSealed,
    /// Time runs forward in a log.
    #[error("the event is of {at}, before the last one of {last}")]
    Backwards {
        /// The event's.
        at: Timestamp,
        /// The log's.
        last: Timestamp,
    },
    /// It speaks of another stage.
    #[error("the move is at {is} and not at {found}")]
    NotFrom {
        /// What the event says.
        found: Stage,
        /// What is.
        is: Stage,
    },
    /// It speaks of another share.
    #[error("the share is {is} and not {found}")]
    NotFromShare {
        /// What the event says.
        found: Share,
        /// What is.
        is: Share,
    },
    /// Forward is one step at a time.
    #[error("the next step is not {to}; gates lead one step forward at a time")]
    NotNext {
        /// The step that was meant.
        to: String,
    },
    /// Somebody paused it.
    #[error("the move is paused by {by}: {reason}")]
    IsPaused {
        /// Who.
        by: String,
        /// Why.
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
    /// The text says otherwise.
    #[error("the move's text says otherwise for its deadline")]
    OtherPolicy,
    /// It holds already.
    #[error("the move holds already")]
    IsHeld,
    /// Nothing goes forward now.
    #[error("nothing goes forward in this blackout{}", because(.reason))]
    InBlackout {
        /// Its reason.
        reason: String,
    },
    /// The present step is watched for longer, or the move cools down after a step back.
    #[error("the next step forward may be made from {from}")]
    TooEarly {
        /// From when.
        from: Timestamp,
    },
    /// A gate does not hold, or its judgement is missing.
    #[error("on {route} a gate does not hold or was not judged: {gate:?}")]
    GateOpen {
        /// On which route.
        route: RouteName,
        /// Which.
        gate: Gate,
    },
    /// A step back says what broke.
    #[error("no gate breaks: there is no reason to go back")]
    NothingBreaks,
    /// There is no way back.
    #[error("the source cannot be asked any more: there is no way back")]
    NoSource,
    /// The source is gone already.
    #[error("the source is gone already")]
    AlreadyDead,
    /// Its date has not passed, or was seen to pass.
    #[error("the source's date has not passed, or that is recorded already")]
    NotPassing,
    /// The move has no such route.
    #[error("the move has no route {0}")]
    NoRoute(RouteName),
    /// The route has no other destination.
    #[error("the route {0} has no other destination, or uses it already")]
    NoOther(RouteName),
    /// Each route needs a choice, once.
    #[error("it must say for each route of the move, once, where it goes")]
    ChoicesDiffer,
    /// It changes nothing, or is not to be had so.
    #[error("the move is at {0} already")]
    SameStage(Stage),
    /// Sealing has its own conditions.
    #[error("a move is sealed by its own command, when everything is accounted for")]
    NotByOverride,
    /// Before `live` only canaries have a share, and it is neither nothing nor all.
    #[error("the share {share} does not belong to the stage {stage}")]
    WrongShare {
        /// Which stage.
        stage: Stage,
        /// Which share.
        share: Share,
    },
    /// Dates in order and ahead.
    #[error("a new deadline lies ahead, and the source's date is not before it")]
    WrongDates,
    /// One at a time.
    #[error("a drill is under way until {until}")]
    InDrill {
        /// Until when.
        until: Timestamp,
    },
    /// None is under way.
    #[error("no drill is under way")]
    NoDrill,
    /// A drill's bounds.
    #[error("a drill is for a share above 0, ends within a day and before the source's date")]
    WrongDrill,
    /// Only a live move lets go.
    #[error("only a live move lets go of its source; this one is at {0}")]
    NotLive(Stage),
    /// Another vendor's credentials.
    #[error("the move leaves {expected} and not {found}")]
    OtherVendor {
        /// In the event.
        found: VendorName,
        /// In the text.
        expected: VendorName,
    },
    /// They are gone already.
    #[error("the credentials are removed already")]
    AlreadyRemoved,
    /// First the credentials, then the seal.
    #[error("the source's credentials are not removed yet")]
    CredentialsFirst,
    /// People know already.
    #[error("people were told of this already")]
    AlreadyWarned,
    /// There are no such pages.
    #[error("there are no pages up to that number")]
    NoPages,
    /// Somebody answers for what a person orders.
    #[error("say who orders it and why, in at most {0} bytes each")]
    NoReason(usize),
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
