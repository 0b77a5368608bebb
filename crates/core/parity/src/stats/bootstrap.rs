//! The ratio of two quantiles, for times and costs: values without an upper bound, for which a mean
//! shows little.
//!
//! The pairs are resampled with replacement, both sides together, because a slow request is slow on
//! both sides. The interval is the percentile one (B. Efron and R. Tibshirani, "An Introduction to
//! the Bootstrap" (1993), chapter 13). Quantiles are those of F. Harrell and C. Davis (Biometrika
//! 69 (1982) 635-640), weighted means of neighbouring values. With the plain sample quantile, which
//! jumps from value to value, the interval is too wide (93 % for 90 % in `examples/proof`). Samples
//! come from a seed: the same input gives the same report.

use super::Interval;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use statrs::function::beta::beta_reg;

/// The statistic: a quantile, or the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// The quantile at this position between 0 and 1.
    Quantile(f64),
    /// The mean.
    Mean,
}

/// The destination's value compared with the source's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The source's value.
    pub source: f64,
    /// The destination's value.
    pub destination: f64,
    /// Destination over source, minus one: 0.1 is a tenth more. Each bound holds with `1 - alpha`.
    pub interval: Interval,
    /// The part of the samples in which the destination was not above the source, never exactly
    /// zero.
    pub p_above: f64,
    /// The standard deviation of the ratio over the samples, times the root of the number of pairs.
    pub deviation: f64,
}

/// The quantile at `place` of sorted values, between neighbours in proportion (type 7 of Hyndman
/// and Fan, 1996).
pub fn quantile(sorted: &[f64], place: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = place.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

/// Compares `pairs` of `(source, destination)` values, all above zero. `None` for fewer than two
/// pairs or other values.
pub fn ratio(pairs: &[(f64, f64)], spread: Spread, alpha: f64, draws: usize, seed: u64) -> Option<Ratio> {
    let is_good = |value: f64| value.is_finite() && value > 0.0;
    if pairs.len() < 2 || draws < 2 || !pairs.iter().all(|(s, d)| is_good(*s) && is_good(*d)) {
        return None;
    }
    let sides = [Side::new(pairs.iter().map(|pair| pair.0)), Side::new(pairs.iter().map(|pair| pair.1))];
    let weights = Weights::of(spread, pairs.len());
    let once = vec![1; pairs.len()];
    let (source, destination) = (sides[0].value(&once, &weights), sides[1].value(&once, &weights));
    let mut generator = StdRng::seed_from_u64(seed);
    let mut times = vec![0_u32; pairs.len()];
    let mut ratios: Vec<f64> = Vec::with_capacity(draws);
    for _ in 0..draws {
        times.fill(0);
        for _ in 0..pairs.len() {
            times[generator.random_range(0..pairs.len())] += 1;
        }
        ratios.push(sides[1].value(&times, &weights) / sides[0].value(&times, &weights) - 1.0);
    }
    ratios.sort_by(f64::total_cmp);
    let mean = ratios.iter().sum::<f64>() / draws as f64;
    let variance = ratios.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / draws as f64;
    let not_above = ratios.iter().filter(|value| **value <= 0.0).count();
    Some(Ratio {
        source,
        destination,
        interval: Interval { lower: quantile(&ratios, alpha)?, upper: quantile(&ratios, 1.0 - alpha)? },
        p_above: (not_above + 1) as f64 / (draws + 1) as f64,
        deviation: (variance * pairs.len() as f64).sqrt(),
    })
}

/// The sorted values of one side, each with its pair. A sample is then counted instead of sorted
/// again.
struct Side {
    order: Vec<(f64, usize)>,
}

impl Side {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let mut order: Vec<_> = values.enumerate().map(|(pair, value)| (value, pair)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { order }
    }

    /// The value when pair `i` was drawn `times[i]` times; the draws are as many as the pairs.
    fn value(&self, times: &[u32], weights: &Weights) -> f64 {
        let (mut sum, mut passed) = (0.0, 0);
        for (value, pair) in &self.order {
            let next = passed + times[*pair] as usize;
            if next > passed {
                sum += value * (weights.below[next] - weights.below[passed]);
            }
            passed = next;
        }
        sum
    }
}

/// The weight of each sorted value in the result.
struct Weights {
    /// The weight of the first so many values together.
    below: Vec<f64>,
}

impl Weights {
    fn of(spread: Spread, n: usize) -> Self {
        let count = n as f64;
        let below = (0..=n).map(|first| {
            let part = first as f64 / count;
            match spread {
                Spread::Mean => part,
                Spread::Quantile(place) => {
                    let place = place.clamp(0.001, 0.999);
                    beta_reg((count + 1.0) * place, (count + 1.0) * (1.0 - place), part)
                }
            }
        });
        Self { below: below.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_type_seven() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.5), Some(2.5));
        assert_eq!((quantile(&values, 0.0), quantile(&values, 1.0)), (Some(1.0), Some(4.0)));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn quantiles_of_a_side_are_those_of_harrell_and_davis() {
        // Of 1, 2, 3 the median's weights are those of a beta distribution with 2 and 2: 7/27,
        // 13/27, 7/27.
        let side = Side::new([3.0, 1.0, 2.0].into_iter());
        let median = Weights::of(Spread::Quantile(0.5), 3);
        assert!((median.below[1] - 7.0 / 27.0).abs() < 1e-9 && (median.below[2] - 20.0 / 27.0).abs() < 1e-9);
        assert!((side.value(&[1, 1, 1], &median) - 2.0).abs() < 1e-9);
        // Drawn as 3, 3, 1: the two threes are at the end.
        assert!((side.value(&[2, 1, 0], &median) - (7.0 + 20.0 * 3.0) / 27.0).abs() < 1e-9);
        assert!((side.value(&[2, 1, 0], &Weights::of(Spread::Mean, 3)) - 7.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let pairs: Vec<_> = (0..300).map(|i| (100.0 + f64::from(i % 37), 200.0 + 2.0 * f64::from(i % 37))).collect();
        let found = ratio(&pairs, Spread::Quantile(0.5), 0.05, 500, 7).unwrap();
        assert_eq!(found, ratio(&pairs, Spread::Quantile(0.5), 0.05, 500, 7).unwrap());
        assert!((found.interval.lower - 1.0).abs() < 1e-9 && (found.interval.upper - 1.0).abs() < 1e-9, "{found:?}");
        assert!(found.p_above < 0.01);
        let mean = ratio(&pairs, Spread::Mean, 0.05, 500, 7).unwrap();
        assert!((mean.destination / mean.source - 2.0).abs() < 1e-9);
        assert_eq!(ratio(&[(1.0, 1.0), (0.0, 1.0)], Spread::Mean, 0.05, 500, 7), None);
    }
}
