//! The arithmetic of "as good as": intervals, p-values, and how many pairs a finding needs.
//!
//! # Rules
//! - All functions are pure. Randomness comes only from a seed.
//! - Every formula names its source, and is tested against published values or closed forms.
//! - A sample that is too small gives `None`, never a guess.

mod bootstrap;
mod paired;
mod plan;

pub use bootstrap::{Ratio, Spread, quantile, ratio};
pub use paired::{Interval, Paired, wilson};
pub use plan::{holm, needed, power};

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The quantile of the standard normal distribution.
pub fn normal_quantile(p: f64) -> f64 {
    standard().inverse_cdf(p.clamp(1e-15, 1.0 - 1e-15))
}

/// The distribution function of the standard normal distribution.
pub fn normal_cdf(z: f64) -> f64 {
    standard().cdf(z)
}

fn standard() -> Normal {
    Normal::new(0.0, 1.0).expect("a mean of 0 and a deviation of 1 are in range")
}

/// The quantile of Student's t with `freedom` degrees of freedom (at least 1).
pub fn t_quantile(p: f64, freedom: f64) -> f64 {
    if freedom > 10_000.0 {
        return normal_quantile(p);
    }
    let t = StudentsT::new(0.0, 1.0, freedom.max(1.0)).expect("at least one degree of freedom is in range");
    t.inverse_cdf(p.clamp(1e-12, 1.0 - 1e-12))
}

/// The distribution function of Student's t with `freedom` degrees of freedom (at least 1).
pub fn t_cdf(value: f64, freedom: f64) -> f64 {
    if freedom > 10_000.0 {
        return normal_cdf(value);
    }
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).expect("at least one degree of freedom is in range").cdf(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.1 and 1.3.6.7.2.
        for (p, z) in [(0.95, 1.644_854), (0.975, 1.959_964), (0.995, 2.575_829)] {
            assert!((normal_quantile(p) - z).abs() < 1e-5 && (normal_cdf(z) - p).abs() < 1e-6, "{p}");
        }
        for (freedom, t) in [(1.0, 6.314), (10.0, 1.812), (30.0, 1.697), (100.0, 1.660)] {
            assert!((t_quantile(0.95, freedom) - t).abs() < 5e-4, "{freedom}");
            assert!((t_cdf(t, freedom) - 0.95).abs() < 1e-4, "{freedom}");
        }
    }
}
