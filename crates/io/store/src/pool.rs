//! Opening the database and bringing its tables up to date.
//!
//! Rules: write-ahead log, `synchronous = NORMAL` (a power cut may lose the last batches but never
//! harms the file), five seconds of patience with a lock, foreign keys on; one connection writes, a
//! few read. Readers may not write. A file that is missing is made only here: a connection that is
//! opened later must not begin an empty database. All files of the database are their owner's only:
//! SQLite gives the log the mode of the database.
//! Why one writer: SQLite has one lock for writing, and a queue in front of one connection is
//! fairer than a fight for it.

use crate::StoreError;
use crate::batch::lock;
use crate::database_file::DatabaseFile;
use crate::health::HealthReport;
use crate::private_file::prepare_database;
use crate::state_file::{PendingCut, StateFile};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS_MAX: u32 = 4;
/// File name of a temporary database inside its own folder.
const TEMPORARY_FILE: &str = "banjia.db";

/// Version, name and text of each migration, in order.
#[expect(clippy::unreadable_literal, reason = "versions are dates and times, as the files are named")]
const MIGRATIONS: &[(i64, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// This file, made when it is not there. Beside it stand two further files of the database, a
    /// lock file, and a small file for what the database cannot take.
    File(PathBuf),
    /// A file of its own that goes when the last clone of the store goes: for tests and
    /// demonstrations.
    Temporary,
}

/// The open database. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) read: SqlitePool,
    pub(crate) write: SqlitePool,
    pub(crate) path: Arc<Path>,
    pub(crate) file: Arc<DatabaseFile>,
    pub(crate) state: StateFile,
    pub(crate) health: HealthReport,
    /// Cuts of this process that are not in the database yet.
    pub(crate) pending_cuts: Arc<Mutex<Vec<PendingCut>>>,
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
        prepare_database(&path);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .disable_statement_logging();
        let open = |source| StoreError::Open { path: path.clone(), source };
        // Makes the file if there is none; the pools never do.
        options.connect().await.map_err(open)?.close().await.map_err(open)?;
        let file = Arc::new(match temporary {
            Some(_) => DatabaseFile::temporary(&path),
            None => DatabaseFile::open(&path).map_err(|error| open(error.into()))?,
        });
        let options = options.create_if_missing(false);
        let pool = |connections_max| pool_options(&file).max_connections(connections_max);
        let write = pool(1).connect_with(options.clone()).await.map_err(open)?;
        bring_up_to_date(&path, &write, &file).await?;
        let read = pool(READERS_MAX).connect_lazy_with(options.pragma("query_only", "ON"));
        let store = Self {
            read,
            write,
            state: StateFile::beside(&path),
            path: Arc::from(path),
            file,
            health: HealthReport::default(),
            pending_cuts: Arc::default(),
            _temporary: temporary,
        };
        store.take_pending_cuts().await;
        Ok(store)
    }

    /// Opens a reader outside of the pools, for as long as its owner wants.
    pub(crate) async fn open_reader(&self) -> Result<SqliteConnection, StoreError> {
        let failed = StoreError::sql("be read");
        let mut reader = self.read.connect_options().connect().await.map_err(&failed)?;
        // Only a connection that has read holds the write-ahead log open.
        sqlx::query("SELECT COUNT(*) FROM run WHERE closed_at IS NULL").execute(&mut reader).await.map_err(&failed)?;
        Ok(reader)
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes every connection and folds the write-ahead log into the file. Close the ledger's
    /// writer first.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// A connection from before the database's path led elsewhere may belong to another file: it is not
/// used again.
///
/// Connections have no age limit: with one, the driver (sqlx 0.9.0) runs a task that loops over its
/// count of idle connections. That count can drop below zero for a moment, and the task then spins
/// for ever on a thread of the runtime. Seen in `banjia move new`, which did not end.
fn pool_options(file: &Arc<DatabaseFile>) -> SqlitePoolOptions {
    let file = Arc::clone(file);
    SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None).before_acquire(move |_, connection| {
        let is_usable = file.is_younger(connection.age);
        Box::pin(async move { Ok(is_usable) })
    })
}

/// Runs the migrations that are missing. Where tables are there already, nobody may be writing the
/// ledger meanwhile: a gateway of an older version would find them changed under its hands.
async fn bring_up_to_date(path: &Path, write: &SqlitePool, file: &DatabaseFile) -> Result<(), StoreError> {
    let known = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let newest = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";
    let version = StoreError::sql("tell which version its tables have");
    let is_new = sqlx::query_scalar::<_, i64>(known).fetch_one(write).await.map_err(&version)? == 0;
    let at = if is_new { 0 } else { sqlx::query_scalar(newest).fetch_one(write).await.map_err(&version)? };
    let is_behind = MIGRATIONS.iter().any(|(version, ..)| *version > at);
    let _alone = if is_behind && !is_new {
        let locks = file.lock().and_then(|of_file| Ok((of_file, lock(path, ".lock")?)));
        Some(locks.map_err(|error| match error {
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
pub(crate) fn migrator(before: i64) -> Migrator {
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
    async fn gaps_of_an_older_version_have_no_failed_writes() {
        const BATCHES: i64 = 20_261_127_150_000;
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("old.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let old = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        migrator(BATCHES).run(&old).await.unwrap();
        for sql in [
            "INSERT INTO run (id, started_at, last_flush_at, open_requests, closed_at) VALUES ('a', 1, 2, 3, 4), ('b', 5, 6, 7, NULL)",
            "INSERT INTO gap (run, started_at, last_flush_at, open_requests, found_at) VALUES ('a', 1, 2, 3, 4)",
        ] {
            sqlx::query(sql).execute(&old).await.unwrap();
        }
        old.close().await;
        let store = Store::open(&Location::File(path)).await.unwrap();
        let ledger = store.ledger_writer(&crate::WriterConfig::default()).await.unwrap();
        let gaps = store.gaps().await.unwrap();
        let seen: Vec<_> =
            gaps.iter().map(|gap| (gap.open_requests, gap.writes_failed_at, gap.unwritten_requests)).collect();
        assert_eq!(seen, [(3, None, 0), (7, None, 0)]);
        ledger.close().await.unwrap();
        store.close().await;
    }

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
