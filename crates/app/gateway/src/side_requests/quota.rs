//! How many legs may be under way, how fast they may follow, and what they may cost.

use super::{NotAsked, SideRequestStats};
use crate::live::lock;
use banjia_types::{Currency, Money};
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

/// What copies may still cost. A currency that is not named has no bound.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// As the course said it.
    given: Vec<Money>,
    left: Mutex<Vec<Money>>,
}

impl Budget {
    pub(crate) fn new(given: &[Money]) -> Self {
        Self { given: given.to_vec(), left: Mutex::new(given.to_vec()) }
    }

    /// Whether a course with this much says nothing new: then what was spent since still counts.
    pub(crate) fn was_given(&self, given: &[Money]) -> bool {
        self.given == given
    }

    /// Whether nothing in this currency is left.
    pub(crate) fn is_empty(&self, currency: Currency) -> bool {
        lock(&self.left).iter().any(|left| left.currency == currency && left.micros <= 0)
    }

    pub(crate) fn spend(&self, cost: Money) {
        for left in lock(&self.left).iter_mut().filter(|left| left.currency == cost.currency) {
            left.micros = left.micros.saturating_sub(cost.micros);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::task::{Context, Waker};

    #[test]
    fn a_purse_is_empty_when_its_own_currency_is() {
        let yuan = |micros| Money { micros, currency: Currency::Cny };
        let budget = Budget::new(&[yuan(10)]);
        budget.spend(Money { micros: 1_000, currency: Currency::Usd });
        budget.spend(yuan(9));
        assert!(!budget.is_empty(Currency::Cny) && !budget.is_empty(Currency::Usd));
        budget.spend(yuan(1));
        assert!(budget.is_empty(Currency::Cny) && !budget.is_empty(Currency::Usd));
        assert!(budget.was_given(&[yuan(10)]) && !budget.was_given(&[yuan(1)]));
        assert!(!Budget::new(&[]).is_empty(Currency::Cny));
    }

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
