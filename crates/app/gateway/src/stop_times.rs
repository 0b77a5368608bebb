//! The deadlines of a stop.
//!
//! A stop ends within `serve.drain_ms`, also when the database cannot be written. So the last part
//! of that time is kept for the writes: a quarter, at most [`WRITES_MAX`].

use std::time::Duration;
use tokio::time::Instant;

/// The most that is kept for the writes. Under way are a few batches at most.
const WRITES_MAX: Duration = Duration::from_secs(2);
/// A stop may take this long even if `drain_ms` is less, so that a healthy disk can take the last
/// batch.
const TOTAL_MIN: Duration = Duration::from_secs(1);

/// When each part of a stop must be over. Later parts begin earlier if the earlier ones are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopTimes {
    /// Requests that are still under way are given up now.
    pub requests: Instant,
    /// Cuts, captures, verdicts and the ledger's queue are written.
    pub writes: Instant,
    /// The ledger is closed, or the state file says what is missing.
    pub ledger: Instant,
    /// The database is closed.
    pub end: Instant,
}

impl StopTimes {
    /// The deadlines of a stop that begins at `now` and may take `drain`.
    pub fn new(now: Instant, drain: Duration) -> Self {
        let total = drain.max(TOTAL_MIN);
        let writes = (total / 4).min(WRITES_MAX);
        let end = now + total;
        Self {
            requests: now + drain.min(total.saturating_sub(writes)),
            writes: end - writes / 2,
            ledger: end - writes / 8,
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(drain: u64) -> [u128; 4] {
        let now = Instant::now();
        let times = StopTimes::new(now, Duration::from_millis(drain));
        [times.requests, times.writes, times.ledger, times.end].map(|at| (at - now).as_millis())
    }

    #[test]
    fn a_stop_ends_within_drain_ms() {
        assert_eq!(millis(30_000), [28_000, 29_000, 29_750, 30_000]);
        assert_eq!(millis(4_000), [3_000, 3_500, 3_875, 4_000]);
    }

    #[test]
    fn a_short_drain_leaves_time_to_write() {
        assert_eq!(millis(100), [100, 875, 968, 1_000]);
        assert_eq!(millis(0), [0, 875, 968, 1_000]);
    }
}
