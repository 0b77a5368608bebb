//! The store while writes fail, and afterwards.

use crate::{open, row};
use banjia_store::{LedgerWriter, Period, Store, WriterConfig};
use banjia_types::{Outcome, Tally, Timestamp};
use serde_json::json;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A store and a connection of somebody else to its database.
struct Rig {
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
        Self { store, other, _folder: folder }
    }

    async fn ledger(&self) -> LedgerWriter {
        self.store.ledger_writer(&WriterConfig { batch_wait_ms: 1, ..WriterConfig::default() }).await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.other).await.unwrap();
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.other).await.unwrap()
    }

    /// From now on SQLite ends every transaction that writes an entry of the ledger, as it does when the disk is full.
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
    // As after a commit that reported an error and is in the file: the database has one batch more than was confirmed.
    rig.execute("UPDATE run SET batches = batches + 1").await;
    ledger.try_reserve().unwrap().fill(row(2, 0, Outcome::Answered));
    ledger.flush().await.unwrap();
    let tally = Tally { accepted: 1, answered: 1, ..Tally::default() };
    assert_eq!(rig.store.tally(Period::ALWAYS).await.unwrap(), [(Timestamp(0), tally)]);
    ledger.try_reserve().unwrap().fill(row(3, 0, Outcome::Answered));
    ledger.flush().await.unwrap();
    assert_eq!(rig.count("SELECT COUNT(*) FROM ledger").await, 2);
}
