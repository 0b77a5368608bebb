//! The queue into the ledger: batches, back-pressure, balance, gaps.

use crate::{open, row};
use banjia_store::{Location, Period, Store, StoreError, WriterConfig};
use banjia_types::{Currency, ErrorClass, Loss, LossLevel, Money, Outcome, Tally, Timestamp, Usage};
use std::time::Duration;

#[tokio::test]
async fn a_row_comes_back_as_it_was_left() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    let mut full = row(7, 61_000, Outcome::Failed);
    full.account = Some("acme".into());
    full.key = Some("k1".into());
    full.route = Some("gpt-4o".into());
    full.endpoint = "embeddings".into();
    full.stream = true;
    full.class = Some(ErrorClass::ModelGone);
    full.status = 502;
    full.attempts = 3;
    full.usage = Some(Usage { prompt: 9, completion: 8, cached: 7, reasoning: 6 });
    full.cost = Some(Money { micros: -1_234, currency: Currency::Cny });
    full.losses = vec![Loss::new("logit_bias", LossLevel::Dropped, "it's \"quoted\", 不支持 \u{0}")];
    full.first_content_ms = Some(42);
    full.reason = Some("the last target failed".into());
    let mut empty = row(8, 62_000, Outcome::Abandoned);
    empty.target = None;
    for row in [full.clone(), empty.clone()] {
        ledger.try_reserve().unwrap().fill(row);
    }
    ledger.close().await.unwrap();
    assert_eq!(store.last_rows(10).await.unwrap(), [empty, full]);
}

#[tokio::test]
async fn more_rows_than_a_batch_holds_all_arrive_and_give_their_places_back() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let config = WriterConfig { batch_rows_max: 64, ..WriterConfig::default() };
    let ledger = store.ledger_writer(&config).await.unwrap();
    for n in 0..1_000 {
        ledger.try_reserve().unwrap().fill(row(n, 60_000, Outcome::Answered));
    }
    ledger.flush().await.unwrap();
    assert_eq!((ledger.waiting(), ledger.taken(), ledger.open(), ledger.lost()), (0, 0, 0, 0));
    let tally = Tally { accepted: 1_000, answered: 1_000, ..Tally::default() };
    assert_eq!(store.tally(Period::ALWAYS).await.unwrap(), [(Timestamp(60_000), tally)]);
}

#[tokio::test]
async fn a_full_queue_gives_no_place_and_a_place_given_back_can_be_taken() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    // Nothing is written by itself within this test: a place comes back only by a flush.
    let config = WriterConfig { places_max: 2, batch_wait_ms: 3_600_000, ..WriterConfig::default() };
    let ledger = store.ledger_writer(&config).await.unwrap();
    let (first, second) = (ledger.try_reserve().unwrap(), ledger.try_reserve().unwrap());
    assert!(ledger.try_reserve().is_none());
    drop(first);
    let third = ledger.try_reserve().unwrap();
    second.fill(row(1, 0, Outcome::Answered));
    assert!(ledger.try_reserve().is_none(), "a row that waits keeps its place");
    ledger.flush().await.unwrap();
    assert!(ledger.try_reserve().is_some());
    drop(third);
    assert_eq!(ledger.lost(), 0);
}

#[tokio::test]
async fn rows_are_written_without_anybody_asking() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let config = WriterConfig { batch_wait_ms: 1, ..WriterConfig::default() };
    let ledger = store.ledger_writer(&config).await.unwrap();
    ledger.try_reserve().unwrap().fill(row(1, 0, Outcome::Answered));
    let written = async {
        while store.last_rows(1).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), written).await.expect("the batch is written after its wait");
}

#[tokio::test]
async fn an_open_request_and_a_lost_one_both_show_in_the_balance() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    let mut kept = ledger.try_reserve().unwrap();
    kept.accept(Timestamp(120_001));
    let mut lost = ledger.try_reserve().unwrap();
    lost.accept(Timestamp(60_001));
    drop(lost);
    ledger.flush().await.unwrap();
    assert_eq!((ledger.open(), ledger.lost(), ledger.taken()), (1, 1, 1));
    let missing = |minutes: Vec<(Timestamp, Tally)>| minutes.iter().map(|(_, t)| t.missing()).collect::<Vec<_>>();
    assert_eq!(missing(store.tally(Period::ALWAYS).await.unwrap()), [1, 1]);

    // A request that ends in another minute than it began in is balanced in the minute of its
    // acceptance.
    kept.fill(row(1, 190_000, Outcome::Refused));
    ledger.flush().await.unwrap();
    assert_eq!(missing(store.tally(Period::ALWAYS).await.unwrap()), [1, 0]);
}

#[tokio::test]
async fn closing_waits_for_open_requests_to_end() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    let mut slot = ledger.try_reserve().unwrap();
    slot.accept(Timestamp(0));
    assert!(matches!(ledger.close().await, Err(StoreError::StillOpen { open: 1 })));
    assert!(ledger.try_reserve().is_none(), "a closing ledger gives no place");
    slot.fill(row(1, 0, Outcome::Answered));
    ledger.close().await.unwrap();
    assert!(matches!(ledger.flush().await, Err(StoreError::Closed)));
    assert!(matches!(ledger.close().await, Err(StoreError::Closed)));
    // The lock is free and no gap is found: the run was closed.
    let again = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    again.close().await.unwrap();
    assert_eq!(store.gaps().await.unwrap(), []);
}

