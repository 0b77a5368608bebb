//! The comparison, axis by axis: is the destination as good as the source, given the source's own
//! noise?
//!
//! # Findings
//! For a difference `d` (destination minus source, negative is worse), an interval of which each
//! bound holds with `1 - alpha`, and the axis's margin `m`:
//!
//! | finding | shown | condition |
//! |---|---|---|
//! | `better` | `d > 0` | the lower bound is above 0 |
//! | `equal` | `d > -m` | the lower bound is above `-m`, though `d` may be shown to be below 0 |
//! | `worse` | `d < 0`, and not that `d > -m` | the upper bound is below 0, also after the
//! correction for all axes |
//! | `not_enough_data` | neither | otherwise; the report has the number of pairs that would decide
//! it |
//! | `not_judged` | nothing | the axis has no margin: it is shown and decides nothing |
//!
//! # Several axes
//! - "All axes are equal" requires that each is, so the chance of a wrong statement is at most that
//!   of one axis. It needs no correction (the intersection-union test, R. L. Berger, Technometrics
//!   24 (1982) 295-300).
//! - "Some axis is worse" is an alarm that can be false once for each axis. Its p-values are
//!   adjusted after Holm. They are compared with 0.85 of `alpha` and not all of it, so that their
//!   approximations do not raise false alarms above `alpha`.
//!
//! There is no sum over axes, and there should be none.

mod rates;
mod ratios;
mod worst;

pub use worst::WorstPair;

use crate::axis::{Axis, Missing, Scoring, Unit};
use crate::pair::Pair;
use crate::stats::{self, Interval};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// With fewer pairs than this there is no finding, whatever they look like.
pub const PAIRS_MIN: usize = 20;
/// The part of `alpha` that an alarm may use.
const ALARM: f64 = 0.85;

/// How the sides are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonRules {
    /// How far below the source the destination may be, by axis. Rates are parts of one (0.02 is
    /// two points); times and cost are parts of the source's (0.25 is a quarter slower). An axis
    /// without a margin is shown and not judged.
    pub margins: BTreeMap<Axis, f64>,
    /// The chance of a wrong statement: of calling a side equal that is worse by the margin, and of
    /// calling one worse that is equal.
    pub alpha: f64,
    /// The chance to reach a finding, for which numbers of pairs are computed.
    pub power: f64,
    /// Lengths within this factor count as equal.
    pub length_factor: f64,
    /// Number of samples of the bootstrap.
    pub draws: usize,
    /// Number of worst pairs to show.
    pub worst: usize,
    /// Yuan for one dollar. Without it costs in two currencies are not compared.
    pub cny_per_usd: Option<f64>,
}

impl Default for ComparisonRules {
    fn default() -> Self {
        let margins = [
            (Axis::Answered, 0.01),
            (Axis::Json, 0.02),
            (Axis::Schema, 0.02),
            (Axis::ToolChoice, 0.03),
            (Axis::ToolArguments, 0.05),
            (Axis::Refusal, 0.02),
            (Axis::Language, 0.02),
            (Axis::Length, 0.1),
            (Axis::Meaning, 0.03),
            (Axis::Judge, 0.1),
            (Axis::Assertions, 0.02),
            (Axis::FirstContent, 0.25),
            (Axis::Latency, 0.25),
            (Axis::LatencyTail, 0.5),
        ];
        Self {
            margins: margins.into(),
            alpha: 0.05,
            power: 0.9,
            length_factor: 2.0,
            draws: 1_000,
            worst: 20,
            cny_per_usd: None,
        }
    }
}

/// The finding for one axis, or for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The destination is shown to be above the source.
    Better,
    /// The destination is shown to be no further below the source than the margin.
    Equal,
    /// The destination is shown to be below the source.
    Worse,
    /// Neither is shown.
    NotEnoughData,
    /// The axis has no margin.
    NotJudged,
}

impl Finding {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Equal => "equal",
            Self::Worse => "worse",
            Self::NotEnoughData => "not enough data",
            Self::NotJudged => "not judged",
        }
    }

    /// Whether the finding allows a step forward.
    pub const fn passes(self) -> bool {
        matches!(self, Self::Better | Self::Equal | Self::NotJudged)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reason for a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The whole interval is above zero.
    Above,
    /// The whole interval is above the margin.
    WithinMargin,
    /// The whole interval is above the margin and below zero: a small loss is real.
    SmallLoss,
    /// The whole interval is below zero, and part of it beyond the margin.
    Below,
    /// The interval is too wide.
    TooWide,
    /// Below zero by itself, but among this many axes one would be so by chance.
    OneOfMany,
    /// There are too few pairs.
    FewPairs,
    /// The source was asked only once, so its own noise is unknown.
    NoRepeats,
    /// No pair has comparable responses of both sides.
    NoAnswers,
    /// There is no margin.
    NoMargin,
}

