//! Cut vendors.

use crate::open;
use banjia_store::{Store, StoreHealth};
use banjia_types::{Timestamp, VendorName};
use serde_json::json;
use sqlx::SqlitePool;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;

#[tokio::test]
async fn a_cut_survives_a_reopen_and_its_first_evidence_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cuts.db");
    let source = VendorName::from("openai");
    let evidence = json!({"status": 403, "code": "unsupported_country_region_territory"});
    let store = open(&path).await;
    assert_eq!(store.cuts().await.unwrap(), []);
    assert!(store.record_cut(&source, Timestamp(5), &evidence).await.unwrap());
    assert!(!store.record_cut(&source, Timestamp(6), &json!({"status": 451})).await.unwrap());
    store.close().await;

    let store = open(&path).await;
    let cuts = store.cuts().await.unwrap();
    assert_eq!(cuts.len(), 1);
    assert_eq!((&cuts[0].vendor, cuts[0].at, &cuts[0].evidence), (&source, Timestamp(5), &evidence));
}

#[tokio::test]
async fn a_lifted_cut_stays_in_the_history_and_the_vendor_can_be_cut_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("cuts.db")).await;
    let source = VendorName::from("openai");
    assert!(!store.lift_cut(&source, Timestamp(1)).await.unwrap(), "there is nothing to lift");
    store.record_cut(&source, Timestamp(5), &json!({})).await.unwrap();
    assert!(store.lift_cut(&source, Timestamp(7)).await.unwrap());
    assert_eq!(store.cuts().await.unwrap(), []);
    assert!(store.record_cut(&source, Timestamp(9), &json!({})).await.unwrap());
    let history = store.cut_history().await.unwrap();
    assert_eq!(history.iter().map(|c| c.lifted_at).collect::<Vec<_>>(), [Some(Timestamp(7)), None]);
    assert_eq!(store.cuts().await.unwrap().len(), 1);
}

/// A connection of somebody else; from now on no cut can be stored.
async fn fail_cuts(path: &Path) -> SqlitePool {
    let other = SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let fail = "CREATE TRIGGER fail BEFORE INSERT ON cut BEGIN SELECT RAISE(ROLLBACK, 'no room'); END";
    sqlx::query(fail).execute(&other).await.unwrap();
    other
}

async fn mend_cuts(other: &SqlitePool) {
    sqlx::query("DROP TRIGGER fail").execute(other).await.unwrap();
}

fn record(store: &Store, at: i64) -> JoinHandle<bool> {
    let store = store.clone();
    tokio::spawn(
        async move { store.record_cut_until_stored(&"openai".into(), Timestamp(at), &json!({ "said": 1 })).await },
    )
}

/// Waits until the file beside the database holds a cut.
async fn wait_for_file(path: &Path) {
    let state = format!("{}.state", path.display());
    let is_there = || std::fs::read(&state).is_ok_and(|bytes| bytes.windows(6).any(|part| part == b"openai"));
    while !is_there() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_cut_that_cannot_be_stored_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cuts.db");
    let store = open(&path).await;
    let other = fail_cuts(&path).await;
    let waiting = record(&store, 5);
    wait_for_file(&path).await;
    waiting.abort();
    store.close().await;

    let store = open(&path).await;
    let cuts = store.cuts().await.unwrap();
    assert_eq!((cuts.len(), cuts[0].at), (1, Timestamp(5)), "it counts although the database does not take it");
    mend_cuts(&other).await;
    let store = open(&path).await;
    let stored: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM cut").fetch_one(&other).await.unwrap();
    assert_eq!((stored, store.cuts().await.unwrap().len()), (1, 1), "the next start takes it into the database");
}

#[tokio::test]
async fn a_cut_is_stored_when_the_fault_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cuts.db");
    let store = open(&path).await;
    let other = fail_cuts(&path).await;
    let waiting = record(&store, 5);
    wait_for_file(&path).await;
    assert_eq!(store.cuts().await.unwrap().len(), 1);
    mend_cuts(&other).await;
    assert!(waiting.await.unwrap());
    let stored: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM cut").fetch_one(&other).await.unwrap();
    assert_eq!(stored, 1);
}

#[tokio::test]
async fn a_cut_in_memory_only_shows_in_the_health() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cuts.db");
    let store = open(&path).await;
    // No file can be written in the place of a folder.
    std::fs::create_dir(format!("{}.state", path.display())).unwrap();
    let other = fail_cuts(&path).await;
    let waiting = record(&store, 5);
    let mut health = store.watch_health();
    let seen = tokio::time::timeout(Duration::from_secs(30), health.wait_for(|health| !health.is_ok())).await;
    assert_eq!(seen.unwrap().unwrap().cuts_in_memory, [VendorName::from("openai")]);
    assert_eq!(store.cuts().await.unwrap().len(), 1, "and it counts");
    mend_cuts(&other).await;
    waiting.await.unwrap();
    assert_eq!(store.health(), StoreHealth::default());
}

#[tokio::test]
async fn a_lifted_cut_does_not_come_back_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cuts.db");
    let store = open(&path).await;
    let source = VendorName::from("openai");
    store.record_cut(&source, Timestamp(1), &json!({})).await.unwrap();
    let other = fail_cuts(&path).await;
    let waiting = record(&store, 5);
    wait_for_file(&path).await;
    waiting.abort();
    mend_cuts(&other).await;
    let state = format!("{}.state", path.display());
    let before = std::fs::read(&state).unwrap();
    assert!(store.lift_cut(&source, Timestamp(7)).await.unwrap());
    // As after a kill between the two writes.
    std::fs::write(&state, before).unwrap();
    let store = open(&path).await;
    assert_eq!(store.cuts().await.unwrap(), []);
}
