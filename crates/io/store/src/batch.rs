//! The way of a row into the ledger: a place is taken before a request is accepted, the row is left
//! there when it ends, and one task writes rows in batches.
//!
//! Rules: a place is free again only when its row is in the database, so the queue has a bound and
//! no row is ever dropped for want of room: without a place the request is not accepted. Leaving a
//! row costs a lock and a push. Acceptances are counted in the database too, apart from the rows,
//! so that a missing end shows. A write that fails is tried again until it succeeds; meanwhile
//! [`Store::health`] says so, the places fill up and new requests are turned away. While the
//! database's path leads to another file, no request is accepted at all. A process that is killed,
//! or that has to end while it cannot write, leaves its run unclosed, and the next start writes
//! that down as a gap.
//! Why a thread of its own: a batch is a dozen steps, and on a runtime that is busy with requests
//! each of them waits behind all requests that are ready. The busier the gateway, the slower its
//! ledger, and the places run out.
//! Why a list under a lock and not a channel: the writer takes everything at once and gives the
//! list's memory back.

mod run;

pub(crate) use run::lock;
mod task;

use crate::health::HealthReport;
use crate::pool::now_ms;
use crate::state_file::{FailingRun, StateFile};
use crate::{Row, Store, StoreError};
use banjia_types::Timestamp;
use serde::Deserialize;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::timeout;

const MINUTE_MS: i64 = 60_000;

/// The ledger is closing: no further places are given.
const CLOSING: u8 = 1;
/// The database's path leads to another file: no places are given until it leads back.
const PAUSED: u8 = 2;
/// The time for the last note of a writer that gives up: a quarter of all its time, within these.
const LAST_NOTE_MIN: Duration = Duration::from_millis(50);
const LAST_NOTE_MAX: Duration = Duration::from_millis(500);

/// The bounds of the ledger's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WriterConfig {
    /// Requests that may be open or waiting to be written at once.
    pub places_max: usize,
    /// Rows written in one transaction.
    pub batch_rows_max: usize,
    /// A row waits at most this long for company.
    pub batch_wait_ms: u64,
    /// Interval at which a quiet writer notes that it is alive; a gap begins at most this long
    /// before the kill.
    pub heartbeat_ms: u64,
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self { places_max: 20_000, batch_rows_max: 1_000, batch_wait_ms: 200, heartbeat_ms: 5_000 }
    }
}

/// The ledger's queue. Cheap to clone. When the last clone goes without [`LedgerWriter::close`],
/// what waits is still written, but the run stays unclosed.
#[derive(Clone, Debug)]
pub struct LedgerWriter {
    owner: Arc<Owner>,
}

/// Tells the task when nobody is left to close it.
#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.pending().deserted = true;
        self.0.hurry();
    }
}

/// What the task and the places share.
#[derive(Debug)]
struct Shared {
    places_max: usize,
    batch_rows_max: usize,
    /// Places that are free: neither reserved, nor open, nor waiting to be written.
    free: Semaphore,
    /// [`CLOSING`] and [`PAUSED`]; 0 while places are given.
    admission: AtomicU8,
    /// The run's id.
    run: String,
    health: HealthReport,
    state: StateFile,
    /// Accepted requests whose row was never left, or came after the end.
    lost: AtomicU64,
    pending: Mutex<Pending>,
    /// Something waits.
    wake: Notify,
    /// It shall not wait for company.
    full: Notify,
}

/// What waits for the task.
#[derive(Debug, Default)]
struct Pending {
    rows: Vec<Row>,
    /// Acceptances by minute since the last batch. Nearly always one entry.
    accepted: Vec<(i64, u64)>,
    /// Accepted requests without a row yet.
    open: usize,
    /// Rows that the task has taken and not written yet.
    taken_rows: usize,
    /// Acceptances that the task has taken and not written yet.
    taken_requests: u64,
    flushes: Vec<oneshot::Sender<()>>,
    close: Option<oneshot::Sender<()>>,
    deserted: bool,
    /// The task has ended: what comes now is lost.
    over: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.accepted.is_empty()
    }
}