impl Reason {
    /// The sentence for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Above => "the destination is shown to be better",
            Self::WithinMargin => "a loss beyond the margin is ruled out",
            Self::SmallLoss => "a loss is shown, and one beyond the margin is ruled out",
            Self::Below => "a loss is shown, and one beyond the margin is not ruled out",
            Self::TooWide => "neither a loss is shown nor one beyond the margin ruled out",
            Self::OneOfMany => "a loss shows on this axis alone, but among so many axes one would show by chance",
            Self::FewPairs => "there are too few pairs to say anything",
            Self::NoRepeats => {
                "nothing says what is right here but the source, and it answered once: ask it again to know its noise"
            }
            Self::NoAnswers => "no pair has an answer of both sides that could be compared",
            Self::NoMargin => "it has no margin, so it is shown and not judged",
        }
    }
}

/// The report on one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisReport {
    /// The axis.
    pub axis: Axis,
    /// What `source` and `destination` measure.
    pub unit: Unit,
    /// Number of pairs that were compared.
    pub pairs: u64,
    /// The source's value.
    pub source: f64,
    /// The destination's value.
    pub destination: f64,
    /// Destination minus source. For times and cost, the part of the source's value that is saved.
    /// Negative is worse.
    pub difference: f64,
    /// The interval of the true difference: each bound holds with `1 - alpha`.
    pub interval: Option<Interval>,
    /// How far below zero the difference may be.
    pub margin: Option<f64>,
    /// The mean distance between two responses of the source to the same request.
    pub noise: Option<f64>,
    /// The p-value of so low a destination if it were equal, adjusted for the number of axes.
    pub p_worse: Option<f64>,
    /// The finding. The stored name is that of the first version.
    pub verdict: Finding,
    /// The reason for it.
    pub reason: Reason,
    /// The reason, for people.
    pub why: String,
    /// Number of pairs that would decide it with the rules' power, if the difference stays the
    /// same.
    pub needed_pairs: Option<u64>,
}

/// Why an axis is not in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// No request involves it.
    NotAsked,
    /// An external input was not given.
    NoInput,
    /// The sides bill in two currencies and no rate was given.
    TwoCurrencies,
}

impl Absent {
    /// The sentence for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "no request has to do with it",
            Self::NoInput => {
                "what it needs was not given (expectations, embeddings, a judge, times or costs of both sides)"
            }
            Self::TwoCurrencies => "the sides bill in two currencies, and no exchange rate was given",
        }
    }
}

/// An axis that is not in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The axis.
    pub axis: Axis,
    /// Why it is not in the report.
    pub why: Absent,
}

/// Times of both sides, for charts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The axis.
    pub axis: Axis,
    /// The source's percentiles from 0 to 100, in milliseconds.
    pub source: Vec<f64>,
    /// The destination's.
    pub destination: Vec<f64>,
}

/// The sides that were compared, for people. The caller fills it in; names change no finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The source.
    pub source: String,
    /// The destination.
    pub destination: String,
    /// The route, if there is one.
    pub route: Option<String>,
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The sides that were compared.
    #[serde(default)]
    pub about: About,
    /// Number of pairs that were given.
    pub pairs: u64,
    /// The chance of a wrong statement.
    pub alpha: f64,
    /// Worse if any axis is, else not enough data if any axis lacks it, else equal. It is no score;
    /// read the axes.
    pub verdict: Finding,
    /// The axes that were compared or should have been.
    pub axes: Vec<AxisReport>,
    /// The other axes.
    pub left_out: Vec<LeftOut>,
    /// Times for charts.
    pub times: Vec<Times>,
    /// The pairs on which the destination loses most.
    pub worst: Vec<WorstPair>,
}

