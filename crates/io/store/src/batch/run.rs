//! One process's time as the writer of a ledger.
//!
//! Rules: a run is opened before the first row and closed after the last; a run that is found open belongs to a process
//! that was killed, because a lock on a file beside the database lets only one writer live at a time.

use crate::pool::now_ms;
use crate::rows::{self, Kinds};
use crate::{Row, Store, StoreError};
use sqlx::sqlite::SqlitePool;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// An open run and the lock that makes it the only one.
#[derive(Debug)]
pub(super) struct Run {
    id: String,
    write: SqlitePool,
    /// Taken for each batch and given back when it is written.
    kinds: Mutex<Kinds>,
    /// Held for as long as this process may write; the system lets go of it when the process dies.
    _lock: Option<File>,
    /// Keeps a temporary database alive while it is written.
    _store: Store,
}

impl Run {
    pub(super) async fn start(store: &Store) -> Result<Self, StoreError> {
        let lock = lock(store.path(), ".lock")?;
        let (id, now) = (Uuid::now_v7().simple().to_string(), now_ms());
        let mut tx = store.write.begin().await.map_err(StoreError::sql("open a run of the ledger"))?;
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
        Ok(Self { id, write: store.write.clone(), kinds: Mutex::default(), _lock: lock, _store: store.clone() })
    }

    /// Writes some rows, the acceptances by minute and the sign of life (how many are open, and as of when), all or nothing.
    pub(super) async fn write(
        &self,
        rows: &[Row],
        accepted: &[(i64, u64)],
        (open, at): (usize, i64),
    ) -> Result<(), StoreError> {
        let fail = StoreError::sql("write a batch of the ledger");
        let mut tx = self.write.begin().await.map_err(&fail)?;
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
        sqlx::query("UPDATE run SET last_flush_at = $1, open_requests = $2 WHERE id = $3")
            .bind(at)
            .bind(i64::try_from(open).unwrap_or(i64::MAX))
            .bind(&self.id)
            .execute(&mut *tx)
            .await
            .map_err(&fail)?;
        tx.commit().await.map_err(&fail)?;
        *self.kinds() = kinds;
        Ok(())
    }

    /// The lock is held for a swap.
    fn kinds(&self) -> MutexGuard<'_, Kinds> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the run: nothing is missing from it.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE run SET closed_at = $1, last_flush_at = $1, open_requests = 0 WHERE id = $2")
            .bind(now_ms())
            .bind(&self.id)
            .execute(&self.write)
            .await
            .map_err(StoreError::sql("close a run of the ledger"))?;
        Ok(())
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
