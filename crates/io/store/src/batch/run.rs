//! One process's time as the writer of a ledger.
//!
//! Rules: a run is opened before the first row and closed after the last; a run that is found open belongs to a process
//! that was killed, because a lock on a file beside the database lets only one writer live at a time. Each batch counts itself in
//! its own transaction, so a batch that is written again after an uncertain commit is added once.

use crate::pool::now_ms;
use crate::rows::{self, Kinds};
use crate::{Row, Store, StoreError};
use sqlx::sqlite::SqliteConnection;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// An open run and the lock that makes it the only one.
#[derive(Debug)]
pub(super) struct Run {
    id: String,
    /// Batches of this run that are in the database.
    batches: AtomicI64,
    /// Taken for each batch and given back when it is written.
    kinds: Mutex<Kinds>,
    /// Held for as long as this process may write; the system lets go of it when the process dies.
    _lock: Option<File>,
    store: Store,
}

impl Run {
    pub(super) async fn start(store: &Store) -> Result<Self, StoreError> {
        let lock = lock(store.path(), ".lock")?;
        let (id, now) = (Uuid::now_v7().simple().to_string(), now_ms());
        let mut tx = store.begin_durable().await?;
        let killed: Vec<(i64, i64, i64)> = sqlx::query_as(
            "INSERT INTO gap (run, started_at, last_flush_at, open_requests, found_at) \
             SELECT id, started_at, last_flush_at, open_requests, $1 FROM run WHERE closed_at IS NULL \
             RETURNING started_at, last_flush_at, open_requests",
        )
        .bind(now)
        .fetch_all(&mut *tx)
        .await
        .map_err(StoreError::sql("write down a gap of the ledger"))?;
        sqlx::query("UPDATE run SET closed_at = $1 WHERE closed_at IS NULL")
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::sql("close a killed run of the ledger"))?;
        sqlx::query("INSERT INTO run (id, started_at, last_flush_at, open_requests) VALUES ($1, $2, $2, 0)")
            .bind(&id)
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::sql("open a run of the ledger"))?;
        tx.commit().await.map_err(StoreError::sql("open a run of the ledger"))?;
        for (started_at, last_flush_at, open_requests) in killed {
            tracing::warn!(
                started_at,
                last_flush_at,
                open_requests,
                "the last process was killed: the ledger has a gap"
            );
        }
        Ok(Self { id, batches: AtomicI64::new(0), kinds: Mutex::default(), _lock: lock, store: store.clone() })
    }

    /// Writes some rows, the acceptances by minute and the sign of life (how many are open, and as of when), all or nothing.
    pub(super) async fn write(
        &self,
        rows: &[Row],
        accepted: &[(i64, u64)],
        (open, at): (usize, i64),
    ) -> Result<(), StoreError> {
        let fail = StoreError::sql("write a batch of the ledger");
        let mut tx = self.store.begin().await?;
        let number = self.batches.load(Ordering::Relaxed);
        if !self.count(&mut tx, number, (open, at)).await? {
            // The commit of this batch was reported as failed and is in the database all the same.
            tx.rollback().await;
            self.batches.store(number + 1, Ordering::Relaxed);
            return Ok(());
        }
        let mut kinds = std::mem::take(&mut *self.kinds());
        rows::insert(rows, &mut kinds, &mut tx).await.map_err(&fail)?;
        for &(minute, count) in accepted {
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
        tx.commit().await.map_err(&fail)?;
        self.batches.store(number + 1, Ordering::Relaxed);
        *self.kinds() = kinds;
        Ok(())
    }

    /// Counts a batch as number `number + 1` of this run. False if that batch is already in the database.
    async fn count(
        &self,
        tx: &mut SqliteConnection,
        number: i64,
        (open, at): (usize, i64),
    ) -> Result<bool, StoreError> {
        const COUNT: &str = "UPDATE run SET last_flush_at = $1, open_requests = $2, batches = batches + 1 \
             WHERE id = $3 AND batches = $4";
        const FIND: &str = "SELECT batches FROM run WHERE id = $1";
        let fail = StoreError::sql("count a batch of the ledger");
        let counted = sqlx::query(COUNT)
            .bind(at)
            .bind(i64::try_from(open).unwrap_or(i64::MAX))
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

    /// The lock is held for a swap.
    fn kinds(&self) -> MutexGuard<'_, Kinds> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the run: nothing is missing from it.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let fail = StoreError::sql("close a run of the ledger");
        let mut tx = self.store.begin_durable().await?;
        sqlx::query("UPDATE run SET closed_at = $1, last_flush_at = $1, open_requests = 0 WHERE id = $2")
            .bind(now_ms())
            .bind(&self.id)
            .execute(&mut *tx)
            .await
            .map_err(&fail)?;
        tx.commit().await.map_err(&fail)
    }
}

/// Makes this process the only writer, until the file is dropped.
pub(crate) fn lock(path: &Path, ending: &str) -> Result<Option<File>, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    let file = File::options().create(true).truncate(false).write(true).open(name)?;
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
