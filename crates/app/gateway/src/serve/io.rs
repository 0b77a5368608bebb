//! A client's socket as the HTTP library sees it.
//!
//! Rules:
//! - Only checked bytes reach the HTTP library (see [`super::framing`]). An unclear head is
//!   replaced by a stand-in, whose answer is the error; after it nothing is read.
//! - A client that closes its sending side after its request still gets its answer. Whether it is
//!   gone altogether shows when something is sent to it, so an HTTP/1.1 client is sent an interim
//!   answer, which every client must skip; in the midst of a stream of events it is a comment.
//! - A write that makes no progress for a while fails. The timers exist only while they are needed,
//!   so a usual client costs none.

use super::framing::{Checked, Framing};
use crate::bad_request::BadRequest;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
const READ_BYTES_MIN: usize = 4 * 1024;
/// Stands for a head that was refused. It is never routed.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// Shows whether a client that closed its sending side is still there.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// First and longest pause between two looks at a client that closed its sending side.
const LOOK_FIRST: Duration = Duration::from_millis(20);
const LOOK_LAST: Duration = Duration::from_secs(1);
/// Bytes of a refused request that are read and thrown away, so that the error is not lost in a
/// reset.
const DISCARD_BYTES_MAX: usize = 1024 * 1024;

thread_local! {
    /// One for each thread and not for each connection: between two reads it holds nothing.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Shared by the parts of one connection.
#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    /// A request was taken and its answer has not been given out.
    is_busy: AtomicBool,
    /// The client sends nothing more.
    is_half_closed: AtomicBool,
    /// A client that closed its sending side was sent something to show whether it is still there.
    is_probed: AtomicBool,
    /// An answer cannot be written now.
    is_stuck: AtomicBool,
    /// Something was sent since the request was taken.
    has_answered: AtomicBool,
    refused: OnceLock<BadRequest>,
}

impl ConnectionState {
    /// A request was taken: the connection is busy.
    pub(super) fn begin(&self) {
        self.has_answered.store(false, Ordering::Relaxed);
        self.is_busy.store(true, Ordering::Relaxed);
    }

    /// The answer was given out, or given up.
    pub(super) fn finish(&self) {
        self.is_busy.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    /// True if the connection only waits for a head.
    pub(super) fn is_waiting(&self) -> bool {
        !self.is_busy() && !self.is_stuck.load(Ordering::Relaxed)
    }

    pub(super) fn is_half_closed(&self) -> bool {
        self.is_half_closed.load(Ordering::Relaxed)
    }

    /// True once if something must be sent in the midst of an answer, to show that a client which
    /// closed its sending side is still there.
    pub(super) fn take_probe(&self) -> bool {
        self.is_half_closed() && !self.is_probed.swap(true, Ordering::Relaxed)
    }

    /// Why the request that is served now is a stand-in for one that was refused.
    pub(super) fn refused(&self) -> Option<BadRequest> {
        self.refused.get().copied()
    }
}

/// See the module's text.
pub(super) struct ClientStream {
    socket: TcpStream,
    state: Arc<ConnectionState>,
    framing: Framing,
    /// Bytes that were read and not passed on. Empty unless a head came in parts.
    kept: Vec<u8>,
    /// The part of `kept` that was checked.
    checked: usize,
    end: Option<End>,
    patience: Duration,
    stuck: Option<Pin<Box<Sleep>>>,
}

/// Why nothing more is read.
enum End {
    /// A refused head, whose stand-in is still to be passed on.
    Refused(BadRequest),
    /// Its stand-in was passed on.
    StoodIn,
    /// A fault inside a body.
    BadBody(BadRequest),
    /// The client closed its sending side.
    HalfClosed { timer: Pin<Box<Sleep>>, pause: Duration },
}

impl ClientStream {
    pub(super) fn new(socket: TcpStream, patience: Duration, state: Arc<ConnectionState>) -> Self {
        Self {
            socket,
            state,
            framing: Framing::default(),
            kept: Vec::new(),
            checked: 0,
            end: None,
            patience,
            stuck: None,
        }
    }

    /// Passes on what was checked before and found no room.
    fn pass_kept(&mut self, buf: &mut ReadBufCursor<'_>) {
        let count = self.checked.min(buf.remaining());
        buf.put_slice(self.kept.get(..count).unwrap_or_default());
        self.kept.drain(..count);
        self.checked -= count;
        if self.kept.is_empty() {
            // A connection that waits holds no memory for it.
            self.kept = Vec::new();
        }
    }

