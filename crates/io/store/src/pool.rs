//! Opening the database and bringing its tables up to date.
//!
//! Rules: write-ahead log, `synchronous = NORMAL` (a power cut may lose the last batches but never harms the file), five
//! seconds of patience with a lock, foreign keys on; one connection writes, a few read. Readers may not write.
//! Why one writer: SQLite has one lock for writing, and a queue in front of one connection is fairer than a fight for it.

use crate::StoreError;
use crate::batch::lock;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlSafeStr as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS_MAX: u32 = 4;
/// A reader that nobody used for this long is closed: each has a thread and a page cache.
const READER_IDLE: Duration = Duration::from_mins(1);
/// File name of a temporary database inside its own folder.
const TEMPORARY_FILE: &str = "banjia.db";

/// Version, name and text of each migration, in order.
#[expect(clippy::unreadable_literal, reason = "versions are dates and times, as the files are named")]
const MIGRATIONS: &[(i64, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// This file, made when it is not there. Two further files of the database and a lock file stand beside it.
    File(PathBuf),
    /// A file of its own that goes when the last clone of the store goes: for tests and demonstrations.
    Temporary,
}

/// The open database. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) read: SqlitePool,
    pub(crate) write: SqlitePool,
    pub(crate) path: Arc<Path>,
    /// Held for its end: dropping it removes the temporary folder.
    _temporary: Option<Arc<TempDir>>,
}

impl Store {
    /// Opens the database and brings its tables up to date. Needs a tokio runtime.
    ///
    /// # Errors
    /// A file that cannot be made, opened or brought up to date.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        let (path, temporary) = match location {
            Location::File(path) => (path.clone(), None),
            Location::Temporary => {
                let folder = TempDir::with_prefix("banjia-")?;
                (folder.path().join(TEMPORARY_FILE), Some(Arc::new(folder)))
            }
        };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .disable_statement_logging();
        let open = |source| StoreError::Open { path: path.clone(), source };
        let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.map_err(open)?;
        bring_up_to_date(&path, &write).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .idle_timeout(READER_IDLE)
            .connect_lazy_with(options.create_if_missing(false).pragma("query_only", "ON"));
        Ok(Self { read, write, path: Arc::from(path), _temporary: temporary })
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes every connection and folds the write-ahead log into the file. Close the ledger's writer first.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// Runs the migrations that are missing. Where tables are there already, nobody may be writing the ledger meanwhile: a gateway of an
/// older version would find them changed under its hands.
async fn bring_up_to_date(path: &Path, write: &SqlitePool) -> Result<(), StoreError> {
    let known = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let newest = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";
    let version = StoreError::sql("tell which version its tables have");
    let is_new = sqlx::query_scalar::<_, i64>(known).fetch_one(write).await.map_err(&version)? == 0;
    let at = if is_new { 0 } else { sqlx::query_scalar(newest).fetch_one(write).await.map_err(&version)? };
    let is_behind = MIGRATIONS.iter().any(|(version, ..)| *version > at);
    let _alone = if is_behind && !is_new {
        Some(lock(path, ".lock").map_err(|error| match error {
            StoreError::InUse { path } => StoreError::OlderInUse { path },
            other => other,
        })?)
    } else {
        None
    };
    let migrate = |source| StoreError::Migrate { path: path.to_owned(), source: Box::new(source) };
    migrator(i64::MAX).run(write).await.map_err(migrate)
}

/// The migrations before a version.
fn migrator(before: i64) -> Migrator {
    let migration = |&(version, name, text): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().filter(|(version, ..)| *version < before).map(migration).collect())
}

/// Milliseconds since 1970; 0 for a clock that stands before that.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_types::Timestamp;

    const LEDGER_BY_TIME: i64 = 20_261_126_193_000;

    #[tokio::test]
    async fn a_ledger_of_an_older_version_keeps_its_rows_when_it_is_put_in_the_order_of_time() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("old.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let old = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        migrator(LEDGER_BY_TIME).run(&old).await.unwrap();
        let insert = "INSERT INTO ledger (request_id, accepted_at, ended_at, account, endpoint, stream, outcome, status, attempts, \
             verdict, rule) VALUES (?, ?, 9, 'acme', 'chat', 1, 'answered', 200, 2, 'allow', 'none')";
        for (id, at) in [("req_00000000000000000000000000000001", 8), ("req_00000000000000000000000000000002", 7)] {
            sqlx::query(insert).bind(id).bind(at).execute(&old).await.unwrap();
        }
        old.close().await;
        let writing = lock(&path, ".lock").unwrap();
        let refused = Store::open(&Location::File(path.clone())).await.unwrap_err().to_string();
        assert!(refused.contains("stop that gateway first"), "{refused}");
        drop(writing);
        let store = Store::open(&Location::File(path)).await.unwrap();
        let rows = store.last_rows(10).await.unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (row.request_id.0.as_u128(), row.accepted_at)).collect();
        assert_eq!(seen, [(1, Timestamp(8)), (2, Timestamp(7))]);
        let row = &rows[0];
        assert_eq!(
            (row.account.as_ref().map(banjia_types::AccountId::as_str), row.stream, row.attempts),
            (Some("acme"), true, 2)
        );
        assert_eq!(row.border.as_ref().map(|note| &*note.rule), Some("none"));
        store.close().await;
    }
}
