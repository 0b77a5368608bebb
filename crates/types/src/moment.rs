//! A reading of the monotonic clock, for measuring durations.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Milliseconds on this process's own monotonic clock. Core functions take it as an argument; only
/// shells read the clock.
///
/// Only the difference of two moments means anything: the start of the clock is arbitrary. So a
/// moment is never stored, never printed as a date, and never compared with one of another process.
/// For dates there is [`crate::Timestamp`], which follows the system's clock and moves with every
/// step of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Moment {
    /// The time from `earlier` to this moment; zero if `earlier` is not earlier (two threads may
    /// report out of order).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_between_moments_is_never_negative() {
        let moment = Moment(1_000);
        assert_eq!((moment + Duration::from_secs(2)).since(moment), Duration::from_secs(2));
        assert_eq!((moment - Duration::from_secs(2)).since(moment), Duration::ZERO);
    }

    #[test]
    fn a_moment_stays_within_its_range() {
        assert_eq!(Moment(1) + Duration::MAX, Moment(i64::MAX));
        assert_eq!(Moment(-3) - Duration::MAX, Moment(i64::MIN));
    }
}
