//! The two clocks of this crate, and the only place that reads them.
//!
//! - The monotonic clock ([`moment`]) measures every span: limits, time-outs, deadlines, breakers,
//!   pauses, how long a conversation is remembered, latency. It is tokio's, so that tests can pause
//!   it.
//! - The wall clock ([`Clock`]) says dates: when a request was accepted, whether a border or a move
//!   has begun.
//!
//! An operator or a time daemon may set the wall clock at any time. So no span is the difference of
//! two of its readings, and a date that lies a span after another one (the end of a request) is
//! computed from the span.

use banjia_types::{Moment, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The first reading of the monotonic clock in this process.
static START: LazyLock<Instant> = LazyLock::new(|| Instant::from_std(std::time::Instant::now()));

/// The moment of `START`. It is not zero because a test's paused clock may stand a little earlier.
const AT_START: Duration = Duration::from_hours(24);

/// The present moment of the monotonic clock.
pub(crate) fn moment() -> Moment {
    Moment::default() + (Instant::now() + AT_START).duration_since(*START)
}

/// The instant of a moment, for a timer.
pub(crate) fn instant(moment: Moment) -> Instant {
    *START + moment.since(Moment::default()) - AT_START
}

/// The wall clock, which rehearsals may set. Clones are one clock.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The present date.
    pub fn now(&self) -> Timestamp {
        Timestamp(system().0.saturating_add(self.ahead_ms.load(Ordering::Relaxed)))
    }

    /// From now on it is this date, as if somebody set the system's clock. No span that is being
    /// measured changes.
    pub fn set(&self, at: Timestamp) {
        self.ahead_ms.store(at.0.saturating_sub(system().0), Ordering::Relaxed);
    }

    /// Reads both clocks.
    pub(crate) fn read(&self) -> Reading {
        Reading { wall: self.now(), moment: moment() }
    }
}

/// The date by the system's clock.
fn system() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// One instant as both clocks show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) wall: Timestamp,
    pub(crate) moment: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_clock_that_is_set_goes_on_from_there() {
        let clock = Clock::default();
        clock.set(Timestamp(1_720_483_200_000));
        let now = clock.now();
        assert!(now >= Timestamp(1_720_483_200_000) && now < Timestamp(1_720_483_260_000));
    }

    #[tokio::test(start_paused = true)]
    async fn moments_follow_tokios_clock() {
        let begin = moment();
        advance(HOUR).await;
        assert_eq!(moment().since(begin), HOUR);
    }

    #[test]
    fn a_moment_and_its_instant_agree() {
        let (now, at) = (Instant::now(), moment());
        assert_eq!(instant(at + HOUR) - instant(at), HOUR);
        let apart = now.saturating_duration_since(instant(at)) + instant(at).saturating_duration_since(now);
        assert!(apart < Duration::from_mins(1), "{apart:?}");
    }
}
