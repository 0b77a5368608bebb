//! The task that writes.

use super::run::Run;
use super::{Pending, Shared};
use crate::pool::now_ms;
use crate::{Row, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

/// First pause after a failed write; doubled each time up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// How long the task waits for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    pub(super) batch: Duration,
    pub(super) heartbeat: Duration,
}

/// One turn's work, taken from what waits.
#[derive(Default)]
struct Work {
    rows: Vec<Row>,
    accepted: Vec<(i64, u64)>,
    open: usize,
    /// When it was taken, in milliseconds since 1970: what was accepted before is in it, however long the writing takes.
    at: i64,
    flushes: Vec<oneshot::Sender<()>>,
    close: Option<oneshot::Sender<()>>,
    deserted: bool,
}

impl Work {
    /// Takes everything that waits and leaves the emptied lists of the last turn for it to grow into.
    fn take(&mut self, pending: &mut Pending) {
        self.rows.clear();
        self.accepted.clear();
        std::mem::swap(&mut self.rows, &mut pending.rows);
        std::mem::swap(&mut self.accepted, &mut pending.accepted);
        self.open = pending.open;
        self.at = now_ms();
        self.flushes = std::mem::take(&mut pending.flushes);
        self.close = pending.close.take();
        self.deserted = pending.deserted;
    }

    fn has_rows(&self) -> bool {
        !self.rows.is_empty() || !self.accepted.is_empty()
    }
}

/// Writes batches until the ledger is closed or nobody is left.
pub(super) async fn write(shared: Arc<Shared>, run: Run, waits: Waits) {
    let mut work = Work::default();
    let mut alive_at = Instant::now();
    loop {
        // A failed wait is only the heartbeat's time.
        if timeout(waits.heartbeat, shared.wake.notified()).await.is_ok() {
            let company = timeout(waits.batch, shared.full.notified()).await;
            tracing::trace!(full = company.is_ok(), "writing a batch of the ledger");
        }
        work.take(&mut shared.pending());
        if work.has_rows() || alive_at.elapsed() >= waits.heartbeat {
            write_all(&shared, &run, &work).await;
            alive_at = Instant::now();
        }
        work.rows.shrink_to(shared.batch_rows_max * 2);
        for flush in work.flushes.drain(..) {
            answer(flush);
        }
        if let Some(done) = work.close.take() {
            shared.pending().over = true;
            until_done(|| run.close(), 0).await;
            drop(run);
            answer(done);
            return;
        }
        if work.deserted {
            shared.pending().over = true;
            tracing::warn!("the ledger was left without being closed: the next start will note a gap");
            return;
        }
    }
}

async fn write_all(shared: &Shared, run: &Run, work: &Work) {
    let mut accepted = work.accepted.as_slice();
    let mut left = work.rows.as_slice();
    loop {
        let (batch, rest) = left.split_at(left.len().min(shared.batch_rows_max));
        until_done(|| run.write(batch, accepted, (work.open, work.at)), batch.len()).await;
        shared.taken.fetch_sub(batch.len(), Ordering::AcqRel);
        (accepted, left) = (&[], rest);
        if left.is_empty() {
            return;
        }
    }
}

/// Does `what` until it succeeds. Every failure is said aloud: while it lasts, requests will be turned away.
async fn until_done<F, Fut>(what: F, rows: usize)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<(), StoreError>>,
{
    let mut pause = RETRY_FIRST;
    while let Err(error) = what().await {
        tracing::error!(%error, rows, retry_in_ms = pause.as_millis(), "the ledger cannot be written; its rows are kept");
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_LAST);
    }
}

fn answer(waiting: oneshot::Sender<()>) {
    if waiting.send(()).is_err() {
        tracing::debug!("nobody waits for this write of the ledger any more");
    }
}
