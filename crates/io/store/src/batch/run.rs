//! One process's time as the writer of a ledger.
//!
//! Rules:
//! - A run is opened before the first row and closed after the last. A run that is found open
//!   belongs to a process that was killed or that gave up, because locks on the database and on a
//!   file beside it let only one writer live at a time.
//! - Each batch counts itself in its own transaction, so a batch that is written again after an
//!   uncertain commit is added once.
//! - The first batch after a time of failed writes records that time. A run that ends before notes
//!   in the file beside the database since when its writes fail, and the next start writes that
//!   into its gap.

use crate::database_file::DatabaseLock;
use crate::pool::now_ms;
use crate::private_file;
use crate::rows::{self, LedgerDimensions};
use crate::state_file::FailingRun;
use crate::{Row, Store, StoreError};
use banjia_types::Timestamp;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// An open run and the locks that make it the only one.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: String,
    /// Batches of this run that are in the database.
    batches: AtomicI64,
    /// Taken for each batch and given back when it is written.
    kinds: Mutex<LedgerDimensions>,
    /// A note is being written to the file beside the database.
    is_noting: Arc<AtomicBool>,
    /// Held for as long as this process may write; the system lets go of them when the process
    /// dies. The lock on the file beside the database keeps out gateways of older versions, which
    /// know no other.
    _locks: (Option<DatabaseLock>, Option<File>),
    /// An open reader. Without it the last connection would close whenever a write fails, and the
    /// files of the write-ahead log would go with it: they cannot be made again on a full disk, and
    /// then nothing could be read either.
    reader: Mutex<Option<SqliteConnection>>,
    store: Store,
}

/// The content of one transaction: rows, the acceptances by minute, and the sign of life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch<'a> {
    pub(super) rows: &'a [Row],
    pub(super) accepted: &'a [(i64, u64)],
    /// Accepted requests without an end...
    pub(super) open: usize,
    /// ...as of this moment, in milliseconds since 1970.
    pub(super) at: i64,
}

/// A time in which nothing could be written.
#[derive(Clone, Debug)]
pub(super) struct WriteFault {
    pub(super) began_at: Timestamp,
    /// Why the last write failed.
    pub(super) reason: String,
}

impl Run {
    pub(super) async fn start(store: &Store) -> Result<Self, StoreError> {
        let locks = (store.file.lock()?, lock(store.path(), ".lock")?);
        let failing = store.state.read().await?.failing;
        store.state.prepare().await?;
        store.take_pending_cuts().await;
        let reader = store.open_reader().await?;
        let (id, now) = (Uuid::now_v7().simple().to_string(), now_ms());
        let failed = StoreError::sql("open a run of the ledger");
        let mut tx = store.begin_durable().await?;
        note_gaps(&mut tx, failing.as_ref(), now).await?;
        sqlx::query("INSERT INTO run (id, started_at, last_flush_at, open_requests) VALUES ($1, $2, $2, 0)")
            .bind(&id)
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
        tx.commit().await.map_err(&failed)?;
        if failing.is_some() {
            store.state.change(|state| state.failing = None).await?;
        }
        Ok(Self {
            id,
            batches: AtomicI64::new(0),
            kinds: Mutex::default(),
            is_noting: Arc::default(),
            _locks: locks,
            reader: Mutex::new(Some(reader)),
            store: store.clone(),
        })
    }

    /// Looks whether the path of the database still leads to its file.
    pub(super) async fn check_file(&self) -> Result<(), StoreError> {
        self.store.file.check().await
    }

    /// Writes a batch, all or nothing, and the fault that it ends.
    pub(super) async fn write(&self, batch: &Batch<'_>, fault: Option<&WriteFault>) -> Result<(), StoreError> {
        let fail = StoreError::sql("write a batch of the ledger");
        let mut tx = self.store.begin().await?;
        let number = self.batches.load(Ordering::Relaxed);
        let mut kinds = None;
        // Otherwise the commit of this batch was reported as failed and is in the database all the
        // same.
        if self.count(&mut tx, number, batch).await? {
            let kinds = kinds.insert(std::mem::take(&mut *self.kinds()));
            rows::insert(batch.rows, kinds, &mut tx).await.map_err(&fail)?;
            for &(minute, count) in batch.accepted {
                sqlx::query(
                    "INSERT INTO accepted (minute, requests) VALUES ($1, $2) \
                     ON CONFLICT (minute) DO UPDATE SET requests = requests + excluded.requests",
                )
                .bind(minute)
                .bind(i64::try_from(count).unwrap_or(i64::MAX))
                .execute(&mut *tx)
                .await
                .map_err(&fail)?;
            }
        }
        self.end_fault(&mut tx, fault).await?;
        tx.commit().await.map_err(&fail)?;
        self.batches.store(number + 1, Ordering::Relaxed);
        if let Some(kinds) = kinds {
            *self.kinds() = kinds;
        }
        Ok(())
    }

