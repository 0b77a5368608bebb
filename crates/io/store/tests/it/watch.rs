//! How targets do, failures that failover hid included.

use crate::{open, row, target};
use banjia_store::{Capture, EncryptionKey, Period, TargetStats, WriterConfig};
use banjia_types::{Currency, ErrorClass, Money, Outcome, Timestamp, TrafficKind};
use serde_json::json;

const AT: i64 = 1_719_273_600_000;

fn shadow(n: i64, class: Option<ErrorClass>) -> Capture {
    Capture {
        id: format!("shadow-{n}"),
        leg: TrafficKind::Shadow,
        number: 0,
        at: Timestamp(AT + n),
        account: None,
        route: "gpt-4o".into(),
        target: target("zhipu/glm-4.7"),
        endpoint: "chat".to_owned(),
        stream: false,
        client: None,
        request: json!({}),
        answer: class.is_none().then(|| json!({})),
        outcome: if class.is_none() { Outcome::Answered } else { Outcome::Refused },
        class,
        usage: None,
        cost: Some(Money { micros: 10, currency: Currency::Cny }),
        first_content_ms: Some(900),
        total_ms: 1_000,
        redactions: 0,
    }
}

#[tokio::test]
async fn a_target_that_failed_counts_even_when_another_one_answered() {
    use ErrorClass::{BadRequest, Overload, Server};
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("watch.db")).await;
    let writer = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    let (source, destination) = (target("openai/gpt-4o"), target("zhipu/glm-4.7"));
    let put = |n: u128, outcome, class, last: &banjia_types::Target, failures: Vec<_>| {
        let at = Timestamp(AT + i64::try_from(n).unwrap());
        let mut row = row(n, at.0, outcome);
        row.route = Some("gpt-4o".into());
        row.target = Some(last.clone());
        row.class = class;
        row.failures = failures;
        row.ended_at = at + std::time::Duration::from_millis(u64::try_from(n).unwrap() * 10);
        row.cost = Some(Money { micros: 1, currency: Currency::Cny });
        let mut slot = writer.try_reserve().unwrap();
        slot.accept(at);
        slot.fill(row);
    };
    put(1, Outcome::Answered, None, &destination, vec![]);
    put(2, Outcome::Answered, None, &source, vec![(destination.clone(), Overload), (destination.clone(), Overload)]);
    put(3, Outcome::Answered, None, &destination, vec![(destination.clone(), Overload)]);
    put(4, Outcome::Failed, Some(Server), &destination, vec![(destination.clone(), Server)]);
    put(5, Outcome::Refused, Some(BadRequest), &destination, vec![(destination.clone(), BadRequest)]);
    put(6, Outcome::Answered, None, &source, vec![(destination.clone(), BadRequest)]);
    writer.flush().await.unwrap();

    let key = EncryptionKey::random();
    store.write_captures(&[shadow(1, None), shadow(2, Some(Overload))], &key).await.unwrap();
    let period = Period { from: Timestamp(AT), to: Timestamp(AT + 100) };
    let found = store.watch(&"gpt-4o".into(), period).await.unwrap();
    assert_eq!(
        found,
        [
            TargetStats { target: source.clone(), requests: 2, errors: 0, total_p95_ms: Some(60) },
            // Asked: requests 1 to 5 and two shadows. Failed: the second, the fourth, and one
            // shadow.
            TargetStats { target: destination.clone(), requests: 7, errors: 3, total_p95_ms: Some(1_000) },
        ]
    );
    let spent =
        async |with_callers| store.spent(&"gpt-4o".into(), &destination, period, with_callers).await.unwrap()[0].micros;
    assert_eq!((spent(true).await, spent(false).await), (24, 20));
    assert!(store.watch(&"other".into(), period).await.unwrap().is_empty());
    writer.close().await.unwrap();
}
