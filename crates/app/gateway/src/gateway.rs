//! Starting, reloading and draining the data plane.

use crate::affinity::Affinity;
use crate::alert::OnAlert;
use crate::border::{ActivePolicies, Evidence};
use crate::capture::{CaptureStats, Recorder, seal_key};
use crate::clock::Clock;
use crate::copies::{Copies, CopyStats};
use crate::drain::Drain;
use crate::held::HeldBytes;
use crate::implausible::ImplausibleUsage;
use crate::ledger::Books;
use crate::live_config::LiveConfig;
use crate::overload::Overload;
use crate::problem::Problem;
use crate::reasoning::ReasoningCache;
use crate::serve;
use crate::shadow;
use crate::side_request_limiter::{SideRequestLimiter, SideRequestStats};
use crate::side_requests::SideRequests;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::stop_times::StopTimes;
use crate::wrong_keys::WrongKeys;
use banjia_store::{LedgerWriter, Store, StoreError};
use banjia_traffic::HealthRules;
use banjia_types::{RouteMove, RouteName, VendorName};
use banjia_upstream::Upstream;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

/// What a gateway is made of.
pub struct Parts {
    /// The compiled configuration.
    pub snapshot: Snapshot,
    /// The way to vendors.
    pub upstream: Upstream,
    /// Where cuts are kept.
    pub store: Store,
    /// Where entries go.
    pub ledger: LedgerWriter,
    /// Told of what people must know; it must not block.
    pub on_alert: Option<OnAlert>,
    /// What the ledger and the border call now. The system's, unless it is put ahead for a
    /// rehearsal.
    pub clock: Clock,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("snapshot", &self.snapshot).finish_non_exhaustive()
    }
}

/// The gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {bind}: {source}")]
    Bind {
        /// Where it should have listened.
        bind: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The cuts of earlier runs could not be read: without them a vendor that refused us would be
    /// asked again.
    #[error("cannot read which vendors are cut")]
    Cuts(#[from] StoreError),
    /// The key of captures does not fit: what would be recorded could not be read.
    #[error("captures cannot be sealed")]
    Seal(#[source] StoreError),
}

/// The parts of side requests without a gateway, for a command that asks targets and serves nobody.
pub struct SideRequestParts {
    /// The compiled configuration.
    pub snapshot: Snapshot,
    /// The way to vendors.
    pub upstream: Upstream,
    /// Where cuts are read from and kept.
    pub store: Store,
    /// What the border and the moves' dates call now.
    pub clock: Clock,
    /// How routes move: a source whose date has come is not asked.
    pub route_moves: BTreeMap<RouteName, RouteMove>,
}

impl fmt::Debug for SideRequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SideRequestParts").field("route_moves", &self.route_moves).finish_non_exhaustive()
    }
}

