//! What must hold before a step forward, and what breaks a step that was made.
//!
//! Rules: a gate holds, fails, or cannot be told yet; "not enough data" never passes as "fine". Each judgement carries its
//! numbers and a sentence, because it is stored with the event that it led to. A gate that fails keeps the move where it is;
//! it *breaks* only when the fault is beyond chance or beyond a margin on top: that gap between failing and breaking is what
//! keeps a move from going forward and back at the edge of a limit.
//!
//! Why not one score: a caller whose tools broke is not consoled by a good latency.

use crate::spec::{Gates, MoveSpec, MovedRoute};
use banjia_types::{Money, RouteName, Target, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known at one moment. The shell gathers it; nothing here is older than the spec's window unless it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The source refused us as a region, or a person cut its vendor; what it answered, without texts of clients.
    pub source_cut: Option<String>,
    /// What is known of each route.
    pub routes: BTreeMap<RouteName, RouteEvidence>,
    /// What the destinations cost today, in the move's zone, in each currency.
    pub spend_today: Vec<Money>,
    /// What they cost since the move began.
    pub spend_total: Vec<Money>,
    /// How the drill under way goes.
    pub drill: Option<RehearsalEvidence>,
    /// The parts that could not be gathered, with the reasons. While a part is missing nothing goes
    /// forward. Dates, a source that refuses and gates that break still take effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Evidence {
    /// The missing parts as the end of a sentence; empty if nothing is missing.
    pub fn without(&self) -> String {
        const SHOWN: usize = 3;
        const CHARS_MAX: usize = 200;
        if self.missing.is_empty() {
            return String::new();
        }
        let shown: Vec<String> =
            self.missing.iter().take(SHOWN).map(|why| why.chars().take(CHARS_MAX).collect()).collect();
        let more = if self.missing.len() > SHOWN { "; and more" } else { "" };
        format!("; evidence is missing: {}{more}", shown.join("; "))
    }
}

/// What is known of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEvidence {
    /// The source's answers that were recorded.
    pub captures: u64,
    /// What is known of each target, the source included.
    pub targets: BTreeMap<Target, TargetEvidence>,
}

/// What is known of one target on one route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEvidence {
    /// Requests in the window, on every leg: shadows and replays count before there are callers.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// The 95th percentile of the time to the end of an answer, in the window.
    pub latency_p95_ms: Option<u64>,
    /// The newest verdict on each axis.
    pub parity: BTreeMap<String, Parity>,
    /// It refused us as a region, or a person cut its vendor.
    pub is_cut: bool,
    /// It has answered nothing for a whole window although it was asked. A breaker that opens for seconds is not this.
    pub is_down: bool,
}

/// One axis of a parity verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parity {
    /// What it says.
    pub verdict: ParityVerdict,
    /// On how many pairs.
    pub pairs: u64,
    /// The difference to the source, over the source's own noise, in millionths; more is worse.
    pub difference: i64,
    /// When it was made.
    pub at: Timestamp,
}

/// What parity says on one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParityVerdict {
    /// Within the margin, beyond chance.
    NotWorse,
    /// Worse by more than the margin, beyond chance.
    Worse,
    /// Not enough data.
    Unclear,
    /// No request of this route uses it.
    Unused,
}

/// How a drill goes, there and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalEvidence {
    /// Requests whose source leg met the block.
    pub blocked: u64,
    /// Of these, those that another target answered.
    pub answered: u64,
    /// Requests of the same conversations after the drill.
    pub back: u64,
    /// Of these, those that the source answered again.
    pub back_answered: u64,
}

/// Which gate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum Gate {
    /// Enough of the source's answers are recorded.
    Recorded,
    /// The target is neither cut nor down.
    Health,
    /// Not worse on this axis.
    Parity {
        /// Which.
        axis: String,
    },
    /// Few enough requests fail.
    ErrorRate,
    /// Not much slower than the source.
    Latency,
    /// Within the day's money.
    SpendPerDay,
    /// Within the move's money.
    SpendTotal,
}

/// The status of one gate. The stored words are those of the first version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GateStatus {
    /// The condition is met.
    #[serde(rename = "holds")]
    Pass,
    /// Not enough data.
    #[serde(rename = "not_yet")]
    Pending,
    /// The condition is not met, perhaps by chance. The move stays where it is.
    #[serde(rename = "fails")]
    Fail,
    /// The condition is not met, beyond chance. Callers go back to the source.
    #[serde(rename = "breaks")]
    Trip,
}

/// A gate's judgement, with the numbers that it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// Of which route.
    pub route: RouteName,
    /// Of which target.
    pub target: Target,
    /// Which gate.
    #[serde(flatten)]
    pub gate: Gate,
    /// What it says.
    pub says: GateStatus,
    /// Why, in a sentence with its numbers.
    pub why: String,
    /// What was measured: a count, milliseconds, millionths, or micro-units of money, by the gate.
    pub value: Option<i64>,
    /// What it may be.
    pub limit: Option<i64>,
    /// On how many requests or pairs.
    pub count: Option<u64>,
}

