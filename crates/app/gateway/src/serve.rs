//! Connections in, and the way they end.
//!
//! Rules: a connection has a place in the bound before it is accepted, and one client address has a
//! part of the places only; a head must come in time, so a slow or idle client costs a connection
//! for a known while; a client that does not read its answer is let go; on drain every connection
//! finishes the request it has and takes no other. HTTP/1.1 only: the SDKs speak it, and a proxy in
//! front may speak what it likes.
//!
//! Why a signal is polled once per change and then only read as a number: waiting on a shared
//! notification at every wake-up would take its lock for every chunk of every stream. Why the wait
//! for a head has a timer of ours: the HTTP library makes one for each request, and cannot shorten
//! those that it has made.

mod connections;
mod framing;
mod head_timer;
mod io;
mod proxy;

use crate::body::Body;
use crate::drain::{Drain, SERVING};
use crate::error::Failure;
use crate::overload::Cause;
use crate::router;
use crate::state::State;
use bytes::Bytes;
use connections::{Connections, Place};
use head_timer::HeadTimer;
use http_body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use io::{ClientStream, ConnectionState};
use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::net::{IpAddr, Shutdown};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::futures::OwnedNotified;

/// The most that is buffered of a request's head, and of a body between two reads.
const READ_BUFFER_BYTES_MAX: usize = framing::HEAD_BYTES_MAX;
/// A comment in a stream of events: clients skip it.
const COMMENT: &[u8] = b":\n\n";
/// Pause after an `accept` that failed, for example because no file descriptor was free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until drained.
pub(crate) async fn accept(listener: TcpListener, state: Arc<State>) {
    let serve = state.runtime().snapshot.serve.clone();
    let connections = Connections::new(&serve);
    let mut http = http1::Builder::new();
    http.max_buf_size(READ_BUFFER_BYTES_MAX);
    let stall = Duration::from_millis(serve.write_stall_ms.max(1));
    let drain = state.drain.clone();
    let changed = drain.changed.clone();
    while !drain.is_draining() {
        let stop = changed.notified();
        tokio::pin!(stop);
        stop.as_mut().enable();
        if drain.is_draining() {
            break;
        }
        let next = async {
            let place = connections.place().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut stop => continue,
            next = next => next,
        };
        if connections.observe() {
            tracing::warn!(
                connections_max = serve.connections_max,
                "most places for connections are taken; those that send no request are closed sooner"
            );
            drain.wake_all();
        }
        drain.set_crowded(connections.is_scarce());
        match accepted {
            Ok((socket, peer)) => {
                let peer = peer.ip().to_canonical();
                if proxy::speaks(&state, peer) {
                    proxy::connect(http.clone(), stall, socket, peer, place, state.clone());
                } else {
                    connect(&http, stall, socket, peer, place, &state);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn connect(
    http: &http1::Builder,
    stall: Duration,
    socket: TcpStream,
    peer: IpAddr,
    mut place: Place,
    state: &Arc<State>,
) {
    let is_exempt = state.runtime().snapshot.border.peer.trusts(peer);
    if !is_exempt && !place.claim(peer) {
        state.overload.count(Cause::Connections);
        turn_away(socket);
        return;
    }
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let connection_state = Arc::<ConnectionState>::default();
    let service = {
        let (state, connection_state) = (state.clone(), connection_state.clone());
        service_fn(move |request| {
            connection_state.begin();
            let answer = router::route(state.clone(), peer, request, connection_state.refused());
            let state = connection_state.clone();
            async move { answer.await.map(|answer| answer.map(|body| Tracked { body, state })) }
        })
    };
    let serving = http.serve_connection(ClientStream::new(socket, stall, connection_state.clone()), service);
    let drain = state.drain.clone();
    let connection = Connection {
        serving,
        state: connection_state,
        changed: None,
        seen: SERVING,
        is_closing: false,
        head_timer: HeadTimer::default(),
        drain: drain.clone(),
        place,
    };
    drain.connections.spawn(connection);
}

/// Closes a connection that its client has no place for, and says why. Nothing waits for it: the
/// answer is short enough for the socket's own buffer.
fn turn_away(socket: TcpStream) {
    let sent = socket.into_std().and_then(|mut socket| {
        socket.write_all(&Failure::too_many_connections().to_wire())?;
        socket.shutdown(Shutdown::Write)
    });
    if let Err(error) = sent {
        tracing::debug!(%error, "a client was not told that it has too many connections");
    }
}

/// An answer's body. While it lives its connection is not waiting for a head.
struct Tracked {
    body: Body,
    state: Arc<ConnectionState>,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // Only a stream waits, and what it gives out are whole events, so a comment may stand
        // between them.
        if polled.is_pending() && self.state.take_probe() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.state.finish();
    }
}

/// One connection until its end.
struct Connection<C> {
    serving: C,
    state: Arc<ConnectionState>,
    /// Polled once per change of the signal, to be woken by the next; otherwise the signal is only
    /// read.
    changed: Option<Pin<Box<OwnedNotified>>>,
    seen: u32,
    /// Set when the HTTP library takes no further request.
    is_closing: bool,
    head_timer: HeadTimer,
    drain: Arc<Drain>,
    place: Place,
}

type Serving<S> = http1::Connection<ClientStream, S>;

impl<S> Future for Connection<Serving<S>>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = Tracked> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.changed.is_none() || this.drain.signal() != this.seen {
            // To be woken by the next change, first wait for it and only then read the signal.
            let changed = this.changed.insert(Box::pin(this.drain.changed.clone().notified_owned()));
            if changed.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            this.seen = this.drain.signal();
        }
        if this.drain.is_stopped() {
            return Poll::Ready(());
        }
        loop {
            if !this.is_closing && (this.drain.is_draining() || this.state.is_half_closed()) {
                this.is_closing = true;
                Pin::new(&mut this.serving).graceful_shutdown();
            }
            if let Poll::Ready(ended) = Pin::new(&mut this.serving).poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return Poll::Ready(());
            }
            if this.is_closing || !this.state.is_half_closed() {
                break;
            }
        }
        if !this.state.is_waiting() {
            this.head_timer.stop();
            return Poll::Pending;
        }
        this.head_timer.poll(cx, this.place.connections().header_read()).map(|()| {
            tracing::debug!("a connection was closed because no request came in time");
        })
    }
}
