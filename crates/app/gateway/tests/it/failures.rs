//! What vendors do wrong, and what the client sees of it.

use crate::rig::Events;
use crate::rig::{MOVING, Rig, SINGLE, first_content, hello, rest};
use banjia_gateway::Alert;
use banjia_gateway::config::{RouteConfig, VendorConfig};
use banjia_sandbox::{Fault, When};
use banjia_store::{Location, Period, Row, Store, StoreError, StoreHealth, WriterConfig};
use banjia_types::{ErrorClass, Outcome, RequestId};
use http::Method;
use serde_json::json;

/// Faults before any content, and what the client is told when there is no other target.
const TOLD: [(Fault, u16, &str, ErrorClass); 5] = [
    (Fault::Region, 403, "unsupported_country_region_territory", ErrorClass::Region),
    (Fault::Arrears, 429, "insufficient_quota", ErrorClass::Quota),
    (Fault::Content, 400, "content_filter", ErrorClass::Content),
    (Fault::Empty, 502, "vendor_error", ErrorClass::Server),
    (Fault::Garbage, 502, "vendor_error", ErrorClass::Server),
];

#[tokio::test]
async fn a_lone_vendors_error_is_told_by_its_class() {
    for (fault, status, code, class) in TOLD {
        let rig =
            Rig::with(|config| config.routes.iter_mut().for_each(|route| route.attempts_per_target_max = 1)).await;
        let mut told = 0;
        for (route, target) in SINGLE {
            let vendor = target.split('/').next().unwrap();
            if fault == Fault::Region && vendor != "openai" {
                // Only the source's region block is documented in a body of its own.
                continue;
            }
            rig.fault(vendor, fault);
            let answer = rig.ask(route, false).await;
            answer.is_error(status, Some(code));
            assert_eq!(answer.header("x-banjia-target"), target);
            told += 1;
        }
        for row in rig.rows().await {
            assert_eq!(
                (row.outcome, row.class, row.status),
                (Outcome::Refused, Some(class), status),
                "{fault}: {row:?}"
            );
        }
        assert_eq!(rig.tally().await.refused, told);
    }
}

#[tokio::test]
async fn a_fault_before_content_goes_to_the_next_target() {
    for fault in Fault::ALL {
        // A careless answer is whole: only whoever compares answers can tell.
        if matches!(
            fault,
            Fault::Stall | Fault::Slow | Fault::Silent | Fault::Content | Fault::ContentStream | Fault::Careless
        ) {
            continue;
        }
        let rig = Rig::new().await;
        rig.fault("openai", fault);
        let answer = rig.ask(MOVING, false).await;
        let text = answer.is(200).json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned();
        assert!(!text.is_empty(), "{fault}");
        assert_eq!(answer.header("x-banjia-target"), "zhipu/glm-4.6", "{fault}");
        let tally = rig.tally().await;
        assert_eq!((tally.accepted, tally.answered, tally.missing()), (1, 1, 0), "{fault}");
        // The client saw nothing of it; whoever watches the targets does.
        let seen = rig.store.watch(&MOVING.into(), Period::ALWAYS).await.unwrap();
        let seen: Vec<_> = seen.iter().map(|one| (one.target.vendor.as_str(), one.requests, one.errors)).collect();
        assert_eq!(seen, [("openai", 1, 1), ("zhipu", 1, 0)], "{fault}");
    }
}

#[tokio::test]
async fn a_silent_vendor_is_left_for_the_next() {
    for stream in [false, true] {
        let rig = Rig::with(|config| {
            for route in &mut config.routes {
                (route.timeouts.first_content_ms, route.timeouts.answer_ms) = (150, 150);
            }
        })
        .await;
        rig.fault("openai", Fault::Silent);
        let answer = rig.ask(MOVING, stream).await;
        answer.is(200);
        assert_eq!(answer.header("x-banjia-target"), "zhipu/glm-4.6");
        rig.ask("one-openai", stream).await.is_error(504, Some("vendor_timeout"));
    }
}

#[tokio::test]
async fn a_stream_cut_midway_never_ends_cleanly() {
    for (route, target) in SINGLE {
        let vendor = target.split('/').next().unwrap();
        for fault in
            [Fault::Cut, Fault::Garbage, Fault::Malformed, Fault::LongLine, Fault::ContentStream, Fault::NetworkError]
        {
            if fault == Fault::NetworkError && vendor != "zhipu" {
                continue;
            }
            let rig = Rig::new().await;
            rig.fault(vendor, fault);
            let answer = rig.ask(route, true).await;
            if answer.status == 200 {
                let events = answer.events();
                let filtered = events.finishes(0) == ["content_filter"] && events.done == 1;
                if !(fault == Fault::ContentStream && filtered) {
                    events.is_broken();
                    assert_eq!(rig.tally().await.failed, 1, "{route} {fault}");
                }
            } else {
                assert_eq!(rig.tally().await.refused, 1, "{route} {fault}");
            }
            assert_eq!(rig.tally().await.missing(), 0, "{route} {fault}");
        }
    }
}

