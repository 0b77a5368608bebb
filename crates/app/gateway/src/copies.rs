//! Copies of recorded exchanges: to the destination (a shadow), and to the source once more (a repeat).
//!
//! Rules: a caller never waits for a copy: it is wished after the answer, through a bounded queue, and dropped and counted when
//! that is full; copies go through `legs`, with all its bounds; what comes back is a capture with the request's own id. Where
//! the destination gave the live answer already, the same share asks the source instead, so that a canary can be compared too;
//! that copy is a repeat by its leg and tells by its target what it is. When the gateway drains, no further copy is sent;
//! those under way have a while to end; what is left is dropped and said.

use crate::capture::Recorded;
use crate::live::LiveRoute;
use crate::request::InferenceRequest;
use crate::route_move::TargetRole;
use crate::side_requests::{self, Found, NotAsked};
use crate::state::State;
use banjia_border::facts::Facts;
use banjia_traffic::{SamplingPurpose, sample_hash};
use banjia_types::{AccountId, Timestamp, TrafficKind};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long copies under way may take to end when the gateway stops.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// How copies went, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyStats {
    /// Copies that were wished.
    pub wished: u64,
    /// Dropped because the queue was full, or because the gateway stopped.
    pub dropped: u64,
    /// Not sent: the border, a date, the residency rule or the spend cap forbade it.
    pub not_asked: u64,
    /// Of which a capture was handed over.
    pub recorded: u64,
}

/// One copy to be sent.
pub(crate) struct QueuedCopy {
    leg: TrafficKind,
    goal: usize,
    live: Arc<LiveRoute>,
    ask: Arc<InferenceRequest>,
    at: Timestamp,
    account: AccountId,
    facts: Facts,
}

/// The queue of copies.
#[derive(Debug)]
pub(crate) struct Copies {
    queue: mpsc::Sender<QueuedCopy>,
    stop: CancellationToken,
    under_way: TaskTracker,
    wished: AtomicU64,
    dropped: AtomicU64,
    not_asked: AtomicU64,
    recorded: AtomicU64,
}

/// An exchange that was answered and recorded, as far as copies of it are concerned.
pub(crate) struct Answered<'a> {
    pub(crate) live: &'a Arc<LiveRoute>,
    pub(crate) goal: usize,
    pub(crate) ask: &'a Arc<InferenceRequest>,
    pub(crate) at: Timestamp,
    pub(crate) account: &'a AccountId,
    pub(crate) facts: Facts,
}

impl Copies {
    pub(crate) fn new(queue_len_max: usize) -> (Self, mpsc::Receiver<QueuedCopy>) {
        let (queue, wishes) = mpsc::channel(queue_len_max.max(1));
        let copies = Self {
            queue,
            stop: CancellationToken::new(),
            under_way: TaskTracker::new(),
            wished: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            not_asked: AtomicU64::new(0),
            recorded: AtomicU64::new(0),
        };
        (copies, wishes)
    }

    /// Wishes the copies that the route's course wants of an exchange. Never waits. Without `has_room`
    /// they are dropped.
    pub(crate) fn offer(&self, answered: &Answered<'_>, has_room: bool) {
        let Some(route_move) = answered.live.route_move.as_deref() else { return };
        let drawn = |lot| sample_hash(answered.ask.id.sample_seed(), lot);
        let is_shadowed = route_move.route_move.shadow.holds(drawn(SamplingPurpose::Shadow));
        let is_repeated = route_move.route_move.repeat.holds(drawn(SamplingPurpose::Repeat));
        let wanted = match route_move.part(answered.goal) {
            TargetRole::Source => [
                is_shadowed.then_some((TrafficKind::Shadow, TargetRole::Destination)),
                is_repeated.then_some((TrafficKind::Repeat, TargetRole::Source)),
            ],
            TargetRole::Destination | TargetRole::Second => {
                [(is_shadowed).then_some((TrafficKind::Repeat, TargetRole::Source)), None]
            }
            TargetRole::None => [None, None],
        };
        for (leg, part) in wanted.into_iter().flatten() {
            // A repeat goes to the very target that answered, where that is the source.
            let goal = if route_move.part(answered.goal) == part { Some(answered.goal) } else { route_move.goal(part) };
            let Some(goal) = goal else { continue };
            let wish = QueuedCopy {
                leg,
                goal,
                live: answered.live.clone(),
                ask: answered.ask.clone(),
                at: answered.at,
                account: answered.account.clone(),
                facts: answered.facts.clone(),
            };
            count(&self.wished);
            if !has_room || self.stop.is_cancelled() || self.queue.try_send(wish).is_err() {
                let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                if dropped.is_power_of_two() {
                    tracing::warn!(dropped, "copies of requests are dropped: their queue is full");
                }
            }
        }
    }

