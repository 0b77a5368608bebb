//! Axes whose scores are parts of one.

use super::{Absent, AxisReport, ComparisonRules, Finding, PAIRS_MIN, Reason, absent, needed, silent};
use crate::axis::{Axis, Fraction, Missing, Scored, Scoring, score};
use crate::pair::Pair;
use crate::stats::Paired;
use std::collections::BTreeMap;

/// Every pair's score on one axis, and why others have none.
pub(super) struct Scores {
    /// The scores, by pair.
    pub(super) of: Vec<Option<Scored>>,
    missing: BTreeMap<Missing, usize>,
}

impl Scores {
    pub(super) fn of(axis: Axis, pairs: &[Pair], scoring: Scoring) -> Self {
        let mut missing = BTreeMap::new();
        let of = pairs
            .iter()
            .map(|pair| score(axis, pair, scoring).map_err(|why| *missing.entry(why).or_default() += 1).ok());
        Self { of: of.collect(), missing }
    }

    fn scored(&self) -> impl Iterator<Item = &Scored> {
        self.of.iter().flatten()
    }
}

/// The report without its finding.
pub(super) fn report(axis: Axis, scores: &Scores, rules: &ComparisonRules) -> Result<AxisReport, Absent> {
    let both = linear(scores);
    if both.is_empty() {
        return absent(&scores.missing).map(|reason| silent(axis, 0, reason, rules));
    }
    let Some(paired) = Paired::of(&both) else { return Ok(silent(axis, both.len(), Reason::FewPairs, rules)) };
    let margin = rules.margins.get(&axis).copied();
    let is_enough = paired.n >= PAIRS_MIN;
    let noise: Vec<f64> = scores.scored().filter_map(|scored| scored.noise).collect();
    Ok(AxisReport {
        axis,
        unit: axis.unit(),
        pairs: paired.n as u64,
        source: paired.source,
        destination: paired.destination,
        difference: paired.difference(),
        interval: is_enough.then(|| paired.interval(rules.alpha)),
        margin,
        noise: (!noise.is_empty()).then(|| noise.iter().sum::<f64>() / noise.len() as f64),
        p_worse: is_enough.then(|| paired.p_worse()),
        verdict: Finding::NotEnoughData,
        reason: Reason::FewPairs,
        why: String::new(),
        needed_pairs: margin.map(|margin| needed(paired.variance(), paired.difference(), margin, rules)),
    })
}

/// Each pair's `(source, destination)` in a form whose mean is the axis's rate. For scores of one
/// response that is the score. F1 is computed over all calls of all pairs (micro), a ratio of two
/// sums. A pair's part in it is the linear form of the ratio (the delta method): its mean is the
/// ratio, and its variance that of the ratio.
fn linear(scores: &Scores) -> Vec<(f64, f64)> {
    let source = Linear::of(scores.scored().map(|scored| scored.source));
    let destination = Linear::of(scores.scored().map(|scored| scored.destination));
    scores.scored().map(|scored| (source.form(scored.source), destination.form(scored.destination))).collect()
}

struct Linear {
    ratio: f64,
    whole: f64,
}

impl Linear {
    fn of(parts: impl Iterator<Item = Fraction>) -> Self {
        let mean = Fraction::mean(parts).unwrap_or(Fraction { part: 0.0, whole: 1.0 });
        Self { ratio: mean.score(), whole: mean.whole.max(f64::MIN_POSITIVE) }
    }

    fn form(&self, part: Fraction) -> f64 {
        self.ratio + (part.part - self.ratio * part.whole) / self.whole
    }
}