#[tokio::test]
async fn a_silent_stream_ends_with_an_error_event() {
    let rig = Rig::with(|config| config.routes.iter_mut().for_each(|route| route.timeouts.idle_ms = 150)).await;
    rig.fault("openai", Fault::Stall);
    let answer = rig.ask(MOVING, true).await;
    answer.is(200);
    assert_eq!(answer.header("x-banjia-target"), "openai/gpt-4o");
    answer.events().is_broken();
    let rows = rig.rows().await;
    assert_eq!((rows[0].outcome, rows[0].class, rows[0].status), (Outcome::Failed, Some(ErrorClass::Server), 200));
}

#[tokio::test]
async fn a_region_block_blocks_the_vendor_for_everybody() {
    let rig = Rig::new().await;
    rig.fault("openai", Fault::Region);
    let first = rig.ask(MOVING, false).await;
    first.is(200);
    assert_eq!((first.header("x-banjia-target"), first.header("x-banjia-attempts")), ("zhipu/glm-4.6", "2"));
    assert_eq!(rig.asked("openai"), 1);
    rig.sandbox.faults.clear_all();
    for stream in [false, true] {
        let later = rig.ask(MOVING, stream).await;
        assert_eq!((later.header("x-banjia-target"), later.header("x-banjia-attempts")), ("zhipu/glm-4.6", "1"));
    }
    rig.ask("one-openai", false).await.is_error(403, Some("unsupported_country_region_territory"));
    assert_eq!(rig.asked("openai"), 1, "a region denial is final, on every route");
    let alerts = rig.alerts.lock().unwrap().clone();
    assert_eq!(alerts.len(), 1, "people are told once: {alerts:?}");
    let Alert::VendorCut { vendor, target, said, .. } = &alerts[0] else { panic!("{alerts:?}") };
    assert_eq!((vendor.as_str(), target.to_string().as_str()), ("openai", "openai/gpt-4o"));
    assert!(!said.is_empty());
    rig.gateway.drain(rig.gateway.stop_times()).await;
    let cuts = rig.store.cuts().await.unwrap();
    assert_eq!(cuts.len(), 1);
    assert_eq!(cuts[0].evidence["target"], "openai/gpt-4o");
}

#[tokio::test]
async fn a_blocked_vendor_stays_blocked_after_a_restart() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    store.record_cut(&"openai".into(), banjia_types::Timestamp(1), &json!({})).await.unwrap();
    let rig = Rig::over(store, WriterConfig::default(), |config| {
        let other = VendorConfig {
            name: "openai-second-key".into(),
            profile: Some("openai".into()),
            ..config.vendors[0].clone()
        };
        config.vendors.push(other);
        config.routes.push(RouteConfig::new("second", ["openai-second-key/gpt-4o"]));
    })
    .await;
    rig.ask("second", false).await.is_error(403, Some("unsupported_country_region_territory"));
    rig.ask("one-openai", false).await.is_error(403, Some("unsupported_country_region_territory"));
    assert_eq!(rig.asked("openai"), 0);
    rig.gateway.lift_cut(&"openai".into());
    rig.ask("second", false).await.is(200);
}

#[tokio::test]
async fn a_conversation_stays_where_it_was_answered() {
    let rig = Rig::with(|config| config.routes.iter_mut().for_each(|route| route.attempts_per_target_max = 1)).await;
    rig.sandbox.faults.set("openai", Fault::Server, When::Next(1));
    let mut body = hello(MOVING, false);
    body["user"] = json!("ada");
    assert_eq!(rig.chat(&body).await.header("x-banjia-target"), "zhipu/glm-4.6");
    assert_eq!(
        rig.chat(&body).await.header("x-banjia-target"),
        "zhipu/glm-4.6",
        "it stays, though the source is well again"
    );
    body["user"] = json!("bob");
    assert_eq!(rig.chat(&body).await.header("x-banjia-target"), "openai/gpt-4o", "others are not moved");
    let mut request = rig.request("/v1/chat/completions", body.to_string());
    request.headers_mut().insert("x-banjia-conversation", "c-1".parse().unwrap());
    assert_eq!(rig.send(request).await.header("x-banjia-target"), "openai/gpt-4o");
}

#[tokio::test]
async fn a_vendor_in_distress_is_asked_last() {
    let rig = Rig::with(|config| config.routes.iter_mut().for_each(|route| route.attempts_per_target_max = 1)).await;
    rig.fault("openai", Fault::Server);
    for number in 0..8 {
        let mut body = hello(MOVING, false);
        body["user"] = json!(format!("user-{number}"));
        rig.chat(&body).await.is(200);
    }
    assert_eq!(rig.asked("openai"), 5, "after five failures in a row its breaker opens");
}

