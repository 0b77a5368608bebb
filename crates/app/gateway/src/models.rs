//! `GET /v1/models`: the routes, as OpenAI lists models.
//!
//! A client sees route names and the vendor that serves them first, never keys or hosts. If a profile
//! has a shutdown date for the first target, it is shown.

use crate::admission::{Admitted, Guard};
use crate::body::Body;
use crate::error::Failure;
use crate::problem::nearest;
use crate::request::RequestContext;
use crate::snapshot::{ANY_MODEL, Route, Snapshot};
use crate::state::State;
use banjia_types::Operation;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use serde_json::{Value, json};

/// Maximum number of near names in an error.
const NEAR_NAMES_MAX: usize = 3;

/// Lists all routes but patterns: `*` is no model that a client could ask for.
pub(crate) fn list(state: &State, context: &RequestContext, headers: &HeaderMap) -> Response<Body> {
    answer(state, context, headers, |snapshot| {
        let data: Vec<_> =
            snapshot.named_routes().map(|route| model(state, snapshot, route, route.name.as_str())).collect();
        json_response(&json!({ "object": "list", "data": data }))
    })
}

/// Shows one route. `id` comes from the path and may be percent-encoded.
pub(crate) fn one(state: &State, context: &RequestContext, headers: &HeaderMap, id: &str) -> Response<Body> {
    answer(state, context, headers, |snapshot| {
        let id = decoded(id);
        let route = Some(id.as_str()).filter(|id| !id.ends_with(ANY_MODEL));
        let route = route.and_then(|id| snapshot.routes.get(id).or_else(|| snapshot.pattern(id)));
        match route {
            Some(route) => json_response(&model(state, snapshot, route, &id)),
            None => unknown(snapshot, &id).response(),
        }
    })
}

/// Answers a caller that is admitted. Reading the list is no request and has no row in the ledger.
fn answer(
    state: &State,
    context: &RequestContext,
    headers: &HeaderMap,
    answer: impl FnOnce(&Snapshot) -> Response<Body>,
) -> Response<Body> {
    let runtime = state.runtime();
    match (Guard { state, runtime: &runtime, context, headers, operation: Operation::Models }).enter() {
        Ok(Admitted { check, .. }) => {
            let mut response = answer(&runtime.snapshot);
            check.annotate(&mut response);
            response
        }
        Err(refused) => *refused,
    }
}

/// The error for a model that no route has.
pub(crate) fn unknown(snapshot: &Snapshot, model: &str) -> Failure {
    let near = nearest(model, snapshot.named_routes().map(|route| route.name.as_str()), NEAR_NAMES_MAX);
    Failure::unknown_model(model, &near)
}

fn model(state: &State, snapshot: &Snapshot, route: &Route, id: &str) -> Value {
    let first = route.targets.first();
    let owner = first.map_or("banjia", |target| target.target.vendor.as_str());
    let mut model = json!({
        "id": id,
        "object": "model",
        "created": state.started.0 / 1000,
        "owned_by": owner,
    });
    let shutdown = first.and_then(|target| {
        let named = Some(target.target.model.as_str()).filter(|model| *model != ANY_MODEL).unwrap_or(id);
        let facts = snapshot.vendors[target.vendor].profile.model(named)?;
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

/// Decodes percent-encoding. Text that is not well encoded stays as it is.
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
    fn a_percent_encoded_name_is_decoded() {
        assert_eq!(decoded("alibaba%2Fqwen-max"), "alibaba/qwen-max");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%ff%zz%4"), "%ff%zz%4");
    }
}
