//! A vendor's answer: head at once, body as it comes.
//!
//! Rules: the body is handed on in the parts that arrive; the wait for each is bounded, here or by
//! a caller that asked for no bound because it has its own; a sum is read only up to a limit that
//! the caller names. Dropping the body closes the connection, which stops the vendor's work. A body
//! that is read to its end (`None`) gives its connection back to the pool. Why one timer that is
//! moved rarely: a stream has hundreds of parts, and moving a timer for each costs more than
//! reading it.

use crate::send::innermost;
use crate::{Phase, SendError, Timeouts};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use hyper::body::Incoming;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What a vendor answered.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status, whatever it is.
    pub status: u16,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The body, as it comes.
    pub body: ReplyBody,
}

/// The body of an answer.
pub struct ReplyBody {
    incoming: Incoming,
    host: Arc<str>,
    /// None where the caller bounds the waits.
    watch: Option<Watch>,
    ended: bool,
}

/// What bounds the waits for the parts of a body.
pub(crate) struct Watch {
    timer: Pin<Box<Sleep>>,
    /// When the wait under way ends. The timer may stand earlier; it is moved only when it rings.
    until: Instant,
    phase: Phase,
    within: Duration,
    idle: Duration,
}

impl Watch {
    /// Watches a request that was sent at `begun`, with the timer that bounded the wait for its
    /// head.
    pub(crate) fn new(timer: Pin<Box<Sleep>>, begun: Instant, timeouts: Timeouts) -> Self {
        let (until, within) = (begun + timeouts.first_byte, timeouts.first_byte);
        Self { timer, until, phase: Phase::FirstByte, within, idle: timeouts.idle }
    }

    /// A part came: the wait for the next one begins.
    fn part_came(&mut self) {
        (self.phase, self.within) = (Phase::Idle, self.idle);
        self.until = Instant::now() + self.idle;
    }

    /// Ready when the wait under way has lasted too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.timer.deadline() > self.until {
                self.timer.as_mut().reset(self.until);
            }
            match self.timer.as_mut().poll(cx) {
                Poll::Ready(()) if self.timer.deadline() < self.until => self.timer.as_mut().reset(self.until),
                polled => return polled,
            }
        }
    }
}

impl ReplyBody {
    pub(crate) fn new(incoming: Incoming, host: Arc<str>, watch: Option<Watch>) -> Self {
        Self { incoming, host, watch, ended: false }
    }

    /// The next part, or `None` at the end. Parts are never empty. After an error there is nothing
    /// more.
    pub async fn next_chunk(&mut self) -> Option<Result<Bytes, SendError>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// As [`Self::next_chunk`], for a caller that is polled itself.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SendError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => {
                        if let Some(watch) = &mut self.watch {
                            watch.part_came();
                        }
                        return Poll::Ready(Some(Ok(data)));
                    }
                    // Trailers and empty parts say nothing to anybody.
                    _ => {}
                },
                Poll::Ready(Some(Err(error))) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(self.broken(&error))));
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    return Poll::Ready(None);
                }
                Poll::Pending => return self.poll_late(cx).map(|error| Some(Err(error))),
            }
        }
    }

    /// Ready when the wait under way has lasted too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<SendError> {
        let Some(watch) = &mut self.watch else { return Poll::Pending };
        std::task::ready!(watch.poll_late(cx));
        self.ended = true;
        Poll::Ready(SendError::Timeout { host: Arc::clone(&self.host), phase: watch.phase, within: watch.within })
    }

    fn broken(&self, error: &hyper::Error) -> SendError {
        let (host, why) = (Arc::clone(&self.host), innermost(error));
        if error.is_parse() {
            SendError::BadAnswer { host, why }
        } else {
            SendError::Reset { host, in_body: true, why }
        }
    }

    /// The whole body, up to `limit_bytes`.
    ///
    /// # Errors
    /// A longer body ([`SendError::TooLarge`], at once when its length is announced), and whatever
    /// breaks the body.
    pub async fn collect(self, limit_bytes: usize) -> Result<Bytes, SendError> {
        self.collect_while(limit_bytes, |_| true).await
    }

    /// As [`Self::collect`], but asks before more is read: `has_room` is given the bytes that the
    /// body needs so far, at first its whole length if that is announced.
    ///
    /// # Errors
    /// As [`Self::collect`], and [`SendError::NoRoom`] when `has_room` says no.
    pub async fn collect_while(
        mut self,
        limit_bytes: usize,
        mut has_room: impl FnMut(usize) -> bool,
    ) -> Result<Bytes, SendError> {
        let host = Arc::clone(&self.host);
        let mut check = |bytes: usize| {
            if bytes > limit_bytes {
                return Err(SendError::TooLarge { host: Arc::clone(&host), what: "body", limit_bytes });
            }
            if has_room(bytes) { Ok(()) } else { Err(SendError::NoRoom { host: Arc::clone(&host) }) }
        };
        let announced = usize::try_from(self.incoming.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > 0 {
            check(announced)?;
        }
        let Some(first) = self.next_chunk().await.transpose()? else { return Ok(Bytes::new()) };
        check(first.len())?;
        let Some(second) = self.next_chunk().await.transpose()? else { return Ok(first) };
        check(first.len() + second.len())?;
        let mut whole = BytesMut::with_capacity(announced.max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(part) = next {
            check(whole.len() + part.len())?;
            whole.extend_from_slice(&part);
            next = self.next_chunk().await.transpose()?;
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").field("host", &self.host).field("ended", &self.ended).finish_non_exhaustive()
    }
}
