//! The gateway's side requests, lent to the control plane as a function: neither knows the other,
//! and both meet here.
//!
//! - Answers are redacted as captures are.
//! - Side requests that are sent beside a running gateway follow the moves and cuts in the
//!   database: a source that is left meanwhile, or a vendor that refused the gateway, is not asked
//!   any more.

use anyhow::anyhow;
use banjia_control::campaigns::Contact;
use banjia_control::moves::{self, KnownMoves};
use banjia_control::side_request::{NotSent, Question, Reply};
use banjia_gateway::config::{AccountConfig, RedactConfig};
use banjia_gateway::{Clock, Gateway, Redactor, SideRequest, SideRequestParts, SideRequests, Snapshot};
use banjia_store::Store;
use banjia_types::AccountId;
use banjia_upstream::Upstream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Time between two readings of the moves. A source's end date is part of its move, so it holds to
/// the millisecond.
const READ_EVERY: Duration = Duration::from_secs(2);

/// An answer on its way.
pub(crate) type Coming = Pin<Box<dyn Future<Output = Result<Reply, NotSent>> + Send>>;

/// Opens side requests without a gateway, with the cuts and moves of this database.
///
/// # Errors
/// The database.
pub(crate) async fn side_requests(snapshot: Snapshot, store: &Store) -> anyhow::Result<SideRequests> {
    let parts = SideRequestParts {
        snapshot,
        upstream: Upstream::new(&banjia_upstream::Config::default())?,
        store: store.clone(),
        clock: Clock::default(),
        route_moves: moves::route_moves(store).await?,
    };
    Ok(Gateway::side_requests_only(parts).await?)
}

/// Keeps the moves and cuts of such side requests up to date. Never ends.
pub(crate) async fn follow(side_requests: &SideRequests, store: &Store) {
    let mut known = KnownMoves::new(store.clone());
    loop {
        tokio::time::sleep(READ_EVERY).await;
        match known.route_moves().await {
            Ok(route_moves) => {
                for problem in side_requests.set_route_moves(route_moves).err().into_iter().flatten() {
                    tracing::warn!("{problem}");
                }
            }
            Err(error) => tracing::warn!(%error, "the moves were not read; they stay in force as they were"),
        }
        if let Err(error) = side_requests.take_cuts().await {
            tracing::warn!(%error, "the cuts of other processes were not read");
        }
    }
}

/// Lends side requests to the control plane.
///
/// # Errors
/// Patterns that cannot be used.
pub(crate) fn lend(
    side_requests: &SideRequests,
    redact: &RedactConfig,
) -> anyhow::Result<impl Fn(Question) -> Coming + use<>> {
    let redactor = Redactor::compile(redact)
        .map_err(|problems| anyhow!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    let (side_requests, redactor) = (side_requests.clone(), Arc::new(redactor));
    Ok(move |question: Question| -> Coming {
        let (side_requests, redactor) = (side_requests.clone(), redactor.clone());
        Box::pin(async move { ask(&side_requests, &redactor, question).await })
    })
}

async fn ask(side_requests: &SideRequests, redactor: &Redactor, question: Question) -> Result<Reply, NotSent> {
    let Question { route, target, endpoint, body, account, network } = question;
    let asked = side_requests.ask(SideRequest { route, target, endpoint, body, account, network }).await;
    let answered = asked.map_err(|why| NotSent(why.to_string()))?;
    let mut answer = answered.answer;
    let redactions = answer.as_mut().map_or(0, |answer| redactor.redact(answer));
    Ok(Reply {
        answer,
        redactions,
        outcome: answered.outcome,
        class: answered.class,
        said: answered.said,
        may_differ_later: answered.may_differ_later,
        usage: answered.usage,
        cost: answered.cost,
        total_ms: answered.total_ms,
    })
}

/// Where the configuration sends the mails of an account.
pub(crate) fn contact(accounts: &[AccountConfig], id: &AccountId) -> Option<Contact> {
    let contact = accounts.iter().find(|account| account.id == *id)?.contact.as_ref()?;
    Some(Contact { email: contact.email.clone(), language: contact.language })
}
