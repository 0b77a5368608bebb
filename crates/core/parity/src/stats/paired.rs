//! The interval of a difference between two sides that answered the same requests.
//!
//! Each pair gives one score for each side: the mean of its responses' scores, between 0 and 1. The
//! pairs are the sample. So a pair counts once, no matter how many responses it has and how much
//! they depend on each other.
//!
//! The interval is Newcombe's square-and-add of two Wilson intervals with the sides' correlation
//! (method 10 in R. G. Newcombe, "Improved confidence intervals for the difference between binomial
//! proportions based on paired data", Statistics in Medicine 17 (1998) 2635-2650). For scores that
//! are means of several responses each Wilson interval uses the effective number of responses, `m
//! (1 - m) / variance of the mean`, as in design-based surveys. With one response each that is
//! Newcombe's interval itself.
//!
//! It was chosen over Tango's score interval and over Wald's by simulation (`examples/proof.rs`):
//! it alone keeps both of its bounds if one side has repeats and the other has none. The normal
//! quantile is replaced by Student's, which matters below about fifty pairs.

use super::{t_cdf, t_quantile};

/// A lower and an upper bound.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
}

/// The sums of two sides' scores, pair by pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Number of pairs.
    pub n: usize,
    /// The source's mean score.
    pub source: f64,
    /// The destination's mean score.
    pub destination: f64,
    /// Variance of the source's scores over pairs.
    source_variance: f64,
    /// Variance of the destination's scores over pairs.
    destination_variance: f64,
    /// Their covariance over pairs.
    covariance: f64,
}

/// Wilson's interval of a proportion `p` among `n` (E. B. Wilson, JASA 22 (1927) 209-212), with a
/// quantile of `z`.
pub fn wilson(p: f64, n: f64, z: f64) -> Interval {
    let squared = z * z / n;
    let centre = (p + squared / 2.0) / (1.0 + squared);
    let half = z / (1.0 + squared) * (p * (1.0 - p) / n + squared / (4.0 * n)).max(0.0).sqrt();
    Interval { lower: (centre - half).max(0.0), upper: (centre + half).min(1.0) }
}

impl Paired {
    /// Sums up scores `(source, destination)`. `None` for fewer than two pairs or a score that is
    /// NaN.
    pub fn of(scores: &[(f64, f64)]) -> Option<Self> {
        if scores.len() < 2 {
            return None;
        }
        let n = scores.len() as f64;
        let (source, destination) = scores.iter().fold((0.0, 0.0), |sum, score| (sum.0 + score.0, sum.1 + score.1));
        let (source, destination) = (source / n, destination / n);
        let (mut own, mut other, mut both) = (0.0, 0.0, 0.0);
        for (s, d) in scores {
            own += (s - source).powi(2);
            other += (d - destination).powi(2);
            both += (s - source) * (d - destination);
        }
        let found = Self {
            n: scores.len(),
            source,
            destination,
            source_variance: own / n,
            destination_variance: other / n,
            covariance: both / n,
        };
        (source.is_finite() && destination.is_finite() && own.is_finite() && other.is_finite()).then_some(found)
    }

    /// The destination's mean minus the source's.
    pub fn difference(&self) -> f64 {
        self.destination - self.source
    }

    /// The interval of which each bound alone holds with probability `1 - alpha`: both together
    /// with `1 - 2 alpha`.
    pub fn interval(&self, alpha: f64) -> Interval {
        self.at(t_quantile(1.0 - alpha, self.freedom()))
    }