/// The data plane. See [`Gateway::start`].
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Opens the listener and serves until [`Handle::drain`].
    ///
    /// # Errors
    /// No listener, or no knowledge of earlier cuts.
    pub async fn start(parts: Parts) -> Result<Handle, StartError> {
        let handle = Self::bind(parts).await?;
        handle.accept();
        Ok(handle)
    }

    /// Opens the listener. Connections wait until [`Handle::accept`]: a request that comes before
    /// policies and moves are known would be served against a policy, or by a source whose date has
    /// passed.
    ///
    /// # Errors
    /// No listener, or no knowledge of earlier cuts.
    pub async fn bind(parts: Parts) -> Result<Handle, StartError> {
        let bind = parts.snapshot.serve.bind;
        let Parts { snapshot, upstream, store, ledger, on_alert, clock } = parts;
        let blocked: Vec<_> = store.cuts().await?.into_iter().map(|cut| cut.vendor).collect();
        let capture = &snapshot.capture.config;
        if capture.key.is_some() || capture.share > 0.0 || !capture.routes.is_empty() {
            let key = seal_key(capture, store.path()).map_err(StartError::Seal)?;
            store.check_seal(&key).await.map_err(StartError::Seal)?;
        }
        let listener = TcpListener::bind(bind).await.map_err(|source| StartError::Bind { bind, source })?;
        let addr = listener.local_addr().map_err(|source| StartError::Bind { bind, source })?;
        let state = open(Base { snapshot, upstream, store, ledger: Some(ledger), on_alert, clock }, &blocked);
        let may_accept = Arc::new(Notify::new());
        let (accepted, serving) = (may_accept.clone(), state.clone());
        let accepting = tokio::spawn(async move {
            accepted.notified().await;
            serve::accept(listener, serving).await;
        });
        Ok(Handle { addr, state, accepting: Arc::new(accepting), may_accept })
    }

    /// Opens side requests without a listener and without a ledger, so that they can be sent beside
    /// a running gateway.
    ///
    /// # Errors
    /// No knowledge of earlier cuts.
    pub async fn side_requests_only(parts: SideRequestParts) -> Result<SideRequests, StartError> {
        let SideRequestParts { snapshot, upstream, store, clock, route_moves } = parts;
        let blocked: Vec<_> = store.cuts().await?.into_iter().map(|cut| cut.vendor).collect();
        let state = open(Base { snapshot, upstream, store, ledger: None, on_alert: None, clock }, &blocked);
        for problem in state.live.set_route_moves(route_moves).err().into_iter().flatten() {
            tracing::warn!("{problem}");
        }
        Ok(SideRequests { state })
    }
}

/// What the shared state is built from.
struct Base {
    snapshot: Snapshot,
    upstream: Upstream,
    store: Store,
    ledger: Option<LedgerWriter>,
    on_alert: Option<OnAlert>,
    clock: Clock,
}

/// Builds the shared state and starts its workers: the writers of the audit and of captures, the
/// sender of copies and the report of each minute. Must be called inside a tokio runtime.
fn open(base: Base, blocked: &[VendorName]) -> Arc<State> {
    let Base { snapshot, upstream, store, ledger, on_alert, clock } = base;
    let capture = snapshot.capture.clone();
    let held = HeldBytes::new(snapshot.serve.held_bytes_max());
    let (drain, overload) = (Arc::<Drain>::default(), Arc::<Overload>::default());
    let (copies, queued) = Copies::new(capture.config.copies_queue_len_max);
    let at_once_max = capture.config.copies_at_once_max;
    let state = Arc::new(State {
        live: LiveConfig::new(snapshot, blocked),
        books: Books::new(ledger, store.clone(), clock.clone(), drain.clone(), overload.clone()),
        evidence: Evidence::new(store.audit_writer()),
        recorder: Recorder::start(&store, capture.clone(), clock.clone()),
        copies,
        side_request_limiter: SideRequestLimiter::new(at_once_max, capture.config.copies_per_minute_max),
        upstream,
        store,
        health: HealthRules::default(),
        reasoning: ReasoningCache::default(),
        implausible: ImplausibleUsage::default(),
        affinity: Affinity::default(),
        drain,
        held,
        overload,
        wrong_keys: WrongKeys::default(),
        started: clock.now(),
        after: TaskTracker::new(),
        clock,
        on_alert,
    });
    tokio::spawn(shadow::run(Arc::downgrade(&state), queued, at_once_max));
    tokio::spawn(report(Arc::downgrade(&state)));
    state
}

/// Logs each minute what was turned away, until the gateway is dropped.
async fn report(state: Weak<State>) {
    let mut minute = tokio::time::interval(REPORT_EVERY);
    loop {
        minute.tick().await;
        let Some(state) = state.upgrade() else { return };
        state.overload.report();
        state.wrong_keys.report();
    }
}

