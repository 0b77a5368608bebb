//! The text of a move: what goes where, by when, and what must hold before each step.
//!
//! # Rules
//! - Only `id`, `deadline` and `[[routes]]` are required; everything else has a default.
//! - Unknown keys are refused. All problems of a text are reported at once, each with its place and
//!   a hint.
//! - The text's SHA-256 is its identity. The first event of a move's log holds it, so a log never
//!   refers to another text.
//! - Rates, ratios and margins are millionths, so no report contains a float.
//!
//! # Why one vendor per move
//! A deadline is a vendor's date, and a vendor that blocks us blocks every route. To leave two
//! vendors, write two moves.

mod amount;
mod blackout;
mod check;
mod raw;

pub use amount::span;
pub use blackout::Blackout;
pub(crate) use check::hex;

use banjia_types::{Money, Problem, RouteName, Share, Target, Timestamp, VendorName};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The parity axes that a gate may require, by the names in parity reports. `wording` is not among
/// them, because it measures style and not quality.
pub const AXES: [&str; 15] = [
    "answered",
    "json",
    "schema",
    "tool_choice",
    "tool_arguments",
    "refusal",
    "language",
    "length",
    "meaning",
    "judge",
    "assertions",
    "first_content",
    "latency",
    "latency_tail",
    "cost",
];

/// A move as its author wrote it, after all checks.
#[derive(Clone, Debug, PartialEq)]
pub struct MoveSpec {
    /// Its name in the log, the route moves and the report.
    pub id: String,
    /// Its name for people.
    pub title: Title,
    /// The time zone of its dates.
    pub zone: Tz,
    /// When the move must be done.
    pub deadline: Timestamp,
    /// The source's end date: it is not asked from then on. Never before the deadline.
    pub source_until: Timestamp,
    /// What happens when the deadline passes and the move is not live.
    pub on_deadline: OnDeadline,
    /// The routes that move: at least one, all from the same vendor, each route once.
    pub routes: Vec<MovedRoute>,
    /// What must hold before a step forward.
    pub gates: Gates,
    /// How callers move to the destination.
    pub canary: Canary,
    /// Times without steps forward.
    pub blackouts: Vec<Blackout>,
    /// Which responses of the source are recorded.
    pub record: Recording,
    /// Which requests are copied to the destination.
    pub shadow: Shadowing,
    /// Choices made for the author, for example for a local time that does not exist or occurs
    /// twice.
    pub notes: Vec<String>,
    text: Arc<str>,
    hash: String,
}

/// A move's name for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Title {
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

/// What happens when the deadline passes and the move is not live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// All callers go to the best target: one that passes its gates, else the less bad one, and
    /// people are paged.
    #[default]
    Cut,
    /// The move stays where it is and people are paged. The source's end date still applies.
    Hold,
}

/// One route and its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedRoute {
    /// The name that clients use.
    pub route: RouteName,
    /// The source target.
    pub source: Target,
    /// The destination target.
    pub destination: Target,
    /// The second destination, used when the first fails.
    pub second: Option<Target>,
}

/// What must hold before a step forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gates {
    /// The axes on which the destination must be "not worse", each with its margin in millionths.
    pub parity: BTreeMap<String, u32>,
    /// A parity result older than this does not count.
    pub parity_age_max: Duration,
    /// The highest rate of failed requests, in millionths.
    pub error_rate_max: u32,
    /// The time over which errors and latencies are counted.
    pub window: Duration,
    /// With fewer requests in the window no rate counts.
    pub requests_min: u64,
    /// The destination's 95th percentile of latency over the source's, in millionths.
    pub latency_ratio_max: u32,
    /// The highest cost of the destination in a day of the move's zone.
    pub spend_max_per_day: Option<Money>,
    /// The highest cost in all.
    pub spend_max_total: Option<Money>,
}

/// How callers move to the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The shares, growing; none of them is nothing or all.
    pub steps: Vec<Share>,
    /// How long each share is held before the next step.
    pub hold: Duration,
    /// How long no step forward is made after a step back. It doubles with each further one, up to
    /// a day.
    pub cooldown: Duration,
}

/// Which responses of the source are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The share of the exchanges that is recorded.
    pub share: Share,
    /// The share of the recorded exchanges for which the source is asked again, to measure its
    /// noise.
    pub repeat: Share,
    /// Number of recorded responses of the source that each route needs before shadows begin.
    pub captures_min: u64,
}

/// Which requests are copied to the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadowing {
    /// The share of the recorded exchanges.
    pub share: Share,
    /// The highest cost of repeats and shadows together.
    pub spend_max: Option<Money>,
}

impl MoveSpec {
    /// Reads the text of a move.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        check::parse(text)
    }

    /// The text it was read from.
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The SHA-256 of the text, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The route with this name.
    pub fn route(&self, name: &RouteName) -> Option<&MovedRoute> {
        self.routes.iter().find(|moved| moved.route == *name)
    }

    /// The vendor of all sources.
    pub fn source_vendor(&self) -> &VendorName {
        // A text without routes is refused, so there is always a first one.
        &self.routes.first().expect("a move has at least one route").source.vendor
    }

    /// The blackout at this moment. `None` if there is none.
    pub fn blackout(&self, at: Timestamp) -> Option<&Blackout> {
        self.blackouts.iter().find(|blackout| blackout.holds(at, self.zone))
    }

    /// The canary step after `share`. `None` if the next one is all callers.
    pub fn step_after(&self, share: Share) -> Option<Share> {
        self.canary.steps.iter().copied().find(|step| *step > share)
    }

    /// Formats a moment in the move's zone, for people.
    pub fn show(&self, at: Timestamp) -> String {
        banjia_types::calendar::show(at, self.zone)
    }
}
