//! Where each route goes, what it loses and costs there, whether it fits, and by when everything must have begun.
//!
//! Rules: a plan is a function of its input, the time and the exchange rate included; losses were counted over the real
//! requests by whoever can encode them and come as plain numbers; what is not known is said to be unknown and is never zero
//! and never a reason to refuse a candidate; every place in a ranking carries its reasons; what only a person can decide is
//! listed and not decided here.
//! Order of a ranking: who may not be served or will be switched off, then requests that would be refused or lose a
//! parameter, then requests that are too long, then too little capacity, then price, and an unknown price after known ones.

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
    /// Where each route might go. A route without candidates gets no destination, and the plan says so.
    pub candidates: &'a BTreeMap<RouteName, Vec<Candidate>>,
    /// What is known of the targets that answer today.
    pub sources: &'a BTreeMap<Target, Facts>,
    /// The exchange rate.
    pub rate: &'a Rate,
    /// When the source stops answering.
    pub deadline: Timestamp,
    /// The time.
    pub now: Timestamp,
    /// How long each stage takes.
    pub durations: Durations,
}

/// What one US dollar costs, and since when and by whom that is said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Renminbi for one US dollar.
    pub cny_per_usd: f64,
    /// The rate's date.
    pub as_of: String,
    /// Who says so.
    pub source: String,
}

impl Default for Rate {
    /// An assumption, and named so: for figures that matter give the rate of the day.
    fn default() -> Self {
        Self { cny_per_usd: 7.1, as_of: "2026-09-01".into(), source: "assumed; give your own rate".into() }
    }
}

/// One target that a route might go to.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The target.
    pub target: Target,
    /// What is known of it.
    pub facts: Facts,
    /// What the real requests would lose there.
    pub losses: Losses,
}

/// What is known of a target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// What it costs.
    pub price: Option<Price>,
    /// Tokens of prompt and answer together.
    pub context: Option<u64>,
    /// Tokens of the answer.
    pub answer_max: Option<u64>,
    /// Whether it reads images.
    pub images: Option<bool>,
    /// Lengths of vectors that it can give, the default first; empty for chat models and when unknown.
    pub dimensions: Vec<u32>,
    /// When it is switched off.
    pub shutdown: Option<Timestamp>,
    /// What the vendor lets through.
    pub limits: Limits,
    /// Whether the vendor serves these callers.
    pub serves: Option<bool>,
    /// Where these facts come from, with their date.
    pub source: String,
    /// A weak or single source.
    pub unconfirmed: bool,
    /// A warning for whoever routes to it.
    pub warning: Option<String>,
}

/// What a vendor lets through on one tier. None where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The tier's name.
    pub tier: Option<String>,
    /// Requests in a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens in a minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests at once.
    pub concurrency: Option<u64>,
    /// Which of them is the tight one, where the vendor says so without a figure.
    pub binds: Option<Bound>,
    /// Where this is known from, with its date.
    pub source: String,
}

/// What requests would lose on a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Requests that were encoded to find out.
    pub tested: u64,
    /// Of these, refused by the candidate's rules.
    pub refused: u64,
    /// Of the others, those that lose a parameter.
    pub dropped: u64,
    /// Of the others, those in which something is honoured in part.
    pub degraded: u64,
    /// By parameter and level, the most frequent first.
    pub counts: Vec<LossCount>,
}

/// How many requests lose a parameter at a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossCount {
    /// The parameter, as the client names it.
    pub param: String,
    /// How much of it is lost.
    pub level: LossLevel,
    /// In how many requests.
    pub requests: u64,
    /// The reason given for one of them.
    pub why: String,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// When it was made.
    pub now: Timestamp,
    /// When the source stops answering.
    pub deadline: Timestamp,
    /// The exchange rate used.
    pub rate: Rate,
    /// What the survey rests on.
    pub coverage: Coverage,
    /// By route.
    pub routes: Vec<RoutePlan>,
    /// What the chosen destinations must carry, all routes of a target together.
    pub capacity: Vec<CapacityRow>,
    /// Back from the deadline.
    pub timetable: Timetable,
    /// What may go wrong.
    pub risks: Vec<Note>,
    /// What only a person can decide.
    pub decisions: Vec<Note>,
}

/// The plan of one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoutePlan {
    /// The route.
    pub route: RouteName,
    /// Who answers most of it today.
    pub source: Option<Target>,
    /// Requests seen.
    pub requests: u64,
    /// Where it goes.
    pub destination: Option<Target>,
    /// Where it goes when the destination fails; of another vendor where one is fit.
    pub second: Option<Target>,
    /// What it costs today, over the period seen.
    pub before: Cost,
    /// All candidates, the best first.
    pub ranked: Vec<Ranked>,
    /// Set for routes of embeddings: vectors of two models are never comparable, so all must be made anew.
    pub rebuild: Option<Rebuild>,
}

/// Vectors that must be made anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rebuild {
    /// Lengths seen today.
    pub from: Vec<u32>,
    /// Lengths that the destination can give, its default first.
    pub to: Vec<u32>,
    /// Whether every length of today can be kept; none when one side is unknown.
    pub keeps_length: Option<bool>,
}

/// Something to know, for one route or target, or for all.
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
    /// No request was read, so nothing is known of losses.
    NothingRead { route: RouteName },
    /// So many requests would be refused or lose a parameter at the destination.
    Lost { route: RouteName, requests: u64, of: u64 },
    /// The destination's price is not known.
    NoPrice { route: RouteName, target: Target },
    /// What the vendor lets through is not known.
    NoLimits { target: Target },
    /// The tier is too small.
    OverLimit { target: Target, bound: Bound, peak: u64, limit: u64 },
    /// Facts from a weak source.
    Unconfirmed { target: Target, source: String },
    /// The destination is switched off some time after the deadline.
    Retires { target: Target, at: Timestamp },
    /// Whether the vendor serves these callers is not known.
    ServesUnknown { target: Target },
    /// Fewer days were seen than a week has: a weekly peak may be missing.
    ShortSurvey { days: u64 },
    /// There is not enough time for all stages.
    Late { hours: i64 },
    /// Vectors must be made anew.
    Rebuild { route: RouteName, target: Target },
}

/// Makes the plan.
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
