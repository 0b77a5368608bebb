//! What must hold before a step forward, and what reverts a step that was made.
//!
//! # Rules
//! - A gate passes, fails, or is pending. "Not enough data" never counts as a pass.
//! - Each result carries its numbers and a sentence, because it is stored with the event that it
//!   led to.
//! - A gate that fails keeps the move where it is. It *trips* only if the fault is beyond chance,
//!   or beyond an extra margin. This gap between failing and tripping keeps a move from stepping
//!   forward and back at the edge of a limit.
//!
//! # Why there is no single score
//! A good latency does not help a caller whose tools broke.

use crate::spec::{Gates, MoveSpec, MovedRoute};
use banjia_types::{Money, RouteName, Target, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known at one moment. The caller gathers it. Nothing is older than the spec's window
/// unless its text says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Set if the source blocked our region or a person cut its vendor: its answer, without texts
    /// of clients.
    pub source_cut: Option<String>,
    /// The evidence for each route.
    pub routes: BTreeMap<RouteName, RouteEvidence>,
    /// The cost of the destinations today, in the move's zone, by currency.
    pub spend_today: Vec<Money>,
    /// Their cost since the move began.
    pub spend_total: Vec<Money>,
    /// The results so far of the running rehearsal.
    #[serde(rename = "drill")]
    pub rehearsal: Option<RehearsalEvidence>,
    /// The parts that could not be gathered, with the reasons. While a part is missing the move
    /// makes no step forward. Dates, a region block and tripped gates still take effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Evidence {
    /// The missing parts as the end of a sentence, or an empty text if nothing is missing.
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

/// The evidence for one route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEvidence {
    /// Number of recorded responses of the source.
    pub captures: u64,
    /// The evidence for each target, including the source.
    pub targets: BTreeMap<Target, TargetEvidence>,
}

/// The evidence for one target on one route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEvidence {
    /// Requests in the window, of every traffic kind: shadows and replays count before there are
    /// callers.
    pub requests: u64,
    /// Number of these that failed.
    pub errors: u64,
    /// The 95th percentile of the time to the end of a response, in the window.
    pub latency_p95_ms: Option<u64>,
    /// The newest parity result on each axis.
    pub parity: BTreeMap<String, Parity>,
    /// True if it blocked our region or a person cut its vendor.
    pub is_cut: bool,
    /// True if it has answered nothing for a whole window although it was asked. A breaker that
    /// opens for seconds does not count.
    pub is_down: bool,
}

/// The parity result on one axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parity {
    /// The result.
    pub verdict: ParityVerdict,
    /// The number of pairs it rests on.
    pub pairs: u64,
    /// The difference to the source, corrected for the source's own noise, in millionths. More is
    /// worse.
    pub difference: i64,
    /// When it was computed.
    pub at: Timestamp,
}

/// The parity result of one axis, as gates use it.
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

/// The results of a rehearsal, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalEvidence {
    /// Requests whose call to the source got the rehearsed block.
    pub blocked: u64,
    /// Number of these that another target answered.
    pub answered: u64,
    /// Requests of the same conversations after the rehearsal.
    pub back: u64,
    /// Number of these that the source answered again.
    pub back_answered: u64,
}

/// The condition that a gate checks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum Gate {
    /// Enough responses of the source are recorded.
    Recorded,
    /// The target is neither cut nor down.
    Health,
    /// The destination is not worse on this axis.
    Parity {
        /// The axis.
        axis: String,
    },
    /// Few enough requests fail.
    ErrorRate,
    /// The destination is not much slower than the source.
    Latency,
    /// The cost is within the limit for a day.
    SpendPerDay,
    /// The cost is within the limit for the move.
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

/// The result of one gate, with the numbers it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// The route it was checked for.
    pub route: RouteName,
    /// The target it was checked for.
    pub target: Target,
    /// The gate.
    #[serde(flatten)]
    pub gate: Gate,
    /// The status. The stored name is that of the first version.
    #[serde(rename = "says")]
    pub status: GateStatus,
    /// The reason, in a sentence with its numbers.
    pub why: String,
    /// The measured value: a count, milliseconds, millionths, or micro-units of money, depending on
    /// the gate.
    pub value: Option<i64>,
    /// The limit for that value.
    pub limit: Option<i64>,
    /// The number of requests or pairs it rests on.
    pub count: Option<u64>,
}

/// How bad a target is, to choose among bad ones. Compared in this order: health, tripped gates,
/// failing gates, pending gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GateSeverity {
    /// Cut or down.
    pub is_unhealthy: bool,
    /// Number of gates that trip.
    pub tripped: usize,
    /// Number of gates that fail.
    pub failed: usize,
    /// Number of gates that are pending.
    pub pending: usize,
}

