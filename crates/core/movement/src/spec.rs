//! The text of a move: what goes where, by when, and what must hold before each step.
//!
//! Rules: only `id`, `deadline` and `[[routes]]` must be said; everything else has a default. Unknown keys are refused; all
//! problems of a text are reported at once, each with its place and what to do. The text's SHA-256 is its identity: the
//! first event of a move's log names it, so a log never speaks of another text. Rates, ratios and margins are millionths, so
//! that nothing in a report is a float.
//!
//! Why one vendor per move: a deadline is a vendor's date, and a vendor that refuses us refuses every route. Who leaves two
//! vendors writes two moves.

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

/// The axes of parity that a gate may ask for, by the names that verdicts carry. `wording` is not among them: it tells of style
/// and not of worth.
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

/// A move as its author wrote it, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct MoveSpec {
    /// Its name, in the log, the courses and the report.
    pub id: String,
    /// Its name for people.
    pub title: Title,
    /// The zone of its dates.
    pub zone: Tz,
    /// When the move must be done.
    pub deadline: Timestamp,
    /// From this moment on the source is not asked. Never before the deadline.
    pub source_until: Timestamp,
    /// What happens when the deadline passes and the move is not live.
    pub on_deadline: OnDeadline,
    /// What moves; at least one, all from the same vendor, each route once.
    pub routes: Vec<MovedRoute>,
    /// What must hold before a step forward.
    pub gates: Gates,
    /// How the callers follow.
    pub canary: Canary,
    /// Times without steps forward.
    pub blackouts: Vec<Blackout>,
    /// What is kept of the source's answers.
    pub record: Recording,
    /// The copies that the destination gets.
    pub shadow: Shadowing,
    /// What was decided for the author: a local time that does not exist, or that clocks show twice.
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
    /// Everybody goes to the best target: one that passes its gates, else the less bad one, and people are told.
    #[default]
    Cut,
    /// The move stays where it is and people are told. The source's date still stops the source.
    Hold,
}

/// One route and its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedRoute {
    /// The name that clients ask for.
    pub route: RouteName,
    /// Who is left.
    pub source: Target,
    /// Where it goes.
    pub destination: Target,
    /// Where it goes when the destination fails.
    pub second: Option<Target>,
}

/// What must hold before a step forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gates {
    /// The axes on which a verdict must be "not worse", each with the margin it is judged by, in millionths.
    pub parity: BTreeMap<String, u32>,
    /// A verdict older than this says nothing.
    pub parity_age_max: Duration,
    /// The largest part of failed requests, in millionths.
    pub error_rate_max: u32,
    /// Over which time errors and latencies are counted.
    pub window: Duration,
    /// Fewer requests than this in the window say nothing.
    pub requests_min: u64,
    /// The destination's 95th percentile of latency over the source's, in millionths.
    pub latency_ratio_max: u32,
    /// What the destination may cost in a day of the move's zone.
    pub spend_max_per_day: Option<Money>,
    /// What it may cost in all.
    pub spend_max_total: Option<Money>,
}

/// How the callers follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The shares, growing, none of them nothing or all.
    pub steps: Vec<Share>,
    /// How long each share is watched before the next step.
    pub hold: Duration,
    /// How long after a step back nothing goes forward; doubled with each further one, up to a day.
    pub cooldown: Duration,
}

/// What is kept of the source's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The part of the exchanges that is recorded.
    pub share: Share,
    /// The part of the recorded ones for which the source is asked once more, to know its noise.
    pub repeat: Share,
    /// How many of the source's answers each route needs before shadows begin.
    pub captures_min: u64,
}

/// The copies that the destination gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadowing {
    /// The part of the recorded exchanges.
    pub share: Share,
    /// What repeats and shadows together may cost.
    pub spend_max: Option<Money>,
}

impl MoveSpec {
    /// Reads a move.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        check::parse(text)
    }

    /// The text that it was read from.
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The SHA-256 of the text, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The route of this name.
    pub fn route(&self, name: &RouteName) -> Option<&MovedRoute> {
        self.routes.iter().find(|moved| moved.route == *name)
    }

    /// The vendor that is left.
    pub fn source_vendor(&self) -> &VendorName {
        // A text without routes is refused, so there is always a first one.
        &self.routes.first().expect("a move has at least one route").source.vendor
    }

    /// The blackout in which a moment lies.
    pub fn blackout(&self, at: Timestamp) -> Option<&Blackout> {
        self.blackouts.iter().find(|blackout| blackout.holds(at, self.zone))
    }

    /// The canary step after `share`; none when the next one is everybody.
    pub fn step_after(&self, share: Share) -> Option<Share> {
        self.canary.steps.iter().copied().find(|step| *step > share)
    }

    /// A moment as the people of the move's zone write it.
    pub fn show(&self, at: Timestamp) -> String {
        banjia_types::calendar::show(at, self.zone)
    }
}
