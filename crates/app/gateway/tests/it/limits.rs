//! Limits of keys and accounts, and the ledger's own bound.

use crate::rig::{KEY, Rig, first_content, hello, rest};
use banjia_gateway::config::{KeyConfig, LimitConfig};
use banjia_gateway::keys;
use banjia_store::{Location, Store, WriterConfig};
use banjia_types::{ErrorClass, Outcome};

#[tokio::test]
async fn requests_a_minute_are_limited_with_openais_headers() {
    let rig = Rig::with(|config| config.keys[0].limits.requests_per_minute = Some(3)).await;
    for left in ["2", "1", "0"] {
        let answer = rig.ask("one-openai", false).await;
        answer.is(200);
        assert_eq!(
            (answer.header("x-ratelimit-limit-requests"), answer.header("x-ratelimit-remaining-requests")),
            ("3", left)
        );
        assert!(answer.header("x-ratelimit-reset-requests").ends_with('s'));
    }
    let refused = rig.ask("one-openai", true).await;
    let message = refused.is_error(429, Some("rate_limit_exceeded"));
    assert!(message.contains("3 requests a minute"), "{message}");
    assert_eq!(refused.json()["error"]["type"], "requests");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), "0");
    assert_eq!(rig.asked("openai"), 3);
    let rows = rig.rows().await;
    let row = rows.iter().find(|row| row.outcome == Outcome::Refused).unwrap();
    assert_eq!((row.class, row.status), (Some(ErrorClass::Rate), 429));
}

#[tokio::test]
async fn tokens_are_charged_when_the_answer_tells_them() {
    let rig = Rig::with(|config| config.keys[0].limits.tokens_per_minute = Some(10)).await;
    rig.ask("one-openai", false).await.is(200);
    let refused = rig.ask("one-openai", false).await;
    refused.is_error(429, Some("rate_limit_exceeded"));
    assert_eq!(refused.json()["error"]["type"], "tokens");
    assert_eq!(refused.header("x-ratelimit-remaining-tokens"), "0");
}

#[tokio::test]
async fn concurrency_is_given_back_however_a_request_ends() {
    let rig = Rig::with(|config| config.keys[0].limits.concurrency_max = Some(1)).await;
    rig.slow(5);
    let (_, mut body) = rig.open(&hello("one-openai", true)).await;
    first_content(&mut body).await;
    rig.ask("one-openai", false).await.is_error(429, Some("rate_limit_exceeded"));
    rest(body).await;
    rig.slow(0);
    rig.ask("one-openai", false).await.is(200);
    rig.ask("no such model", false).await.is(404);
    rig.ask("one-openai", false).await.is(200);
}

#[tokio::test]
async fn an_accounts_limit_holds_over_all_of_its_keys() {
    let rig = Rig::with(|config| {
        config.accounts[0].limits.requests_per_minute = Some(2);
        config.keys.push(KeyConfig {
            id: "acme-2".into(),
            hash: keys::hash(None, "sk-acme-2"),
            account: "acme".into(),
            limits: LimitConfig { requests_per_minute: Some(1), ..LimitConfig::default() },
        });
    })
    .await;
    let with = |key: &str| {
        let mut request = rig.request("/v1/chat/completions", hello("one-openai", false).to_string());
        request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        request
    };
    rig.send(with(KEY)).await.is(200);
    let second = rig.send(with("sk-acme-2")).await;
    second.is(200);
    assert_eq!(second.header("x-ratelimit-remaining-requests"), "0");
    let message = rig.send(with(KEY)).await.is_error(429, Some("rate_limit_exceeded"));
    assert!(message.contains("account"), "{message}");
}

#[tokio::test]
async fn a_full_ledger_accepts_no_request() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let places = WriterConfig { places_max: 1, ..WriterConfig::default() };
    let rig = Rig::over(store, places, |config| config.serve.overload_wait_ms = 0).await;
    rig.slow(5);
    let (_, mut body) = rig.open(&hello("one-openai", true)).await;
    first_content(&mut body).await;
    let refused = rig.ask("one-openai", false).await;
    refused.is_error(503, Some("overloaded"));
    assert_eq!(refused.header("retry-after"), "1");
    rest(body).await;
    rig.ledger.flush().await.unwrap();
    rig.ask("one-openai", false).await.is(200);
    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.answered, tally.missing()), (2, 2, 0));
}
