//! The entry of one accepted request: open from acceptance, closed exactly once.
//!
//! Rules: a place for the row is taken before the request is accepted, so no row is ever dropped; whoever forgets to close
//! an entry closes it by dropping it: as abandoned when the client left, as failed when we stopped or broke. A request
//! never waits for a write.

use crate::clock::moment;
use crate::error::Failure;
use crate::handle::Door;
use crate::serve::Drain;
use crate::shared::Shared;
use banjia_store::{LedgerWriter, Row, Slot};
use banjia_types::{Moment, Outcome};
use std::borrow::Cow;
use std::sync::Arc;

/// See the module's text. Its row is filled in as things become known.
pub(crate) struct Entry {
    slot: Option<Slot>,
    drain: Arc<Drain>,
    /// When it was opened, by the monotonic clock: how old it is does not depend on steps of the wall clock.
    opened: Moment,
    pub(crate) row: Row,
}

impl Entry {
    /// Accepts the request that came in at this door, or says that the ledger cannot take it. The date of acceptance is that
    /// of its arrival and the span since then.
    pub(crate) fn open(shared: &Shared, door: &Door, opened: Moment) -> Result<Self, Failure> {
        let accepted_at = door.at.date_of(opened);
        let mut slot = shared.ledger.as_ref().and_then(LedgerWriter::try_reserve).ok_or_else(Failure::ledger_full)?;
        slot.accept(accepted_at);
        let row = Row::new(door.id, accepted_at, accepted_at, Outcome::Abandoned);
        Ok(Self { slot: Some(slot), drain: shared.drain.clone(), opened, row })
    }

    /// How long it has been open at this moment.
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