    pub(crate) fn stats(&self) -> CopyStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CopyStats {
            wished: read(&self.wished),
            dropped: read(&self.dropped),
            not_asked: read(&self.not_asked),
            recorded: read(&self.recorded),
        }
    }

    /// Sends no further copy and waits a while for those under way.
    pub(crate) async fn finish(&self) {
        self.stop.cancel();
        self.under_way.close();
        if tokio::time::timeout(FINISH_WITHIN, self.under_way.wait()).await.is_err() {
            tracing::warn!("copies under way took too long and were given up");
        }
        let CopyStats { wished, dropped, not_asked, recorded } = self.stats();
        if wished > 0 {
            tracing::info!(wished, recorded, not_asked, dropped, "copies of requests have ended");
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Takes wishes and sends copies until the gateway is gone or stops.
pub(crate) async fn run(state: Weak<State>, mut wishes: mpsc::Receiver<QueuedCopy>, at_once_max: usize) {
    let Some(stop) = state.upgrade().map(|state| state.copies.stop.clone()) else { return };
    let places = Arc::new(tokio::sync::Semaphore::new(at_once_max.max(1)));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((wishes.recv().await?, place))
        };
        let next = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let (Some((wish, place)), Some(state)) = (next, state.upgrade()) else { break };
        let stop = stop.clone();
        let tracker = state.copies.under_way.clone();
        tracker.spawn(async move {
            let _place = place;
            send(&state, wish, stop).await;
        });
    }
    wishes.close();
    while wishes.try_recv().is_ok() {
        if let Some(state) = state.upgrade() {
            count(&state.copies.dropped);
        }
    }
}

async fn send(state: &Arc<State>, wish: QueuedCopy, stop: CancellationToken) {
    let QueuedCopy { leg, goal, live, ask, at, account, facts } = wish;
    let (id, route, target) = (ask.id.to_string(), live.route.name.clone(), live.route.targets[goal].target.clone());
    let body = serde_json::from_slice(&ask.body).unwrap_or_default();
    let copy = match side_requests::ask_of(body, &route, ask.endpoint, &state.clock) {
        Ok(copy) => Arc::new(copy),
        Err(why) => return not_asked(state, &id, &NotAsked::BadRequest(why)),
    };
    let found = Found { live, goal, ask: copy, account: Some(account.clone()), facts };
    let asking = side_requests::ask_found(state, found);
    let waited = tokio::select! {
        waited = asking => waited,
        // Those under way have their while; then the task is dropped with the runtime's patience.
        () = async { stop.cancelled().await; tokio::time::sleep(FINISH_WITHIN).await } => {
            return count(&state.copies.dropped);
        }
    };
    let answer = match waited {
        Ok(answer) => answer,
        Err(why) => return not_asked(state, &id, &why),
    };
    count(&state.copies.recorded);
    let recorded = Recorded {
        id,
        leg,
        number: 0,
        at,
        account: Some(account),
        route,
        target,
        ask,
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
    count(&state.copies.not_asked);
    tracing::debug!(request, %why, "a copy was not sent");
}
