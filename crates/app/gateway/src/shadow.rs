//! The worker that sends queued copies of requests.
//!
//! Copies go through `side_requests` with all of its limits. What comes back is recorded as a capture
//! with the id of the request that was copied. When the gateway drains, no further copy is sent:
//! copies in flight have a few seconds to end, and the rest is dropped and counted.

use crate::capture::Recorded;
use crate::copies::{FINISH_WITHIN, QueuedCopy};
use crate::side_requests::{self, Found, NotAsked};
use crate::state::State;
use bytes::Bytes;
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Sends queued copies until the gateway stops or is dropped.
pub(crate) async fn run(state: Weak<State>, mut queued: mpsc::Receiver<QueuedCopy>, at_once_max: usize) {
    let Some(stop) = state.upgrade().map(|state| state.copies.stop.clone()) else { return };
    let places = Arc::new(tokio::sync::Semaphore::new(at_once_max.max(1)));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((queued.recv().await?, place))
        };
        let next = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let (Some((copy, place)), Some(state)) = (next, state.upgrade()) else { break };
        let stop = stop.clone();
        let tracker = state.copies.in_flight.clone();
        tracker.spawn(async move {
            let _place = place;
            send(&state, copy, stop).await;
        });
    }
    queued.close();
    while queued.try_recv().is_ok() {
        if let Some(state) = state.upgrade() {
            state.copies.count_dropped();
        }
    }
}

async fn send(state: &Arc<State>, copy: QueuedCopy, stop: CancellationToken) {
    let QueuedCopy { kind, target_ix, route, request, at, account, facts } = copy;
    let (id, name) = (request.id.to_string(), route.route.name.clone());
    let target = route.route.targets[target_ix].target.clone();
    let body = serde_json::from_slice(&request.body).unwrap_or_default();
    let copied = match side_requests::request_of(body, &name, request.operation, &state.clock) {
        Ok(copied) => Arc::new(copied),
        Err(why) => return not_asked(state, &id, &NotAsked::BadRequest(why)),
    };
    let found = Found { route, target_ix, request: copied, account: Some(account.clone()), facts };
    let asked = tokio::select! {
        asked = side_requests::ask_found(state, found) => asked,
        () = async { stop.cancelled().await; tokio::time::sleep(FINISH_WITHIN).await } => {
            return state.copies.count_dropped();
        }
    };
    let answer = match asked {
        Ok(answer) => answer,
        Err(why) => return not_asked(state, &id, &why),
    };
    state.copies.count_recorded();
    let recorded = Recorded {
        id,
        leg: kind,
        number: 0,
        at,
        account: Some(account),
        route: name,
        target,
        request,
        answer: answer.answer.map(|answer| Bytes::from(answer.to_string())),
        is_stream: false,
        outcome: answer.outcome,
        class: answer.class,
        usage: answer.usage,
        cost: answer.cost,
        first_content_ms: None,
        total_ms: answer.total_ms,
    };
    state.recorder.offer(recorded, state.held.has_room_for_copies());
}

fn not_asked(state: &State, request: &str, why: &NotAsked) {
    state.copies.count_not_asked();
    tracing::debug!(request, %why, "a copy was not sent");
}
