//! When the border ends a stream that began before the moment.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Rings once, after its span. Without one it never rings and has no timer.
#[derive(Debug)]
pub(super) struct BorderCutoff(Option<Pin<Box<Sleep>>>);

impl BorderCutoff {
    pub(super) fn new(span: Option<Duration>) -> Self {
        Self(span.map(|span| Box::pin(sleep(span))))
    }

    /// Ready once when the moment has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.0 else { return Poll::Pending };
        sleep.as_mut().poll(cx).map(|()| self.0 = None)
    }
}