/// How bad a target is, for choosing among bad ones: first health, then what breaks, what fails, what is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GateSeverity {
    /// Cut or down.
    pub is_unhealthy: bool,
    /// Gates that break.
    pub breaks: usize,
    /// Gates that fail.
    pub fails: usize,
    /// Gates that cannot be told yet.
    pub not_yet: usize,
}

impl GateSeverity {
    /// Of a target's judgements.
    pub fn of(judged: &[GateResult]) -> Self {
        let count = |says| judged.iter().filter(|one| one.says == says).count();
        let is_unhealthy = judged.iter().any(|one| one.gate == Gate::Health && one.says != GateStatus::Pass);
        Self {
            is_unhealthy,
            breaks: count(GateStatus::Trip),
            fails: count(GateStatus::Fail),
            not_yet: count(GateStatus::Pending),
        }
    }

    /// Whether every gate holds.
    pub const fn is_none(&self) -> bool {
        !self.is_unhealthy && self.breaks == 0 && self.fails == 0 && self.not_yet == 0
    }
}

/// Every gate of a target for serving callers of `moved`.
pub fn judge(
    spec: &MoveSpec,
    moved: &MovedRoute,
    target: &Target,
    evidence: &Evidence,
    now: Timestamp,
) -> Vec<GateResult> {
    let none = TargetEvidence::default();
    let route = evidence.routes.get(&moved.route);
    let of = |target: &Target| route.and_then(|route| route.targets.get(target)).unwrap_or(&none);
    let bench = Bench { gates: &spec.gates, moved, target, now };
    let (seen, source) = (of(target), of(&moved.source));
    let mut judged = vec![bench.health(seen)];
    judged.extend(spec.gates.parity.iter().map(|(axis, margin)| bench.parity(axis, *margin, seen)));
    judged.push(bench.errors(seen));
    judged.push(bench.latency(seen, source));
    let spends = [
        (Gate::SpendPerDay, spec.gates.spend_max_per_day, &evidence.spend_today),
        (Gate::SpendTotal, spec.gates.spend_max_total, &evidence.spend_total),
    ];
    judged.extend(spends.into_iter().filter_map(|(gate, limit, spent)| Some(bench.spend(gate, limit?, spent))));
    judged
}

/// What a route needs before shadows begin.
pub fn recorded(
    spec: &MoveSpec,
    moved: &MovedRoute,
    target: &Target,
    evidence: &Evidence,
    now: Timestamp,
) -> Vec<GateResult> {
    let bench = Bench { gates: &spec.gates, moved, target, now };
    let route = evidence.routes.get(&moved.route);
    let captures = route.map_or(0, |route| route.captures);
    let least = spec.record.captures_min;
    let says = if captures >= least { GateStatus::Pass } else { GateStatus::Pending };
    let why = format!("{captures} answers of the source are recorded; {least} are needed");
    let numbers = Numbers { value: Some(signed(captures)), limit: Some(signed(least)), count: None };
    let seen = route.and_then(|route| route.targets.get(target)).cloned().unwrap_or_default();
    vec![bench.said(Gate::Recorded, says, why, numbers), bench.health(&seen)]
}

#[derive(Clone, Copy, Default)]
struct Numbers {
    value: Option<i64>,
    limit: Option<i64>,
    count: Option<u64>,
}

struct Bench<'a> {
    gates: &'a Gates,
    moved: &'a MovedRoute,
    target: &'a Target,
    now: Timestamp,
}

