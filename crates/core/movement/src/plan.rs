//! Where each route goes, what it loses and costs there, whether it fits, and by when each stage
//! must begin.
//!
//! # Rules
//! - A plan is a function of its input, including the time and the exchange rate.
//! - Losses are counted over real requests by the caller, which can encode them. They come as plain
//!   numbers.
//! - Unknown facts are reported as unknown. They never count as zero, and are never a reason to
//!   reject a candidate.
//! - Every place in a ranking carries its reasons.
//! - Decisions that only a person can make are listed, not made.
//!
//! # Order of a ranking
//! 1. Candidates that may not be served or will be switched off come last.
//! 2. Requests that would be refused or lose a parameter; fewer is better.
//! 3. Requests that are too long.
//! 4. Too little capacity.
//! 5. The price; an unknown price comes after known ones.

mod capacity;
mod cost;
mod judge;
#[cfg(test)]
mod tests;
mod timetable;

pub use capacity::{Bound, CapacityRow};
pub use cost::{Basis, Cost};
pub use judge::{Ranked, Reason};
pub use timetable::{Durations, Step, Timetable};

use crate::survey::{Coverage, Survey, coverage};
use banjia_types::{LossLevel, Price, RouteName, Target, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that a plan depends on.
#[derive(Clone, Debug)]
pub struct PlanInput<'a> {
    /// What is used.
    pub survey: &'a Survey,
    /// The targets that each route might go to. A route without candidates gets no destination, and
    /// the plan says so.
    pub candidates: &'a BTreeMap<RouteName, Vec<Candidate>>,
    /// The facts about the targets that answer today.
    pub sources: &'a BTreeMap<Target, Facts>,
    /// The exchange rate.
    pub rate: &'a Rate,
    /// When the source stops answering.
    pub deadline: Timestamp,
    /// The present time.
    pub now: Timestamp,
    /// How long each stage takes.
    pub durations: Durations,
}

/// The price of one US dollar, with its date and source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Renminbi for one US dollar.
    pub cny_per_usd: f64,
    /// The date of the rate.
    pub as_of: String,
    /// The source of the rate.
    pub source: String,
}

impl Default for Rate {
    /// An assumption, and labelled as one. For figures that matter, give the rate of the day.
    fn default() -> Self {
        Self { cny_per_usd: 7.1, as_of: "2026-09-01".into(), source: "assumed; give your own rate".into() }
    }
}

/// One target that a route might go to.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The target.
    pub target: Target,
    /// The facts about it.
    pub facts: Facts,
    /// What the real requests would lose there.
    pub losses: Losses,
}

/// The facts about a target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Its price.
    pub price: Option<Price>,
    /// Maximum tokens of prompt and response together.
    pub context: Option<u64>,
    /// Maximum tokens of the response.
    pub answer_max: Option<u64>,
    /// Whether it accepts images.
    pub images: Option<bool>,
    /// Lengths of the vectors it can return, the default first. Empty for chat models and if
    /// unknown.
    pub dimensions: Vec<u32>,
    /// When it is switched off.
    pub shutdown: Option<Timestamp>,
    /// The vendor's limits.
    pub limits: Limits,
    /// Whether the vendor serves these callers.
    pub serves: Option<bool>,
    /// The source of these facts, with its date.
    pub source: String,
    /// True if the source is weak or the only one.
    pub unconfirmed: bool,
    /// A warning for people who route to it.
    pub warning: Option<String>,
}

/// A vendor's limits on one tier. Unknown limits are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The name of the tier.
    pub tier: Option<String>,
    /// Requests per minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens per minute.
    pub tokens_per_minute: Option<u64>,
    /// Concurrent requests.
    pub concurrency: Option<u64>,
    /// The limit that is reached first, if the vendor names it without a figure.
    pub binds: Option<Bound>,
    /// The source of the limits, with its date.
    pub source: String,
}

/// What requests would lose on a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Number of requests that were encoded to find out.
    pub tested: u64,
    /// Number of these that the candidate's rules refuse.
    pub refused: u64,
    /// Number of the others that lose a parameter.
    pub dropped: u64,
    /// Number of the others in which something is supported only in part.
    pub degraded: u64,
    /// Losses by parameter and level, the most frequent first.
    pub counts: Vec<LossCount>,
}

