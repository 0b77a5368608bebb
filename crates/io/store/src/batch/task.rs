//! The task that writes.

use super::run::{Batch, Run, WriteFault};
use super::{PAUSED, Pending, Shared};
use crate::health::StoreFault;
use crate::pool::now_ms;
use crate::state_file::FailingRun;
use crate::{Row, StoreError};
use banjia_types::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

/// First pause after a failed write; doubled each time up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);
/// Interval between two looks at the file, and so the longest that requests are accepted after it
/// was deleted or replaced.
const CHECK_FILE_EVERY: Duration = Duration::from_secs(1);
/// Interval between log lines while writes fail.
const LOG_EVERY: Duration = Duration::from_mins(1);

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
    /// When it was taken, in milliseconds since 1970: what was accepted before is in it, however
    /// long the writing takes.
    at: i64,
    flushes: Vec<oneshot::Sender<()>>,
    close: Option<oneshot::Sender<()>>,
    deserted: bool,
}

impl Work {
    /// Takes everything that waits and leaves the emptied lists of the last turn for it to grow
    /// into.
    fn take(&mut self, pending: &mut Pending) {
        self.rows.clear();
        self.accepted.clear();
        std::mem::swap(&mut self.rows, &mut pending.rows);
        std::mem::swap(&mut self.accepted, &mut pending.accepted);
        pending.taken_rows = self.rows.len();
        pending.taken_requests = self.accepted.iter().map(|(_, count)| count).sum();
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

/// Starts the task on a thread of its own (see the text of [`super`] for why). It ends with the
/// runtime that it is started from, as if it ran there.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start(shared: Arc<Shared>, run: Run, waits: Waits) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (alive, stopped) = oneshot::channel::<()>();
    let (done, ended) = oneshot::channel::<()>();
    let work = move || {
        runtime.block_on(async {
            tokio::select! {
                () = write(shared, run, waits) => {}
                _ = stopped => {}
            }
        });
        // Without it a note to a disk that does not answer would keep the thread.
        runtime.shutdown_background();
        drop(done);
    };
    let thread = std::thread::Builder::new().name("banjia-ledger".to_owned()).spawn(work)?;
    let thread = WriterThread { alive: Some(alive), thread: Some(thread) };
    tokio::spawn(async move {
        let _thread = thread;
        ended.await.unwrap_or_default();
    });
    Ok(())
}

/// Stops the writer's thread and waits for its end when it is dropped, which is when the runtime
/// ends or the writer has ended by itself.
struct WriterThread {
    alive: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.alive = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ledger's writer met a bug and has ended; requests are turned away");
        }
    }
}

/// Writes batches until the ledger is closed or nobody is left.
async fn write(shared: Arc<Shared>, run: Run, waits: Waits) {
    let mut work = Work::default();
    let (mut alive_at, mut checked_at) = (Instant::now(), Instant::now());
    loop {
        // A failed wait is only the time for a look.
        if timeout(waits.heartbeat.min(CHECK_FILE_EVERY), shared.wake.notified()).await.is_ok() {
            let company = timeout(waits.batch, shared.full.notified()).await;
            tracing::trace!(full = company.is_ok(), "writing a batch of the ledger");
        }
        let mut is_due = alive_at.elapsed() >= waits.heartbeat;
        if checked_at.elapsed() >= CHECK_FILE_EVERY {
            checked_at = Instant::now();
            // Writing meets the same error and reports it.
            is_due |= run.check_file().await.is_err();
        }
        work.take(&mut shared.pending());
        if work.has_rows() || is_due {
            write_all(&shared, &run, &work).await;
            alive_at = Instant::now();
        }
        work.rows.shrink_to(shared.batch_rows_max * 2);
        for flush in work.flushes.drain(..) {
            answer(flush);
        }
        if let Some(done) = work.close.take() {
            shared.pending().over = true;
            until_written(&shared, &run, &Statement::Close).await;
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
        let (rows, rest) = left.split_at(left.len().min(shared.batch_rows_max));
        let batch = Batch { rows, accepted, open: work.open, at: work.at };
        until_written(shared, run, &Statement::Batch(batch)).await;
        shared.free.add_permits(rows.len());
        {
            let mut pending = shared.pending();
            (pending.taken_rows, pending.taken_requests) = (rest.len(), 0);
        }
        (accepted, left) = (&[], rest);
        if left.is_empty() {
            return;
        }
    }
}

/// One transaction of the run.
enum Statement<'a> {
    Batch(Batch<'a>),
    Close,
}

/// Writes until it succeeds. While that fails, the store's health shows it and the log repeats it
/// once a minute.
async fn until_written(shared: &Shared, run: &Run, statement: &Statement<'_>) {
    let (mut pause, began_at) = (RETRY_FIRST, Timestamp(now_ms()));
    let mut failing: Option<Failing> = None;
    loop {
        let fault = failing.as_ref().map(|failing| &failing.fault);
        let done = match statement {
            Statement::Batch(batch) => run.write(batch, fault).await,
            Statement::Close => run.close(fault).await,
        };
        match done {
            Ok(()) => break,
            Err(error) => {
                failing.get_or_insert_with(|| Failing::new(began_at)).report(shared, run, &error);
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_LAST);
        if shared.is_paused() {
            pause = pause.min(CHECK_FILE_EVERY);
        }
    }
    if let Some(failing) = failing {
        failing.end(shared, run);
    }
}

/// A time in which writes fail.
struct Failing {
    fault: WriteFault,
    log_at: Instant,
}

impl Failing {
    fn new(began_at: Timestamp) -> Self {
        let fault = WriteFault { began_at, reason: String::new() };
        Self { fault, log_at: Instant::now() }
    }

    /// Reports that a write has failed.
    fn report(&mut self, shared: &Shared, run: &Run, error: &StoreError) {
        let since = self.fault.began_at;
        let reason = error.reason();
        let (rows, requests) = shared.unwritten();
        if matches!(error, StoreError::Moved { .. }) {
            shared.admission.fetch_or(PAUSED, Ordering::AcqRel);
        }
        shared.health.set_fault(Some(StoreFault { since, reason: reason.clone(), rows }));
        run.note(Some(FailingRun { run: shared.run.clone(), since, requests }));
        if Instant::now() >= self.log_at {
            self.log_at = Instant::now() + LOG_EVERY;
            tracing::error!(%error, %since, rows, "the ledger cannot be written: {reason}; its rows are kept");
        }
        self.fault.reason = reason;
    }

    fn end(self, shared: &Shared, run: &Run) {
        let WriteFault { began_at, reason } = self.fault;
        tracing::warn!(since = %began_at, reason, "the ledger is written again; nothing that was accepted is missing");
        run.note(None);
        // In this order: with good health places are given.
        shared.admission.fetch_and(!PAUSED, Ordering::AcqRel);
        shared.health.set_fault(None);
    }
}

fn answer(waiting: oneshot::Sender<()>) {
    if waiting.send(()).is_err() {
        tracing::debug!("nobody waits for this write of the ledger any more");
    }
}