#[test]
fn a_killed_process_leaves_a_gap_with_its_times_and_what_was_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let killed = tokio::runtime::Runtime::new().unwrap();
    let waiting = killed.block_on(async {
        let ledger = open(&path).await.ledger_writer(&WriterConfig::default()).await.unwrap();
        let mut open = ledger.try_reserve().unwrap();
        open.accept(Timestamp(60_000));
        ledger.try_reserve().unwrap().fill(row(1, 60_000, Outcome::Answered));
        ledger.flush().await.unwrap();
        let config = WriterConfig::default();
        let second = open_second(&path, &config).await;
        assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
        (ledger, open)
    });
    // The runtime's end stops the task where it is, as a kill does.
    drop(killed);
    let next = tokio::runtime::Runtime::new().unwrap();
    next.block_on(async {
        let store = open(&path).await;
        assert_eq!(store.gaps().await.unwrap(), [], "only a writer judges runs: a reader may come while one is alive");
        let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
        let gaps = store.gaps().await.unwrap();
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].open_requests, 1);
        assert!(gaps[0].started_at <= gaps[0].last_flush_at && gaps[0].last_flush_at <= gaps[0].found_at);
        assert!(gaps[0].started_at > Timestamp(1_700_000_000_000), "milliseconds of the real clock");
        let minutes = store.tally(Period::ALWAYS).await.unwrap();
        assert_eq!(minutes, [(Timestamp(60_000), Tally { accepted: 2, answered: 1, ..Tally::default() })]);
        ledger.close().await.unwrap();
        let third = store.ledger_writer(&WriterConfig::default()).await.unwrap();
        assert_eq!(store.gaps().await.unwrap().len(), 1, "a gap is written once");
        third.close().await.unwrap();
        store.close().await;
    });
    drop(waiting);
}

async fn open_second(path: &std::path::Path, config: &WriterConfig) -> Result<(), StoreError> {
    open(path).await.ledger_writer(config).await.map(drop)
}

#[tokio::test]
async fn a_batch_that_is_written_twice_is_there_once() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    for outcome in [Outcome::Answered, Outcome::Failed] {
        ledger.try_reserve().unwrap().fill(row(1, 0, outcome));
        ledger.flush().await.unwrap();
    }
    let rows = store.last_rows(10).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.outcome).collect::<Vec<_>>(), [Outcome::Answered]);
    assert_eq!(store.tally(Period::ALWAYS).await.unwrap()[0].1.missing(), 1, "and the balance tells");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_batches_while_rows_are_written_and_the_rows_outlive_the_process() {
    const ROWS: u128 = 3_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let store = open(&path).await;
    let config = WriterConfig { batch_rows_max: 100, batch_wait_ms: 1, ..WriterConfig::default() };
    let ledger = store.ledger_writer(&config).await.unwrap();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut seen = 0;
                while seen < ROWS as u64 {
                    let tally = store.tally(Period::ALWAYS).await.unwrap().first().map(|(_, t)| *t).unwrap_or_default();
                    assert!(tally.answered >= seen, "rows do not go away");
                    assert!(tally.missing() >= 0, "no end without its acceptance");
                    seen = tally.answered;
                }
            })
        })
        .collect();
    for n in 0..ROWS {
        ledger.try_reserve().unwrap().fill(row(n, 1_000, Outcome::Answered));
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    ledger.flush().await.unwrap();
    for reader in readers {
        tokio::time::timeout(Duration::from_mins(1), reader).await.expect("readers see the end").unwrap();
    }
    ledger.close().await.unwrap();
    store.close().await;
    let again = open(&path).await;
    let tally = Tally { accepted: ROWS as u64, answered: ROWS as u64, ..Tally::default() };
    assert_eq!(again.tally(Period::ALWAYS).await.unwrap(), [(Timestamp(0), tally)]);
}

#[tokio::test]
async fn rows_are_kept_while_the_database_cannot_be_written_and_arrive_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let store = open(&path).await;
    let ledger = store.ledger_writer(&WriterConfig { batch_wait_ms: 1, ..WriterConfig::default() }).await.unwrap();
    let other = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("ALTER TABLE accepted RENAME TO accepted_away").execute(&other).await.unwrap();
    ledger.try_reserve().unwrap().fill(row(1, 0, Outcome::Answered));
    let flush = tokio::time::timeout(Duration::from_millis(50), ledger.flush()).await;
    assert!(flush.is_err(), "nothing may be called written that is not");
    assert_eq!(ledger.taken(), 1);
    sqlx::query("ALTER TABLE accepted_away RENAME TO accepted").execute(&other).await.unwrap();
    ledger.flush().await.unwrap();
    assert_eq!(store.last_rows(2).await.unwrap().len(), 1);
    assert_eq!(store.tally(Period::ALWAYS).await.unwrap()[0].1.missing(), 0, "the failed try counted nothing");
    ledger.try_reserve().unwrap().fill(row(2, 1, Outcome::Answered));
    ledger.try_reserve().unwrap().fill(row(3, 2, Outcome::Failed));
    ledger.flush().await.unwrap();
    let kinds: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ledger_kind").fetch_one(&other).await.unwrap();
    assert_eq!(kinds, 2, "what rows have in common is written once");
    assert_eq!(store.last_rows(4).await.unwrap().len(), 3);
}