impl Shared {
    /// The lock is held for a push or a swap and never across a wait; a panic inside cannot leave
    /// it half done.
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hurry(&self) {
        self.full.notify_one();
        self.wake.notify_one();
    }

    fn is_paused(&self) -> bool {
        self.admission.load(Ordering::Acquire) & PAUSED != 0
    }

    /// Rows, and acceptances, that are not in the database.
    fn unwritten(&self) -> (u64, u64) {
        let pending = self.pending();
        let accepted: u64 = pending.accepted.iter().map(|(_, count)| count).sum();
        ((pending.rows.len() + pending.taken_rows) as u64, accepted + pending.taken_requests)
    }

    fn lose(&self, why: &'static str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        tracing::error!(why, "an accepted request has no row in the ledger");
    }
}

impl Store {
    /// Starts the ledger's writer. One at a time for a file, over all processes. Runs that were not
    /// closed are written down as gaps first. Needs a tokio runtime.
    ///
    /// # Errors
    /// Another writer of the same file, or a database that cannot be written.
    pub async fn ledger_writer(&self, config: &WriterConfig) -> Result<LedgerWriter, StoreError> {
        let run = run::Run::start(self).await?;
        let places_max = config.places_max.min(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            places_max,
            batch_rows_max: config.batch_rows_max.max(1),
            free: Semaphore::new(places_max),
            admission: AtomicU8::new(0),
            run: run.id.clone(),
            health: self.health.clone(),
            state: self.state.clone(),
            lost: AtomicU64::new(0),
            pending: Mutex::default(),
            wake: Notify::new(),
            full: Notify::new(),
        });
        let waits = task::Waits {
            batch: Duration::from_millis(config.batch_wait_ms),
            heartbeat: Duration::from_millis(config.heartbeat_ms.max(1)),
        };
        task::start(Arc::clone(&shared), run, waits)?;
        Ok(LedgerWriter { owner: Arc::new(Owner(shared)) })
    }
}

impl LedgerWriter {
    /// A place for one row, or `None` when all are taken, the ledger is closing or its file is not
    /// in its place: then the request must be turned away.
    pub fn try_reserve(&self) -> Option<Slot> {
        self.owner.0.free.try_acquire().ok()?.forget();
        self.slot()
    }

    /// Waits for a place, in the order of those who wait. `None` as for [`Self::try_reserve`].
    /// Bound the time and the number of those who wait: while the database cannot be written no
    /// place becomes free.
    pub async fn reserve(&self) -> Option<Slot> {
        self.owner.0.free.acquire().await.ok()?.forget();
        self.slot()
    }

    /// The slot for a place that was taken.
    fn slot(&self) -> Option<Slot> {
        let slot = Slot { shared: Arc::clone(&self.owner.0), state: State::Reserved };
        // Dropping the slot gives the place back.
        self.is_accepting().then_some(slot)
    }

    /// Rows that wait to be written.
    pub fn waiting(&self) -> usize {
        self.owner.0.pending().rows.len()
    }

    /// True if places are given at all. The queue may be full all the same.
    pub fn is_accepting(&self) -> bool {
        self.owner.0.admission.load(Ordering::Acquire) == 0
    }

    /// Accepted requests that have no row yet.
    pub fn open(&self) -> usize {
        self.owner.0.pending().open
    }

    /// Places taken: reserved, open, waiting, or being written.
    pub fn taken(&self) -> usize {
        self.owner.0.places_max - self.owner.0.free.available_permits()
    }

    /// Accepted requests whose row was never left. Always 0 unless a program error lost one.
    pub fn lost(&self) -> u64 {
        self.owner.0.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything that was left so far is in the database. While the database cannot be
    /// written this does not return: give it a time limit.
    ///
    /// # Errors
    /// The writer has ended.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let (done, wait) = oneshot::channel();
        {
            let mut pending = self.owner.0.pending();
            if pending.over {
                return Err(StoreError::Closed);
            }
            pending.flushes.push(done);
        }
        self.owner.0.hurry();
        wait.await.map_err(|_| StoreError::Closed)
    }

