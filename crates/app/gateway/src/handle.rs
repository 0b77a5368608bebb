//! The one pipeline. Everything that happens to a request is on this page, in order.

use crate::admit::{self, Accepted};
use crate::body::Body;
use crate::border;
use crate::clock::moment;
use crate::config::ServeConfig;
use crate::drive::Drive;
use crate::error::Failure;
use crate::ledger::{self, Entry};
use crate::models;
use crate::request::{InferenceRequest, RequestContext};
use crate::snapshot::Key;
use crate::state::State;
use banjia_store::Slot;
use banjia_types::{Moment, Operation, Share};
use banjia_wire::{BodyLimits, Head};
use bytes::Bytes;
use http::{Request, Response, header};
use hyper::body::Incoming;
use std::borrow::Cow;
use std::sync::Arc;

/// Serves one request of an endpoint.
pub(crate) async fn handle(
    state: Arc<State>,
    endpoint: Operation,
    request: Request<Incoming>,
    door: RequestContext,
) -> Response<Body> {
    pipeline(state, endpoint, request, door).await.unwrap_or_else(|failure| failure.response())
}

async fn pipeline(
    state: Arc<State>,
    endpoint: Operation,
    request: Request<Incoming>,
    door: RequestContext,
) -> Result<Response<Body>, Failure> {
    let world = state.world();
    let serve = &world.snapshot.serve;
    let (parts, body) = request.into_parts();
    let key = admit::identify(&parts.headers, &world)
        .map_err(|failure| state.wrong_keys.observe(failure, &world.snapshot.border, door.peer, &parts.headers))?;
    // The place comes first: without one every further step would be for nothing.
    let slot = ledger::place(&state).await?;
    let caller =
        border::Caller { peer: door.peer, headers: &parts.headers, account: Some(&key.key.facts), id: door.id };
    let crossing = border::cross(state.rules(), &world.snapshot.border, caller, door.at.wall);
    state.evidence.keep(&crossing);
    let accept = |slot, at| accept(&state, slot, &door, at, (&key.key, endpoint, &crossing));
    if let Some(failure) = crossing.refusal() {
        accept(slot, door.at.moment).refuse(&failure);
        let mut response = failure.response();
        crossing.tell(response.headers_mut());
        return Ok(response);
    }
    let asked_at = moment();
    let reservation = admit::reserve(&key, asked_at);
    let rooms = admit::RateLimitHeaders::of(&key, asked_at);
    let reservation = match reservation {
        Ok(reservation) => reservation,
        Err(failure) => return Ok(refuse(&mut accept(slot, asked_at), &failure, &rooms, &crossing)),
    };
    let (head, body) = match read(&state, serve, endpoint, body).await {
        Ok(read) => read,
        // No request came, so none is accepted. It counts against the limits all the same.
        Err(failure) => {
            let mut response = failure.response();
            rooms.tell(response.headers_mut());
            return Ok(response);
        }
    };

    // From here on the request is accepted: it ends exactly once, and the ledger knows how.
    let now = moment();
    let mut entry = accept(slot, now);
    entry.row.stream = head.stream;
    let Some(route) = world.routes.get(head.model.as_str()).cloned() else {
        let failure = models::unknown(&world.snapshot, &head.model);
        return Ok(refuse(&mut entry, &failure, &rooms, &crossing));
    };
    entry.row.route = Some(route.route.name.clone());
    let tell_cost = parts.headers.contains_key("x-banjia-cost");
    let client = if route.record == Share::NONE { None } else { parts.headers.get(header::USER_AGENT).cloned() };
    let ask = InferenceRequest { id: door.id, header: door.header, endpoint, head, body, tell_cost, client };
    let conversation = parts.headers.get("x-banjia-conversation").and_then(|value| value.to_str().ok());
    let told = crossing.told();
    let accepted = Accepted { entry, reservation, crossing, at: now };
    let mut response = Drive::begin(state, route, &key.key, ask, conversation, accepted).respond().await;
    let headers = response.headers_mut();
    rooms.tell(headers);
    if let Some(told) = told {
        headers.extend(told);
    }
    Ok(response)
}

/// Accepts a request, with everything in its row that is known before its body.
fn accept(
    state: &State,
    slot: Slot,
    door: &RequestContext,
    at: Moment,
    (key, endpoint, crossing): (&Key, Operation, &border::BorderCheck),
) -> Entry {
    let mut entry = Entry::accept(state, slot, door, at);
    entry.row.account = Some(key.account.clone());
    entry.row.key = Some(key.id.clone());
    entry.row.endpoint = Cow::Borrowed(endpoint.as_str());
    entry.row.border = crossing.note();
    entry
}

/// The body, and what its head says.
async fn read(
    state: &State,
    serve: &ServeConfig,
    endpoint: Operation,
    body: Incoming,
) -> Result<(Head, Bytes), Failure> {
    let body = admit::read_body(body, state, serve).await?;
    let limits = BodyLimits { depth_max: serve.body_depth_max, ..BodyLimits::default() };
    let head = Head::peek(&body, endpoint, &limits).map_err(Failure::bad_body)?;
    Ok((head, body))
}

fn refuse(
    entry: &mut Entry,
    failure: &Failure,
    rooms: &admit::RateLimitHeaders,
    crossing: &border::BorderCheck,
) -> Response<Body> {
    entry.refuse(failure);
    let mut response = failure.response();
    rooms.tell(response.headers_mut());
    crossing.tell(response.headers_mut());
    response
}
