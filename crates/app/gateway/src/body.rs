//! What goes back to a client: nothing, a whole answer, or a stream that is still being driven.
//!
//! Rule: a live body *is* the drive. Hyper polls it, it polls the vendor; no task and no channel stand between them, so a
//! client that leaves drops the drive, which cancels the vendor's answer and books the request as abandoned.

use crate::drive::Drive;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A response's body.
pub(crate) enum Body {
    /// A whole body, given out once.
    Whole(Bytes),
    /// A stream under way.
    Live(Box<Drive>),
}

impl Body {
    pub(crate) const fn full(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }

    pub(crate) const fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Live(drive) => drive.poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Live(drive) => drive.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Live(_) => SizeHint::default(),
        }
    }
}