impl GateSeverity {
    /// The severity of the results of one target.
    pub fn of(results: &[GateResult]) -> Self {
        let count = |status| results.iter().filter(|result| result.status == status).count();
        let is_unhealthy =
            results.iter().any(|result| result.gate == Gate::Health && result.status != GateStatus::Pass);
        Self {
            is_unhealthy,
            tripped: count(GateStatus::Trip),
            failed: count(GateStatus::Fail),
            pending: count(GateStatus::Pending),
        }
    }

    /// Whether every gate passes.
    pub const fn is_none(&self) -> bool {
        !self.is_unhealthy && self.tripped == 0 && self.failed == 0 && self.pending == 0
    }
}

/// Checks every gate of a target for serving callers of `moved`.
pub fn judge(
    spec: &MoveSpec,
    moved: &MovedRoute,
    target: &Target,
    evidence: &Evidence,
    now: Timestamp,
) -> Vec<GateResult> {
    let none = TargetEvidence::default();
    let route = evidence.routes.get(&moved.route);
    let evidence_of = |target: &Target| route.and_then(|route| route.targets.get(target)).unwrap_or(&none);
    let gates = GateCheck { gates: &spec.gates, moved, target, now };
    let (target_evidence, source) = (evidence_of(target), evidence_of(&moved.source));
    let mut results = vec![gates.health(target_evidence)];
    results.extend(spec.gates.parity.iter().map(|(axis, margin)| gates.parity(axis, *margin, target_evidence)));
    results.push(gates.errors(target_evidence));
    results.push(gates.latency(target_evidence, source));
    let spends = [
        (Gate::SpendPerDay, spec.gates.spend_max_per_day, &evidence.spend_today),
        (Gate::SpendTotal, spec.gates.spend_max_total, &evidence.spend_total),
    ];
    results.extend(spends.into_iter().filter_map(|(gate, limit, spent)| Some(gates.spend(gate, limit?, spent))));
    results
}

/// Checks what a route needs before shadows begin.
pub fn recorded(
    spec: &MoveSpec,
    moved: &MovedRoute,
    target: &Target,
    evidence: &Evidence,
    now: Timestamp,
) -> Vec<GateResult> {
    let gates = GateCheck { gates: &spec.gates, moved, target, now };
    let route = evidence.routes.get(&moved.route);
    let captures = route.map_or(0, |route| route.captures);
    let least = spec.record.captures_min;
    let status = if captures >= least { GateStatus::Pass } else { GateStatus::Pending };
    let why = format!("{captures} answers of the source are recorded; {least} are needed");
    let numbers = Numbers { value: Some(signed(captures)), limit: Some(signed(least)), count: None };
    let target_evidence = route.and_then(|route| route.targets.get(target)).cloned().unwrap_or_default();
    vec![gates.result(Gate::Recorded, status, why, numbers), gates.health(&target_evidence)]
}

/// The numbers of a [`GateResult`].
#[derive(Clone, Copy, Default)]
struct Numbers {
    value: Option<i64>,
    limit: Option<i64>,
    count: Option<u64>,
}

/// Checks the gates of one target of one route at one moment.
struct GateCheck<'a> {
    gates: &'a Gates,
    moved: &'a MovedRoute,
    target: &'a Target,
    now: Timestamp,
}

