//! The border for other APIs: external authorisation.
//!
//! Rules: off unless the configuration says so, and then only for the operator's own proxies, since whoever may ask could
//! ask for anybody. No body is read. `/border/check` answers nginx's `auth_request` (204 or 403; nginx passes no other
//! refusal on); `/border/envoy/...` answers Envoy's `ext_authz` over HTTP (200, or the refusal for the client with its body).
//! The caller's address comes from the trusted header; its account from its key or, where `check_account` says so, from
//! `x-banjia-account`, which is then believed as the proxy's own word: a proxy must set or clear it, never pass a caller's
//! on (see `examples/border`).

use crate::admit;
use crate::body::Body;
use crate::border::{self, Caller};
use crate::error::Failure;
use crate::ledger::Entry;
use crate::live::RuntimeState;
use crate::request::RequestContext;
use crate::state::State;
use banjia_border::facts::AccountFacts;
use banjia_types::{Outcome, VerdictKind};
use http::{HeaderMap, Request, Response, StatusCode, header};
use std::borrow::Cow;
use std::sync::Arc;

/// Whom to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Nginx,
    Envoy,
}

/// The asker that a path belongs to.
pub(crate) fn asker(path: &str) -> Option<Asker> {
    match path {
        "/border/check" => Some(Asker::Nginx),
        "/border/envoy" => Some(Asker::Envoy),
        _ if path.starts_with("/border/envoy/") => Some(Asker::Envoy),
        _ => None,
    }
}

/// Answers whether a request may pass.
pub(crate) fn check<B>(
    state: &Arc<State>,
    asker: Asker,
    request: &Request<B>,
    door: &RequestContext,
) -> Response<Body> {
    let world = state.world();
    let config = &world.snapshot.border;
    if !config.check {
        return Failure::unknown_path(request.method(), request.uri().path()).response();
    }
    if !config.peer.trusts(door.peer) {
        return Failure::not_a_proxy().response();
    }
    let account = account(request.headers(), &world);
    let caller = Caller { peer: door.peer, headers: request.headers(), account: account.as_ref(), id: door.id };
    let crossing = border::cross(state.rules(), config, caller, door.at.wall);
    state.evidence.keep(&crossing);
    let mut entry = match Entry::open(state, door, door.at.moment) {
        Ok(entry) => entry,
        Err(failure) => return failure.response(),
    };
    entry.row.account = account.map(|account| account.id.clone());
    entry.row.endpoint = Cow::Borrowed("check");
    entry.row.border = crossing.note();
    let mut response = if let Some(mut failure) = crossing.refusal() {
        if asker == Asker::Nginx {
            // nginx knows 401 and 403 only; anything else is an error of the check itself. The ledger says what was answered.
            failure.status = StatusCode::FORBIDDEN;
        }
        entry.refuse(&failure);
        failure.response()
    } else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = if asker == Asker::Nginx { StatusCode::NO_CONTENT } else { StatusCode::OK };
        entry.row.status = response.status().as_u16();
        entry.close(Outcome::Answered);
        response
    };
    crossing.tell(response.headers_mut());
    if crossing.kind() == VerdictKind::Allow {
        response.headers_mut().insert("x-banjia-border", http::HeaderValue::from_static("allow"));
    }
    response
}

fn account(headers: &HeaderMap, world: &RuntimeState) -> Option<Arc<AccountFacts>> {
    let named = headers
        .get("x-banjia-account")
        .filter(|_| world.snapshot.border.check_account)
        .and_then(|value| value.to_str().ok());
    if let Some(name) = named {
        let known = world.snapshot.accounts.get(name).cloned();
        return Some(known.unwrap_or_else(|| Arc::new(AccountFacts::of(name.into()))));
    }
    headers.get(header::AUTHORIZATION)?;
    let key = admit::identify(headers, world).ok()?;
    Some(key.key.facts.clone())
}
