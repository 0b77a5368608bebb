//! The one pipeline. Everything that happens to an inference request is on this page, in order.

use crate::admission::{Accepted, Admitted, Guard, Refused, refuse, refused};
use crate::admit::{self, RateLimitHeaders};
use crate::body::Body;
use crate::clock::moment;
use crate::config::ServeConfig;
use crate::drive::Drive;
use crate::error::Failure;
use crate::models;
use crate::request::{InferenceRequest, RequestContext};
use crate::state::State;
use banjia_types::{Operation, Share};
use banjia_wire::{BodyLimits, Head};
use bytes::Bytes;
use http::{Request, Response, header};
use hyper::body::Incoming;
use std::sync::Arc;

/// Serves one request of an operation.
pub(crate) async fn handle(
    state: Arc<State>,
    operation: Operation,
    request: Request<Incoming>,
    context: RequestContext,
) -> Response<Body> {
    pipeline(state, operation, request, context).await.unwrap_or_else(|refused| *refused)
}

async fn pipeline(
    state: Arc<State>,
    operation: Operation,
    request: Request<Incoming>,
    context: RequestContext,
) -> Result<Response<Body>, Refused> {
    let runtime = state.runtime();
    let serve = &runtime.snapshot.serve;
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let guard = Guard { state: &state, runtime: &runtime, context: &context, headers, operation };
    let (Admitted { key, check }, slot) = guard.enter_with_place().await?;
    let now = moment();
    let reservation = admit::reserve(&key, now);
    let limits = RateLimitHeaders::of(&key, now);
    let reservation = match reservation {
        Ok(reservation) => reservation,
        Err(failure) => {
            let mut entry = guard.accept(slot, now, &key.key, &check);
            return Ok(refuse(&mut entry, &failure, Some(&limits), &check));
        }
    };
    let read = match admit::check_encoding(headers) {
        Ok(()) => read(&state, serve, operation, body).await,
        Err(failure) => Err(failure),
    };
    let (head, body) = match read {
        Ok(read) => read,
        // No whole request came, so none is accepted. It counts against the limits all the same.
        Err(failure) => {
            let mut response = refused(failure);
            limits.annotate(response.headers_mut());
            return Err(response);
        }
    };

    // From here on the request is accepted: it ends exactly once, and the ledger records how.
    let accepted_at = moment();
    let mut entry = guard.accept(slot, accepted_at, &key.key, &check);
    entry.row.stream = head.stream;
    let Some(route) = runtime.route(&head.model) else {
        let failure = models::unknown(&runtime.snapshot, &head.model);
        return Ok(refuse(&mut entry, &failure, Some(&limits), &check));
    };
    entry.row.route = Some(route.route.name.clone());
    let tell_cost = headers.contains_key("x-banjia-cost");
    let client = if route.record == Share::NONE { None } else { headers.get(header::USER_AGENT).cloned() };
    let RequestContext { id, header, .. } = context;
    let accepted_on = entry.row.accepted_at;
    let request = InferenceRequest { id, header, accepted_at: accepted_on, operation, head, body, tell_cost, client };
    let conversation = headers.get("x-banjia-conversation").and_then(|value| value.to_str().ok());
    let border_headers = check.headers();
    let heartbeat = serve.heartbeat();
    let accepted = Accepted { entry, reservation, check, moment: accepted_at, heartbeat };
    let mut response = Drive::begin(state, route, &key.key, request, conversation, accepted).respond().await;
    let headers = response.headers_mut();
    limits.annotate(headers);
    if let Some(border_headers) = border_headers {
        headers.extend(border_headers);
    }
    Ok(response)
}

/// Reads the body, and what its head says.
async fn read(
    state: &State,
    serve: &ServeConfig,
    operation: Operation,
    body: Incoming,
) -> Result<(Head, Bytes), Failure> {
    let body = admit::read_body(body, state, serve).await?;
    let limits = BodyLimits { depth_max: serve.body_depth_max, ..BodyLimits::default() };
    let head = Head::peek(&body, operation, &limits).map_err(Failure::bad_body)?;
    Ok((head, body))
}