#[tokio::test]
async fn a_short_rate_limit_is_retried_at_the_target() {
    let rig = Rig::new().await;
    rig.sandbox.faults.set("openai", Fault::Server, When::Next(1));
    let answer = rig.ask("one-openai", false).await;
    answer.is(200);
    assert_eq!(answer.header("x-banjia-attempts"), "2");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_stream() {
    let rig = Rig::new().await;
    rig.slow(5);
    let (status, mut body) = rig.open(&hello("one-openai", true)).await;
    assert_eq!(status, 200);
    first_content(&mut body).await;
    drop(body);
    // The ledger's own queue tells when the request has ended.
    while rig.tally().await.abandoned == 0 {
        tokio::task::yield_now().await;
    }
    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.abandoned, tally.missing()), (1, 1, 0));
}

#[tokio::test]
async fn a_client_that_leaves_early_is_abandoned() {
    let rig = Rig::new().await;
    rig.fault("openai", Fault::Silent);
    for stream in [false, true] {
        let waiting = rig.ask("one-openai", stream);
        tokio::select! {
            _ = waiting => panic!("a silent vendor does not answer"),
            () = async { while rig.asked("openai") < 1 + u64::from(stream) { tokio::task::yield_now().await } } => {}
        }
    }
    while rig.tally().await.abandoned < 2 {
        tokio::task::yield_now().await;
    }
    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.abandoned, tally.missing()), (2, 2, 0));
}

#[tokio::test]
async fn streams_of_a_blocked_vendor_run_to_their_end() {
    let rig = Rig::new().await;
    rig.slow(2);
    let (_, mut running) = rig.open(&hello(MOVING, true)).await;
    let mut seen = first_content(&mut running).await;
    rig.fault("openai", Fault::Region);
    assert_eq!(rig.ask(MOVING, false).await.header("x-banjia-target"), "zhipu/glm-4.6");
    let (bytes, clean) = rest(running).await;
    seen.extend(bytes);
    assert!(clean);
    Events::of(&seen).is_whole(0, "stop");
}

#[tokio::test]
async fn a_vendors_key_is_in_no_answer_and_no_row() {
    let rig =
        Rig::with(|config| config.vendors[0].credential = Some(banjia_types::Secret::new("sk-wrong-for-this-vendor")))
            .await;
    let answer = rig.ask("one-openai", false).await;
    answer.is_error(502, Some("vendor_auth"));
    assert_eq!(answer.header("x-should-retry"), "false");
    assert!(!String::from_utf8_lossy(&answer.body).contains("sk-wrong"));
    assert!(!format!("{:?}", rig.rows().await).contains("sk-wrong"));
}

/// A gateway on a database whose file can be taken away.
async fn on_a_file(folder: &std::path::Path) -> (Rig, std::path::PathBuf) {
    let path = folder.join("banjia.db");
    let store = Store::open(&Location::File(path.clone())).await.unwrap();
    (Rig::over(store, WriterConfig::default(), |config| config.serve.drain_ms = 100).await, path)
}

async fn wait_until_failing(rig: &Rig) {
    let mut health = rig.store.watch_health();
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), health.wait_for(|health| !health.is_ok()));
    assert!(waited.await.is_ok(), "the health changes");
}

#[tokio::test]
async fn a_database_that_is_away_makes_the_gateway_unready() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, path) = on_a_file(folder.path()).await;
    rig.call(Method::GET, "/readyz").await.is(200);
    let away = folder.path().join("away");
    std::fs::rename(&path, &away).unwrap();
    wait_until_failing(&rig).await;
    let unready = rig.call(Method::GET, "/readyz").await;
    unready.is(503);
    let said = String::from_utf8_lossy(&unready.body);
    assert!(said.contains("was deleted") && said.contains("put the file back"), "{said}");
    assert!(!said.contains(folder.path().to_str().unwrap()), "no path is shown: {said}");
    rig.ask(MOVING, false).await.is(503);
    assert_eq!(rig.ledger.taken(), 0, "nothing is accepted");
    rig.call(Method::GET, "/healthz").await.is(200);
    std::fs::rename(&away, &path).unwrap();
    let mut health = rig.store.watch_health();
    health.wait_for(StoreHealth::is_ok).await.unwrap();
    rig.call(Method::GET, "/readyz").await.is(200);
    rig.ask(MOVING, false).await.is(200);
}

#[tokio::test]
async fn a_drain_ends_in_time_when_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, path) = on_a_file(folder.path()).await;
    let slot = rig.ledger.try_reserve().unwrap();
    std::fs::rename(&path, folder.path().join("away")).unwrap();
    let at = rig.clock.now();
    slot.fill(Row::new(RequestId(uuid::Uuid::from_u128(1)), at, at, Outcome::Answered));
    wait_until_failing(&rig).await;
    let began = std::time::Instant::now();
    rig.gateway.drain(rig.gateway.stop_times()).await;
    let closed = rig.ledger.close_within(std::time::Duration::from_millis(200)).await;
    assert!(matches!(closed, Err(StoreError::NotWritten { rows: 1, requests: 1, .. })), "{closed:?}");
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}