/// How many requests lose a parameter at a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossCount {
    /// The parameter, by the client's name.
    pub param: String,
    /// How much of it is lost.
    pub level: LossLevel,
    /// Number of requests.
    pub requests: u64,
    /// The reason that one of them got.
    pub why: String,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// When the plan was made.
    pub now: Timestamp,
    /// When the source stops answering.
    pub deadline: Timestamp,
    /// The exchange rate used.
    pub rate: Rate,
    /// What the survey rests on.
    pub coverage: Coverage,
    /// The plan of each route.
    pub routes: Vec<RoutePlan>,
    /// What the chosen destinations must carry, summed over the routes of each target.
    pub capacity: Vec<CapacityRow>,
    /// The latest start of each stage, counted back from the deadline.
    pub timetable: Timetable,
    /// What may go wrong.
    pub risks: Vec<Note>,
    /// Decisions that only a person can make.
    pub decisions: Vec<Note>,
}

/// The plan of one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoutePlan {
    /// The route.
    pub route: RouteName,
    /// The target that answers most of it today.
    pub source: Option<Target>,
    /// Number of requests seen.
    pub requests: u64,
    /// The destination.
    pub destination: Option<Target>,
    /// The second destination, used when the first fails. It is of another vendor if a suitable one
    /// exists.
    pub second: Option<Target>,
    /// The cost today, over the period seen.
    pub before: Cost,
    /// All candidates, the best first.
    pub ranked: Vec<Ranked>,
    /// Set for embeddings: vectors of two models are never comparable, so all must be computed
    /// again.
    pub rebuild: Option<Rebuild>,
}

/// Vectors that must be computed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rebuild {
    /// Lengths in use today.
    pub from: Vec<u32>,
    /// Lengths that the destination can return, its default first.
    pub to: Vec<u32>,
    /// Whether every length in use can be kept. `None` if one side is unknown.
    pub keeps_length: Option<bool>,
}

/// A note about one route or target, or about the whole plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are named after what the sentence above them says")]
pub enum Note {
    /// No candidate can take the route.
    NoDestination { route: RouteName },
    /// There is no second destination.
    NoSecond { route: RouteName },
    /// The second destination is of the same vendor.
    SameVendor { route: RouteName, vendor: String },
    /// No request was read, so losses are unknown.
    NothingRead { route: RouteName },
    /// This many requests would be refused or lose a parameter at the destination.
    Lost { route: RouteName, requests: u64, of: u64 },
    /// The price of the destination is unknown.
    NoPrice { route: RouteName, target: Target },
    /// The vendor's limits are unknown.
    NoLimits { target: Target },
    /// The tier is too small.
    OverLimit { target: Target, bound: Bound, peak: u64, limit: u64 },
    /// The facts have a weak source.
    Unconfirmed { target: Target, source: String },
    /// The destination is switched off some time after the deadline.
    Retires { target: Target, at: Timestamp },
    /// It is unknown whether the vendor serves these callers.
    ServesUnknown { target: Target },
    /// The survey covers less than a week, so a weekly peak may be missing.
    ShortSurvey { days: u64 },
    /// There is not enough time for all stages.
    Late { hours: i64 },
    /// Vectors must be computed again.
    Rebuild { route: RouteName, target: Target },
}

/// Computes the plan.
pub fn plan(input: &PlanInput<'_>) -> Plan {
    let empty = Vec::new();
    let routes: Vec<RoutePlan> = input
        .survey
        .routes
        .iter()
        .map(|(name, used)| judge::route(input, name, used, input.candidates.get(name).unwrap_or(&empty)))
        .collect();
    let capacity = capacity::rows(input, &routes);
    let timetable = timetable::back_from(input.deadline, input.now, &input.durations);
    let coverage = coverage(input.survey);
    let mut plan = Plan {
        now: input.now,
        deadline: input.deadline,
        rate: input.rate.clone(),
        coverage,
        routes,
        capacity,
        timetable,
        risks: Vec::new(),
        decisions: Vec::new(),
    };
    judge::notes(input, &mut plan);
    plan
}
