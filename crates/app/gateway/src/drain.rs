//! Stopping: the listener's phase, shared by the listener, its connections and the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub(crate) const SERVING: u32 = 0;
const DRAINING: u32 = 1;
const STOPPED: u32 = 2;
/// The bits of [`Drain::signal`] that are the phase; the others count wake-ups.
const PHASE: u32 = 3;

/// Whether the listener serves, drains or has stopped. Every connection reads it.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    signal: AtomicU32,
    /// Set while most places for connections are taken.
    is_crowded: AtomicBool,
    /// Notified at each change.
    pub(crate) changed: Arc<Notify>,
    /// The open connections.
    pub(crate) connections: TaskTracker,
}

impl Drain {
    /// The phase and the number of wake-ups, in one number that changes with each.
    pub(crate) fn signal(&self) -> u32 {
        self.signal.load(Ordering::Acquire)
    }

    fn phase(&self) -> u32 {
        self.signal() & PHASE
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.phase() != SERVING
    }

    /// Whether requests under way are being given up.
    pub(crate) fn is_stopped(&self) -> bool {
        self.phase() == STOPPED
    }

    /// True while most places for connections are taken, so that nobody should hold one without
    /// need.
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Relaxed)
    }

    pub(crate) fn set_crowded(&self, is_crowded: bool) {
        self.is_crowded.store(is_crowded, Ordering::Relaxed);
    }

    fn enter(&self, phase: u32) {
        let enter = |signal: u32| Some((signal & !PHASE) | phase);
        self.signal.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).unwrap_or_default();
        self.changed.notify_waiters();
    }

    /// Wakes every connection, so that those which wait look again how long they may.
    pub(crate) fn wake_all(&self) {
        self.signal.fetch_add(PHASE + 1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    /// Stops accepting, lets requests under way end, and gives up those that have not ended at `until`. Returns
    /// whether all ended by themselves.
    pub(crate) async fn run(&self, until: Instant) -> bool {
        self.enter(DRAINING);
        self.connections.close();
        if tokio::time::timeout_at(until, self.connections.wait()).await.is_ok() {
            return true;
        }
        self.enter(STOPPED);
        self.connections.wait().await;
        false
    }
}