    /// The p-value of so low a destination if it were as good as the source: the smallest `alpha`
    /// at which the interval's upper bound is not above zero. Use it with
    /// [`crate::compare::PAIRS_MIN`] pairs and more. With a handful the tails of Student's
    /// distribution reach beyond the quantiles that are searched, and the result is too large.
    pub fn p_worse(&self) -> f64 {
        let is_below = self.difference() < 0.0;
        let (mut low, mut high) = (0.0, 40.0);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            let found = self.at(middle);
            let clear = if is_below { found.upper < 0.0 } else { found.lower > 0.0 };
            if clear { low = middle } else { high = middle }
        }
        let p = t_cdf(low, self.freedom());
        if is_below { 1.0 - p } else { p }
    }

    /// The variance of one pair's difference, at least that of a single differing pair in the
    /// sample: a sample without any difference does not show that there is none.
    pub fn variance(&self) -> f64 {
        let n = self.n as f64;
        let variance = self.source_variance + self.destination_variance - 2.0 * self.covariance;
        variance.max(1.0 / n * (1.0 - 1.0 / n))
    }

    fn freedom(&self) -> f64 {
        self.n as f64 - 1.0
    }

    fn at(&self, z: f64) -> Interval {
        let source = wilson(self.source.clamp(0.0, 1.0), self.effective(self.source, self.source_variance), z);
        let destination =
            wilson(self.destination.clamp(0.0, 1.0), self.effective(self.destination, self.destination_variance), z);
        let spread = (self.source_variance * self.destination_variance).sqrt();
        let correlation = if spread > 0.0 { (self.covariance / spread).clamp(-1.0, 1.0) } else { 0.0 };
        let reach = |down: f64, up: f64| (down * down - 2.0 * correlation * down * up + up * up).max(0.0).sqrt();
        let difference = self.difference();
        Interval {
            lower: difference - reach(self.destination - destination.lower, source.upper - self.source),
            upper: difference + reach(destination.upper - self.destination, self.source - source.lower),
        }
    }

    /// The number of independent yes-or-no responses that would give an equally certain mean. A
    /// side without any variance counts each pair once.
    fn effective(&self, mean: f64, variance: f64) -> f64 {
        let n = self.n as f64;
        let single = mean * (1.0 - mean);
        if variance > 1e-12 && single > 1e-12 { n * single / variance } else { n }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// Scores of a table of single answers: both pass, only the source, only the destination,
    /// neither.
    fn table(both: usize, source: usize, destination: usize, neither: usize) -> Vec<(f64, f64)> {
        let cells = [(both, (1.0, 1.0)), (source, (1.0, 0.0)), (destination, (0.0, 1.0)), (neither, (0.0, 0.0))];
        cells.into_iter().flat_map(|(count, score)| vec![score; count]).collect()
    }

    fn near(found: Interval, lower: f64, upper: f64, by: f64) -> bool {
        (found.lower - lower).abs() < by && (found.upper - upper).abs() < by
    }

    #[test]
    fn wilson_gives_the_published_values() {
        // R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3, at 95 %.
        let z = 1.959_964;
        assert!(near(wilson(81.0 / 263.0, 263.0, z), 0.2553, 0.3662, 5e-5));
        assert!(near(wilson(15.0 / 148.0, 148.0, z), 0.0624, 0.1605, 5e-5));
        assert!(near(wilson(0.0, 20.0, z), 0.0, 0.1611, 5e-5));
        assert!(near(wilson(1.0 / 29.0, 29.0, z), 0.0061, 0.1718, 5e-5));
    }

    #[test]
    fn single_answers_give_the_closed_form_interval() {
        // 1,000 pairs: 900 both, 40 the source only, 20 the destination only, 40 neither. Worked by
        // hand from the two Wilson intervals (0.94 and 0.92 of 1,000) and phi = (900*40 - 40*20) /
        // sqrt(940*60*920*80).
        let found = Paired::of(&table(900, 40, 20, 40)).unwrap();
        let (s, d) = (wilson(0.94, 1000.0, 1.644_854), wilson(0.92, 1000.0, 1.644_854));
        let phi = (900.0 * 40.0 - 40.0 * 20.0) / (940.0_f64 * 60.0 * 920.0 * 80.0).sqrt();
        let reach = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).sqrt();
        let lower = -0.02 - reach(0.92 - d.lower, s.upper - 0.94);
        let upper = -0.02 + reach(d.upper - 0.92, 0.94 - s.lower);
        assert!(near(found.at(1.644_854), lower, upper, 1e-9));
        assert!((found.difference() + 0.02).abs() < 1e-12);
        // McNemar's test of 40 against 20: z = 20 / sqrt(60) = 2.582, p = 0.0049.
        assert!((found.p_worse() - 0.0049).abs() < 0.0015, "{}", found.p_worse());
    }

    #[test]
    fn nothing_seen_is_not_nothing_there() {
        // No difference in n pairs: the bound is Wilson's z^2 / (n + z^2), near the rule of three.
        let found = Paired::of(&table(100, 0, 0, 0)).unwrap().interval(0.05);
        assert!(found.lower < -0.026 && found.upper > 0.026, "{found:?}");
        assert!(Paired::of(&table(10, 0, 0, 0)).unwrap().variance() > 0.08);
        assert!(Paired::of(&[(1.0, 1.0)]).is_none() && Paired::of(&[(f64::NAN, 1.0), (1.0, 1.0)]).is_none());
    }

    #[test]
    fn only_real_repeats_narrow_the_interval() {
        // The same answer counted three times is one answer: scores stay 0 or 1, and so does the
        // interval.
        let single = table(850, 60, 50, 40);
        let averaged: Vec<_> = (0..1000)
            .map(|i| if i % 10 == 0 { (2.0 / 3.0, f64::from(u8::from(i % 3 == 0))) } else { (0.98, 1.0) })
            .collect();
        let width = |scores: &[(f64, f64)]| {
            let found = Paired::of(scores).unwrap().interval(0.05);
            found.upper - found.lower
        };
        assert!(width(&averaged) < width(&single));
    }

    /// Scores of `n` pairs: the source answers `asked` times and passes with 0.9, the destination
    /// once with `destination`.
    fn drawn(n: usize, asked: u32, destination: f64, dice: &mut StdRng) -> Paired {
        let scores: Vec<_> = (0..n)
            .map(|_| {
                let passed: f64 = (0..asked).map(|_| f64::from(u8::from(dice.random_bool(0.9)))).sum();
                (passed / f64::from(asked), f64::from(u8::from(dice.random_bool(destination))))
            })
            .collect();
        Paired::of(&scores).unwrap()
    }

    /// The proof in small: few sets, wide bounds, fixed dice. `examples/proof.rs` is the whole one.
    #[test]
    fn the_interval_covers_and_alarms_are_rare() {
        let sets = 2_000;
        let mut dice = StdRng::seed_from_u64(20_261_126);
        for asked in [1, 3] {
            let mut part = |destination: f64, holds: &dyn Fn(&Paired) -> bool| {
                let held = (0..sets).filter(|_| holds(&drawn(300, asked, destination, &mut dice))).count();
                held as f64 / f64::from(sets)
            };
            let covered = part(0.87, &|found| {
                let interval = found.interval(0.05);
                interval.lower <= -0.03 && -0.03 <= interval.upper
            });
            assert!((0.88..0.92).contains(&covered), "{asked} {covered}");
            let alarms = part(0.9, &|found| found.p_worse() <= 0.045);
            assert!(alarms < 0.06, "{asked} {alarms}");
            // Ten points at 300 pairs: the theory's power is 0.98 asked once.
            assert!(part(0.8, &|found| found.p_worse() <= 0.045) > 0.95, "{asked}");
        }
    }

    proptest! {
        #[test]
        fn any_scores_give_an_interval_around_the_difference(
            scores in prop::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64), 2..60), alpha in 0.001..0.4_f64,
        ) {
            let found = Paired::of(&scores).unwrap();
            let interval = found.interval(alpha);
            prop_assert!(interval.lower <= found.difference() + 1e-12 && found.difference() <= interval.upper + 1e-12);
            prop_assert!(interval.lower >= -1.0 - 1e-9 && interval.upper <= 1.0 + 1e-9);
            let p = found.p_worse();
            prop_assert!((0.0..=1.0).contains(&p));
            // With a handful of pairs the search for `p` ends before the quantile of so small an
            // `alpha`; nobody compares so few.
            prop_assume!(scores.len() >= crate::compare::PAIRS_MIN);
            prop_assert_eq!(p < alpha, interval.upper < 0.0 || (p < alpha && interval.upper.abs() < 1e-6), "{} {:?}", p, interval);
        }
    }
}
