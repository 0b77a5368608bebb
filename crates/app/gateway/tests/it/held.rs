//! Limits that are taken before a body is read, and the budget of bytes that are held.

use crate::raw::{answer, connect, head_of, read_until};
use crate::rig::{Answer, Rig, hello};
use crate::vendor::{Vendor, said};
use banjia_gateway::config::{Config, RouteConfig};
use banjia_types::{ErrorClass, Outcome};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
async fn requests_are_limited_before_a_body_is_read() {
    let rig = Rig::with(|config| config.keys[0].limits.requests_per_minute = Some(1)).await;
    let body = hello("one-openai", true).to_string();
    // The sockets announce bodies and do not send them.
    let mut first = connect(&rig, &head_of(body.len())).await;
    let mut refused = 0;
    while refused < 3 {
        let mut other = connect(&rig, &head_of(1_000_000)).await;
        let seen = read_until(&mut other, "rate_limit_exceeded").await;
        assert!(seen.starts_with("HTTP/1.1 429") && seen.contains("x-ratelimit-remaining-requests: 0"), "{seen}");
        refused += 1;
    }
    first.write_all(body.as_bytes()).await.unwrap();
    read_until(&mut first, "[DONE]").await;
    let rows = rig.rows().await;
    let refused: Vec<_> = rows.iter().filter(|row| row.outcome == Outcome::Refused).collect();
    assert_eq!(refused.len(), 3);
    for row in refused {
        assert_eq!((row.status, row.class, &row.route, row.stream), (429, Some(ErrorClass::Rate), &None, false));
        assert!(row.account.is_some() && row.key.is_some());
    }
    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.answered, tally.missing()), (4, 1, 0));
}

#[tokio::test]
async fn concurrency_comes_back_however_a_body_ends() {
    let rig = Rig::with(|config| {
        config.keys[0].limits.concurrency_max = Some(1);
        (config.serve.body_bytes_max, config.serve.body_read_ms) = (10_000, 100);
    })
    .await;
    read_until(&mut connect(&rig, &head_of(100)).await, "request_timeout").await;
    rig.ask("one-openai", false).await.is(200);
    read_until(&mut connect(&rig, &head_of(10_001)).await, "request_too_large").await;
    rig.ask("one-openai", false).await.is(200);
    rig.raw("no JSON").await.is(400);
    rig.ask("one-openai", false).await.is(200);
    drop(connect(&rig, &head_of(100)).await);
    // The gateway sees the end when it looks at the socket.
    while rig.ask("one-openai", false).await.status != 200 {}
    assert_eq!(rig.tally().await.missing(), 0);
}

fn small_budget(config: &mut Config) {
    (config.serve.body_bytes_max, config.serve.held_bytes_max) = (60_000, Some(100_000));
}

#[tokio::test]
async fn a_body_beyond_the_budget_is_a_503_before_reading() {
    let rig = Rig::with(small_budget).await;
    // Announced bytes are set aside at once, so the second one finds no room.
    let mut sockets = [connect(&rig, &head_of(60_000)).await, connect(&rig, &head_of(60_000)).await];
    let [first, second] = &mut sockets;
    let seen = tokio::select! {
        seen = read_until(first, "overloaded") => seen,
        seen = read_until(second, "overloaded") => seen,
    };
    assert!(seen.starts_with("HTTP/1.1 503") && seen.contains("retry-after: 1"), "{seen}");
    rig.ask("one-openai", false).await.is(200);
    drop(sockets);
    let large = || {
        let mut body = hello("one-openai", false);
        body["messages"][0]["content"] = Value::from("x".repeat(40_000));
        body
    };
    while rig.chat(&large()).await.status != 200 {}
    for _ in 0..5 {
        rig.chat(&large()).await.is(200);
    }
    assert_eq!(rig.tally().await.missing(), 0);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_bounded_by_the_budget() {
    let rig = Rig::with(small_budget).await;
    let holding = connect(&rig, &head_of(60_000)).await;
    let chunk = format!("{:x}\r\n{}\r\n", 30_000, "x".repeat(30_000));
    let chunked = crate::raw::head("transfer-encoding: chunked\r\n") + &chunk + &chunk;
    while !read_until(&mut connect(&rig, &chunked).await, "HTTP/1.1 ").await.contains("503") {}
    drop(holding);
}

/// A vendor with answers of this many bytes, and a second target.
async fn talkative(bytes: usize) -> (Rig, Vendor) {
    let vendor = Vendor::start(move |_, body| {
        let text = "x".repeat(bytes);
        if body["stream"] == true {
            let chunk = json!({ "id": "1", "choices": [{ "index": 0, "delta": { "content": text } }] });
            return (200, format!("data: {chunk}\n\n").repeat(4) + "data: [DONE]\n\n");
        }
        said(&text)
    })
    .await;
    let rig = Rig::with(|config| {
        small_budget(config);
        vendor.add(config, "own", "zhipu");
        config.routes.push(RouteConfig::new("own", ["own/glm-4.6", "openai/gpt-4o"]));
    })
    .await;
    (rig, vendor)
}

async fn is_without_room(rig: &Rig, vendor: &Vendor, answer: &Answer) {
    answer.is_error(503, Some("overloaded"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!((vendor.asked(), rig.asked("openai")), (1, 0), "no other target is asked");
    let rows = rig.rows().await;
    assert_eq!((rows[0].outcome, rows[0].class, rows[0].status), (Outcome::Refused, Some(ErrorClass::Overload), 503));
    rig.ask("one-openai", false).await.is(200);
}

#[tokio::test]
async fn a_whole_answer_beyond_the_budget_is_a_503() {
    let (rig, vendor) = talkative(150_000).await;
    let answer = rig.ask("own", false).await;
    is_without_room(&rig, &vendor, &answer).await;
}

#[tokio::test]
async fn a_gathered_stream_beyond_the_budget_is_a_503() {
    let (rig, vendor) = talkative(40_000).await;
    let mut body = hello("own", true);
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {
        "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false,
    }}});
    let answer = rig.chat(&body).await;
    is_without_room(&rig, &vendor, &answer).await;
}

#[tokio::test]
async fn answers_within_the_budget_follow_each_other() {
    let (rig, _) = talkative(80_000).await;
    for _ in 0..5 {
        rig.ask("own", false).await.is(200);
    }
    let mut large = connect(&rig, &crate::raw::chat(&hello("own", false))).await;
    read_until(&mut large, "choices").await;
}

#[tokio::test]
async fn the_budget_is_never_below_one_body() {
    let rig = Rig::with(|config| (config.serve.body_bytes_max, config.serve.held_bytes_max) = (60_000, Some(1))).await;
    let mut body = hello("one-openai", false);
    body["messages"][0]["content"] = Value::from("x".repeat(20_000));
    rig.chat(&body).await.is(200);
    assert!(answer(&rig, &(head_of(60_001) + "x")).await.starts_with("HTTP/1.1 413"));
}