/// Time between two reports of what was turned away.
const REPORT_EVERY: Duration = Duration::from_mins(1);
/// A running gateway. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    /// Where it listens.
    pub addr: SocketAddr,
    state: Arc<State>,
    accepting: Arc<tokio::task::JoinHandle<()>>,
    may_accept: Arc<Notify>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Handle {
    /// Accepts connections from now on. A second call changes nothing.
    pub fn accept(&self) {
        self.may_accept.notify_one();
    }

    /// New requests see `snapshot`; requests under way keep the one they began with. The listener's
    /// own settings (address, time-outs of heads, number of connections) stay as they were at the
    /// start.
    pub fn reload(&self, snapshot: Snapshot) {
        self.state.reload(snapshot);
    }

    /// The deadlines of a stop that begins now, by `drain_ms` of the configuration in force.
    pub fn stop_times(&self) -> StopTimes {
        let drain = Duration::from_millis(self.state.runtime().snapshot.serve.drain_ms);
        StopTimes::new(Instant::now(), drain)
    }

    /// Stops accepting, lets requests under way end, gives up those that are not over at
    /// `times.requests` (their clients see a broken stream, never a clean end), sends no further
    /// copies, and writes cuts, captures and the ledger. What is not written at `times.writes`,
    /// because the database cannot be written, stays with its writers. Returns whether all requests
    /// ended by themselves.
    pub async fn drain(&self, times: StopTimes) -> bool {
        let all = self.state.drain.run(times.requests).await;
        self.accepting.abort();
        if timeout_at(times.writes, self.write_the_rest()).await.is_err() {
            let health = self.state.store.health().to_string();
            tracing::error!("the time to write cuts, captures, verdicts and rows is over: {}", health.trim_end());
        }
        all
    }

    async fn write_the_rest(&self) {
        self.state.copies.finish().await;
        self.state.side_request_limiter.close();
        self.state.after.close();
        let ledger = async {
            if let Some(ledger) = &self.state.books.writer
                && let Err(error) = ledger.flush().await
            {
                tracing::error!(%error, "the ledger was not written to its end");
            }
        };
        // Beside each other: one that cannot be written must not take the time of the others.
        let (recorder, evidence) = (self.state.recorder.flush(), self.state.evidence.flush());
        tokio::join!(self.state.after.wait(), recorder, evidence, ledger);
    }

    /// New requests are judged by these rules; requests under way keep those they began with.
    pub fn set_border(&self, rules: ActivePolicies) {
        self.state.live.set_policies(rules);
    }

    /// Sets the moves of all routes: a route without one does not move. Requests in flight keep the
    /// move that they began with, but they do not ask a source whose end date has passed.
    ///
    /// # Errors
    /// The moves whose route or target does not exist. Such a route keeps its current move; if it
    /// has none, the new end date still applies. All other moves take effect.
    pub fn set_route_moves(&self, route_moves: BTreeMap<RouteName, RouteMove>) -> Result<(), Vec<Problem>> {
        self.state.live.set_route_moves(route_moves)
    }

    /// Reads which vendors refused another process of ours: they are cut here too.
    ///
    /// # Errors
    /// The database.
    pub async fn take_cuts(&self) -> Result<(), StoreError> {
        self.state.take_cuts().await
    }

    /// A door to targets outside of callers' requests.
    pub fn side_requests(&self) -> SideRequests {
        SideRequests { state: self.state.clone() }
    }

    /// Counts of recordings, copies and side requests since the start.
    pub fn stats(&self) -> (CaptureStats, CopyStats, SideRequestStats) {
        (self.state.recorder.stats(), self.state.copies.stats(), self.state.side_request_limiter.stats())
    }

    /// The number of answers with token counts that cannot be true, since the start.
    pub fn implausible_usages(&self) -> u64 {
        self.state.implausible.total()
    }

    /// Waits until everything that was recorded so far is written.
    pub async fn flush_captures(&self) {
        self.state.recorder.flush().await;
    }

    /// Writes the verdicts that were given so far to the audit.
    pub async fn flush_audit(&self) {
        self.state.evidence.flush().await;
    }

    /// Returns whether new requests are taken.
    pub fn is_serving(&self) -> bool {
        !self.state.drain.is_draining()
    }

    /// A person decided that a vendor which was cut may be asked again. The record in the store is
    /// the caller's to change.
    pub fn lift_cut(&self, vendor: &VendorName) {
        self.state.lift_cut(vendor);
    }
}
