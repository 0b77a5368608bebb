//! The one guard that every request passes: its key, its place in the ledger, and the border.
//!
//! A wrong key is counted. A request that the border refuses has a row in the ledger. Both end
//! here, with the response that the client receives.

use crate::admit::{self, RateLimitHeaders, Reservation};
use crate::body::Body;
use crate::border::{self, BorderCheck, BorderSubject};
use crate::error::Failure;
use crate::ledger::Entry;
use crate::live::{LiveKey, RuntimeState};
use crate::request::RequestContext;
use crate::snapshot::Key;
use crate::state::State;
use banjia_border::facts::AccountFacts;
use banjia_store::Slot;
use banjia_types::{Moment, Operation};
use http::{HeaderMap, Response};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// A request that asks to be admitted.
#[derive(Clone, Copy)]
pub(crate) struct Guard<'a> {
    pub(crate) state: &'a State,
    pub(crate) runtime: &'a RuntimeState,
    pub(crate) context: &'a RequestContext,
    pub(crate) headers: &'a HeaderMap,
    /// The operation, which the ledger records.
    pub(crate) operation: Operation,
}

/// A request with a key, whose caller the border serves.
pub(crate) struct Admitted {
    pub(crate) key: Arc<LiveKey>,
    pub(crate) check: BorderCheck,
}

/// What an accepted request holds.
pub(crate) struct Accepted {
    pub(crate) entry: Entry,
    pub(crate) reservation: Reservation,
    pub(crate) check: BorderCheck,
    /// When it was accepted.
    pub(crate) moment: Moment,
    /// After this time without a byte a stream gets a comment. `None` if it never does.
    pub(crate) heartbeat: Option<Duration>,
}

/// The response to a request that was not admitted. Boxed, because it is rare and large.
pub(crate) type Refused = Box<Response<Body>>;

impl Guard<'_> {
    /// Admits a request that has no row in the ledger if it is served.
    ///
    /// # Errors
    /// The response for the client.
    pub(crate) fn enter(self) -> Result<Admitted, Refused> {
        let key = self.key()?;
        let check = self.check_border(Some(&key.key.facts));
        let Some(failure) = check.refusal() else { return Ok(Admitted { key, check }) };
        let mut response = match self.state.books.try_place() {
            Ok(slot) => {
                self.accept(slot, self.context.at.moment, &key.key, &check).refuse(&failure);
                failure.response()
            }
            Err(full) => full.response(),
        };
        check.annotate(&mut response);
        Err(Box::new(response))
    }

    /// Admits a request that needs a place in the ledger, and may wait for the place.
    ///
    /// # Errors
    /// The response for the client.
    pub(crate) async fn enter_with_place(self) -> Result<(Admitted, Slot), Refused> {
        let key = self.key()?;
        // The place comes before the border: without one every further step would be wasted.
        let slot = self.state.books.place(&self.runtime.snapshot.serve).await.map_err(refused)?;
        let check = self.check_border(Some(&key.key.facts));
        let Some(failure) = check.refusal() else { return Ok((Admitted { key, check }, slot)) };
        let mut entry = self.accept(slot, self.context.at.moment, &key.key, &check);
        Err(Box::new(refuse(&mut entry, &failure, None, &check)))
    }

    /// Checks a caller against the policies in force, and records the verdict for the audit.
    pub(crate) fn check_border(self, account: Option<&Arc<AccountFacts>>) -> BorderCheck {
        let Self { state, runtime, context, headers, .. } = self;
        let caller = BorderSubject { peer: context.peer, headers, account, id: context.id };
        let check = border::check(state.live.policies(), &runtime.snapshot.border, caller, context.at.wall);
        state.evidence.record(&check);
        check
    }

    /// Accepts a request, with everything in its row that is known before its body.
    pub(crate) fn accept(self, slot: Slot, at: Moment, key: &Key, check: &BorderCheck) -> Entry {
        let mut entry = self.state.books.accept(slot, self.context, at);
        entry.row.account = Some(key.account.clone());
        entry.row.key = Some(key.id.clone());
        entry.row.endpoint = Cow::Borrowed(self.operation.as_str());
        entry.row.border = check.note();
        entry.is_logged = self.runtime.snapshot.serve.access_log;
        entry
    }

    fn key(self) -> Result<Arc<LiveKey>, Refused> {
        let border = &self.runtime.snapshot.border;
        admit::identify(self.headers, self.runtime)
            .map_err(|failure| refused(self.state.wrong_keys.observe(failure, border, self.context.peer, self.headers)))
    }
}

/// Ends an accepted request as refused.
pub(crate) fn refuse(
    entry: &mut Entry,
    failure: &Failure,
    limits: Option<&RateLimitHeaders>,
    check: &BorderCheck,
) -> Response<Body> {
    entry.refuse(failure);
    let mut response = failure.response();
    if let Some(limits) = limits {
        limits.annotate(response.headers_mut());
    }
    check.annotate(&mut response);
    response
}

/// The response to a failure.
#[expect(clippy::needless_pass_by_value, reason = "it is an argument of `map_err`, which passes the error by value")]
pub(crate) fn refused(failure: Failure) -> Refused {
    Box::new(failure.response())
}