/// Compares both sides of the pairs. The same input and seed give the same report.
pub fn compare(pairs: &[Pair], rules: &ComparisonRules, seed: u64) -> Report {
    let scoring = Scoring { length_factor: rules.length_factor };
    let (mut axes, mut left_out, mut scores) = (Vec::new(), Vec::new(), BTreeMap::new());
    for axis in Axis::ALL {
        let found = match axis.unit() {
            Unit::Rate => {
                let scored = rates::Scores::of(axis, pairs, scoring);
                let found = rates::report(axis, &scored, rules);
                scores.insert(axis, scored);
                found
            }
            Unit::Milliseconds | Unit::MicroMoney => ratios::report(axis, pairs, rules, seed),
        };
        match found {
            Ok(report) => axes.push(report),
            Err(why) => left_out.push(LeftOut { axis, why }),
        }
    }
    judge(&mut axes, rules);
    let findings: Vec<Finding> = axes.iter().map(|axis| axis.verdict).collect();
    Report {
        about: About::default(),
        pairs: pairs.len() as u64,
        alpha: rules.alpha,
        verdict: together(&findings),
        left_out,
        times: ratios::times(pairs),
        worst: worst::worst(pairs, &scores, rules),
        axes,
    }
}

/// The finding for all axes.
fn together(findings: &[Finding]) -> Finding {
    let any = |wanted: Finding| findings.contains(&wanted);
    if any(Finding::Worse) {
        Finding::Worse
    } else if any(Finding::NotEnoughData) || !(any(Finding::Equal) || any(Finding::Better)) {
        Finding::NotEnoughData
    } else {
        Finding::Equal
    }
}

/// Sets the finding of every axis, and replaces its p-value with the adjusted one.
fn judge(axes: &mut [AxisReport], rules: &ComparisonRules) {
    let asked: Vec<usize> =
        (0..axes.len()).filter(|i| axes[*i].margin.is_some() && axes[*i].p_worse.is_some()).collect();
    let values: Vec<f64> = asked.iter().filter_map(|i| axes[*i].p_worse).collect();
    let single: Vec<bool> = axes.iter().map(|axis| axis.p_worse.is_some_and(|p| p <= ALARM * rules.alpha)).collect();
    for (index, adjusted) in asked.into_iter().zip(stats::holm(&values)) {
        axes[index].p_worse = Some(adjusted);
    }
    for (axis, single) in axes.iter_mut().zip(single) {
        (axis.verdict, axis.reason) = verdict(axis, single, rules.alpha);
        axis.reason.as_str().clone_into(&mut axis.why);
        if axis.verdict != Finding::NotEnoughData {
            axis.needed_pairs = None;
        }
    }
}

fn verdict(axis: &AxisReport, is_low_alone: bool, alpha: f64) -> (Finding, Reason) {
    let (margin, interval) = match (axis.margin, axis.interval) {
        (Some(margin), Some(interval)) => (margin, interval),
        (None, Some(_)) => return (Finding::NotJudged, Reason::NoMargin),
        (Some(_), None) => return (Finding::NotEnoughData, axis.reason),
        (None, None) => return (Finding::NotJudged, axis.reason),
    };
    if interval.lower > 0.0 {
        (Finding::Better, Reason::Above)
    } else if interval.lower > -margin {
        (Finding::Equal, if interval.upper < 0.0 { Reason::SmallLoss } else { Reason::WithinMargin })
    } else if axis.p_worse.is_some_and(|p| p <= ALARM * alpha) {
        (Finding::Worse, Reason::Below)
    } else {
        (Finding::NotEnoughData, if is_low_alone { Reason::OneOfMany } else { Reason::TooWide })
    }
}

/// Number of pairs that decide an axis with this variance of differences, if the difference stays
/// the same: the nearer of the two findings.
fn needed(variance: f64, difference: f64, margin: f64, rules: &ComparisonRules) -> u64 {
    let gap = (margin + difference.min(0.0)).max(-difference);
    stats::needed(variance, gap, rules.alpha, rules.power).max(PAIRS_MIN as u64)
}

/// An axis without a finding, for a reason.
fn silent(axis: Axis, pairs: usize, reason: Reason, rules: &ComparisonRules) -> AxisReport {
    AxisReport {
        axis,
        unit: axis.unit(),
        pairs: pairs as u64,
        source: 0.0,
        destination: 0.0,
        difference: 0.0,
        interval: None,
        margin: rules.margins.get(&axis).copied(),
        noise: None,
        p_worse: None,
        verdict: Finding::NotEnoughData,
        reason,
        why: String::new(),
        needed_pairs: None,
    }
}

/// Why there are no scores at all: the most frequent reason, or that no request involves the axis.
fn absent(missing: &BTreeMap<Missing, usize>) -> Result<Reason, Absent> {
    let has = |why: Missing| missing.contains_key(&why);
    if has(Missing::Repeats) {
        Ok(Reason::NoRepeats)
    } else if has(Missing::Answer) {
        Ok(Reason::NoAnswers)
    } else if has(Missing::Input) {
        Err(Absent::NoInput)
    } else {
        Err(Absent::NotAsked)
    }
}

#[cfg(test)]
mod tests;
