//! The queue of copies: which copies of a recorded exchange are wanted, and where they wait to be sent.
//!
//! - A shadow goes to the destination of a move, a repeat goes to its source once more.
//! - If the destination gave the live response, the shadow's share asks the source instead, so that a
//!   canary can be compared too. That copy is a repeat by its kind, and its target shows what it is.
//! - A caller never waits for a copy. Copies are queued after the response. If the queue is full they
//!   are dropped and counted.
//!
//! The worker that sends them is `shadow`.

use crate::live::LiveRoute;
use crate::request::InferenceRequest;
use crate::route_move::TargetRole;
use banjia_border::facts::Facts;
use banjia_traffic::{SamplingPurpose, sample_hash};
use banjia_types::{AccountId, Timestamp, TrafficKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long copies in flight may take when the gateway stops.
pub(crate) const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Counts of copies since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyStats {
    /// Copies that were queued, or dropped at the queue.
    pub wished: u64,
    /// Dropped because the queue was full, or because the gateway stopped.
    pub dropped: u64,
    /// Not sent: the border, a date, the residency rule or the spend cap forbade it.
    pub not_asked: u64,
    /// Answered or refused, and handed over as a capture.
    pub recorded: u64,
}

/// A copy that waits to be sent.
pub(crate) struct QueuedCopy {
    pub(crate) kind: TrafficKind,
    pub(crate) target_ix: usize,
    pub(crate) route: Arc<LiveRoute>,
    pub(crate) request: Arc<InferenceRequest>,
    pub(crate) at: Timestamp,
    pub(crate) account: AccountId,
    pub(crate) facts: Facts,
}

/// The queue of copies.
#[derive(Debug)]
pub(crate) struct Copies {
    queue: mpsc::Sender<QueuedCopy>,
    /// Cancelled when the gateway drains: no further copy is sent.
    pub(crate) stop: CancellationToken,
    pub(crate) in_flight: TaskTracker,
    queued: AtomicU64,
    dropped: AtomicU64,
    not_asked: AtomicU64,
    recorded: AtomicU64,
}

/// What copies need of an exchange that was answered and recorded.
pub(crate) struct Answered<'a> {
    pub(crate) route: &'a Arc<LiveRoute>,
    pub(crate) target_ix: usize,
    pub(crate) request: &'a Arc<InferenceRequest>,
    pub(crate) at: Timestamp,
    pub(crate) account: &'a AccountId,
    pub(crate) facts: Facts,
}

impl Copies {
    pub(crate) fn new(queue_len_max: usize) -> (Self, mpsc::Receiver<QueuedCopy>) {
        let (queue, queued) = mpsc::channel(queue_len_max.max(1));
        let copies = Self {
            queue,
            stop: CancellationToken::new(),
            in_flight: TaskTracker::new(),
            queued: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            not_asked: AtomicU64::new(0),
            recorded: AtomicU64::new(0),
        };
        (copies, queued)
    }

    /// Queues the copies that the route's move wants of an exchange. Never waits. Without `has_room`
    /// in memory they are dropped.
    pub(crate) fn offer(&self, answered: &Answered<'_>, has_room: bool) {
        let Some(route_move) = answered.route.route_move.as_deref() else { return };
        let hash = |purpose| sample_hash(answered.request.id.sample_seed(), purpose);
        let is_shadowed = route_move.route_move.shadow.holds(hash(SamplingPurpose::Shadow));
        let is_repeated = route_move.route_move.repeat.holds(hash(SamplingPurpose::Repeat));
        let answered_by = route_move.role(answered.target_ix);
        let wanted = match answered_by {
            TargetRole::Source => [
                is_shadowed.then_some((TrafficKind::Shadow, TargetRole::Destination)),
                is_repeated.then_some((TrafficKind::Repeat, TargetRole::Source)),
            ],
            TargetRole::Destination | TargetRole::Second => {
                [is_shadowed.then_some((TrafficKind::Repeat, TargetRole::Source)), None]
            }
            TargetRole::None => [None, None],
        };
        for (kind, role) in wanted.into_iter().flatten() {
            // A repeat goes to the very target that answered, if that is the source.
            let is_same = answered_by == role;
            let target_ix = if is_same { Some(answered.target_ix) } else { route_move.first_with(role) };
            let Some(target_ix) = target_ix else { continue };
            let copy = QueuedCopy {
                kind,
                target_ix,
                route: answered.route.clone(),
                request: answered.request.clone(),
                at: answered.at,
                account: answered.account.clone(),
                facts: answered.facts.clone(),
            };
            count(&self.queued);
            if !has_room || self.stop.is_cancelled() || self.queue.try_send(copy).is_err() {
                let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                if dropped.is_power_of_two() {
                    tracing::warn!(dropped, "copies of requests were dropped: their queue is full");
                }
            }
        }
    }

    pub(crate) fn count_dropped(&self) {
        count(&self.dropped);
    }

    pub(crate) fn count_not_asked(&self) {
        count(&self.not_asked);
    }

    pub(crate) fn count_recorded(&self) {
        count(&self.recorded);
    }

    pub(crate) fn stats(&self) -> CopyStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CopyStats {
            wished: read(&self.queued),
            dropped: read(&self.dropped),
            not_asked: read(&self.not_asked),
            recorded: read(&self.recorded),
        }
    }

    /// Stops the sending of copies and waits up to 5 seconds for those in flight.
    pub(crate) async fn finish(&self) {
        self.stop.cancel();
        self.in_flight.close();
        if tokio::time::timeout(FINISH_WITHIN, self.in_flight.wait()).await.is_err() {
            tracing::warn!("copies in flight took too long and were cancelled");
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
