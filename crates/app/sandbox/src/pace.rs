//! How fast an answer comes: a wait before the first content, then a wait before each further piece.
//!
//! Rules: zero means at once (tests), and then no timer is touched at all. The pace is asked for at each piece, so changing it
//! also changes streams that run already: a demonstration can slow a vendor down while people look on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The speed of an answer. The default is "at once".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// From the arrival of the request to the first content.
    pub first_token: Duration,
    /// From one piece of content to the next. A non-streamed answer waits for all of its pieces together.
    pub per_token: Duration,
}

/// A pace that can be changed while streams run.
#[derive(Debug, Default)]
pub(crate) struct Dial {
    first_us: AtomicU64,
    token_us: AtomicU64,
}

impl Dial {
    pub(crate) fn set(&self, pace: Pace) {
        self.first_us.store(micros(pace.first_token), Ordering::Relaxed);
        self.token_us.store(micros(pace.per_token), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Pace {
        Pace {
            first_token: Duration::from_micros(self.first_us.load(Ordering::Relaxed)),
            per_token: Duration::from_micros(self.token_us.load(Ordering::Relaxed)),
        }
    }
}

/// Waits, unless the wait is zero.
pub(crate) async fn wait(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
