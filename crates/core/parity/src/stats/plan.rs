//! How many pairs a finding needs, and how several findings affect each other.

use super::{normal_cdf, normal_quantile};

/// More pairs than can be gathered. A larger number is reported as this one.
const PAIRS_MAX: f64 = 1e9;

/// The number of pairs that show a gap of `gap` between the true difference and the bound, if one
/// pair's difference has this `variance`: with an error of `alpha` and the wanted `power`. It is
/// the closed form of the z test, `n = variance ((z_{1-alpha} + z_power) / gap)^2`.
pub fn needed(variance: f64, gap: f64, alpha: f64, power: f64) -> u64 {
    let z = normal_quantile(1.0 - alpha) + normal_quantile(power);
    let pairs = variance * (z / gap.abs().max(1e-6)).powi(2);
    pairs.ceil().clamp(2.0, PAIRS_MAX) as u64
}

/// The power of the same test with `n` pairs. `variance` is that of one pair's difference under the
/// truth, `variance_equal` the one under "equal", which gives the bound of the test.
pub fn power(n: u64, gap: f64, variance: f64, variance_equal: f64, alpha: f64) -> f64 {
    let n = n as f64;
    let bound = normal_quantile(1.0 - alpha) * (variance_equal / n).sqrt();
    normal_cdf((gap - bound) / (variance / n).sqrt())
}

/// Holm's adjustment (S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70): p-values in the
/// given order, each of which may be compared with the level of all of them together.
pub fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut adjusted = vec![1.0; values.len()];
    let mut so_far = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        so_far = so_far.max(((values.len() - rank) as f64 * values[index]).min(1.0));
        adjusted[index] = so_far;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_pairs_and_power_undo_each_other() {
        // variance 0.0873, gap 0.03, one-sided 5 %, power 90 %: 0.0873 * (2.92641 / 0.03)^2 =
        // 830.7.
        let pairs = needed(0.0873, 0.03, 0.05, 0.9);
        assert_eq!(pairs, 831);
        assert!((power(pairs, 0.03, 0.0873, 0.0873, 0.05) - 0.9).abs() < 1e-3);
        assert_eq!(needed(1.0, 0.0, 0.05, 0.9), 1_000_000_000);
    }

    #[test]
    fn holm_steps_down() {
        // The worked example of the method: 0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02.
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, wanted) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - wanted).abs() < 1e-12);
        }
        assert!(holm(&[]).is_empty());
        assert!((holm(&[0.7, 0.9])[0] - 1.0).abs() < 1e-12);
    }
}
