//! Rows that somebody changed in the database, and rows of older versions.

use super::binding::place;
use super::{Capture, CaptureCursor, CaptureFilter};
use crate::pool::migrator;
use crate::{EncryptionKey, Location, Store, StoreError};
use banjia_types::{Currency, ErrorClass, Money, Outcome, Timestamp, TrafficKind, Usage};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row as _};
use std::path::Path;

/// The version of the migration that names the form of a row.
const SEAL_VERSION: i64 = 20_261_130_100_000;

fn capture() -> Capture {
    Capture {
        id: "req_1".to_owned(),
        leg: TrafficKind::Live,
        number: 0,
        at: Timestamp(1_719_273_600_000),
        account: Some("shop".into()),
        route: "gpt-4o".into(),
        target: "openai/gpt-4o".parse().unwrap(),
        endpoint: "chat".to_owned(),
        stream: true,
        client: Some("curl/8".to_owned()),
        request: json!({ "model": "gpt-4o" }),
        answer: Some(json!({ "choices": [] })),
        outcome: Outcome::Answered,
        class: Some(ErrorClass::Server),
        usage: Some(Usage { prompt: 7, completion: 5, cached: 1, reasoning: 2 }),
        cost: Some(Money { micros: 7, currency: Currency::Cny }),
        first_content_ms: Some(12),
        total_ms: 30,
        redactions: 0,
    }
}

async fn read(store: &Store, key: &EncryptionKey) -> Result<Vec<Capture>, StoreError> {
    let page = store.captures(&CaptureFilter::default(), CaptureCursor::default(), 10, key).await?;
    Ok(page.captures)
}

async fn execute(pool: &SqlitePool, statement: &str) {
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(pool).await.unwrap();
}

/// A database with the tables of the version before, and one capture that this version wrote.
async fn old_database(path: &Path, key: &EncryptionKey) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let old = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    migrator(SEAL_VERSION).run(&old).await.unwrap();
    let capture = capture();
    let seal = |column, text: &serde_json::Value| {
        let place = place(&capture.id, capture.leg, capture.number, &capture.target, column);
        key.seal(place, text.to_string().as_bytes())
    };
    let insert = "INSERT INTO capture (id, leg, number, accepted_at, account, route, vendor, model, endpoint, stream, client, \
         outcome, class, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost_micros, currency, \
         first_content_ms, total_ms, redactions, request_bytes, answer_bytes, request, answer) \
         VALUES ('req_1', 'live', 0, 1719273600000, 'shop', 'gpt-4o', 'openai', 'gpt-4o', 'chat', 1, 'curl/8', 'answered', \
         'server', 7, 5, 1, 2, 7, 'CNY', 12, 30, 0, 18, 14, ?, ?)";
    let query = sqlx::query(insert).bind(seal("request", &capture.request));
    query.bind(seal("answer", capture.answer.as_ref().unwrap())).execute(&old).await.unwrap();
    old.close().await;
}

#[tokio::test]
async fn every_changed_column_of_a_capture_is_noticed() {
    let (store, key) = (Store::open(&Location::Temporary).await.unwrap(), EncryptionKey::random());
    store.write_captures(&[capture()], &key).await.unwrap();
    let table =
        sqlx::query("SELECT name, type FROM pragma_table_info('capture')").fetch_all(&store.write).await.unwrap();
    let mut tried = 0;
    for column in &table {
        let (name, kind): (String, String) = (column.get("name"), column.get("type"));
        if name == "seq" {
            continue;
        }
        execute(&store.write, "CREATE TABLE kept AS SELECT * FROM capture").await;
        let values: &[&str] = match kind.as_str() {
            "TEXT" => &["'replay'", "'x'", "''", "NULL", "CAST(x'ff' AS TEXT)", "7"],
            "INTEGER" => &["3", "-1", "4294967296", "9223372036854775807", "NULL", "'x'", "0.5"],
            _ => &["x''", "zeroblob(80)", "NULL"],
        };
        for value in values {
            // A column that must hold a value refuses NULL by itself.
            let update = format!("UPDATE OR IGNORE capture SET {name} = {value}");
            execute(&store.write, &update).await;
            let now = format!("SELECT COUNT(*) FROM capture, kept WHERE capture.{name} IS kept.{name}");
            let is_same = sqlx::query_scalar::<_, i64>(AssertSqlSafe(now)).fetch_one(&store.write).await.unwrap() == 1;
            let found = read(&store, &key).await;
            assert_eq!(found.is_ok(), is_same, "{update}: {found:?}");
            if let Err(error) = found {
                tried += 1;
                assert!(name == "id" || error.to_string().contains("capture \"req_1\""), "{update}: {error}");
            }
            execute(&store.write, "DELETE FROM capture").await;
            execute(&store.write, "INSERT INTO capture SELECT * FROM kept").await;
        }
        execute(&store.write, "DROP TABLE kept").await;
    }
    assert!(tried > 90, "only {tried} changes were tried");
    assert_eq!(read(&store, &key).await.unwrap(), [capture()]);
}

#[tokio::test]
async fn an_exchanged_text_of_a_capture_is_noticed() {
    let (store, key) = (Store::open(&Location::Temporary).await.unwrap(), EncryptionKey::random());
    store.write_captures(&[capture()], &key).await.unwrap();
    execute(&store.write, "UPDATE capture SET request = answer, answer = request").await;
    let error = read(&store, &key).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed { .. }), "{error}");
}

#[tokio::test]
async fn a_capture_of_an_older_version_still_opens() {
    let (folder, key) = (tempfile::tempdir().unwrap(), EncryptionKey::random());
    let path = folder.path().join("old.db");
    old_database(&path, &key).await;
    let store = Store::open(&Location::File(path)).await.unwrap();
    assert_eq!(read(&store, &key).await.unwrap(), [capture()]);
    store.close().await;
}

#[tokio::test]
async fn no_capture_opens_in_the_other_form() {
    let (folder, key) = (tempfile::tempdir().unwrap(), EncryptionKey::random());
    let path = folder.path().join("old.db");
    old_database(&path, &key).await;
    let store = Store::open(&Location::File(path)).await.unwrap();
    store.write_captures(&[Capture { number: 1, ..capture() }], &key).await.unwrap();
    assert_eq!(read(&store, &key).await.unwrap().len(), 2);
    for (from, to) in [(1, 2), (2, 1), (1, 0), (2, 3)] {
        execute(&store.write, &format!("UPDATE capture SET seal_version = {to} WHERE seal_version = {from}")).await;
        let error = read(&store, &key).await.unwrap_err();
        assert!(error.to_string().contains("capture \"req_1\""), "{from} to {to}: {error}");
        execute(&store.write, "UPDATE capture SET seal_version = number + 1").await;
    }
    store.close().await;
}
