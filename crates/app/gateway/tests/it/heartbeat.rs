//! Streams whose vendor is silent for a while, and the proxies in front of the gateway.

use crate::rig::{Events, Rig, first_content, hello, rest};
use crate::vendor::Vendor;
use banjia_gateway::config::{Config, RouteConfig};
use banjia_sandbox::Fault;
use banjia_types::Outcome;
use http_body_util::BodyExt as _;
use serde_json::json;
use std::time::Duration;
use tokio::sync::Semaphore;

const STREAM: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
    \"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ada\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// A vendor whose answers wait until a test lets them go, and a gateway with a short heartbeat.
async fn rig(status: u16, text: &'static str) -> (Rig, Vendor) {
    let vendor = Vendor::start(move |_, _| (status, text.to_owned())).await;
    vendor.may_answer.forget_permits(Semaphore::MAX_PERMITS);
    let rig = Rig::with(|config| {
        short(config);
        vendor.add(config, "late", "openai-compatible");
        config.routes.push(RouteConfig::new("late", ["late/m"]));
    })
    .await;
    (rig, vendor)
}

fn short(config: &mut Config) {
    config.serve.heartbeat_ms = 20;
}

#[tokio::test]
async fn a_stream_tells_proxies_not_to_hold_it_back() {
    let rig = Rig::new().await;
    let answer = rig.ask("one-openai", true).await;
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert_eq!(answer.header("cache-control"), "no-cache, no-transform");
    let whole = rig.ask("one-openai", false).await;
    assert_eq!((whole.header("x-accel-buffering"), whole.header("cache-control")), ("", ""));
}

#[tokio::test]
async fn a_thinking_vendor_gets_the_client_comments() {
    let (rig, vendor) = rig(200, STREAM).await;
    let (status, mut body) = rig.open(&hello("late", true)).await;
    assert_eq!(status, 200, "the head does not wait for the vendor");
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, ": keep-alive\n\n");
    vendor.may_answer.add_permits(1);
    let (bytes, is_whole) = rest(body).await;
    assert!(is_whole);
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(": x-banjia-target: late/m\n"), "{text}");
    assert!(text.contains(": x-banjia-attempts: 1\n"), "{text}");
    let events = Events::of(&bytes);
    events.is_whole(0, "stop");
    assert_eq!(events.text(0), "Ada");
    assert_eq!(rig.rows().await[0].outcome, Outcome::Answered);
}

#[tokio::test]
async fn an_error_after_the_head_is_an_event() {
    let (rig, vendor) = rig(400, "{\"error\":{\"message\":\"no such tool\",\"type\":\"invalid_request_error\"}}").await;
    let (status, mut body) = rig.open(&hello("late", true)).await;
    assert_eq!(status, 200);
    body.frame().await.unwrap().unwrap();
    vendor.may_answer.add_permits(1);
    let (bytes, is_whole) = rest(body).await;
    assert!(is_whole);
    let events = Events::of(&bytes);
    events.is_broken();
    assert_eq!(events.error.unwrap()["message"], "no such tool");
    let row = rig.rows().await.remove(0);
    assert_eq!((row.outcome, row.status), (Outcome::Refused, 200));
    assert!(row.class.is_some());
}

#[tokio::test]
async fn a_client_that_leaves_after_the_head_saw_200() {
    let (rig, _vendor) = rig(200, STREAM).await;
    let (status, mut body) = rig.open(&hello("late", true)).await;
    assert_eq!(status, 200);
    body.frame().await.unwrap().unwrap();
    drop(body);
    let row = loop {
        if let Some(row) = rig.rows().await.pop() {
            break row;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((row.outcome, row.status), (Outcome::Abandoned, 200));
}

#[tokio::test]
async fn another_target_still_answers_after_the_head() {
    let (first, vendor) = rig(500, "{}").await;
    first.reload(|config| {
        let route = config.routes.iter_mut().find(|route| route.name.as_str() == "late").unwrap();
        route.targets.push("openai/gpt-4o".to_owned());
        route.attempts_per_target_max = 1;
    });
    let (status, mut body) = first.open(&hello("late", true)).await;
    assert_eq!(status, 200);
    body.frame().await.unwrap().unwrap();
    vendor.may_answer.add_permits(1);
    let (bytes, _) = rest(body).await;
    Events::of(&bytes).is_whole(0, "stop");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(": x-banjia-target: openai/gpt-4o\n"), "{text}");
    assert!(text.contains(": x-banjia-attempts: 2\n"), "{text}");
}

#[tokio::test]
async fn a_pause_inside_a_stream_gets_comments() {
    let rig = Rig::with(short).await;
    rig.fault("openai", Fault::Stall);
    let (_, mut body) = rig.open(&hello("one-openai", true)).await;
    first_content(&mut body).await;
    let mut seen = String::new();
    while seen.matches(": keep-alive").count() < 2 {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        seen.push_str(std::str::from_utf8(&frame).unwrap());
    }
}

#[tokio::test]
async fn a_stream_that_flows_gets_no_comments() {
    let rig = Rig::with(|config| config.serve.heartbeat_ms = 400).await;
    rig.slow(60);
    let answer = rig.ask("one-openai", true).await;
    let text = std::str::from_utf8(&answer.body).unwrap();
    answer.events().is_whole(0, "stop");
    assert!(!text.contains("keep-alive"), "{text}");
}

#[tokio::test]
async fn a_heartbeat_of_zero_is_none() {
    let (rig, vendor) = rig(200, STREAM).await;
    rig.reload(|config| config.serve.heartbeat_ms = 0);
    let body = hello("late", true);
    let answer = rig.chat(&body);
    tokio::pin!(answer);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
    assert!(early.is_err(), "the head waits for the vendor");
    vendor.may_answer.add_permits(1);
    assert_eq!(answer.await.header("x-banjia-target"), "late/m");
}

#[tokio::test]
async fn a_whole_answer_is_waited_for() {
    let (rig, vendor) = rig(500, "{}").await;
    rig.reload(|config| config.routes.iter_mut().for_each(|route| route.attempts_per_target_max = 1));
    let body = json!({"model": "late", "messages": [{"role": "user", "content": "x"}]});
    let answer = rig.chat(&body);
    tokio::pin!(answer);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut answer).await.is_err());
    vendor.may_answer.add_permits(1);
    assert!(answer.await.status.is_server_error());
}
