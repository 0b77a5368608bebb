//! The two clocks of this crate, and the only place that reads them.
//!
//! - The monotonic clock ([`moment`]) measures every span: limits, time-outs, deadlines, breakers, pauses, how long a
//!   conversation is remembered, latency. It is tokio's, so that tests can pause it.
//! - The wall clock ([`wall`]) says dates: when a request was accepted, whether a border or a move has begun.
//!
//! An operator or a time daemon may set the wall clock at any time. So no span is the difference of two of its readings,
//! and a date that lies a span after another one is computed from the span, see [`Reading::date_of`].

use banjia_types::{Moment, Timestamp};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The start of the monotonic clock: its first reading in this process.
static START: LazyLock<Instant> = LazyLock::new(|| Instant::from_std(std::time::Instant::now()));

/// The present moment of the monotonic clock.
pub(crate) fn moment() -> Moment {
    let now = Instant::now();
    // Under a paused clock it may be earlier than the start.
    match now.checked_duration_since(*START) {
        Some(after) => Moment::default() + after,
        None => Moment::default() - START.duration_since(now),
    }
}

/// The instant of a moment, for a timer.
pub(crate) fn instant(moment: Moment) -> Instant {
    match u64::try_from(moment.0) {
        Ok(after) => *START + Duration::from_millis(after),
        Err(_) => *START - Duration::from_millis(moment.0.unsigned_abs()),
    }
}

/// The present date of the wall clock. Only for dates; see the module's text.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// One instant as both clocks show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) wall: Timestamp,
    pub(crate) moment: Moment,
}

impl Reading {
    /// Reads both clocks.
    pub(crate) fn now() -> Self {
        Self { wall: wall(), moment: moment() }
    }

    /// The date of a later moment. A step of the wall clock since this reading does not change it.
    pub(crate) fn date_of(&self, later: Moment) -> Timestamp {
        self.wall + later.since(self.moment)
    }
}