impl Bench<'_> {
    fn said(&self, gate: Gate, says: GateStatus, why: String, numbers: Numbers) -> GateResult {
        let Numbers { value, limit, count } = numbers;
        let (route, target) = (self.moved.route.clone(), self.target.clone());
        GateResult { route, target, gate, says, why, value, limit, count }
    }

    fn health(&self, seen: &TargetEvidence) -> GateResult {
        let (says, why) = match (seen.is_cut, seen.is_down) {
            (true, _) => (GateStatus::Trip, format!("{} is cut", self.target)),
            (_, true) => (GateStatus::Trip, format!("{} has answered nothing for a whole window", self.target)),
            _ => (GateStatus::Pass, format!("{} answers, as far as is known", self.target)),
        };
        self.said(Gate::Health, says, why, Numbers::default())
    }

    fn parity(&self, axis: &str, margin: u32, seen: &TargetEvidence) -> GateResult {
        let gate = Gate::Parity { axis: axis.to_owned() };
        let Some(parity) = seen.parity.get(axis) else {
            return self.said(gate, GateStatus::Pending, format!("no verdict on {axis} yet"), Numbers::default());
        };
        let numbers =
            Numbers { value: Some(parity.difference), limit: Some(i64::from(margin)), count: Some(parity.pairs) };
        let (difference, margin) = (percent(parity.difference), percent(i64::from(margin)));
        let told = format!("{axis}: difference {difference}, margin {margin}, {} pairs", parity.pairs);
        let is_stale = self.now.since(parity.at) > self.gates.parity_age_max;
        if parity.verdict == ParityVerdict::Unused {
            let why = format!("{axis}: no request of this route uses it");
            return self.said(gate, GateStatus::Pass, why, Numbers { value: None, ..numbers });
        }
        let (says, why) = match parity.verdict {
            _ if is_stale => (GateStatus::Pending, format!("{told}; the verdict is of {} and too old", parity.at)),
            ParityVerdict::NotWorse | ParityVerdict::Unused => (GateStatus::Pass, told),
            ParityVerdict::Worse => (GateStatus::Trip, format!("{told}; worse")),
            ParityVerdict::Unclear => (GateStatus::Pending, format!("{told}; not enough data")),
        };
        self.said(gate, says, why, numbers)
    }

    fn errors(&self, seen: &TargetEvidence) -> GateResult {
        let max = self.gates.error_rate_max;
        let errors = seen.errors.min(seen.requests);
        let rate = ratio(errors, seen.requests);
        let numbers = Numbers { value: rate, limit: Some(i64::from(max)), count: Some(seen.requests) };
        let told = format!("{errors} of {} requests failed; at most {}", seen.requests, percent(i64::from(max)));
        let says = if lower_bound(errors, seen.requests) > i64::from(max) {
            GateStatus::Trip
        } else if seen.requests < self.gates.requests_min.max(1) {
            GateStatus::Pending
        } else if rate.is_some_and(|rate| rate > i64::from(max)) {
            GateStatus::Fail
        } else {
            GateStatus::Pass
        };
        let why = match says {
            GateStatus::Pending => format!("{told}; {} requests are needed", self.gates.requests_min.max(1)),
            _ => told,
        };
        self.said(Gate::ErrorRate, says, why, numbers)
    }

    fn latency(&self, seen: &TargetEvidence, source: &TargetEvidence) -> GateResult {
        let max = i64::from(self.gates.latency_ratio_max);
        let enough = |one: &TargetEvidence| one.requests >= self.gates.requests_min.max(1);
        let (Some(mine), Some(its), true, true) =
            (seen.latency_p95_ms, source.latency_p95_ms, enough(seen), enough(source))
        else {
            let why = format!("latency needs {} requests of each side", self.gates.requests_min.max(1));
            return self.said(
                Gate::Latency,
                GateStatus::Pending,
                why,
                Numbers { limit: Some(max), ..Numbers::default() },
            );
        };
        let found = ratio(mine, its.max(1)).unwrap_or(i64::MAX);
        let says = match found {
            // A quarter on top: latencies swing by the hour, and going back costs callers more than a slow tail.
            found if found > max + max / 4 => GateStatus::Trip,
            found if found > max => GateStatus::Fail,
            _ => GateStatus::Pass,
        };
        let why = format!("95th percentile {mine} ms, the source's {its} ms; at most {} of it", percent(max));
        self.said(
            Gate::Latency,
            says,
            why,
            Numbers { value: Some(found), limit: Some(max), count: Some(seen.requests) },
        )
    }

    fn spend(&self, gate: Gate, limit: Money, spent: &[Money]) -> GateResult {
        let micros = spent
            .iter()
            .filter(|money| money.currency == limit.currency)
            .fold(0_i64, |sum, money| sum.saturating_add(money.micros));
        let says = if micros > limit.micros { GateStatus::Trip } else { GateStatus::Pass };
        let why = format!("spent {} of {limit}", Money { micros, currency: limit.currency });
        self.said(gate, says, why, Numbers { value: Some(micros), limit: Some(limit.micros), count: None })
    }
}

/// `part / whole` in millionths.
fn ratio(part: u64, whole: u64) -> Option<i64> {
    let millionths = u128::from(part) * 1_000_000 / u128::from(whole).max(1);
    (whole > 0).then(|| i64::try_from(millionths).unwrap_or(i64::MAX))
}

/// The lower end of Wilson's interval of a rate, in millionths, at three standard deviations: a gate is looked at every few
/// seconds for days, and one look in a thousand by chance would already be many.
fn lower_bound(errors: u64, requests: u64) -> i64 {
    const Z: f64 = 3.0;
    if requests == 0 {
        return 0;
    }
    let n = requests as f64;
    let rate = errors as f64 / n;
    let centre = rate + Z * Z / (2.0 * n);
    let spread = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).max(0.0).sqrt();
    let lower = ((centre - spread) / (1.0 + Z * Z / n)).clamp(0.0, 1.0);
    (lower * 1_000_000.0).floor() as i64
}

fn percent(millionths: i64) -> String {
    format!("{:.2} %", millionths as f64 / 10_000.0)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
