//! The one timer of an exchange: for its deadlines, and for the heartbeat of a stream that is
//! silent.
//!
//! Why both share a timer: a second one would cost every stream an allocation and an entry in the
//! runtime's timer wheel, and nearly no stream is silent for so long.

use crate::clock::{instant, moment};
use banjia_types::Moment;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep_until};

/// The reason why a timer fired, with the present moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The moment that it was last set to has come.
    Deadline(Moment),
    /// The heartbeat's interval has passed.
    Heartbeat(Moment),
}

/// Fires once at the moment it was last set to, and before that at each heartbeat. No timer exists
/// until it is polled.
#[derive(Debug, Default)]
pub(super) struct DeadlineTimer {
    until: Option<Moment>,
    /// The interval of heartbeats. `None` if there are none.
    heartbeat: Option<Duration>,
    next_heartbeat: Option<Moment>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// True if `sleep` is set to what comes next.
    is_armed: bool,
}

impl DeadlineTimer {
    pub(super) fn new(heartbeat: Option<Duration>) -> Self {
        Self { heartbeat, ..Self::default() }
    }

    /// Sets the deadline. The first heartbeat is counted from the first `now`.
    pub(super) fn set(&mut self, until: Moment, now: Moment) {
        self.until = Some(until);
        self.next_heartbeat = self.next_heartbeat.or(self.heartbeat.map(|every| now + every));
        self.is_armed = false;
    }

    /// Counts the next heartbeat from `last_output`, if that has not passed. Returns whether it
    /// has.
    pub(super) fn is_silent_since(&mut self, last_output: Moment, now: Moment) -> bool {
        let Some(next) = self.heartbeat.map(|every| last_output + every) else { return false };
        if next <= now {
            return true;
        }
        self.next_heartbeat = Some(next);
        false
    }

    /// Ready with what is due.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        let Some(until) = self.until else { return Poll::Pending };
        if !self.is_armed {
            self.is_armed = true;
            let at = instant(self.next_heartbeat.map_or(until, |next| next.min(until)));
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(at),
                None => self.sleep = Some(Box::pin(sleep_until(at))),
            }
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        sleep.as_mut().poll(cx).map(|()| {
            let now = moment();
            if now < until {
                self.next_heartbeat = self.heartbeat.map(|every| now + every);
                self.is_armed = false;
                return Due::Heartbeat(now);
            }
            self.until = None;
            Due::Deadline(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_timer_fires_once_at_its_moment() {
        let (begin, mut timer) = (Instant::now(), DeadlineTimer::default());
        timer.set(moment() + Duration::from_mins(5), moment());
        timer.set(moment() + Duration::from_mins(2), moment());
        assert!(matches!(poll_fn(|cx| timer.poll(cx)).await, Due::Deadline(_)));
        let waited = begin.elapsed();
        assert!(waited >= Duration::from_mins(2) && waited < Duration::from_secs(121), "{waited:?}");
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx))).await.is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_never_fires_early() {
        let mut timer = DeadlineTimer::default();
        for millis in 1..50 {
            let until = moment() + Duration::from_millis(millis);
            timer.set(until, moment());
            let Due::Deadline(now) = poll_fn(|cx| timer.poll(cx)).await else { panic!("no heartbeat is set") };
            assert!(now >= until);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_come_until_the_deadline() {
        let (begin, mut timer) = (Instant::now(), DeadlineTimer::new(Some(Duration::from_secs(30))));
        timer.set(moment() + Duration::from_secs(100), moment());
        let mut heartbeats = 0;
        while let Due::Heartbeat(_) = poll_fn(|cx| timer.poll(cx)).await {
            heartbeats += 1;
            assert!(begin.elapsed() < Duration::from_secs(100));
        }
        assert_eq!(heartbeats, 3);
    }
}