    /// Gives no further places, writes what waits and closes the run.
    ///
    /// # Errors
    /// Requests that are still open (they may still be written; call again when they have ended),
    /// or a writer that has ended before.
    pub async fn close(&self) -> Result<(), StoreError> {
        let shared = &self.owner.0;
        shared.admission.fetch_or(CLOSING, Ordering::AcqRel);
        self.flush().await?;
        let open = self.taken();
        if open > 0 {
            return Err(StoreError::StillOpen { open });
        }
        let (done, wait) = oneshot::channel();
        shared.pending().close = Some(done);
        shared.hurry();
        wait.await.map_err(|_| StoreError::Closed)
    }

    /// The same within a time. When three quarters of it are over, what is not written is noted in
    /// the file beside the database, for the next start.
    ///
    /// # Errors
    /// [`StoreError::NotWritten`] when the time is over, and those of [`LedgerWriter::close`].
    pub async fn close_within(&self, limit: Duration) -> Result<(), StoreError> {
        let note_within = (limit / 4).clamp(LAST_NOTE_MIN, LAST_NOTE_MAX);
        if let Ok(closed) = timeout(limit.saturating_sub(note_within), self.close()).await {
            return closed;
        }
        let shared = &self.owner.0;
        let (rows, requests) = shared.unwritten();
        let fault = shared.health.fault();
        let since = fault.as_ref().map_or_else(|| Timestamp(now_ms()), |fault| fault.since);
        let failing = FailingRun { run: shared.run.clone(), since, requests };
        let note = shared.state.change(move |state| state.failing = Some(failing));
        match timeout(note_within, note).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the next start will not know since when writes fail"),
            Err(_) => tracing::error!("the disk takes no note for the next start"),
        }
        let reason = fault.map_or_else(|| "the time to write them is over".to_owned(), |fault| fault.reason);
        Err(StoreError::NotWritten { rows, requests, reason })
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Reserved,
    Accepted(Timestamp),
    Left,
}

/// A place for one row. Dropped before [`Slot::accept`], it is simply free again.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    state: State,
}

impl Slot {
    /// Counts the acceptance of the request that this place was taken for. Once: a second call
    /// changes nothing.
    pub fn accept(&mut self, at: Timestamp) {
        if !matches!(self.state, State::Reserved) {
            return;
        }
        self.state = State::Accepted(at);
        let minute = at.0 - at.0.rem_euclid(MINUTE_MS);
        let mut pending = self.shared.pending();
        let first = pending.is_empty();
        pending.open += 1;
        match pending.accepted.iter_mut().find(|(m, _)| *m == minute) {
            Some((_, count)) => *count += 1,
            None => pending.accepted.push((minute, 1)),
        }
        drop(pending);
        if first {
            self.shared.wake.notify_one();
        }
    }

    /// Leaves the row of a request that ended. Never waits, never fails. Accepts the request first
    /// if that was not done.
    pub fn fill(mut self, mut row: Row) {
        self.accept(row.accepted_at);
        if let State::Accepted(at) = self.state {
            row.accepted_at = at;
        }
        let mut pending = self.shared.pending();
        if pending.over {
            drop(pending);
            // Dropping `self` counts it as lost.
            return;
        }
        self.state = State::Left;
        let first = pending.is_empty();
        pending.open -= 1;
        pending.rows.push(row);
        let full = pending.rows.len() == self.shared.batch_rows_max;
        drop(pending);
        if first {
            self.shared.wake.notify_one();
        }
        if full {
            self.shared.full.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        match self.state {
            State::Left => return, // the task frees the place when the row is written
            State::Reserved => {}
            State::Accepted(_) => {
                self.shared.pending().open -= 1;
                self.shared.lose("its place was given back, or the ledger was closed before it ended");
            }
        }
        self.shared.free.add_permits(1);
    }
}
