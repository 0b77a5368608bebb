//! What goes back to a client: nothing, a whole answer, or a stream that is still being driven.
//!
//! A streamed body *is* the request's drive, seen as a [`ByteStream`]. Hyper polls it and it polls
//! the vendor, without a task or a channel between them. So a client that leaves drops the drive,
//! which cancels the vendor's response and closes the request as abandoned. The box is the one that
//! the drive lives in anyway; the trait costs one virtual call a chunk.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The bytes of a response that is still being made.
pub(crate) trait ByteStream: Send {
    /// The next bytes for the client, or the end.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;

    /// Whether it has ended and everything was given out.
    fn is_over(&self) -> bool;
}

/// A response's body.
pub(crate) enum Body {
    /// A whole body, given out once.
    Whole(Bytes),
    /// A stream that is still being made.
    Stream(Box<dyn ByteStream>),
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
            Self::Stream(stream) => stream.poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream(stream) => stream.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
