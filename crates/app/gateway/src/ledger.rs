//! The entry of one accepted request: open from acceptance, closed exactly once.
//!
//! - A place for the row is taken before the request is accepted, so no row is ever dropped.
//! - An entry that is dropped without being closed is closed by the drop: as abandoned if the
//!   client left, as failed if the gateway stopped or has a bug.
//! - A request never waits for a write.

use crate::access_log;
use crate::clock::{Clock, moment};
use crate::config::ServeConfig;
use crate::drain::Drain;
use crate::error::Failure;
use crate::overload::{Cause, Overload};
use crate::request::RequestContext;
use banjia_store::{LedgerWriter, Row, Slot, Store};
use banjia_types::{Moment, Outcome};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The entry of one accepted request. Its row is filled in as facts become known.
pub(crate) struct Entry {
    slot: Option<Slot>,
    drain: Arc<Drain>,
    /// When it was opened, by the monotonic clock: how old it is does not depend on steps of the
    /// wall clock.
    opened: Moment,
    /// True if its end is a line in the log.
    pub(crate) is_logged: bool,
    pub(crate) row: Row,
}

/// The way into the ledger.
pub(crate) struct Books {
    /// `None` if only side requests are sent: then no request is accepted.
    pub(crate) writer: Option<LedgerWriter>,
    store: Store,
    clock: Clock,
    drain: Arc<Drain>,
    overload: Arc<Overload>,
    /// Requests that wait for a place.
    waiting: AtomicUsize,
}

impl Books {
    pub(crate) fn new(
        writer: Option<LedgerWriter>,
        store: Store,
        clock: Clock,
        drain: Arc<Drain>,
        overload: Arc<Overload>,
    ) -> Self {
        Self { writer, store, clock, drain, overload, waiting: AtomicUsize::new(0) }
    }

    /// Takes a place for a request's row, before anything of its body is read. If there is none it
    /// waits for a bounded time in a bounded queue, so that clients which retry at once are slowed.
    pub(crate) async fn place(&self, serve: &ServeConfig) -> Result<Slot, Failure> {
        let Some(writer) = &self.writer else { return Err(Failure::ledger_full()) };
        if let Some(slot) = writer.try_reserve() {
            return Ok(slot);
        }
        let within = Duration::from_millis(serve.overload_wait_ms);
        let waiting = Waiting::begin(&self.waiting, serve.connections_max.div_ceil(2));
        let slot = match waiting {
            // While the database cannot be written no place becomes free.
            Some(_waiting) if !within.is_zero() && !self.drain.is_draining() && self.store.health().is_ok() => {
                tokio::time::timeout(within, writer.reserve()).await.unwrap_or_default()
            }
            _ => None,
        };
        slot.ok_or_else(|| self.full())
    }

    /// Takes a place without a wait.
    pub(crate) fn try_place(&self) -> Result<Slot, Failure> {
        self.writer.as_ref().and_then(LedgerWriter::try_reserve).ok_or_else(|| self.full())
    }

    /// Accepts the request that this place was taken for. The date is read here and not taken from
    /// its arrival: sealed books rely on rows that are never dated before a flush that
    /// they missed.
    pub(crate) fn accept(&self, mut slot: Slot, context: &RequestContext, opened: Moment) -> Entry {
        let accepted_at = self.clock.now();
        slot.accept(accepted_at);
        let row = Row::new(context.id, accepted_at, accepted_at, Outcome::Abandoned);
        Entry { slot: Some(slot), drain: self.drain.clone(), opened, is_logged: false, row }
    }

    fn full(&self) -> Failure {
        self.overload.count(Cause::Ledger);
        Failure::ledger_full()
    }
}

/// A request that waits for a place. Leaves the queue on drop.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize, waiting_max: usize) -> Option<Self> {
        let waiting = Self(waiting);
        // If the queue is full, the drop takes it out again.
        (waiting.0.fetch_add(1, Ordering::Relaxed) < waiting_max).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Entry {
    /// The time from its opening to this moment.
    pub(crate) fn age(&self, at: Moment) -> Duration {
        at.since(self.opened)
    }

    /// Closes it. A second time does nothing.
    pub(crate) fn close(&mut self, outcome: Outcome) {
        let Some(slot) = self.slot.take() else { return };
        self.row.outcome = outcome;
        self.row.ended_at = self.row.accepted_at + self.age(moment());
        if self.is_logged {
            access_log::write(&self.row);
        }
        let (id, at) = (self.row.request_id, self.row.accepted_at);
        slot.fill(std::mem::replace(&mut self.row, Row::new(id, at, at, outcome)));
    }

    /// Closes it as refused, for this reason.
    pub(crate) fn refuse(&mut self, failure: &Failure) {
        self.row.class = failure.class;
        self.row.status = failure.status.as_u16();
        self.row.reason = Some(Cow::Owned(format!("refused by the {}", failure.origin.as_str())));
        self.close(Outcome::Refused);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.slot.is_none() {
            return;
        }
        let (outcome, reason) = if std::thread::panicking() {
            (Outcome::Failed, "a bug in the gateway")
        } else if self.drain.is_stopped() {
            (Outcome::Failed, "given up because the gateway stopped")
        } else {
            (Outcome::Abandoned, "the client left")
        };
        self.row.reason = Some(Cow::Borrowed(reason));
        self.close(outcome);
    }
}