impl GateCheck<'_> {
    fn result(&self, gate: Gate, status: GateStatus, why: String, numbers: Numbers) -> GateResult {
        let Numbers { value, limit, count } = numbers;
        let (route, target) = (self.moved.route.clone(), self.target.clone());
        GateResult { route, target, gate, status, why, value, limit, count }
    }

    fn health(&self, target: &TargetEvidence) -> GateResult {
        let (status, why) = match (target.is_cut, target.is_down) {
            (true, _) => (GateStatus::Trip, format!("{} is cut", self.target)),
            (_, true) => (GateStatus::Trip, format!("{} has answered nothing for a whole window", self.target)),
            _ => (GateStatus::Pass, format!("{} answers, as far as is known", self.target)),
        };
        self.result(Gate::Health, status, why, Numbers::default())
    }

    fn parity(&self, axis: &str, margin: u32, target: &TargetEvidence) -> GateResult {
        let gate = Gate::Parity { axis: axis.to_owned() };
        let Some(parity) = target.parity.get(axis) else {
            return self.result(gate, GateStatus::Pending, format!("no verdict on {axis} yet"), Numbers::default());
        };
        let numbers =
            Numbers { value: Some(parity.difference), limit: Some(i64::from(margin)), count: Some(parity.pairs) };
        let (difference, margin) = (percent(parity.difference), percent(i64::from(margin)));
        let numbers_text = format!("{axis}: difference {difference}, margin {margin}, {} pairs", parity.pairs);
        let is_stale = self.now.since(parity.at) > self.gates.parity_age_max;
        if parity.verdict == ParityVerdict::Unused {
            let why = format!("{axis}: no request of this route uses it");
            return self.result(gate, GateStatus::Pass, why, Numbers { value: None, ..numbers });
        }
        let (status, why) = match parity.verdict {
            _ if is_stale => {
                (GateStatus::Pending, format!("{numbers_text}; the verdict is of {} and too old", parity.at))
            }
            ParityVerdict::NotWorse | ParityVerdict::Unused => (GateStatus::Pass, numbers_text),
            ParityVerdict::Worse => (GateStatus::Trip, format!("{numbers_text}; worse")),
            ParityVerdict::Unclear => (GateStatus::Pending, format!("{numbers_text}; not enough data")),
        };
        self.result(gate, status, why, numbers)
    }

    fn errors(&self, target: &TargetEvidence) -> GateResult {
        let max = self.gates.error_rate_max;
        let errors = target.errors.min(target.requests);
        let rate = ratio(errors, target.requests);
        let numbers = Numbers { value: rate, limit: Some(i64::from(max)), count: Some(target.requests) };
        let numbers_text =
            format!("{errors} of {} requests failed; at most {}", target.requests, percent(i64::from(max)));
        let status = if lower_bound(errors, target.requests) > i64::from(max) {
            GateStatus::Trip
        } else if target.requests < self.gates.requests_min.max(1) {
            GateStatus::Pending
        } else if rate.is_some_and(|rate| rate > i64::from(max)) {
            GateStatus::Fail
        } else {
            GateStatus::Pass
        };
        let why = match status {
            GateStatus::Pending => format!("{numbers_text}; {} requests are needed", self.gates.requests_min.max(1)),
            _ => numbers_text,
        };
        self.result(Gate::ErrorRate, status, why, numbers)
    }

    fn latency(&self, target: &TargetEvidence, source: &TargetEvidence) -> GateResult {
        let max = i64::from(self.gates.latency_ratio_max);
        let enough = |target: &TargetEvidence| target.requests >= self.gates.requests_min.max(1);
        let (Some(target_ms), Some(source_ms), true, true) =
            (target.latency_p95_ms, source.latency_p95_ms, enough(target), enough(source))
        else {
            let why = format!("latency needs {} requests of each side", self.gates.requests_min.max(1));
            return self.result(
                Gate::Latency,
                GateStatus::Pending,
                why,
                Numbers { limit: Some(max), ..Numbers::default() },
            );
        };
        let found = ratio(target_ms, source_ms.max(1)).unwrap_or(i64::MAX);
        let status = match found {
            // A margin of a quarter: latencies change by the hour, and going back costs callers
            // more than a slow tail.
            found if found > max + max / 4 => GateStatus::Trip,
            found if found > max => GateStatus::Fail,
            _ => GateStatus::Pass,
        };
        let why =
            format!("95th percentile {target_ms} ms, the source's {source_ms} ms; at most {} of it", percent(max));
        self.result(
            Gate::Latency,
            status,
            why,
            Numbers { value: Some(found), limit: Some(max), count: Some(target.requests) },
        )
    }

    fn spend(&self, gate: Gate, limit: Money, spent: &[Money]) -> GateResult {
        let micros = spent
            .iter()
            .filter(|money| money.currency == limit.currency)
            .fold(0_i64, |sum, money| sum.saturating_add(money.micros));
        let status = if micros > limit.micros { GateStatus::Trip } else { GateStatus::Pass };
        let why = format!("spent {} of {limit}", Money { micros, currency: limit.currency });
        self.result(gate, status, why, Numbers { value: Some(micros), limit: Some(limit.micros), count: None })
    }
}

/// `part / whole` in millionths.
fn ratio(part: u64, whole: u64) -> Option<i64> {
    let millionths = u128::from(part) * 1_000_000 / u128::from(whole).max(1);
    (whole > 0).then(|| i64::try_from(millionths).unwrap_or(i64::MAX))
}

/// The lower end of Wilson's interval of a rate, in millionths, at three standard deviations. A
/// gate is checked every few seconds for days, so even one false alarm in a thousand checks would
/// be too many.
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
