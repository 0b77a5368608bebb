//! Recording: what is kept, what is taken out, what is dropped, and that nobody waits.

use crate::rig::{MOVING, Rig, config, hello, profiles};
use crate::route_move::{route_move, set};
use banjia_gateway::config::{CaptureConfig, PatternConfig};
use banjia_gateway::{Clock, Gateway, Parts, Snapshot, StartError, seal_key};
use banjia_sandbox::{Fault, Options, Sandbox, When};
use banjia_store::{Capture, CaptureCursor, CaptureFilter, EncryptionKey, Location, Store, StoreError, WriterConfig};
use banjia_types::{AccountId, ErrorClass, Outcome, RouteMove, Secret, Share, Stage, TrafficKind};
use banjia_upstream::Upstream;
use serde_json::json;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Everything that was captured so far.
pub(crate) async fn captures(rig: &Rig) -> Vec<Capture> {
    rig.gateway.flush_captures().await;
    let key = seal_key(&rig.config.capture, rig.store.path()).unwrap();
    let page = rig.store.captures(&CaptureFilter::default(), CaptureCursor::default(), 1_000, &key).await.unwrap();
    assert_eq!(page.next, None);
    page.captures
}

async fn recording() -> Rig {
    Rig::with(|config| config.capture.share = 1.0).await
}

#[tokio::test]
async fn streams_are_captured_like_whole_answers() {
    let rig = recording().await;
    let mut body = hello("one-zhipu", false);
    let whole = rig.chat(&body).await;
    body["stream"] = json!(true);
    let streamed = rig.chat(&body).await;
    let kept = captures(&rig).await;
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0].answer, Some(whole.is(200).json()));
    let answer = kept[1].answer.as_ref().unwrap();
    assert_eq!(
        (&answer["object"], &answer["choices"][0]["finish_reason"]),
        (&json!("chat.completion"), &json!("stop"))
    );
    assert_eq!(answer["choices"][0]["message"]["content"], streamed.is(200).events().text(0));
    assert_eq!(answer["choices"][0]["message"]["role"], "assistant");
    assert_eq!(kept[1].request, body);
    let rows = rig.rows().await;
    for (capture, answer) in kept.iter().zip([&whole, &streamed]) {
        assert_eq!(capture.id, answer.header("x-request-id"));
        assert_eq!((capture.leg, capture.number, capture.outcome), (TrafficKind::Live, 0, Outcome::Answered));
        assert_eq!((capture.route.as_str(), capture.target.to_string().as_str()), ("one-zhipu", "zhipu/glm-4.6"));
        assert_eq!(capture.account.as_ref().map(AccountId::as_str), Some("acme"));
        let row = rows.iter().find(|row| row.request_id.to_string() == capture.id).unwrap();
        assert_eq!((capture.usage, capture.cost, capture.at), (row.usage, row.cost, row.accepted_at));
        assert!(answer.header("x-banjia-target") == "zhipu/glm-4.6" && capture.usage.is_some());
    }
    assert_eq!((kept[0].stream, kept[1].stream), (false, true));
    assert!(kept[0].first_content_ms.is_none() && kept[1].first_content_ms.is_some());
}

