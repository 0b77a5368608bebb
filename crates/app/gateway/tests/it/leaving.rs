//! A source that is left while a request is under way: what the request still needs is not asked there.

use crate::rig::{Rig, hello};
use crate::route_move::{DESTINATION, route_move, set, target};
use crate::vendor::{Vendor, busy, said};
use banjia_gateway::config::RouteConfig;
use banjia_gateway::{NotAsked, SideRequest};
use banjia_types::{RouteMove, Stage, Target, Timestamp};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A route to a vendor that moves the clock to the date when it is asked first, with that date as the source's end.
async fn leaving_at_first_request(
    profile: &str,
    target: &str,
    on: impl Fn(&Value) -> (u16, String) + Send + Sync + 'static,
) -> (Rig, Vendor) {
    let clock: Arc<OnceLock<banjia_gateway::Clock>> = Arc::default();
    let date = Timestamp(1_720_483_200_000);
    let at_first_request = clock.clone();
    let vendor = Vendor::start(move |_, body| {
        at_first_request.get().unwrap().set(date);
        on(body)
    })
    .await;
    let rig = Rig::with(|config| {
        vendor.add(config, "leaving", profile);
        config.routes.push(RouteConfig::new("moving", [target, DESTINATION]));
    })
    .await;
    rig.clock.set(date - Duration::from_mins(1));
    clock.set(rig.clock.clone()).ok().unwrap();
    let source = target.parse().unwrap();
    let second = None;
    set(
        &rig,
        RouteMove { route: "moving".into(), source, second, source_until: Some(date), ..route_move(Stage::Canary) },
    );
    (rig, vendor)
}

#[tokio::test]
async fn a_retry_after_the_date_does_not_ask_the_source() {
    let (rig, vendor) = leaving_at_first_request("openai", "leaving/gpt-4o", |_| busy()).await;
    let before = rig.clock.now();
    assert_eq!(target(&rig.ask("moving", false).await), DESTINATION);
    assert_eq!(vendor.asked(), 1, "the second attempt would have been after the date");
    assert!(rig.clock.now() >= before + Duration::from_mins(1));
}

fn with_schema(model: &str) -> Value {
    let mut body = hello(model, false);
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {
        "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false,
    }}});
    body
}

#[tokio::test]
async fn a_repair_after_the_date_does_not_ask_the_source() {
    let (rig, vendor) = leaving_at_first_request("zhipu", "leaving/glm-4.6", |_| said("no JSON")).await;
    assert_eq!(target(&rig.chat(&with_schema("moving")).await), DESTINATION);
    assert_eq!(vendor.asked(), 1, "the second try would have been after the date");
}

#[tokio::test]
async fn a_withheld_side_request_is_no_refusal() {
    let (rig, vendor) = leaving_at_first_request("zhipu", "leaving/glm-4.6", |_| said("no JSON")).await;
    let target: Target = "leaving/glm-4.6".parse().unwrap();
    let request = SideRequest {
        route: "moving".into(),
        target: target.clone(),
        endpoint: "chat".to_owned(),
        body: with_schema("moving"),
        account: None,
        network: None,
    };
    assert_eq!(rig.gateway.side_requests().ask(request).await, Err(NotAsked::Left(target)));
    assert_eq!(vendor.asked(), 1);
}

#[tokio::test]
async fn a_part_after_the_date_does_not_ask_the_source() {
    let (rig, vendor) = leaving_at_first_request("alibaba", "leaving/text-embedding-v4", |body| {
        let data: Vec<_> = (0..body["input"].as_array().unwrap().len())
            .map(|index| json!({"object": "embedding", "index": index, "embedding": [0.5]}))
            .collect();
        let usage = json!({"prompt_tokens": 1, "total_tokens": 1});
        (200, json!({"object": "list", "model": "m", "data": data, "usage": usage}).to_string())
    })
    .await;
    let answer = rig.post("/v1/embeddings", &json!({"model": "moving", "input": vec!["text"; 200]})).await;
    assert_ne!(answer.status, 200, "the destination knows no embeddings here");
    assert!((1..=4).contains(&vendor.asked()), "{} parts of 20 were sent; four are under way at once", vendor.asked());
}
