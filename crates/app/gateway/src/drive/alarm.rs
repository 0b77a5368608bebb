//! The one alarm of an exchange.

use crate::shared::now;
use banjia_types::Timestamp;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// Rings once at the moment it was last set to. No timer exists until somebody waits for it.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    until: Option<Timestamp>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether `sleep` stands at `until`.
    armed: bool,
}

impl Alarm {
    pub(super) const fn set(&mut self, until: Timestamp) {
        self.until = Some(until);
        self.armed = false;
    }

    /// Ready once when the moment has come, with the moment that it is now: never before the one that was set, even when the
    /// system's clock was put back meanwhile. The wait itself goes by a clock that nobody puts back.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Timestamp> {
        let Some(until) = self.until else { return Poll::Pending };
        if !self.armed {
            self.armed = true;
            let at = Instant::now() + until.since(now());
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(at),
                None => self.sleep = Some(Box::pin(sleep_until(at))),
            }
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        sleep.as_mut().poll(cx).map(|()| {
            self.until = None;
            now().max(until)
        })
    }
}
