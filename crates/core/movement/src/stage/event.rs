//! The events of a move.
//!
//! # Rules
//! - An event has a time, an author, a reason and the evidence for it.
//! - It is stored as JSON, one per number, and never changed. So the stored names are permanent.
//! - Whether people are paged is derived from the event. So no page is lost with the process that
//!   appended it.

use crate::gate::GateResult;
use banjia_types::{RouteName, Share, Stage, Timestamp, VendorName};
use serde::{Deserialize, Serialize};

/// One entry of a move's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The time. Never before the previous event.
    pub at: Timestamp,
    /// The author: a person, or `banjia` for a step.
    pub by: String,
    /// The reason, for people.
    pub reason: String,
    /// The gate results that justified it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<GateResult>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// The move began. Always the first event.
    Created {
        /// The SHA-256 of the move's text.
        spec: String,
    },
    /// One stage forward, because all gates passed.
    Advanced {
        /// The stage before.
        from: Stage,
        /// The stage after.
        to: Stage,
    },
    /// One canary step forward, because all gates passed.
    ShareSet {
        /// The share before.
        from: Share,
        /// The share after.
        to: Share,
    },
    /// Back to `shadow`, because a gate tripped.
    SteppedBack {
        /// The stage before.
        from: Stage,
    },
    /// A route switched to its other destination.
    Switched {
        /// The route.
        route: RouteName,
        /// The destination after.
        to: ActiveDestination,
    },
    /// Steps forward are stopped.
    Paused,
    /// Steps forward are allowed again.
    Resumed,
    /// A person set the stage without gates.
    Overridden {
        /// The stage before.
        from: Stage,
        /// The stage after.
        to: Stage,
        /// The share, in `canary`.
        share: Share,
    },
    /// A person set other dates.
    Redated {
        /// When the move must be done.
        deadline: Timestamp,
        /// The source's end date.
        source_until: Timestamp,
    },
    /// The source is gone for good, and the move is live.
    SourceDied {
        /// How it ended.
        death: Death,
        /// The destination of each route.
        choices: Vec<RouteChoice>,
    },
    /// The source's end date has passed.
    SourcePassed,
    /// The deadline passed, and the move is live.
    Cut {
        /// The stage before.
        from: Stage,
        /// The destination of each route.
        choices: Vec<RouteChoice>,
    },
    /// The deadline passed, and the move stays.
    Held,
    /// A rehearsal began.
    RehearsalBegan {
        /// The share of the conversations.
        share: Share,
        /// When it ends.
        until: Timestamp,
    },
    /// The rehearsal ended.
    RehearsalEnded {
        /// Its result.
        found: RehearsalFinding,
    },
    /// The source's credentials were removed.
    CredentialsRemoved {
        /// The vendor.
        vendor: VendorName,
        /// The names of the credentials, never the secrets.
        names: Vec<String>,
    },
    /// The move is over.
    Sealed {
        /// The SHA-256 of the signed report.
        report: String,
    },
    /// People are warned. The move does not change.
    Warned {
        /// The warning.
        warning: Warning,
    },
    /// The pages of all events up to this number were sent.
    Paged {
        /// The number of the last event.
        through: u64,
    },
}

/// The destination that a route uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveDestination {
    /// The destination.
    #[default]
    First,
    /// The second destination.
    Second,
}

/// The destination of a route, if there was no time for gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChoice {
    /// The route.
    pub route: RouteName,
    /// Its destination.
    pub to: ActiveDestination,
    /// Whether all gates of that target passed.
    pub is_passing: bool,
}

/// How a source ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Death {
    /// It blocked our region, or a person cut its vendor.
    Cut {
        /// The evidence, without texts of clients.
        seen: String,
    },
    /// Its credentials were removed.
    CredentialsRemoved,
}

/// Who did something that lasts, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// The time.
    pub at: Timestamp,
    /// The person.
    pub by: String,
    /// The reason.
    pub reason: String,
}

/// The result of a rehearsal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalFinding {
    /// Requests whose call to the source got the rehearsed block.
    pub blocked: u64,
    /// Number of these that another target answered.
    pub answered: u64,
    /// Requests of the same conversations after the rehearsal.
    pub back: u64,
    /// Number of these that the source answered again.
    pub back_answered: u64,
    /// True if the source ended during the rehearsal, so there was no way back to prove.
    pub is_cut_short: bool,
}

impl RehearsalFinding {
    /// Whether failover is proven: some requests got the block, and all of them were answered.
    pub const fn is_there_proven(&self) -> bool {
        self.blocked > 0 && self.answered == self.blocked
    }

    /// Whether the way back is proven: the source answered all later requests.
    pub const fn is_back_proven(&self) -> bool {
        self.back > 0 && self.back_answered == self.back
    }
}

/// A warning for people. The move does not change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Warning {
    /// The deadline comes within some hours and the move is not live.
    DeadlineNear {
        /// The number of hours.
        hours: u32,
    },
    /// Gates of a route trip, and there is neither a way back nor a better target.
    NoWayOut {
        /// The route.
        route: RouteName,
    },
    /// Gates of a route trip, and an override keeps the move where it is.
    OverrideKept {
        /// The route.
        route: RouteName,
    },
}

/// A page for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The number of the event. With the move's id it identifies the page, so a page that is sent
    /// twice can be recognised.
    pub number: u64,
    /// How soon a person must look.
    pub urgency: Urgency,
    /// What happened.
    pub why: String,
}

/// How soon a person must look at a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// In working hours.
    Notice,
    /// Now.
    Urgent,
}

impl What {
    /// The name of the event in the log.
    pub fn kind(&self) -> String {
        let json = serde_json::to_value(self).ok();
        json.and_then(|value| value.get("kind")?.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Event {
    /// How soon a person must look at this event. `None` if nobody is paged.
    pub fn urgency(&self) -> Option<Urgency> {
        match &self.what {
            What::SourceDied { .. }
            | What::SteppedBack { .. }
            | What::Held
            | What::Warned { warning: Warning::NoWayOut { .. } } => Some(Urgency::Urgent),
            What::Cut { choices, .. } if choices.iter().any(|choice| !choice.is_passing) => Some(Urgency::Urgent),
            What::Warned { warning: Warning::DeadlineNear { hours } } if *hours <= 24 => Some(Urgency::Urgent),
            What::Cut { .. }
            | What::Switched { .. }
            | What::SourcePassed
            | What::Overridden { .. }
            | What::Redated { .. }
            | What::Advanced { to: Stage::Live, .. }
            | What::Warned { .. } => Some(Urgency::Notice),
            What::RehearsalEnded { found } if !found.is_there_proven() || !found.is_back_proven() => {
                Some(Urgency::Notice)
            }
            _ => None,
        }
    }
}
