//! The store while writes fail, and afterwards.

use crate::{open, row};
use banjia_store::{LedgerWriter, NewAudit, Period, Store, StoreError, StoreHealth, WriterConfig};
use banjia_types::{Outcome, Tally, Timestamp};
use serde_json::json;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A store and a connection of somebody else to its database.
struct Rig {
    path: PathBuf,
    store: Store,
    other: SqlitePool,
    _folder: TempDir,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let store = open(&path).await;
        let other = connect(&path).await;
        Self { path, store, other, _folder: folder }
    }

    async fn ledger(&self) -> LedgerWriter {
        self.store.ledger_writer(&WriterConfig { batch_wait_ms: 1, ..WriterConfig::default() }).await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.other).await.unwrap();
    }

    /// Waits until the health of the store is so.
    async fn wait_for(&self, is_so: impl FnMut(&StoreHealth) -> bool) -> StoreHealth {
        let mut health = self.store.watch_health();
        let waited = tokio::time::timeout(Duration::from_secs(30), health.wait_for(is_so)).await;
        waited.expect("the health changes").unwrap().clone()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.other).await.unwrap()
    }

    /// From now on SQLite ends every transaction that writes an entry of the ledger, as it does
    /// when the disk is full.
    async fn fail_ledger(&self) {
        self.execute("CREATE TRIGGER fail BEFORE INSERT ON ledger_entry BEGIN SELECT RAISE(ROLLBACK, 'no room'); END")
            .await;
    }

    /// From now on such a statement fails, and SQLite leaves its transaction open.
    async fn fail_ledger_statements(&self) {
        self.execute("CREATE TRIGGER fail BEFORE INSERT ON ledger_entry BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    }

    async fn mend_ledger(&self) {
        self.execute("DROP TRIGGER fail").await;
    }
}

async fn connect(path: &Path) -> SqlitePool {
    let options = SqlitePoolOptions::new().max_connections(1);
    options.connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

/// Waits long enough for at least three tries to write.
async fn let_writes_fail(ledger: &LedgerWriter) {
    let flush = tokio::time::timeout(Duration::from_millis(450), ledger.flush()).await;
    assert!(flush.is_err(), "nothing may be called written that is not");
}

#[tokio::test]
async fn rows_arrive_after_sqlite_rolled_back_by_itself() {
    let rig = Rig::new().await;
    let ledger = rig.ledger().await;
    rig.fail_ledger().await;
    ledger.try_reserve().unwrap().fill(row(1, 0, Outcome::Answered));
    let_writes_fail(&ledger).await;
    rig.mend_ledger().await;
    rig.fail_ledger_statements().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.mend_ledger().await;
    ledger.try_reserve().unwrap().fill(row(2, 1, Outcome::Failed));
    ledger.flush().await.unwrap();
    assert_eq!(rig.count("SELECT COUNT(*) FROM ledger").await, 2, "another connection sees what is committed");
    let tally = Tally { accepted: 2, answered: 1, failed: 1, ..Tally::default() };
    assert_eq!(rig.store.tally(Period::ALWAYS).await.unwrap(), [(Timestamp(0), tally)]);
}

#[tokio::test]
async fn a_failed_write_leaves_the_database_unlocked() {
    let rig = Rig::new().await;
    let cut = async || rig.store.record_cut(&"openai".into(), Timestamp(1), &json!({})).await;
    for fault in ["RAISE(ROLLBACK, 'no room')", "RAISE(ABORT, 'no')", "RAISE(FAIL, 'no')"] {
        let trigger = format!("CREATE TRIGGER fail BEFORE INSERT ON cut BEGIN SELECT {fault}; END");
        sqlx::query(sqlx::AssertSqlSafe(trigger)).execute(&rig.other).await.unwrap();
        assert!(cut().await.is_err());
        // Waits for the lock for five seconds at most, and would fail then.
        rig.execute("CREATE TABLE other (id INTEGER)").await;
        rig.execute("DROP TABLE other").await;
        rig.execute("DROP TRIGGER fail").await;
    }
    assert!(cut().await.unwrap());
    assert_eq!(rig.count("SELECT COUNT(*) FROM cut").await, 1, "another connection sees what is committed");
}

#[tokio::test]
async fn a_batch_that_is_already_counted_is_not_added_again() {
    let rig = Rig::new().await;
    let ledger = rig.ledger().await;
    ledger.try_reserve().unwrap().fill(row(1, 0, Outcome::Answered));
    ledger.flush().await.unwrap();
    // As after a commit that reported an error and is in the file: the database has one batch more
    // than was confirmed.
    rig.execute("UPDATE run SET batches = batches + 1").await;
    ledger.try_reserve().unwrap().fill(row(2, 0, Outcome::Answered));
    ledger.flush().await.unwrap();
    let tally = Tally { accepted: 1, answered: 1, ..Tally::default() };
    assert_eq!(rig.store.tally(Period::ALWAYS).await.unwrap(), [(Timestamp(0), tally)]);
    ledger.try_reserve().unwrap().fill(row(3, 0, Outcome::Answered));
    ledger.flush().await.unwrap();
    assert_eq!(rig.count("SELECT COUNT(*) FROM ledger").await, 2);
}

#[tokio::test]
async fn health_says_since_when_and_why_writes_fail() {
    let rig = Rig::new().await;
    let ledger = rig.ledger().await;
    assert!(rig.store.health().is_ok());
    rig.fail_ledger().await;
    ledger.try_reserve().unwrap().fill(row(1, 0, Outcome::Answered));
    let fault = rig.wait_for(|health| !health.is_ok()).await.fault.unwrap();
    assert!(fault.since > Timestamp(1_700_000_000_000) && fault.rows == 1, "{fault:?}");
    assert!(rig.store.health().to_string().contains("no room"), "{}", rig.store.health());
    rig.mend_ledger().await;
    rig.wait_for(StoreHealth::is_ok).await;
    let found: (i64, i64) =
        sqlx::query_as("SELECT began_at, ended_at FROM write_fault").fetch_one(&rig.other).await.unwrap();
    assert!(found.0 == fault.since.0 && found.1 >= found.0, "the first batch records the time of the fault");
}

#[tokio::test]
async fn rows_of_a_long_fault_are_kept_up_to_the_bound() {
    const PLACES: usize = 100;
    let rig = Rig::new().await;
    let config = WriterConfig { batch_wait_ms: 1, batch_rows_max: 7, places_max: PLACES, ..WriterConfig::default() };
    let ledger = rig.store.ledger_writer(&config).await.unwrap();
    rig.fail_ledger().await;
    let mut count = 0;
    while let Some(slot) = ledger.try_reserve() {
        slot.fill(row(count, i64::try_from(count).unwrap(), Outcome::Answered));
        count += 1;
        tokio::task::yield_now().await;
    }
    assert_eq!(count, PLACES as u128, "then requests are turned away");
    rig.wait_for(|health| !health.is_ok()).await;
    rig.mend_ledger().await;
    ledger.flush().await.unwrap();
    assert_eq!(rig.count("SELECT COUNT(*) FROM ledger").await, i64::try_from(PLACES).unwrap());
    assert_eq!(rig.store.tally(Period::ALWAYS).await.unwrap()[0].1.missing(), 0);
    assert!(ledger.try_reserve().is_some());
}

#[tokio::test]
async fn a_writer_that_cannot_write_ends_in_time() {
    let rig = Rig::new().await;
    let ledger = rig.ledger().await;
    rig.fail_ledger().await;
    ledger.try_reserve().unwrap().fill(row(1, 0, Outcome::Answered));
    ledger.try_reserve().unwrap().fill(row(2, 0, Outcome::Answered));
    let began = std::time::Instant::now();
    let ended = ledger.close_within(Duration::from_millis(300)).await;
    assert!(matches!(ended, Err(StoreError::NotWritten { rows: 2, requests: 2, .. })), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// Runs a ledger whose writes fail until its process is killed: the end of its runtime stops it
/// where it is.
fn kill_while_writes_fail(path: &Path, is_mended: bool) -> Timestamp {
    let killed = tokio::runtime::Runtime::new().unwrap();
    let since = killed.block_on(async {
        let store = open(path).await;
        let other = connect(path).await;
        let rig = Rig { path: path.to_owned(), store, other, _folder: tempfile::tempdir().unwrap() };
        let ledger = rig.ledger().await;
        rig.fail_ledger().await;
        ledger.try_reserve().unwrap().fill(row(1, 0, Outcome::Answered));
        let fault = rig.wait_for(|health| !health.is_ok()).await.fault.unwrap();
        // The note is written beside; it is there when its file names the run.
        let state = format!("{}.state", path.display());
        let is_noted = || std::fs::read(&state).unwrap().windows(7).any(|part| part == b"\"since\"");
        while !is_noted() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rig.mend_ledger().await;
        if is_mended {
            ledger.flush().await.unwrap();
        }
        std::mem::forget(ledger);
        fault.since
    });
    killed.shutdown_background();
    since
}

async fn gap_after_kill(path: &Path) -> Option<Timestamp> {
    let store = open(path).await;
    // The lock is free when the killed runtime has let go of its task.
    let ledger = loop {
        match store.ledger_writer(&WriterConfig::default()).await {
            Ok(ledger) => break ledger,
            Err(StoreError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    };
    let gaps = store.gaps().await.unwrap();
    ledger.close().await.unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].unwritten_requests, u64::from(gaps[0].writes_failed_at.is_some()));
    gaps[0].writes_failed_at
}

#[test]
fn a_kill_while_writes_fail_shows_in_the_gap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let since = kill_while_writes_fail(&path, false);
    let found = tokio::runtime::Runtime::new().unwrap().block_on(gap_after_kill(&path));
    assert_eq!(found, Some(since));
}

#[test]
fn a_kill_after_a_fault_leaves_an_ordinary_gap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    kill_while_writes_fail(&path, true);
    let found = tokio::runtime::Runtime::new().unwrap().block_on(gap_after_kill(&path));
    assert_eq!(found, None, "everything that was accepted was written");
}

#[tokio::test]
async fn no_request_is_accepted_while_the_file_is_away() {
    for is_replaced in [false, true] {
        let rig = Rig::new().await;
        let ledger = rig.ledger().await;
        let away = rig.path.with_extension("away");
        std::fs::rename(&rig.path, &away).unwrap();
        if is_replaced {
            std::fs::copy(&away, &rig.path).unwrap();
        }
        let fault = rig.wait_for(|health| !health.is_ok()).await.fault.unwrap();
        assert!(fault.reason.contains(if is_replaced { "replaced" } else { "deleted" }), "{fault:?}");
        assert!(ledger.try_reserve().is_none());
        let cut = rig.store.record_cut(&"openai".into(), Timestamp(1), &json!({})).await;
        assert!(matches!(cut, Err(StoreError::Moved { .. })), "nobody writes into the orphan: {cut:?}");
        std::fs::rename(&away, &rig.path).unwrap();
        rig.wait_for(StoreHealth::is_ok).await;
        ledger.try_reserve().unwrap().fill(row(1, 0, Outcome::Answered));
        ledger.flush().await.unwrap();
        let again = open(&rig.path).await;
        assert_eq!(again.last_rows(2).await.unwrap().len(), 1, "the row is in the file that was put back");
    }
}

#[tokio::test]
async fn a_writer_stays_alone_without_its_lock_file() {
    let rig = Rig::new().await;
    let ledger = rig.ledger().await;
    std::fs::remove_file(format!("{}.lock", rig.path.display())).unwrap();
    let second = open(&rig.path).await.ledger_writer(&WriterConfig::default()).await;
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    // As another process would: by a handle of its own.
    assert!(std::fs::File::open(&rig.path).unwrap().try_lock().is_err());
    ledger.close().await.unwrap();
    rig.store.ledger_writer(&WriterConfig::default()).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn verdicts_are_written_once_the_database_can_be() {
    let rig = Rig::new().await;
    let writer = rig.store.audit_writer();
    let verdict = || NewAudit {
        at: Timestamp(1),
        actor: "gateway".to_owned(),
        kind: "verdict",
        subject: "acme".to_owned(),
        rule_set: "policy".to_owned(),
        body: json!({}),
    };
    // The file is away, so nothing can be written.
    let away = rig.path.with_extension("away");
    std::fs::rename(&rig.path, &away).unwrap();
    for _ in 0..3 {
        assert!(writer.offer(verdict()));
    }
    let flush = tokio::time::timeout(Duration::from_millis(400), writer.flush()).await;
    assert!(flush.is_err(), "nothing may be called written that is not");
    std::fs::rename(&away, &rig.path).unwrap();
    writer.flush().await;
    assert_eq!((writer.lost(), rig.count("SELECT COUNT(*) FROM audit").await), (0, 3));
}

#[tokio::test]
async fn verdicts_that_are_refused_are_counted() {
    let rig = Rig::new().await;
    rig.execute("CREATE TRIGGER fail BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    let writer = rig.store.audit_writer();
    let (actor, subject, rule_set) = ("gateway".to_owned(), "acme".to_owned(), "policy".to_owned());
    writer.offer(NewAudit { at: Timestamp(1), actor, kind: "verdict", subject, rule_set, body: json!({}) });
    writer.flush().await;
    assert_eq!(writer.lost(), 1);
}

#[tokio::test]
async fn a_runner_notices_that_its_lock_file_was_deleted() {
    let rig = Rig::new().await;
    let lock = rig.store.runner_lock().unwrap();
    assert!(lock.is_held().await && rig.store.runner_lock().is_err());
    std::fs::remove_file(format!("{}.campaigns.lock", rig.path.display())).unwrap();
    assert!(!lock.is_held().await, "nobody is kept out any more");
    let second = rig.store.runner_lock().unwrap();
    assert!(second.is_held().await && !lock.is_held().await);
}

#[tokio::test]
async fn the_log_files_stay_while_writes_fail() {
    let rig = Rig::new().await;
    let ledger = rig.ledger().await;
    rig.fail_ledger().await;
    rig.other.close().await;
    let wal = format!("{}-wal", rig.path.display());
    let inode = || std::fs::metadata(&wal).map(|metadata| metadata.ino()).ok();
    let before = inode();
    ledger.try_reserve().unwrap().fill(row(1, 0, Outcome::Answered));
    rig.wait_for(|health| !health.is_ok()).await;
    let_writes_fail(&ledger).await;
    assert!(before.is_some() && inode() == before, "on a full disk they could not be made again");
}
