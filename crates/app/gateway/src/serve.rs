//! Connections in, and the way they end.
//!
//! Rules: a connection has a place in the bound before it is accepted; a head must come in time, so a slow or idle client
//! costs a connection for a known while; a client that does not read its answer is let go; on drain every connection
//! finishes the request it has and takes no other. HTTP/1.1 only: the SDKs speak it, and a proxy in front may speak what
//! it likes.
//!
//! Why the drain signal is polled once per connection and then only read as a flag: waiting on a shared notification at
//! every wake-up would take its lock for every chunk of every stream.

mod io;
mod proxy;

use crate::router;
use crate::shared::Shared;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use io::Watched;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// The most that is buffered of a request's head, and of a body between two reads.
const READ_BUFFER_BYTES_MAX: usize = 128 * 1024;
/// Pause after an `accept` that failed, for example because no file descriptor was free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const SERVING: u8 = 0;
const DRAINING: u8 = 1;
const STOPPED: u8 = 2;

/// Whether the listener serves, drains or has stopped; every connection looks at it.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    phase: AtomicU8,
    changed: Arc<Notify>,
    connections: TaskTracker,
}

impl Drain {
    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Acquire)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.phase() != SERVING
    }

    /// Whether requests under way are being given up.
    pub(crate) fn is_stopped(&self) -> bool {
        self.phase() == STOPPED
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Stops accepting, lets requests under way end, and gives up those that have not ended after `patience`. Returns
    /// whether all ended by themselves.
    pub(crate) async fn run(&self, patience: Duration) -> bool {
        self.enter(DRAINING);
        self.connections.close();
        if tokio::time::timeout(patience, self.connections.wait()).await.is_ok() {
            return true;
        }
        self.enter(STOPPED);
        self.connections.wait().await;
        false
    }
}

/// Accepts until drained.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let serve = shared.world().snapshot.serve.clone();
    let places = Arc::new(Semaphore::new(serve.connections_max.min(Semaphore::MAX_PERMITS)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(serve.header_read_ms.max(1)))
        .max_buf_size(READ_BUFFER_BYTES_MAX);
    let stall = Duration::from_millis(serve.write_stall_ms.max(1));
    let drain = shared.drain.clone();
    let changed = drain.changed.clone();
    let stop = changed.notified();
    tokio::pin!(stop);
    stop.as_mut().enable();
    while !drain.is_draining() {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        match accepted {
            Ok((socket, peer)) => {
                let peer = peer.ip().to_canonical();
                if proxy::speaks(&shared, peer) {
                    proxy::connect(http.clone(), stall, socket, peer, place, shared.clone());
                } else {
                    connect(&http, stall, socket, peer, place, &shared);
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
    place: OwnedSemaphorePermit,
    shared: &Arc<Shared>,
) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let service = {
        let shared = shared.clone();
        service_fn(move |request| router::route(shared.clone(), peer, request))
    };
    let serving = http.serve_connection(Watched::new(TokioIo::new(socket), stall), service);
    let drain = shared.drain.clone();
    let connection =
        Connection { serving, changed: None, seen: SERVING, told: false, drain: drain.clone(), _place: place };
    drain.connections.spawn(connection);
}

/// One connection until its end.
struct Connection<C> {
    serving: C,
    /// Polled once per phase, to be woken when it changes; otherwise the phase is only read.
    changed: Option<Pin<Box<OwnedNotified>>>,
    seen: u8,
    told: bool,
    drain: Arc<Drain>,
    _place: OwnedSemaphorePermit,
}

type Serving<S> = http1::Connection<Watched<TokioIo<TcpStream>>, S>;

impl<S> Future for Connection<Serving<S>>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = crate::body::Body> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.changed.is_none() || this.drain.phase() != this.seen {
            // To be woken by the next change, first wait for it and only then read the phase.
            let changed = this.changed.insert(Box::pin(this.drain.changed.clone().notified_owned()));
            if changed.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            this.seen = this.drain.phase();
        }
        if this.drain.is_stopped() {
            return Poll::Ready(());
        }
        if this.drain.is_draining() && !this.told {
            this.told = true;
            Pin::new(&mut this.serving).graceful_shutdown();
        }
        Pin::new(&mut this.serving).poll(cx).map(|ended| {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        })
    }
}
