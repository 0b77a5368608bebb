//! How long to wait before the same target is asked again.
//!
//! Rules: the pause doubles with each attempt up to a ceiling; between half and the whole of it is used, by a number between
//! 0 and 1 that the caller drew. What the vendor asked for is honoured when it is short; when it is long, waiting
//! here would only keep the client, so the answer is no and another target is tried.
//!
//! Why half is kept: with full jitter some retries come at once, and a vendor that has just said "too many" hears them first.

use std::time::Duration;

/// How often and how patiently one target is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// The first pause, before jitter.
    pub backoff_first: Duration,
    /// The longest pause of our own choosing.
    pub backoff_max: Duration,
    /// The longest pause that a vendor may ask for; a longer one means the next target.
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
    /// The pause after the `attempt`-th request (counted from 1) to a target failed, or `None` when the vendor asked for
    /// more than is worth waiting. `jitter` lies between 0 and 1; anything else (NaN included) is taken as the nearer end.
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
    fn a_short_wish_of_the_vendor_is_honoured_and_a_long_one_means_no() {
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
