//! How long to wait before the same target is asked again.
//!
//! # Rules
//! - The pause doubles with each attempt, up to a ceiling.
//! - Jitter uses between half and the whole of the pause, by a number between 0 and 1 that the
//!   caller drew.
//! - A short `Retry-After` of the vendor is honoured. A long one means that another target is
//!   tried, since waiting here would only keep the client.
//!
//! # Why at least half
//! With full jitter some retries come at once, and a vendor that has just answered "too many
//! requests" gets them first.

use std::time::Duration;

/// How often and how fast one target is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// The first pause, before jitter.
    pub backoff_first: Duration,
    /// The longest pause that we choose ourselves.
    pub backoff_max: Duration,
    /// The longest pause that a vendor may ask for. If it asks for more, the next target is tried.
    pub retry_after_max: Duration,
}

impl Default for RetryRules {
    fn default() -> Self {
        Self {
            backoff_first: Duration::from_millis(250),
            backoff_max: Duration::from_secs(4),
            retry_after_max: Duration::from_secs(5),
        }
    }
}

impl RetryRules {
    /// The pause after the `attempt`-th request to a target (counted from 1) failed. `None` if the
    /// vendor asked for more than `retry_after_max`. `jitter` lies between 0 and 1; any other
    /// number (NaN included) counts as the nearer end.
    pub fn pause(&self, attempt: u32, retry_after: Option<Duration>, jitter: f64) -> Option<Duration> {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let ceiling = self.backoff_first.saturating_mul(doubled).min(self.backoff_max);
        let jitter = if jitter > 0.0 { jitter.min(1.0) } else { 0.0 };
        let own = ceiling.mul_f64(0.5 + 0.5 * jitter);
        match retry_after {
            Some(asked) if asked > self.retry_after_max => None,
            Some(asked) => Some(asked.max(own)),
            None => Some(own),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_pause_doubles_to_its_ceiling() {
        let rules = RetryRules { backoff_first: MS(100), backoff_max: MS(500), retry_after_max: MS(2_000) };
        let whole: Vec<_> = (1..=5).map(|n| rules.pause(n, None, 1.0).unwrap()).collect();
        assert_eq!(whole, [MS(100), MS(200), MS(400), MS(500), MS(500)]);
        assert_eq!(rules.pause(3, None, 0.0), Some(MS(200)));
    }

    #[test]
    fn retry_after_counts_within_its_bounds() {
        let rules = RetryRules { backoff_first: MS(100), backoff_max: MS(500), retry_after_max: MS(2_000) };
        assert_eq!(rules.pause(1, Some(MS(2_000)), 0.3), Some(MS(2_000)));
        assert_eq!(rules.pause(1, Some(MS(2_001)), 0.3), None);
        assert_eq!(rules.pause(1, Some(MS(1)), 1.0), Some(MS(100)), "never sooner than our own pause");
    }

    proptest! {
        #[test]
        fn every_pause_lies_within_its_bounds(attempt in 0_u32..200, jitter in prop::num::f64::ANY) {
            let rules = RetryRules::default();
            let pause = rules.pause(attempt, None, jitter).unwrap();
            prop_assert!(pause >= rules.backoff_first / 2 && pause <= rules.backoff_max);
        }
    }
}
