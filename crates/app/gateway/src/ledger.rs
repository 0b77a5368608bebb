//! The entry of one accepted request: open from acceptance, closed exactly once.
//!
//! Rules: a place for the row is taken before the request is accepted, so no row is ever dropped; whoever forgets to close
//! an entry closes it by dropping it: as abandoned when the client left, as failed when we stopped or broke. A request
//! never waits for a write.

use crate::clock::moment;
use crate::drain::Drain;
use crate::error::Failure;
use crate::overload::Cause;
use crate::request::RequestContext;
use crate::state::State;
use banjia_store::{LedgerWriter, Row, Slot};
use banjia_types::{Moment, Outcome};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// See the module's text. Its row is filled in as things become known.
pub(crate) struct Entry {
    slot: Option<Slot>,
    drain: Arc<Drain>,
    /// When it was opened, by the monotonic clock: how old it is does not depend on steps of the
    /// wall clock.
    opened: Moment,
    pub(crate) row: Row,
}

/// Takes a place for a request's row, before anything is read of its body. While there is none it
/// waits for a bounded time in a bounded queue, so that clients which ask again at once are slowed
/// and not bounced.
pub(crate) async fn place(state: &State) -> Result<Slot, Failure> {
    let Some(ledger) = &state.ledger else { return Err(Failure::ledger_full()) };
    if let Some(slot) = ledger.try_reserve() {
        return Ok(slot);
    }
    let serve = &state.world().snapshot.serve;
    let within = Duration::from_millis(serve.overload_wait_ms);
    let waiting = Waiting::begin(&state.waiting, serve.connections_max.div_ceil(2));
    let slot = match waiting {
        // While the database cannot be written no place becomes free.
        Some(_waiting) if !within.is_zero() && !state.drain.is_draining() && state.store.health().is_ok() => {
            tokio::time::timeout(within, ledger.reserve()).await.unwrap_or_default()
        }
        _ => None,
    };
    slot.ok_or_else(|| {
        state.overload.count(Cause::Ledger);
        Failure::ledger_full()
    })
}

/// One of those who wait. Leaves the queue on drop.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize, waiting_max: usize) -> Option<Self> {
        let waiting = Self(waiting);
        // Dropped where the queue is full, which takes it out again.
        (waiting.0.fetch_add(1, Ordering::Relaxed) < waiting_max).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Entry {
    /// Accepts the request that came in at this door, or says that the ledger cannot take it.
    pub(crate) fn open(state: &State, door: &RequestContext, opened: Moment) -> Result<Self, Failure> {
        let slot = state.ledger.as_ref().and_then(LedgerWriter::try_reserve).ok_or_else(|| {
            state.overload.count(Cause::Ledger);
            Failure::ledger_full()
        })?;
        Ok(Self::accept(state, slot, door, opened))
    }

    /// Accepts the request that this place was taken for. The date is read here and not taken from
    /// its arrival: sealed books rely on rows that are never dated before a flush that they missed.
    pub(crate) fn accept(state: &State, mut slot: Slot, door: &RequestContext, opened: Moment) -> Self {
        let accepted_at = state.clock.now();
        slot.accept(accepted_at);
        let row = Row::new(door.id, accepted_at, accepted_at, Outcome::Abandoned);
        Self { slot: Some(slot), drain: state.drain.clone(), opened, row }
    }

    /// The span from its opening to this moment.
    pub(crate) fn age(&self, at: Moment) -> std::time::Duration {
        at.since(self.opened)
    }

    /// Closes it. A second time does nothing.
    pub(crate) fn close(&mut self, outcome: Outcome) {
        let Some(slot) = self.slot.take() else { return };
        self.row.outcome = outcome;
        self.row.ended_at = self.row.accepted_at + self.age(moment());
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
