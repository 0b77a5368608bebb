//! The verdict: axis by axis, is the destination as good as the source, given the source's own noise?
//!
//! What the verdicts mean, for a difference `d` (destination less source, negative is worse), its interval of which each bound
//! holds with `1 - alpha`, and the axis's margin `m`:
//!
//! | verdict | shown | when |
//! |---|---|---|
//! | `better` | `d > 0` | the lower bound is above 0 |
//! | `equal` | `d > -m` | the lower bound is above `-m`, though `d` may be shown to be below 0 |
//! | `worse` | `d < 0`, and not that `d > -m` | the upper bound is below 0, and stays there when all axes are looked at |
//! | `not_enough_data` | neither | otherwise; the number of pairs that would decide it is told |
//! | `not_judged` | nothing | the axis has no margin: it is shown and decides nothing |
//!
//! Several axes. "All axes are equal" is said only if each is, so the chance to say it wrongly is at most that of one axis:
//! no correction (the intersection-union test, R. L. Berger, Technometrics 24 (1982) 295-300). "Some axis is worse" is an alarm
//! with as many chances to be false as there are axes: its p-values are adjusted after Holm, and they are held against 0.85
//! of `alpha` and not all of it, so that what is approximate in them does not lift false alarms above `alpha`.
//!
//! There is no sum over axes, and none is meant to be made.

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

/// Fewer pairs than this carry no statement, whatever they look like.
pub const PAIRS_MIN: usize = 20;
/// The part of `alpha` that an alarm may use.
const ALARM: f64 = 0.85;

/// How sides are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How far below the source the destination may be, by axis: rates as parts of one (0.02 is two points), times and cost as
    /// parts of the source's (0.25 is a quarter slower). An axis without a margin is shown and not judged.
    pub margins: BTreeMap<Axis, f64>,
    /// The chance of a wrong statement: of calling a side equal that is worse by the margin, and of calling one worse that is
    /// equal.
    pub alpha: f64,
    /// The chance to reach a verdict for which numbers of pairs are told.
    pub power: f64,
    /// Lengths within this factor are alike.
    pub length_factor: f64,
    /// Draws of the bootstrap.
    pub draws: usize,
    /// Pairs that are shown as the worst.
    pub worst: usize,
    /// Yuan for one dollar; without it costs in two currencies are not compared.
    pub cny_per_usd: Option<f64>,
}

impl Default for Rules {
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

/// What is said of an axis, or of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Shown to be above the source.
    Better,
    /// Shown to be no further below the source than the margin.
    Equal,
    /// Shown to be below the source.
    Worse,
    /// Neither was shown.
    NotEnoughData,
    /// Nothing was asked.
    NotJudged,
}

impl Verdict {
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

    /// Whether the axis stands in nobody's way.
    pub const fn passes(self) -> bool {
        matches!(self, Self::Better | Self::Equal | Self::NotJudged)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a verdict is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The whole interval is above zero.
    Above,
    /// The whole interval is above the margin.
    WithinMargin,
    /// So it is, but it is also below zero: a small loss is real.
    SmallLoss,
    /// The whole interval is below zero, and some of it beyond the margin.
    Below,
    /// The interval is too wide.
    TooWide,
    /// Below zero by itself, but with this many axes one of them would be so by chance.
    OneOfMany,
    /// Too few pairs to say anything.
    FewPairs,
    /// The source was asked once only, so its own noise is not known.
    NoRepeats,
    /// No pair has an answer of both sides that could be compared.
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

/// One axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisReport {
    /// Which.
    pub axis: Axis,
    /// What `source` and `destination` stand for.
    pub unit: Unit,
    /// Pairs that were compared.
    pub pairs: u64,
    /// The source's value.
    pub source: f64,
    /// The destination's value.
    pub destination: f64,
    /// Destination less source; for times and cost the part of the source's value that is saved. Negative is worse.
    pub difference: f64,
    /// Where the true difference lies: each bound holds with `1 - alpha`.
    pub interval: Option<Interval>,
    /// How far below zero the difference may be.
    pub margin: Option<f64>,
    /// How far two answers of the source to the same request lie apart, on the average.
    pub noise: Option<f64>,
    /// How surprising so low a destination would be if it were equal, adjusted for the number of axes.
    pub p_worse: Option<f64>,
    /// What is said.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The same for people.
    pub why: String,
    /// Pairs that would decide it if the difference stays as it was seen, with the rules' power.
    pub needed_pairs: Option<u64>,
}

/// Why an axis is not in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// No request has to do with it.
    NotAsked,
    /// What it needs from outside was not given.
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
    /// Which.
    pub axis: Axis,
    /// Why.
    pub why: Absent,
}

