//! How many side requests may be in flight, and how fast they may follow each other.

use super::{NotAsked, SideRequestStats};
use crate::lock::lock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// The bounds of all legs together.
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

    /// A place, in its turn; none when there are no more.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        let turn = {
            let mut next = lock(&self.next);
            let now = Instant::now();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.every);
            turn
        };
        sleep_until(turn).await;
        (!self.places.is_closed()).then_some(place)
    }

    /// No further place is given.
    pub(crate) fn close(&self) {
        self.places.close();
    }

    pub(crate) fn count_asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused(&self, why: &NotAsked) {
        let counter = if *why == NotAsked::Spent { &self.spent } else { &self.refused };
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
    async fn legs_follow_each_other_at_their_pace_and_few_at_once() {
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
