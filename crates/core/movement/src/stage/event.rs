//! What can happen to a move.
//!
//! Rules: an event says when, by whom, why, and on what evidence. It is stored as JSON, one per number, and never changed; so
//! names here are for ever. Whether people are called is read from the event: a page is never lost with the process that
//! appended it.

use crate::gate::GateResult;
use banjia_types::{RouteName, Share, Stage, Timestamp, VendorName};
use serde::{Deserialize, Serialize};

/// One entry of a move's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When. Never before the event before it.
    pub at: Timestamp,
    /// Who: a person, or `banjia` for what a step found due.
    pub by: String,
    /// Why, for people.
    pub reason: String,
    /// The judgements that justified it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<GateResult>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// The move began. Always the first.
    Created {
        /// The SHA-256 of its text.
        spec: String,
    },
    /// One stage forward, by gates.
    Advanced {
        /// From which.
        from: Stage,
        /// To which.
        to: Stage,
    },
    /// One canary step forward, by gates.
    ShareSet {
        /// From which.
        from: Share,
        /// To which.
        to: Share,
    },
    /// Back to `shadow`, because a gate broke.
    SteppedBack {
        /// From which.
        from: Stage,
    },
    /// A route rolled to its other destination.
    Switched {
        /// Which route.
        route: RouteName,
        /// To which.
        to: ActiveDestination,
    },
    /// Nothing goes forward any more.
    Paused,
    /// It may again.
    Resumed,
    /// A person named the stage, in place of gates.
    Overridden {
        /// From which.
        from: Stage,
        /// To which.
        to: Stage,
        /// With which share, in `canary`.
        share: Share,
    },
    /// Other dates.
    Redated {
        /// When the move must be done.
        deadline: Timestamp,
        /// From when on the source is not asked.
        source_until: Timestamp,
    },
    /// The source is gone for good; the move is live.
    SourceDied {
        /// How.
        death: Death,
        /// Where each route goes.
        choices: Vec<Choice>,
    },
    /// The source's date has passed.
    SourcePassed,
    /// The deadline passed: the move is live.
    Cut {
        /// From which stage.
        from: Stage,
        /// Where each route goes.
        choices: Vec<Choice>,
    },
    /// The deadline passed: the move stays.
    Held,
    /// A drill began.
    RehearsalBegan {
        /// For which part of the conversations.
        share: Share,
        /// Until when.
        until: Timestamp,
    },
    /// It ended.
    RehearsalEnded {
        /// What it found.
        found: RehearsalFinding,
    },
    /// The source's credentials are gone.
    CredentialsRemoved {
        /// Of which vendor.
        vendor: VendorName,
        /// Which, by name; never the secret.
        names: Vec<String>,
    },
    /// The move is over.
    Sealed {
        /// The SHA-256 of the signed report.
        report: String,
    },
    /// People are told of something that changes nothing by itself.
    Warned {
        /// Of what.
        warning: Warning,
    },
    /// The pages of all events up to this number were handed on.
    Paged {
        /// Which number.
        through: u64,
    },
}

/// Which destination a route uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveDestination {
    /// The destination.
    #[default]
    First,
    /// The second destination.
    Second,
}

/// Where a route goes when there was no time for gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Which route.
    pub route: RouteName,
    /// Where.
    pub to: ActiveDestination,
    /// Whether all gates of that target held.
    pub is_passing: bool,
}

/// How a source ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Death {
    /// It refused us as a region, or a person cut its vendor.
    Cut {
        /// What was seen, without texts of clients.
        seen: String,
    },
    /// Its credentials were removed.
    CredentialsRemoved,
}

/// Who, when and why, of something that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a drill found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalFinding {
    /// Requests whose source leg met the block.
    pub blocked: u64,
    /// Of these, those that another target answered.
    pub answered: u64,
    /// Requests of the same conversations after the drill.
    pub back: u64,
    /// Of these, those that the source answered again.
    pub back_answered: u64,
    /// The source died during the drill, so there was no way back to prove.
    pub is_cut_short: bool,
}

impl RehearsalFinding {
    /// Whether the way there is proven: some requests met the block, and all of them were answered.
    pub const fn is_there_proven(&self) -> bool {
        self.blocked > 0 && self.answered == self.blocked
    }

    /// Whether the way back is proven.
    pub const fn is_back_proven(&self) -> bool {
        self.back > 0 && self.back_answered == self.back
    }
}

/// Something that people must know of and that changes nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Warning {
    /// The deadline comes within so many hours and the move is not live.
    DeadlineNear {
        /// How many.
        hours: u32,
    },
    /// Gates of a route break, and there is neither a way back nor a better target.
    NoWayOut {
        /// Which route.
        route: RouteName,
    },
    /// Gates of a route break, and an override keeps the move where it is.
    OverrideKept {
        /// Which route.
        route: RouteName,
    },
}

/// What people are called for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The number of the event. With the move's id it is a page's name: one that is handed on twice can be told.
    pub number: u64,
    /// How soon they must look.
    pub urgency: Urgency,
    /// What happened.
    pub why: String,
}

/// How soon people must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// In working hours.
    Notice,
    /// Now.
    Urgent,
}

impl What {
    /// Its name in the log.
    pub fn kind(&self) -> String {
        let named = serde_json::to_value(self).ok();
        named.and_then(|value| value.get("kind")?.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Event {
    /// How soon people must look at this event; none when they need not be called.
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
