//! Recording exchanges: what is sent to a client is copied, made a whole answer, redacted,
//! encrypted and written.
//!
//! Rules:
//! - A request never waits for its recording.
//! - A hash of the request's id decides whether an exchange is recorded. Nothing is kept for the
//!   others.
//! - A recording is bounded in bytes. The queue is bounded in captures and in bytes; what does not
//!   fit is dropped and counted.
//! - Redaction comes before encryption and before the disk.
//! - A batch is written whole or not at all, and may be written again.

mod worker;

use crate::capture_rules::CaptureRules;
use crate::config::CaptureConfig;
use crate::held::{HeldBytes, Hold};
use crate::redact::Redactor;
use crate::request::InferenceRequest;
use banjia_store::{Capture, EncryptionKey, Store, StoreError};
use banjia_types::{AccountId, ErrorClass, Money, Outcome, RouteName, Target, Timestamp, TrafficKind, Usage};
use banjia_wire::chat;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::{mpsc, oneshot};

/// The key that encrypts captures: the one of the configuration, else that of the file beside the
/// database, which is made at first use.
///
/// # Errors
/// The text or the file holds no key, or the file cannot be made.
pub fn seal_key(config: &CaptureConfig, database: &Path) -> Result<EncryptionKey, StoreError> {
    match &config.key {
        Some(key) => EncryptionKey::parse(key.expose()),
        None => EncryptionKey::beside(database),
    }
}

/// Counts of recordings since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaptureStats {
    /// Captures that were offered to the queue.
    pub offered: u64,
    /// Of these, captures that were written or were there already.
    pub written: u64,
    /// Captures that were dropped because the queue was full.
    pub dropped: u64,
    /// Exchanges that were not kept because request and answer were larger than
    /// `capture.bytes_max`.
    pub too_large: u64,
    /// Captures that were given up because the database did not take them.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Counters {
    offered: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
    too_large: AtomicU64,
    lost: AtomicU64,
    /// Bytes in the queue.
    waiting_bytes: AtomicUsize,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// One recorded request and its answer, from which the worker makes a capture.
pub(crate) struct Recorded {
    /// The id of the caller's request, which its side requests share.
    pub(crate) id: String,
    pub(crate) leg: TrafficKind,
    pub(crate) number: u32,
    pub(crate) at: Timestamp,
    pub(crate) account: Option<AccountId>,
    pub(crate) route: RouteName,
    pub(crate) target: Target,
    pub(crate) request: Arc<InferenceRequest>,
    pub(crate) answer: Option<Bytes>,
    /// Whether the answer is a stream of events.
    pub(crate) is_stream: bool,
    pub(crate) outcome: Outcome,
    pub(crate) class: Option<ErrorClass>,
    pub(crate) usage: Option<Usage>,
    pub(crate) cost: Option<Money>,
    pub(crate) first_content_ms: Option<u32>,
    pub(crate) total_ms: u32,
}

impl Recorded {
    fn bytes(&self) -> usize {
        self.request.body.len() + self.answer.as_ref().map_or(0, Bytes::len)
    }

    /// The redacted capture; `None` if the request is not JSON, which no accepted request is.
    fn capture(self, redactor: &Redactor) -> Option<Capture> {
        let mut request = serde_json::from_slice(&self.request.body).ok()?;
        let parsed = |bytes: &Bytes| {
            if self.is_stream { chat::assemble(bytes, self.usage.as_ref()) } else { serde_json::from_slice(bytes).ok() }
        };
        let mut answer = self.answer.as_ref().and_then(parsed);
        let redactions = redactor.redact(&mut request) + answer.as_mut().map_or(0, |answer| redactor.redact(answer));
        let client = self.request.client.as_ref().and_then(|agent| agent.to_str().ok());
        Some(Capture {
            id: self.id,
            leg: self.leg,
            number: self.number,
            at: self.at,
            account: self.account,
            route: self.route,
            target: self.target,
            endpoint: self.request.operation.as_str().to_owned(),
            stream: self.request.head.stream,
            client: client.map(|agent| agent.chars().take(CLIENT_LEN_MAX).collect()),
            request,
            answer,
            outcome: self.outcome,
            class: self.class,
            usage: self.usage,
            cost: self.cost,
            first_content_ms: self.first_content_ms,
            total_ms: self.total_ms,
            redactions,
        })
    }
}

/// Characters of a client's `user-agent` that are kept.
const CLIENT_LEN_MAX: usize = 200;

/// A copy of what is sent to a client.
#[derive(Debug)]
pub(crate) struct RecordingBuffer {
    first: Option<Bytes>,
    joined: Vec<u8>,
    bytes_left: usize,
    is_too_large: bool,
    /// The memory of the copies.
    hold: Hold,
}

