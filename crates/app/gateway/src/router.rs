//! Every path of the data plane.
//!
//! - OpenAI's paths under `/v1`, `/` that says what this is, two for a load balancer, the border's
//!   for other APIs' proxies, and nothing else.
//! - An unknown path is a 404 in OpenAI's shape that names the nearest known one.
//! - A known path that we cannot serve yet is a 501: the SDKs must not retry it as if it were an
//!   outage.
//! - A wrong method is a 405.

use crate::bad_request::BadRequest;
use crate::body::Body;
use crate::check;
use crate::cors::{self, CrossOrigin};
use crate::error::{Delay, Failure};
use crate::handle;
use crate::models;
use crate::paths;
use crate::request::{REQUEST_ID, RequestContext};
use crate::state::State;
use banjia_types::Operation;
use banjia_wire::operation::{self, Found};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Answers one request. A panic costs this request and nothing else. With `unclear` the request
/// stands for one that has no clear reading.
pub(crate) async fn route(
    state: Arc<State>,
    peer: IpAddr,
    request: Request<Incoming>,
    unclear: Option<BadRequest>,
) -> Result<Response<Body>, Infallible> {
    let context = RequestContext::new(peer, &state.clock);
    let id = context.header.clone();
    let cross_origin = CrossOrigin::of(&state.runtime().snapshot.serve.cors_origins, request.headers());
    let preflight = cross_origin.as_ref().and_then(|_| cors::preflight(&request));
    let mut response = if let Some(why) = unclear {
        let mut response = Failure::unclear_request(why).response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    } else if let Some(response) = preflight {
        response
    } else {
        let answer = AssertUnwindSafe(answer(state.clone(), request, context)).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            tracing::error!(request = ?id, "a request met a bug in the gateway");
            Failure::internal().response()
        })
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        hold_back(&state, &mut response).await;
    }
    response.headers_mut().insert(REQUEST_ID, id);
    if let Some(cross_origin) = cross_origin {
        cross_origin.annotate(response.headers_mut());
    }
    Ok(response)
}

/// Holds back the answer to a wrong key, or closes its connection where others need the place.
async fn hold_back(state: &State, response: &mut Response<Body>) {
    let Some(Delay(delay)) = response.extensions_mut().remove() else { return };
    let is_needed = state.drain.is_crowded() || state.drain.is_draining();
    if is_needed || !state.wrong_keys.wait(delay).await {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>, context: RequestContext) -> Response<Body> {
    let (method, path) = (request.method(), request.uri().path());
    match operation::find(method.as_str(), path) {
        Found::Operation(Operation::Models) => models::list(&state, &context, request.headers()),
        Found::Operation(operation) => handle::handle(state, operation, request, context).await,
        Found::Resource(Operation::Models, id) => models::one(&state, &context, request.headers(), id),
        Found::WrongMethod(allowed) => wrong_method(&request, allowed.as_str()),
        Found::NotSupported if is_misspelt(path) => {
            Failure::unknown_path(method, path, paths::nearest(path)).response()
        }
        Found::Resource(..) | Found::NotSupported => Failure::not_supported(&format!("{method} {path}")).response(),
        Found::Unknown => own_path(&state, &request, &context),
    }
}

/// Returns whether a path of OpenAI's that is not served is only wrongly written. Below `/v1/chat`
/// there is nothing but `completions`.
fn is_misspelt(path: &str) -> bool {
    let is_below = |top: &str| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    paths::rebuilt(path).is_some() || (is_below("/v1/chat") && !is_below("/v1/chat/completions"))
}

/// Answers a path that is none of OpenAI's: a load balancer's or the border's.
fn own_path(state: &Arc<State>, request: &Request<Incoming>, context: &RequestContext) -> Response<Body> {
    let is_get = request.method() == Method::GET;
    match request.uri().path() {
        "/" if is_get => plain(StatusCode::OK, paths::ABOUT),
        "/healthz" if is_get => plain(StatusCode::OK, "ok\n"),
        "/readyz" if is_get && state.drain.is_draining() => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/readyz" if is_get => readiness(state),
        "/healthz" | "/readyz" => wrong_method(request, "GET"),
        path => match check::asker(path) {
            Some(asker) => check::check(state, asker, request, context),
            None => Failure::unknown_path(request.method(), path, paths::nearest(path)).response(),
        },
    }
}

fn wrong_method(request: &Request<Incoming>, allow: &'static str) -> Response<Body> {
    Failure::wrong_method(request.method(), allow).response()
}

/// Answers a load balancer. It should not send requests here while the database cannot be written:
/// what is accepted then is in memory only.
fn readiness(state: &State) -> Response<Body> {
    let health = state.store.health();
    if health.is_ok() {
        return plain(StatusCode::OK, "ready\n");
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, health.to_string())
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
