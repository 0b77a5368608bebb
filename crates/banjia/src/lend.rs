//! The gateway's legs, lent to the control plane as a function: neither knows the other, and both meet here.
//!
//! Rules: what comes back is redacted as captures are; while legs are asked beside a running gateway, they follow the moves' courses,
//! so that a source that is left in the meantime is not asked any more, and a vendor that refused the gateway is not asked either.

use anyhow::anyhow;
use banjia_control::campaigns::Contact;
use banjia_control::leg::{NotSent, Question, Reply};
use banjia_control::moves::{self, KnownMoves};
use banjia_gateway::config::{AccountConfig, RedactConfig};
use banjia_gateway::{Clock, Gateway, Redactor, SideRequest, SideRequestParts, SideRequests, Snapshot};
use banjia_store::Store;
use banjia_types::AccountId;
use banjia_upstream::Upstream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How old the courses may be by which a source is asked. Its date is in the course, and holds to the millisecond.
const COURSES_EVERY: Duration = Duration::from_secs(2);

/// An answer on its way.
pub(crate) type Coming = Pin<Box<dyn Future<Output = Result<Reply, NotSent>> + Send>>;

/// Legs without a gateway, with the cuts and courses of this database.
///
/// # Errors
/// The database.
pub(crate) async fn legs(snapshot: Snapshot, store: &Store) -> anyhow::Result<SideRequests> {
    let parts = SideRequestParts {
        snapshot,
        upstream: Upstream::new(&banjia_upstream::Config::default())?,
        store: store.clone(),
        clock: Clock::default(),
        route_moves: moves::route_moves(store).await?,
    };
    Ok(Gateway::side_requests_only(parts).await?)
}

/// Keeps the courses and cuts of such legs new. Never ends.
pub(crate) async fn follow(legs: &SideRequests, store: &Store) {
    let mut known = KnownMoves::new(store.clone());
    loop {
        tokio::time::sleep(COURSES_EVERY).await;
        match known.route_moves().await {
            Ok(route_moves) => {
                for problem in legs.set_route_moves(route_moves).err().into_iter().flatten() {
                    tracing::warn!("{problem}");
                }
            }
            Err(error) => tracing::warn!(%error, "the moves were not read; their courses stay as they were"),
        }
        if let Err(error) = legs.take_cuts().await {
            tracing::warn!(%error, "whom other processes were refused by was not read");
        }
    }
}

/// Lends legs.
///
/// # Errors
/// Patterns that cannot be used.
pub(crate) fn lend(legs: &SideRequests, redact: &RedactConfig) -> anyhow::Result<impl Fn(Question) -> Coming + use<>> {
    let redactor = Redactor::compile(redact)
        .map_err(|problems| anyhow!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    let (legs, redactor) = (legs.clone(), Arc::new(redactor));
    Ok(move |question: Question| -> Coming {
        let (legs, redactor) = (legs.clone(), redactor.clone());
        Box::pin(async move { ask(&legs, &redactor, question).await })
    })
}

async fn ask(legs: &SideRequests, redactor: &Redactor, question: Question) -> Result<Reply, NotSent> {
    let Question { route, target, endpoint, body, account, network } = question;
    let asked = legs.ask(SideRequest { route, target, endpoint, body, account, network }).await;
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