#[tokio::test]
async fn tool_calls_embeddings_and_errors_are_kept_too() {
    let rig = recording().await;
    let tool = json!({ "type": "function", "function": { "name": "get_weather",
        "parameters": { "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] } } });
    let mut body = hello("one-openai", true);
    body["tools"] = json!([tool]);
    body["tool_choice"] = json!("required");
    rig.chat(&body).await.is(200);
    rig.post("/v1/embeddings", &json!({ "model": "emb-zhipu", "input": ["a", "b"] })).await.is(200);
    rig.sandbox.faults.set("openai", Fault::Content, When::Next(1));
    let refused = rig.ask("one-openai", false).await;
    assert_eq!(refused.status, 400);
    rig.ask("no-such-route", false).await.is(404);
    let kept = captures(&rig).await;
    assert_eq!(kept.len(), 3, "what reached no target is no exchange with one");
    let call = &kept[0].answer.as_ref().unwrap()["choices"][0]["message"]["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("get_weather")));
    assert!(serde_json::from_str::<serde_json::Value>(call["function"]["arguments"].as_str().unwrap()).is_ok());
    assert_eq!(kept[1].endpoint, "embeddings");
    assert_eq!(kept[1].answer.as_ref().unwrap()["data"].as_array().map(Vec::len), Some(2));
    assert_eq!((kept[2].outcome, kept[2].class, &kept[2].answer), (Outcome::Refused, Some(ErrorClass::Content), &None));
}

#[tokio::test]
async fn captures_are_encrypted_and_hold_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("banjia.db");
    let store = Store::open(&Location::File(path.clone())).await.unwrap();
    let rig = Rig::over(store, WriterConfig::default(), |config| {
        config.capture.share = 1.0;
        config.capture.redact.patterns = vec![PatternConfig { name: "case".into(), pattern: "CASE-[0-9]{6}".into() }];
    })
    .await;
    let mut body = hello("one-openai", false);
    body["messages"][0]["content"] =
        json!("moon landing plan of ada@example.com, 13812345678, sk-abcdefghijklmnopqrstuvwx, CASE-123456");
    rig.chat(&body).await.is(200);
    let kept = captures(&rig).await;
    assert_eq!(kept[0].request["messages"][0]["content"], "moon landing plan of [email], [phone], [key], [case]");
    assert!(kept[0].redactions >= 4);
    rig.gateway.drain(rig.gateway.stop_times()).await;
    rig.store.close().await;
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        seen += bytes.len();
        for secret in ["moon landing", "ada@example", "13812345678", "chat.completion"] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret:?} can be read");
        }
    }
    assert!(seen > 10_000);
}

#[tokio::test]
async fn the_share_of_captures_is_drawn_from_the_id() {
    let rig = Rig::with(|config| {
        config.capture.share = 0.5;
        config.capture.routes.insert("one-zhipu".into(), 0.0);
    })
    .await;
    for _ in 0..40 {
        rig.ask("one-openai", false).await.is(200);
        rig.ask("one-zhipu", false).await.is(200);
    }
    let kept = captures(&rig).await;
    assert!((8..=32).contains(&kept.len()), "{} of 40 at a share of a half", kept.len());
    assert!(kept.iter().all(|capture| capture.route.as_str() == "one-openai"));
    set(&rig, RouteMove { record: Share::ALL, ..route_move(Stage::Record) });
    rig.ask(MOVING, false).await.is(200);
    set(&rig, route_move(Stage::Record));
    rig.ask(MOVING, false).await.is(200);
    let moved = captures(&rig).await.into_iter().filter(|capture| capture.route.as_str() == MOVING).count();
    assert_eq!(moved, 1, "the course's own share decides for a route that moves");
}

#[tokio::test]
async fn a_full_capture_queue_is_unseen_by_callers() {
    let rig = Rig::with(|config| {
        config.capture.share = 1.0;
        config.capture.queue_bytes_max = 10;
    })
    .await;
    for stream in [false, true] {
        rig.ask("one-openai", stream).await.is(200);
    }
    let (stats, ..) = rig.gateway.stats();
    assert_eq!((stats.offered, stats.dropped, stats.written), (2, 2, 0));
    let small = Rig::with(|config| {
        config.capture.share = 1.0;
        config.capture.bytes_max = 300;
    })
    .await;
    let mut large = hello("one-openai", false);
    large["user"] = json!("x".repeat(300));
    small.chat(&large).await.is(200);
    small.ask("one-openai", true).await.is(200);
    assert_eq!(captures(&small).await.len(), 0);
    let (stats, ..) = small.gateway.stats();
    assert_eq!((stats.offered, stats.too_large), (0, 2), "one by its request, one by its answer");
    assert_eq!(small.tally().await.answered, 2);
}

async fn start(store: &Store, capture: CaptureConfig) -> Result<banjia_gateway::Handle, StartError> {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let mut config = config(&sandbox);
    config.capture = capture;
    Gateway::start(Parts {
        snapshot: Snapshot::compile(&config, &profiles()).unwrap(),
        upstream: Upstream::new(&banjia_upstream::Config::default()).unwrap(),
        store: store.clone(),
        ledger: store.ledger_writer(&WriterConfig::default()).await.unwrap(),
        on_alert: None,
        clock: Clock::default(),
    })
    .await
}

#[tokio::test]
async fn a_wrong_capture_key_is_refused_at_the_start() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    store.check_seal(&EncryptionKey::parse(KEY).unwrap()).await.unwrap();
    let with = |key: &str| CaptureConfig { key: Some(Secret::new(key)), ..CaptureConfig::default() };
    let wrong = start(&store, with(&KEY.replace('0', "1"))).await.unwrap_err();
    assert!(matches!(wrong, StartError::Seal(StoreError::WrongKey { .. })), "{wrong:?}");
    let rig = Rig::new().await;
    let mut bad = rig.config.clone();
    bad.capture.share = 1.5;
    bad.capture.routes.insert("gpt-4".into(), f64::NAN);
    bad.capture.redact.patterns = vec![PatternConfig { name: "x".into(), pattern: "(".into() }];
    let problems = Snapshot::compile(&bad, &profiles()).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    let route = "capture.routes.gpt-4";
    assert_eq!(paths, [route, "capture.share", route, "capture.redact.patterns[0].pattern"], "{problems:?}");
}

#[tokio::test]
async fn old_captures_are_forgotten_while_the_gateway_runs() {
    let rig = Rig::with(|config| {
        config.capture.share = 1.0;
        config.capture.keep_days = 1;
    })
    .await;
    let present = rig.clock.now();
    rig.clock.set(present - std::time::Duration::from_hours(48));
    let old = rig.ask("one-openai", false).await.header("x-request-id").to_owned();
    assert_eq!(captures(&rig).await[0].id, old, "not old by its own clock");
    // A second gateway on the same file starts at the present and forgets at its first batch.
    rig.clock.set(present);
    let key = seal_key(&rig.config.capture, rig.store.path()).unwrap();
    rig.gateway.drain(rig.gateway.stop_times()).await;
    rig.ledger.close().await.unwrap();
    let again = Rig::over(rig.store.clone(), WriterConfig::default(), |config| {
        config.capture.share = 1.0;
        config.capture.keep_days = 1;
    })
    .await;
    let new = again.ask("one-openai", false).await.header("x-request-id").to_owned();
    again.gateway.flush_captures().await;
    again.ask("one-openai", false).await.is(200);
    again.gateway.flush_captures().await;
    let page = again.store.captures(&CaptureFilter::default(), CaptureCursor::default(), 10, &key).await.unwrap();
    let ids: Vec<_> = page.captures.into_iter().map(|capture| capture.id).collect();
    assert!(ids.contains(&new) && !ids.contains(&old), "{ids:?}");
}