    /// Reads once, and passes on or keeps what was read. Returns whether the client sends nothing
    /// more.
    fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBufCursor<'_>) -> Poll<io::Result<bool>> {
        READ.with_borrow_mut(|scratch| {
            // No more than there is room for, so that a body is not kept here and copied once more.
            let length = buf.remaining().clamp(READ_BYTES_MIN, READ_BYTES);
            let mut read = ReadBuf::new(&mut scratch[..length]);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(true));
            }
            let is_fresh = self.kept.is_empty();
            if !is_fresh {
                self.kept.extend_from_slice(bytes);
            }
            let seen = if is_fresh { self.framing.check(bytes) } else { self.framing.check(&self.kept) };
            let pass = match seen {
                Checked::Pass(pass) => pass,
                Checked::Refuse { pass, why, is_in_body } => {
                    self.end = Some(if is_in_body { End::BadBody(why) } else { End::Refused(why) });
                    pass
                }
            };
            if is_fresh && pass == bytes.len() && pass <= buf.remaining() {
                buf.put_slice(bytes);
                return Poll::Ready(Ok(false));
            }
            if is_fresh {
                self.kept.extend_from_slice(bytes);
            }
            if self.end.is_some() {
                self.kept.truncate(pass);
            }
            self.checked = pass;
            Poll::Ready(Ok(false))
        })
    }

    /// The client sends nothing more. Returns true if its answer is not complete yet: then the HTTP
    /// library must not see the end.
    fn half_close(&mut self) -> bool {
        let is_complete = self.framing.is_between_requests() && self.framing.is_http_11();
        if !self.state.is_busy() || !is_complete {
            return false;
        }
        self.kept = Vec::new();
        self.state.is_half_closed.store(true, Ordering::Relaxed);
        self.end = Some(End::HalfClosed { timer: Box::pin(tokio::time::sleep(LOOK_FIRST)), pause: LOOK_FIRST });
        true
    }

    /// Waits until a client that closed its sending side turns out to be gone, or has its answer.
    fn watch_half_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.state.is_busy() {
            return Poll::Ready(Ok(()));
        }
        // Sent once, and never between two parts of an answer.
        let is_stuck = self.state.is_stuck.load(Ordering::Relaxed);
        let is_silent = !is_stuck && !self.state.has_answered.swap(true, Ordering::Relaxed);
        if is_silent && let Poll::Ready(sent) = Pin::new(&mut self.socket).poll_write(cx, INTERIM) {
            sent?;
        }
        let Some(End::HalfClosed { timer, pause }) = &mut self.end else { return Poll::Pending };
        while timer.as_mut().poll(cx).is_ready() {
            if let Some(error) = self.socket.take_error()? {
                return Poll::Ready(Err(error));
            }
            *pause = (*pause * 2).min(LOOK_LAST);
            timer.as_mut().reset(tokio::time::Instant::now() + *pause);
        }
        Poll::Pending
    }

    /// Throws away what a refused client has sent already: a socket that is closed with unread
    /// bytes is reset, and the client may not see why.
    fn discard(&self) {
        READ.with_borrow_mut(|scratch| {
            let mut left = DISCARD_BYTES_MAX;
            while let Ok(count @ 1..) = self.socket.try_read(scratch) {
                left = left.saturating_sub(count);
                if left == 0 {
                    return;
                }
            }
        });
    }

    fn watch<R>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if result.is_ready() {
            self.state.has_answered.store(true, Ordering::Relaxed);
            if self.stuck.take().is_some() {
                self.state.is_stuck.store(false, Ordering::Relaxed);
            }
            return result;
        }
        let patience = self.patience;
        self.state.is_stuck.store(true, Ordering::Relaxed);
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stuck
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl Read for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.checked > 0 {
                this.pass_kept(&mut buf);
                return Poll::Ready(Ok(()));
            }
            match &this.end {
                Some(End::Refused(why)) => {
                    this.state.refused.set(*why).unwrap_or_default();
                    this.kept.extend_from_slice(STAND_IN);
                    this.checked = STAND_IN.len();
                    this.end = Some(End::StoodIn);
                    continue;
                }
                // Nothing is read any more; the connection ends with its answer.
                Some(End::StoodIn) => return if this.state.is_busy() { Poll::Pending } else { Poll::Ready(Ok(())) },
                Some(End::BadBody(why)) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, *why))),
                Some(End::HalfClosed { .. }) => return this.watch_half_closed(cx),
                None => {}
            }
            let before = buf.remaining();
            let is_end = ready!(this.read(cx, &mut buf))?;
            if buf.remaining() < before || (is_end && !this.half_close()) {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Write for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.watch(cx, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.end.is_some() {
            self.discard();
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.watch(cx, result)
    }
}