impl RecordingBuffer {
    pub(crate) fn new(bytes_max: usize, held: &Arc<HeldBytes>) -> Self {
        let hold = Hold::new(held);
        Self { first: None, joined: Vec::new(), bytes_left: bytes_max, is_too_large: false, hold }
    }

    /// Adds a piece. One piece is kept as it is; several are copied, because a piece of a stream
    /// may keep a much larger buffer in memory.
    pub(crate) fn push(&mut self, piece: &Bytes) {
        if self.is_too_large {
            return;
        }
        let Some(left) = self.bytes_left.checked_sub(piece.len()) else { return self.give_up() };
        self.bytes_left = left;
        if self.first.is_none() && self.joined.is_empty() {
            self.first = Some(piece.clone());
            return;
        }
        let first = self.first.take().unwrap_or_default();
        if !self.hold.grow_to(self.joined.len() + first.len() + piece.len()) {
            return self.give_up();
        }
        self.joined.extend_from_slice(&first);
        self.joined.extend_from_slice(piece);
    }

    /// Drops the copy: the answer is too large, or there is no memory for it.
    fn give_up(&mut self) {
        self.is_too_large = true;
        self.first = None;
        self.joined = Vec::new();
        self.hold.release();
    }

    /// Returns everything that was sent; `None` if it was more than may be kept.
    pub(crate) fn take(self) -> Option<Bytes> {
        let Self { first, joined, is_too_large, hold, .. } = self;
        let whole = first.unwrap_or_else(|| hold.cover(Bytes::from(joined)));
        (!is_too_large).then_some(whole)
    }
}

enum Job {
    Record(Box<Recorded>),
    Flush(oneshot::Sender<()>),
}

/// The queue of captures. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<Job>,
    counters: Arc<Counters>,
    queue_bytes_max: usize,
}

impl Recorder {
    /// Starts the worker; it ends when the last recorder is dropped. Needs a tokio runtime.
    pub(crate) fn start(store: &Store, rules: Arc<CaptureRules>, clock: crate::clock::Clock) -> Self {
        let (queue, jobs) = mpsc::channel(rules.config.queue_len_max.max(1));
        let counters = Arc::<Counters>::default();
        let queue_bytes_max = rules.config.queue_bytes_max;
        let worker = worker::Worker::new(store.clone(), rules, counters.clone(), clock);
        tokio::spawn(worker.run(jobs));
        Self { queue, counters, queue_bytes_max }
    }

    /// Queues a recording, or drops and counts it. Never waits. Without `has_room` the recording is
    /// dropped, because what is queued here must not use the memory of requests.
    pub(crate) fn offer(&self, recorded: Recorded, has_room: bool) {
        add(&self.counters.offered, 1);
        let bytes = recorded.bytes();
        let waiting = &self.counters.waiting_bytes;
        if waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > self.queue_bytes_max
            || !has_room
            || self.queue.try_send(Job::Record(Box::new(recorded))).is_err()
        {
            waiting.fetch_sub(bytes, Ordering::Relaxed);
            let dropped = self.counters.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            // Logged at powers of two: under load one line for each would be a flood of its own.
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "captures are dropped: their queue is full");
            }
        }
    }

    /// Counts an exchange that is larger than may be kept.
    pub(crate) fn too_large(&self) {
        add(&self.counters.too_large, 1);
    }

    /// Waits until everything that was queued so far is written or given up.
    pub(crate) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Job::Flush(done)).await.is_ok() {
            // A worker that ended has nothing left to write.
            wait.await.unwrap_or_default();
        }
    }

    pub(crate) fn stats(&self) -> CaptureStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CaptureStats {
            offered: count(&self.counters.offered),
            written: count(&self.counters.written),
            dropped: count(&self.counters.dropped),
            too_large: count(&self.counters.too_large),
            lost: count(&self.counters.lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_buffer_keeps_one_piece_uncopied() {
        let piece = Bytes::from_static(b"12345");
        let mut one = RecordingBuffer::new(5, &HeldBytes::new(100));
        one.push(&piece);
        assert_eq!(one.take().map(|bytes| bytes.as_ptr()), Some(piece.as_ptr()));
        let mut several = RecordingBuffer::new(15, &HeldBytes::new(100));
        (0..3).for_each(|_| several.push(&piece));
        assert_eq!(several.take().as_deref(), Some(&b"123451234512345"[..]));
        let mut large = RecordingBuffer::new(14, &HeldBytes::new(100));
        (0..4).for_each(|_| large.push(&piece));
        assert_eq!((large.joined.capacity(), large.take()), (0, None));
    }
}
