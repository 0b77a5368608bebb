//! The one timer of an exchange.

use crate::clock::{instant, moment};
use banjia_types::Moment;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Sleep, sleep_until};

/// Fires once at the moment it was last set to. No timer exists until it is polled.
#[derive(Debug, Default)]
pub(super) struct DeadlineTimer {
    until: Option<Moment>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// True if `sleep` is set to `until`.
    is_armed: bool,
}

impl DeadlineTimer {
    pub(super) const fn set(&mut self, until: Moment) {
        self.until = Some(until);
        self.is_armed = false;
    }

    /// Ready once with the present moment, when the moment has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Moment> {
        let Some(until) = self.until else { return Poll::Pending };
        if !self.is_armed {
            self.is_armed = true;
            let at = instant(until);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(at),
                None => self.sleep = Some(Box::pin(sleep_until(at))),
            }
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        sleep.as_mut().poll(cx).map(|()| {
            self.until = None;
            moment()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_once_at_its_moment() {
        let (begin, mut deadline_timer) = (Instant::now(), DeadlineTimer::default());
        deadline_timer.set(moment() + Duration::from_mins(5));
        deadline_timer.set(moment() + Duration::from_mins(2));
        poll_fn(|cx| deadline_timer.poll(cx)).await;
        let waited = begin.elapsed();
        assert!(waited >= Duration::from_mins(2) && waited < Duration::from_secs(121), "{waited:?}");
        assert!(poll_fn(|cx| Poll::Ready(deadline_timer.poll(cx))).await.is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_never_rings_early() {
        let mut deadline_timer = DeadlineTimer::default();
        for millis in 1..50 {
            let until = moment() + Duration::from_millis(millis);
            deadline_timer.set(until);
            assert!(poll_fn(|cx| deadline_timer.poll(cx)).await >= until);
        }
    }
}