/// Times of both sides, for drawing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Which.
    pub axis: Axis,
    /// The source's percentiles from 0 to 100, in milliseconds.
    pub source: Vec<f64>,
    /// The destination's.
    pub destination: Vec<f64>,
}

/// Who was compared, for people. The caller fills it in: names change no verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The source.
    pub source: String,
    /// The destination.
    pub destination: String,
    /// The route, when it is one.
    pub route: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Who was compared.
    #[serde(default)]
    pub about: About,
    /// Pairs that were given.
    pub pairs: u64,
    /// The chance of a wrong statement.
    pub alpha: f64,
    /// Worse if any axis is, else not enough data if any axis lacks it, else equal. It is no score: look at the axes.
    pub verdict: Verdict,
    /// The axes that could be compared or should have been.
    pub axes: Vec<AxisReport>,
    /// The others.
    pub left_out: Vec<LeftOut>,
    /// Times for drawing.
    pub times: Vec<Times>,
    /// The pairs on which the destination loses most.
    pub worst: Vec<WorstPair>,
}

/// Compares both sides of the pairs. The same input and seed give the same report.
pub fn compare(pairs: &[Pair], rules: &Rules, seed: u64) -> Report {
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
    let verdicts: Vec<Verdict> = axes.iter().map(|axis| axis.verdict).collect();
    Report {
        about: About::default(),
        pairs: pairs.len() as u64,
        alpha: rules.alpha,
        verdict: together(&verdicts),
        left_out,
        times: ratios::times(pairs),
        worst: worst::worst(pairs, &scores, rules),
        axes,
    }
}

/// The verdict on all axes.
fn together(verdicts: &[Verdict]) -> Verdict {
    let any = |wanted: Verdict| verdicts.contains(&wanted);
    if any(Verdict::Worse) {
        Verdict::Worse
    } else if any(Verdict::NotEnoughData) || !(any(Verdict::Equal) || any(Verdict::Better)) {
        Verdict::NotEnoughData
    } else {
        Verdict::Equal
    }
}

/// Gives every axis its verdict; p-values come in by themselves and leave adjusted.
fn judge(axes: &mut [AxisReport], rules: &Rules) {
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
        if axis.verdict != Verdict::NotEnoughData {
            axis.needed_pairs = None;
        }
    }
}

fn verdict(axis: &AxisReport, is_low_alone: bool, alpha: f64) -> (Verdict, Reason) {
    let (margin, interval) = match (axis.margin, axis.interval) {
        (Some(margin), Some(interval)) => (margin, interval),
        (None, Some(_)) => return (Verdict::NotJudged, Reason::NoMargin),
        (Some(_), None) => return (Verdict::NotEnoughData, axis.reason),
        (None, None) => return (Verdict::NotJudged, axis.reason),
    };
    if interval.lower > 0.0 {
        (Verdict::Better, Reason::Above)
    } else if interval.lower > -margin {
        (Verdict::Equal, if interval.upper < 0.0 { Reason::SmallLoss } else { Reason::WithinMargin })
    } else if axis.p_worse.is_some_and(|p| p <= ALARM * alpha) {
        (Verdict::Worse, Reason::Below)
    } else {
        (Verdict::NotEnoughData, if is_low_alone { Reason::OneOfMany } else { Reason::TooWide })
    }
}

/// Pairs that decide an axis whose pairs' differences have this variance, if the difference stays as it was seen: the nearer of
/// the two verdicts.
fn needed(variance: f64, difference: f64, margin: f64, rules: &Rules) -> u64 {
    let gap = (margin + difference.min(0.0)).max(-difference);
    stats::needed(variance, gap, rules.alpha, rules.power).max(PAIRS_MIN as u64)
}

/// An axis of which nothing can be said, for a reason.
fn silent(axis: Axis, pairs: usize, reason: Reason, rules: &Rules) -> AxisReport {
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
        verdict: Verdict::NotEnoughData,
        reason,
        why: String::new(),
        needed_pairs: None,
    }
}

/// Why there are no scores at all: the commonest reason, or that the axis is not asked for.
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
