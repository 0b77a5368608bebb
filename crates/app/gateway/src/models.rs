//! `GET /v1/models`: the routes, as OpenAI lists models.
//!
//! Rule: a client sees route names and who serves them first, never keys or hosts. A switch-off date that a profile knows
//! for the first target is shown, because that is the question on the day this product is for.

use crate::admit;
use crate::body::Body;
use crate::border;
use crate::error::Failure;
use crate::ledger::Entry;
use crate::live::RuntimeState;
use crate::problem::nearest;
use crate::request::RequestContext;
use crate::snapshot::{Route, Snapshot};
use crate::state::State;
use banjia_types::RouteName;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use serde_json::{Value, json};
use std::borrow::Cow;

/// How many near names an error shows.
const NEAR_NAMES_MAX: usize = 3;

/// All routes.
pub(crate) fn list(state: &State, door: &RequestContext, headers: &HeaderMap) -> Response<Body> {
    let world = state.world();
    enter(state, &world, door, headers, || {
        let snapshot = &world.snapshot;
        let data: Vec<_> = snapshot.routes.values().map(|route| model(state, snapshot, route)).collect();
        json_response(&json!({ "object": "list", "data": data }))
    })
}

/// One route. `id` comes from the path and may be percent-encoded.
pub(crate) fn one(state: &State, door: &RequestContext, headers: &HeaderMap, id: &str) -> Response<Body> {
    let world = state.world();
    enter(state, &world, door, headers, || {
        let id = decoded(id);
        match world.snapshot.routes.get(id.as_str()) {
            Some(route) => json_response(&model(state, &world.snapshot, route)),
            None => unknown(&world.snapshot, &id).response(),
        }
    })
}

/// Key and border, then the answer; whoever may not go on gets a refusal instead.
fn enter(
    state: &State,
    world: &RuntimeState,
    door: &RequestContext,
    headers: &HeaderMap,
    answer: impl FnOnce() -> Response<Body>,
) -> Response<Body> {
    let key = match admit::identify(headers, world) {
        Ok(key) => key,
        Err(failure) => {
            return state.wrong_keys.observe(failure, &world.snapshot.border, door.peer, headers).response();
        }
    };
    let caller = border::Caller { peer: door.peer, headers, account: Some(&key.key.facts), id: door.id };
    let crossing = border::cross(state.rules(), &world.snapshot.border, caller, door.at.wall);
    state.evidence.keep(&crossing);
    let mut response = match crossing.refusal() {
        None => answer(),
        // A look at the list is no request; one that the border refused is traffic that it refused.
        Some(failure) => match Entry::open(state, door, door.at.moment) {
            Err(full) => full.response(),
            Ok(mut entry) => {
                entry.row.account = Some(key.key.account.clone());
                entry.row.key = Some(key.key.id.clone());
                entry.row.endpoint = Cow::Borrowed("models");
                entry.row.border = crossing.note();
                entry.refuse(&failure);
                failure.response()
            }
        },
    };
    crossing.tell(response.headers_mut());
    response
}

/// The error for a model that no route has.
pub(crate) fn unknown(snapshot: &Snapshot, model: &str) -> Failure {
    let near = nearest(model, snapshot.routes.keys().map(RouteName::as_str), NEAR_NAMES_MAX);
    Failure::unknown_model(model, &near)
}

fn model(state: &State, snapshot: &Snapshot, route: &Route) -> Value {
    let first = route.targets.first();
    let owner = first.map_or("banjia", |target| target.target.vendor.as_str());
    let mut model = json!({
        "id": route.name.as_str(),
        "object": "model",
        "created": state.started.0 / 1000,
        "owned_by": owner,
    });
    let shutdown = first.and_then(|target| {
        let facts = snapshot.vendors[target.vendor].profile.model(target.target.model.as_str())?;
        facts.shutdown_date.as_ref().map(ToString::to_string)
    });
    if let Some(date) = shutdown {
        model["shutdown_date"] = Value::from(date);
    }
    model
}

fn json_response(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from(value.to_string())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Percent-decoded; what is not well encoded stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) if byte == b'%' => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn a_models_name_in_a_path_is_decoded_or_left_alone() {
        assert_eq!(decoded("alibaba%2Fqwen-max"), "alibaba/qwen-max");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%ff%zz%4"), "%ff%zz%4");
    }
}
