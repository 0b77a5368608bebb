//! How many side requests may be in flight, and how fast they may follow each other.

use crate::lock::lock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Counts of side requests since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SideRequestStats {
    /// Requests sent.
    pub asked: u64,
    /// Not sent because the budget is used up.
    pub spent: u64,
    /// Not sent because of the border, a date, or the request itself.
    pub refused: u64,
}

/// The limits of all side requests together.
#[derive(Debug)]
pub(crate) struct SideRequestLimiter {
    places: Arc<Semaphore>,
    every: Duration,
    next: Mutex<Option<Instant>>,
    asked: AtomicU64,
    spent: AtomicU64,
    refused: AtomicU64,
}

impl SideRequestLimiter {
    pub(crate) fn new(at_once_max: usize, per_minute_max: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(at_once_max.clamp(1, Semaphore::MAX_PERMITS))),
            every: Duration::from_mins(1) / per_minute_max.max(1),
            next: Mutex::default(),
            asked: AtomicU64::new(0),
            spent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Waits for a place among those in flight and for the next start. `None` once closed.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        let start = {
            let mut next = lock(&self.next);
            let now = Instant::now();
            let start = next.map_or(now, |next| next.max(now));
            *next = Some(start + self.every);
            start
        };
        sleep_until(start).await;
        (!self.places.is_closed()).then_some(place)
    }

    /// Gives no further place.
    pub(crate) fn close(&self) {
        self.places.close();
    }

    pub(crate) fn count_asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that was not sent because the budget is used up, or for another reason.
    pub(crate) fn count_refused(&self, is_budget_spent: bool) {
        let counter = if is_budget_spent { &self.spent } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> SideRequestStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SideRequestStats { asked: count(&self.asked), spent: count(&self.spent), refused: count(&self.refused) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::task::{Context, Waker};

    #[tokio::test]
    async fn requests_keep_the_pace_and_the_number_at_once() {
        let quota = SideRequestLimiter::new(2, 3_000);
        let begun = Instant::now();
        for _ in 0..3 {
            drop(quota.place().await);
        }
        assert!(begun.elapsed() >= Duration::from_millis(40), "two pauses of 20 ms");
        let held = (quota.place().await, quota.place().await);
        let mut waiting = Box::pin(quota.place());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "both places are taken");
        quota.close();
        assert!(waiting.await.is_none());
        drop(held);
    }
}
