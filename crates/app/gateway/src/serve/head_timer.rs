//! Bounds the wait of a connection for the head of a request.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for a connection. It is moved only when it rings or when the wait became shorter, so
/// that a request costs a reading of the clock and no timer.
#[derive(Debug, Default)]
pub(super) struct HeadTimer {
    /// When the present wait began; `None` while there is none.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl HeadTimer {
    /// The connection waits for nothing.
    pub(super) fn stop(&mut self) {
        self.since = None;
    }

    /// Begins or goes on to wait. Ready when the wait has lasted `within`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, within: Duration) -> Poll<()> {
        let until = *self.since.get_or_insert_with(Instant::now) + within;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        loop {
            match timer.as_mut().poll(cx) {
                Poll::Ready(()) if timer.deadline() < until => timer.as_mut().reset(until),
                polled => return polled,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn a_new_wait_has_its_whole_time() {
        let begun = Instant::now();
        let mut timer = HeadTimer::default();
        let within = Duration::from_secs(30);
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx, within))).await.is_pending());
        tokio::time::advance(Duration::from_secs(20)).await;
        timer.stop();
        poll_fn(|cx| timer.poll(cx, within)).await;
        assert_eq!(begun.elapsed().as_secs(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_became_shorter_ends_sooner() {
        let begun = Instant::now();
        let mut timer = HeadTimer::default();
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx, Duration::from_secs(30)))).await.is_pending());
        tokio::time::advance(Duration::from_secs(1)).await;
        poll_fn(|cx| timer.poll(cx, Duration::from_secs(3))).await;
        assert_eq!(begun.elapsed().as_secs(), 3);
    }
}
