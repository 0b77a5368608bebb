//! Every path of the data plane.
//!
//! Rules: OpenAI's paths under `/v1`, two for a load balancer, the border's for other APIs' proxies, nothing else; an unknown path is a 404 in OpenAI's shape, a
//! known one that we cannot serve yet a 501 (the SDKs must not retry it as if it were an outage), a wrong method a 405.

use crate::body::Body;
use crate::check;
use crate::error::{Delay, Failure};
use crate::handle::{self, RequestContext};
use crate::models;
use crate::serve::BadRequest;
use crate::state::State;
use banjia_types::Operation;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// First parts of paths that OpenAI serves and we do not (its published OpenAPI document of 2026-08-21).
const KNOWN: [&str; 26] = [
    "assistants",
    "audio",
    "batches",
    "chat",
    "chatkit",
    "completions",
    "containers",
    "content_provenance_checks",
    "conversations",
    "embeddings",
    "evals",
    "files",
    "fine_tuning",
    "images",
    "models",
    "moderations",
    "organization",
    "projects",
    "realtime",
    "responses",
    "skills",
    "threads",
    "uploads",
    "vector_stores",
    "videos",
    "webhooks",
];

/// Answers one request. A panic costs this request and nothing else. With `unclear` the request
/// stands for one that has no clear reading.
pub(crate) async fn route(
    state: Arc<State>,
    peer: IpAddr,
    request: Request<Incoming>,
    unclear: Option<BadRequest>,
) -> Result<Response<Body>, Infallible> {
    let door = RequestContext::new(peer, &state.clock);
    let id = door.header.clone();
    let mut response = if let Some(why) = unclear {
        let mut response = Failure::unclear_request(why).response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    } else {
        let answer = AssertUnwindSafe(answer(state.clone(), request, door)).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            tracing::error!(request = ?id, "a request met a bug in the gateway");
            Failure::internal().response()
        })
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        hold_back(&state, &mut response).await;
    }
    response.headers_mut().insert(handle::REQUEST_ID, id);
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

async fn answer(state: Arc<State>, request: Request<Incoming>, door: RequestContext) -> Response<Body> {
    let is_post = request.method() == Method::POST;
    let is_get = request.method() == Method::GET;
    match request.uri().path() {
        "/v1/chat/completions" if is_post => handle::handle(state, Operation::ChatCompletions, request, door).await,
        "/v1/embeddings" if is_post => handle::handle(state, Operation::Embeddings, request, door).await,
        "/v1/models" if is_get => models::list(&state, &door, request.headers()),
        "/v1/embeddings" => wrong_method(&request, "POST"),
        "/v1/chat/completions" if !is_get => wrong_method(&request, "POST"),
        "/healthz" if is_get => plain(StatusCode::OK, "ok\n"),
        "/readyz" if is_get && state.drain.is_draining() => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/readyz" if is_get => readiness(&state),
        "/v1/models" | "/healthz" | "/readyz" => wrong_method(&request, "GET"),
        path => match path.strip_prefix("/v1/models/") {
            Some(id) if is_get && !id.is_empty() => models::one(&state, &door, request.headers(), id),
            _ => match check::asker(path) {
                Some(asker) => check::check(&state, asker, &request, &door),
                None => unserved(request.method(), path),
            },
        },
    }
}

fn unserved(method: &Method, path: &str) -> Response<Body> {
    let first = path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    // With a slash at its end no path is OpenAI's: a client's base URL is then put together wrongly.
    if KNOWN.contains(&first) && !path.ends_with('/') {
        return Failure::not_supported(&format!("{method} {path}")).response();
    }
    Failure::unknown_path(method, path).response()
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
