//! The end that the border sets to a stream which began before the block.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Fires once after a time. Without a time it never fires and has no timer.
#[derive(Debug)]
pub(super) struct BorderCutoff(Option<Pin<Box<Sleep>>>);

impl BorderCutoff {
    pub(super) fn new(span: Option<Duration>) -> Self {
        Self(span.map(|span| Box::pin(sleep(span))))
    }

    /// Ready once, when the time is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.0 else { return Poll::Pending };
        sleep.as_mut().poll(cx).map(|()| self.0 = None)
    }
}
