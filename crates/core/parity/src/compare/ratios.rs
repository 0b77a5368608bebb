//! Axes of times and cost, compared as ratios.
//!
//! For each pair one response of each side counts, the first with a value: means of repeats would
//! hide the tail.

use super::{Absent, AxisReport, ComparisonRules, Finding, PAIRS_MIN, Reason, Times, needed, silent};
use crate::axis::Axis;
use crate::pair::{Answer, Pair};
use crate::stats::{Interval, Spread, quantile, ratio};
use banjia_types::Currency;
use std::collections::BTreeSet;

/// With fewer pairs a 95th percentile would be a guess from a handful of responses.
const TAIL_PAIRS_MIN: usize = 100;

/// The report without its finding.
pub(super) fn report(axis: Axis, pairs: &[Pair], rules: &ComparisonRules, seed: u64) -> Result<AxisReport, Absent> {
    let values = values(axis, pairs, rules)?;
    let least = if axis == Axis::LatencyTail { TAIL_PAIRS_MIN } else { PAIRS_MIN };
    let spread = match axis {
        Axis::LatencyTail => Spread::Quantile(0.95),
        Axis::Cost => Spread::Mean,
        _ => Spread::Quantile(0.5),
    };
    // Each axis draws for itself, so that leaving one out changes no other.
    let seed = seed.wrapping_add(axis as u64);
    let Some(found) = ratio(&values, spread, rules.alpha, rules.draws, seed) else {
        return Ok(silent(axis, values.len(), Reason::FewPairs, rules));
    };
    let margin = rules.margins.get(&axis).copied();
    let is_enough = values.len() >= least;
    let difference = 1.0 - found.destination / found.source;
    let pairs = margin.map(|margin| needed(found.deviation.powi(2), difference, margin, rules).max(least as u64));
    Ok(AxisReport {
        axis,
        unit: axis.unit(),
        pairs: values.len() as u64,
        source: found.source,
        destination: found.destination,
        difference,
        interval: is_enough.then(|| Interval { lower: -found.interval.upper, upper: -found.interval.lower }),
        margin,
        noise: None,
        p_worse: is_enough.then_some(found.p_above),
        verdict: Finding::NotEnoughData,
        reason: Reason::FewPairs,
        why: String::new(),
        needed_pairs: pairs,
    })
}

/// Percentiles of the times of both sides.
pub(super) fn times(pairs: &[Pair]) -> Vec<Times> {
    [Axis::FirstContent, Axis::Latency]
        .into_iter()
        .filter_map(|axis| {
            let side = |answers: &dyn Fn(&Pair) -> Option<f64>| -> Option<Vec<f64>> {
                let mut values: Vec<f64> = pairs.iter().filter_map(answers).collect();
                values.sort_by(f64::total_cmp);
                (0..=100).map(|percent| quantile(&values, f64::from(percent) / 100.0)).collect()
            };
            let source = side(&|pair| pair.sources().find_map(|answer| time(axis, answer)))?;
            let destination = side(&|pair| pair.destinations().find_map(|answer| time(axis, answer)))?;
            Some(Times { axis, source, destination })
        })
        .collect()
}

fn values(axis: Axis, pairs: &[Pair], rules: &ComparisonRules) -> Result<Vec<(f64, f64)>, Absent> {
    if axis == Axis::Cost && rules.cny_per_usd.is_none() {
        let answers = pairs.iter().flat_map(|pair| pair.sources().chain(pair.destinations()));
        let currencies: BTreeSet<Currency> = answers.filter_map(|answer| Some(answer.cost?.currency)).collect();
        if currencies.len() > 1 {
            return Err(Absent::TwoCurrencies);
        }
    }
    let value = |answer: &Answer| match axis {
        Axis::Cost => cost(answer, rules),
        _ => time(axis, answer),
    };
    let both = |pair: &Pair| Some((pair.sources().find_map(value)?, pair.destinations().find_map(value)?));
    let values: Vec<_> = pairs.iter().filter_map(both).collect();
    if values.is_empty() { Err(Absent::NoInput) } else { Ok(values) }
}

/// The time of a response. Less than a millisecond counts as one, because ratios need a positive
/// base.
fn time(axis: Axis, answer: &Answer) -> Option<f64> {
    let time = if axis == Axis::FirstContent { answer.first_content_ms } else { answer.total_ms };
    time.filter(|_| answer.is_answered()).map(|ms| f64::from(ms.max(1)))
}

/// The cost in millionths of a dollar if a rate is known, else of the only currency.
fn cost(answer: &Answer, rules: &ComparisonRules) -> Option<f64> {
    let cost = answer.cost.filter(|cost| answer.is_answered() && cost.micros > 0)?;
    let micros = cost.micros as f64;
    Some(match (cost.currency, rules.cny_per_usd) {
        (Currency::Cny, Some(rate)) => micros / rate,
        _ => micros,
    })
}