    /// Counts a batch as number `number + 1` of this run. False if that batch is already in the
    /// database.
    async fn count(&self, tx: &mut SqliteConnection, number: i64, batch: &Batch<'_>) -> Result<bool, StoreError> {
        const COUNT: &str = "UPDATE run SET last_flush_at = $1, open_requests = $2, batches = batches + 1 \
             WHERE id = $3 AND batches = $4";
        const FIND: &str = "SELECT batches FROM run WHERE id = $1";
        let fail = StoreError::sql("count a batch of the ledger");
        let counted = sqlx::query(COUNT)
            .bind(batch.at)
            .bind(i64::try_from(batch.open).unwrap_or(i64::MAX))
            .bind(&self.id)
            .bind(number)
            .execute(&mut *tx)
            .await
            .map_err(&fail)?;
        if counted.rows_affected() == 1 {
            return Ok(true);
        }
        let found: Option<i64> = sqlx::query_scalar(FIND).bind(&self.id).fetch_optional(tx).await.map_err(&fail)?;
        match found {
            Some(batches) if batches == number + 1 => Ok(false),
            found => Err(StoreError::OtherLedger { written: number, found }),
        }
    }

    /// Records a time of failed writes, after which everything was written.
    async fn end_fault(&self, tx: &mut SqliteConnection, fault: Option<&WriteFault>) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO write_fault (run, began_at, ended_at, reason) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING";
        let Some(WriteFault { began_at, reason }) = fault else { return Ok(()) };
        let done = sqlx::query(SQL).bind(&self.id).bind(began_at.0).bind(now_ms()).bind(reason).execute(tx).await;
        done.map_err(StoreError::sql("record a time of failed writes")).map(drop)
    }

    /// Leaves a note for the next start, should this run end before its writes succeed again.
    /// Nothing waits for it: a disk that fails may keep the file busy for long. A note that comes
    /// while another one is written is left out.
    pub(super) fn note(&self, failing: Option<FailingRun>) {
        if self.is_noting.swap(true, Ordering::AcqRel) {
            return;
        }
        let (state, is_noting) = (self.store.state.clone(), Arc::clone(&self.is_noting));
        tokio::spawn(async move {
            if let Err(error) = state.change(move |state| state.failing = failing).await {
                tracing::debug!(%error, "the next start will not know since when writes fail");
            }
            is_noting.store(false, Ordering::Release);
        });
    }

    /// The lock is held for a swap.
    fn kinds(&self) -> MutexGuard<'_, LedgerDimensions> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the run: nothing is missing from it.
    pub(super) async fn close(&self, fault: Option<&WriteFault>) -> Result<(), StoreError> {
        let fail = StoreError::sql("close a run of the ledger");
        let mut tx = self.store.begin_durable().await?;
        sqlx::query("UPDATE run SET closed_at = $1, last_flush_at = $1, open_requests = 0 WHERE id = $2")
            .bind(now_ms())
            .bind(&self.id)
            .execute(&mut *tx)
            .await
            .map_err(&fail)?;
        self.end_fault(&mut tx, fault).await?;
        tx.commit().await.map_err(&fail)?;
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader
            && let Err(error) = reader.close().await
        {
            tracing::debug!(%error, "a reader of the ledger did not close");
        }
        Ok(())
    }
}

/// Begin, last write, open requests, since when writes had failed, requests that are lost.
type GapTuple = (i64, i64, i64, Option<i64>, Option<i64>);

/// Writes down the runs that were not closed as gaps, and closes them. `failing` is the note of the
/// last run about its failed writes. It does not count if that run could write later.
async fn note_gaps(tx: &mut SqliteConnection, failing: Option<&FailingRun>, now: i64) -> Result<(), StoreError> {
    const GAPS: &str = "INSERT INTO gap (run, started_at, last_flush_at, open_requests, found_at, writes_failed_at, \
          unwritten_requests) \
         SELECT id, started_at, last_flush_at, open_requests, $1, iif(is_failing, $3, NULL), iif(is_failing, $4, NULL) \
         FROM (SELECT *, id = $2 AND NOT EXISTS (SELECT 1 FROM write_fault WHERE run = $2 AND began_at = $3) AS is_failing \
          FROM run WHERE closed_at IS NULL) \
         RETURNING started_at, last_flush_at, open_requests, writes_failed_at, unwritten_requests";
    const CLOSE: &str = "UPDATE run SET closed_at = $1 WHERE closed_at IS NULL";
    let killed: Vec<GapTuple> = sqlx::query_as(GAPS)
        .bind(now)
        .bind(failing.map(|failing| failing.run.as_str()))
        .bind(failing.map(|failing| failing.since.0))
        .bind(failing.map(|failing| i64::try_from(failing.requests).unwrap_or(i64::MAX)))
        .fetch_all(&mut *tx)
        .await
        .map_err(StoreError::sql("write down a gap of the ledger"))?;
    let closed = sqlx::query(CLOSE).bind(now).execute(tx).await;
    closed.map_err(StoreError::sql("close a killed run of the ledger"))?;
    for (started_at, last_flush_at, open_requests, writes_failed_at, unwritten_requests) in killed {
        tracing::warn!(
            started_at,
            last_flush_at,
            open_requests,
            writes_failed_at,
            unwritten_requests,
            "the last process was killed, or ended while it could not write: the ledger has a gap"
        );
    }
    Ok(())
}

/// Makes this process the only writer, until the file is dropped.
pub(crate) fn lock(path: &Path, ending: &str) -> Result<Option<File>, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    let file = private_file::options().truncate(false).open(name)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        // Some network file systems know no locks; the operator is told, and stays responsible.
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, path = %path.display(), "no lock here: let only one gateway use this database");
            Ok(None)
        }
    }
}
