//! The border for other APIs: external authorisation.
//!
//! - It is off unless the configuration turns it on, and then only for the operator's own proxies,
//!   because an asker could ask for anybody.
//! - No body is read.
//! - `/border/check` answers nginx's `auth_request` with 204 or 403: nginx passes no other refusal on.
//! - `/border/envoy/...` answers Envoy's `ext_authz` over HTTP with 200, or with the refusal and its
//!   body for the client.
//! - The caller's address comes from the trusted header. Its account comes from its key or, with
//!   `check_account`, from `x-banjia-account`. That header is the proxy's own word: a proxy must set
//!   or clear it, and never pass on a caller's (see `examples/border`).

use crate::admission::Guard;
use crate::admit;
use crate::body::Body;
use crate::error::Failure;
use crate::live::RuntimeState;
use crate::request::RequestContext;
use crate::state::State;
use banjia_border::facts::AccountFacts;
use banjia_types::{Operation, Outcome, VerdictKind};
use http::{HeaderMap, Request, Response, StatusCode, header};
use std::borrow::Cow;
use std::sync::Arc;

/// The program that asks.
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
pub(crate) fn check<B>(state: &State, asker: Asker, request: &Request<B>, context: &RequestContext) -> Response<Body> {
    let runtime = state.runtime();
    let config = &runtime.snapshot.border;
    if !config.check {
        return Failure::unknown_path(request.method(), request.uri().path(), None).response();
    }
    if !config.peer.trusts(context.peer) {
        return Failure::not_a_proxy().response();
    }
    let headers = request.headers();
    let account = account(headers, &runtime);
    let guard = Guard { state, runtime: &runtime, context, headers, operation: Operation::BorderCheck };
    let check = guard.check_border(account.as_ref());
    let mut entry = match state.books.try_place() {
        Ok(slot) => state.books.accept(slot, context, context.at.moment),
        Err(failure) => return failure.response(),
    };
    entry.row.account = account.map(|account| account.id.clone());
    entry.row.endpoint = Cow::Borrowed(guard.operation.as_str());
    entry.row.border = check.note();
    let mut response = if let Some(mut failure) = check.refusal() {
        if asker == Asker::Nginx {
            // nginx passes on 401 and 403 only and treats any other status as an error of the check itself.
            // The ledger records the status that was sent.
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
    check.annotate(&mut response);
    if check.kind() == VerdictKind::Allow {
        response.headers_mut().insert("x-banjia-border", http::HeaderValue::from_static("allow"));
    }
    response
}

fn account(headers: &HeaderMap, runtime: &RuntimeState) -> Option<Arc<AccountFacts>> {
    let named = headers
        .get("x-banjia-account")
        .filter(|_| runtime.snapshot.border.check_account)
        .and_then(|value| value.to_str().ok());
    if let Some(name) = named {
        let known = runtime.snapshot.accounts.get(name).cloned();
        return Some(known.unwrap_or_else(|| Arc::new(AccountFacts::of(name.into()))));
    }
    headers.get(header::AUTHORIZATION)?;
    let key = admit::identify(headers, runtime).ok()?;
    Some(key.key.facts.clone())
}
