//! Numbers and rows that no question may fail on, as an older version may have written them.

use crate::{open, target};
use banjia_store::{CaptureCursor, CaptureFilter, EncryptionKey, Period, Store, unreadable_rows};
use banjia_types::{Currency, Money, Outcome, Timestamp};
use std::path::Path;

/// Rows of an older version for a vendor that reported 2^63 - 1 tokens, twice, and rows that
/// nobody can read.
const PLANTED: &str = include_str!("hostile.sql");

async fn planted(path: &Path) -> Store {
    open(path).await.close().await;
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    for statement in PLANTED.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        sqlx::query(statement).execute(&pool).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    pool.close().await;
    open(path).await
}

const ALWAYS: Period = Period::ALWAYS;

#[tokio::test]
async fn sums_over_hostile_numbers_saturate() {
    let folder = tempfile::tempdir().unwrap();
    let store = planted(&folder.path().join("banjia.db")).await;
    let sums = store.by_target(ALWAYS).await.unwrap();
    let zhipu = sums.iter().find(|sum| sum.target == Some(target("zhipu/glm-4.7"))).unwrap();
    assert_eq!(zhipu.usage.prompt, i64::MAX.cast_unsigned() + 8, "exact while it fits");
    assert_eq!((zhipu.usage.completion, zhipu.attempts), (u64::MAX, u64::MAX), "and the most that can be held then");
    let most = Money { micros: i64::MAX, currency: Currency::Cny };
    assert_eq!(store.costs(ALWAYS).await.unwrap(), [most]);
    let spent = store.spent(&"chat".into(), &target("zhipu/glm-4.7"), ALWAYS, true).await.unwrap();
    assert_eq!(spent, [most]);
    let traffic = store.traffic(ALWAYS).await.unwrap();
    assert!(traffic.iter().any(|row| row.tokens == u64::MAX), "{traffic:?}");
    assert!(!store.tally(ALWAYS).await.unwrap().is_empty());
    assert!(!store.latency(ALWAYS).await.unwrap().is_empty());
    assert!(!store.capture_sums(&CaptureFilter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = planted(&folder.path().join("banjia.db")).await;
    let before = unreadable_rows();
    let rows = store.last_rows(100).await.unwrap();
    assert_eq!(rows.len(), 5);
    let first = rows.last().unwrap();
    assert_eq!((first.usage, first.cost), (None, None), "what no request can have used is unknown");
    assert!(unreadable_rows() > before);
    let mut after = None;
    let mut seen = 0;
    // With one row a page, whole pages are unreadable.
    loop {
        let page = store.rows_after(ALWAYS, after, 1).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.accepted_at, last.request_id));
        seen += page.len();
    }
    assert_eq!(seen, 5);
    assert_eq!(store.losses(ALWAYS).await.unwrap().len(), 0);
    let watched = store.watch(&"chat".into(), ALWAYS).await.unwrap();
    assert_eq!(watched.iter().map(|one| one.requests).sum::<u64>(), 9, "{watched:?}");
    let counted = store.count_by_reason(&"chat".into(), "rehearsal", ALWAYS).await.unwrap();
    assert_eq!(counted.iter().map(|one| (one.outcome, one.requests)).collect::<Vec<_>>(), [(Outcome::Answered, 1)]);
    store.latency_by_reason(&"chat".into(), "rehearsal", ALWAYS).await.unwrap();
    let marks = store.capture_marks(&CaptureFilter::default()).await.unwrap();
    assert_eq!(marks.len(), 1);
}

#[tokio::test]
async fn captures_that_do_not_open_stop_only_strict_readers() {
    let folder = tempfile::tempdir().unwrap();
    let store = planted(&folder.path().join("banjia.db")).await;
    let (all, key) = (CaptureFilter::default(), EncryptionKey::random());
    assert!(store.captures(&all, CaptureCursor::default(), 10, &key).await.is_err());
    let mut next = Some(CaptureCursor::default());
    let mut pages = 0;
    while let Some(cursor) = next {
        let page = store.readable_captures(&all, cursor, 1, &key).await.unwrap();
        assert!(page.captures.is_empty());
        (next, pages) = (page.next, pages + 1);
    }
    assert_eq!(pages, 3, "each page leads to the next one although nothing on it can be read");
}

#[tokio::test]
async fn a_cut_stands_although_its_evidence_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let store = planted(&folder.path().join("banjia.db")).await;
    let cuts = store.cuts().await.unwrap();
    assert_eq!(cuts.iter().map(|cut| cut.vendor.as_str()).collect::<Vec<_>>(), ["openai"]);
    assert_eq!(cuts[0].evidence["unreadable"], "{not json");
    let events = store.move_events("spring", 0).await.unwrap();
    assert_eq!((events.len(), events[1].body.as_str(), events[0].at), (2, Some("{not json"), Timestamp(1)));
}
