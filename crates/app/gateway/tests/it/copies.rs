//! Shadows, repeats and legs: asked outside of callers' requests, within bounds of their own.

use crate::capture::captures;
use crate::rig::{MOVING, Rig, hello, profiles};
use crate::route_move::{route_move, set};
use crate::vendor::{Vendor, said};
use banjia_gateway::config::{AccountConfig, Config, RouteConfig};
use banjia_gateway::{Clock, Gateway, NotAsked, SideRequest, SideRequestParts, Snapshot};
use banjia_sandbox::Fault;
use banjia_store::Capture;
use banjia_types::{Currency, ErrorClass, Money, Outcome, RouteMove, Share, Stage, TrafficKind};
use banjia_upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ROUTE: &str = "moving";

/// A rig whose route `moving` goes from one scripted vendor to another.
async fn pair(source: &Vendor, destination: &Vendor, change: impl FnOnce(&mut Config)) -> Rig {
    Rig::with(|config| {
        source.add(config, "leaving", "openai");
        destination.add(config, "staying", "zhipu");
        config.routes.push(RouteConfig::new(ROUTE, ["leaving/gpt-4o", "staying/glm-4.6"]));
        config.capture.copies_per_minute_max = 1_000_000;
        change(config);
    })
    .await
}

fn moving(stage: Stage, repeat: Share, shadow: Share) -> RouteMove {
    RouteMove {
        route: ROUTE.into(),
        source: "leaving/gpt-4o".parse().unwrap(),
        destination: "staying/glm-4.6".parse().unwrap(),
        second: None,
        record: Share::ALL,
        repeat,
        shadow,
        ..route_move(stage)
    }
}

async fn vendors() -> (Vendor, Vendor) {
    (Vendor::start(|_, _| said("from the source")).await, Vendor::start(|_, _| said("from the destination")).await)
}

/// Waits until this many captures are there.
async fn until(rig: &Rig, count: usize) -> Vec<Capture> {
    loop {
        let kept = captures(rig).await;
        if kept.len() >= count {
            return kept;
        }
        tokio::task::yield_now().await;
    }
}

fn text(capture: &Capture) -> &str {
    capture.answer.as_ref().and_then(|it| it["choices"][0]["message"]["content"].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn copies_keep_the_id_of_their_exchange() {
    let (source, destination) = vendors().await;
    let rig = pair(&source, &destination, |_| {}).await;
    set(&rig, moving(Stage::Shadow, Share::ALL, Share::ALL));
    let answer = rig.ask(ROUTE, false).await;
    assert_eq!(answer.is(200).json()["choices"][0]["message"]["content"], "from the source");
    let mut kept = until(&rig, 3).await;
    kept.sort_by_key(|capture| capture.leg);
    let seen: Vec<_> = kept.iter().map(|it| (it.leg, it.target.to_string(), text(it))).collect();
    let source_said = |leg| (leg, "leaving/gpt-4o".to_owned(), "from the source");
    let shadow = (TrafficKind::Shadow, "staying/glm-4.6".to_owned(), "from the destination");
    assert_eq!(seen, [source_said(TrafficKind::Live), source_said(TrafficKind::Repeat), shadow]);
    assert!(kept.iter().all(|it| it.id == answer.header("x-request-id") && it.request == kept[0].request));
    assert_eq!((source.asked(), destination.asked()), (2, 1));
    assert_eq!(rig.tally().await.accepted, 1, "copies are no requests of anybody");
}

#[tokio::test]
async fn hanging_shadows_do_not_delay_callers() {
    let (source, destination) = vendors().await;
    destination.may_answer.forget_permits(1_000_000);
    let rig = pair(&source, &destination, |config| {
        config.capture.copies_at_once_max = 1;
        config.capture.copies_queue_len_max = 2;
    })
    .await;
    set(&rig, moving(Stage::Shadow, Share::NONE, Share::ALL));
    for _ in 0..10 {
        rig.ask(ROUTE, false).await.is(200);
    }
    // All ten callers have their answers and not one shadow has.
    let (_, copies, _) = rig.gateway.stats();
    assert_eq!((copies.wished, copies.recorded), (10, 0));
    assert!(copies.dropped >= 6, "one is under way, few wait: {copies:?}");
    destination.may_answer.add_permits(1_000_000);
    until(&rig, 10 + (10 - copies.dropped) as usize).await;
    let (_, after, _) = rig.gateway.stats();
    assert_eq!((after.recorded + after.dropped, after.dropped), (10, copies.dropped));
}

#[tokio::test]
async fn a_canary_is_compared_until_the_source_ends() {
    let (source, destination) = vendors().await;
    let rig = pair(&source, &destination, |_| {}).await;
    let canary = RouteMove { share: Share::ALL, ..moving(Stage::Canary, Share::NONE, Share::ALL) };
    set(&rig, canary.clone());
    rig.ask(ROUTE, false).await.is(200);
    let kept = until(&rig, 2).await;
    let legs: Vec<_> = kept.iter().map(|it| (it.leg, text(it))).collect();
    assert_eq!(legs, [(TrafficKind::Live, "from the destination"), (TrafficKind::Repeat, "from the source")]);
    // The date stops repeats by itself: nobody changed the course.
    set(&rig, RouteMove { source_until: Some(rig.clock.now()), ..canary });
    rig.ask(ROUTE, false).await.is(200);
    while rig.gateway.stats().1.not_asked == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((source.asked(), captures(&rig).await.len()), (1, 3));
}

#[tokio::test]
async fn a_copy_has_no_acting_tools_and_no_stream() {
    let (source, destination) = vendors().await;
    let rig = pair(&source, &destination, |_| {}).await;
    set(&rig, moving(Stage::Shadow, Share::NONE, Share::ALL));
    let function = json!({ "type": "function", "function": { "name": "f", "parameters": { "type": "object", "properties": {} } } });
    let mut body = hello(ROUTE, false);
    body["tools"] = json!([{ "type": "web_search", "web_search": { "enable": true } }, function]);
    body["enable_search"] = json!(true);
    rig.chat(&body).await.is(200);
    until(&rig, 2).await;
    let live = source.seen.lock().unwrap()[0].clone();
    let shadow = destination.seen.lock().unwrap()[0].clone();
    assert_eq!(live["tools"].as_array().map(Vec::len), Some(2), "the caller's own request is untouched");
    assert_eq!(shadow["tools"], json!([function]));
    assert!(shadow.get("enable_search").is_none(), "{shadow}");
}

#[tokio::test]
async fn the_money_for_copies_is_a_bound() {
    let (source, destination) = vendors().await;
    let rig = pair(&source, &destination, |config| config.capture.copies_at_once_max = 1).await;
    let cap = |micros| vec![Money { micros, currency: Currency::Cny }];
    set(&rig, RouteMove { spend_left: cap(1), ..moving(Stage::Shadow, Share::NONE, Share::ALL) });
    for _ in 0..4 {
        rig.ask(ROUTE, false).await.is(200);
    }
    while rig.gateway.stats().1.not_asked < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!((destination.asked(), rig.gateway.stats().2.spent), (1, 3), "the first one used it up");
    rig.reload(|_| {});
    rig.ask(ROUTE, false).await.is(200);
    while rig.gateway.stats().1.not_asked < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(destination.asked(), 1, "a reload gives no new money");
    set(&rig, RouteMove { spend_left: cap(1_000_000), ..moving(Stage::Shadow, Share::NONE, Share::ALL) });
    rig.ask(ROUTE, false).await.is(200);
    until(&rig, 8).await;
    assert_eq!(destination.asked(), 2);
}

fn ask(target: &str, account: Option<&str>) -> SideRequest {
    SideRequest {
        route: ROUTE.into(),
        target: target.parse().unwrap(),
        endpoint: "chat".to_owned(),
        body: hello("whatever", true),
        account: account.map(Into::into),
        network: None,
    }
}

#[tokio::test]
async fn side_requests_obey_border_residency_and_dates() {
    let (source, destination) = vendors().await;
    let rig = pair(&source, &destination, |config| {
        for vendor in &mut config.vendors {
            if vendor.name.as_str() == "leaving" {
                vendor.serves = Some("openai-2024".into());
            }
        }
        config.accounts.push(AccountConfig { residence: Some("HK".parse().unwrap()), ..AccountConfig::new("hk") });
        config.accounts.push(AccountConfig { residence: Some("SG".parse().unwrap()), ..AccountConfig::new("sg") });
    })
    .await;
    let legs = rig.gateway.side_requests();
    let source_target = "leaving/gpt-4o";
    let refused = legs.ask(ask(source_target, Some("hk"))).await.unwrap_err();
    assert_eq!(refused, NotAsked::NotServed(source_target.parse().unwrap()));
    for account in [None, Some("sg")] {
        let from = SideRequest { network: Some("HK".parse().unwrap()), ..ask(source_target, account) };
        let refused = legs.ask(from).await.unwrap_err();
        assert_eq!(
            refused,
            NotAsked::NotServed(source_target.parse().unwrap()),
            "where the end user called from counts too"
        );
    }
    let answer = legs.ask(ask(source_target, Some("sg"))).await.unwrap();
    assert_eq!((answer.outcome, answer.usage.map(|usage| usage.prompt)), (Outcome::Answered, Some(10)));
    assert_eq!(answer.answer.unwrap()["choices"][0]["message"]["content"], "from the source");
    assert!(source.seen.lock().unwrap().iter().all(|body| body.get("stream") != Some(&json!(true))));
    set(&rig, RouteMove { source_until: Some(rig.clock.now()), ..moving(Stage::Record, Share::NONE, Share::NONE) });
    let left = legs.ask(ask(source_target, Some("sg"))).await.unwrap_err();
    assert_eq!(left, NotAsked::Left(source_target.parse().unwrap()));
    rig.reload(|config| config.capture.residency = vec!["CN".into()]);
    let away = legs.ask(ask("staying/glm-4.6", None)).await.unwrap_err();
    assert!(matches!(away, NotAsked::Residency { .. }) && away.to_string().contains("unknown place"), "{away}");
    assert_eq!((source.asked(), destination.asked(), legs.stats().asked, legs.stats().refused), (1, 0, 1, 5));
    let no_target = SideRequest { target: "openai/gpt-4o".parse().unwrap(), ..ask(source_target, None) };
    assert!(matches!(legs.ask(no_target).await, Err(NotAsked::NoTarget(_))));
    let bad = SideRequest { body: json!({ "messages": 7 }), ..ask(source_target, None) };
    assert!(matches!(legs.ask(bad).await, Err(NotAsked::BadRequest(_))));
    let image =
        json!([{ "type": "image_url", "image_url": { "url": "[data image/png 99 bytes sha256:0123456789abcdef]" } }]);
    let body = json!({ "messages": [{ "role": "user", "content": image }] });
    let without = SideRequest { body, ..ask(source_target, None) };
    assert_eq!(legs.ask(without).await, Err(NotAsked::DataNotKept));
    let no_route = SideRequest { route: "nowhere".into(), ..ask(source_target, None) };
    assert!(matches!(legs.ask(no_route).await, Err(NotAsked::NoRoute(_))));
}

#[tokio::test]
async fn no_shadow_goes_where_the_caller_is_unserved() {
    let (source, destination) = vendors().await;
    let rig = pair(&source, &destination, |config| {
        config.accounts[0].residence = Some("HK".parse().unwrap());
        for vendor in &mut config.vendors {
            let is_staying = vendor.name.as_str() == "staying";
            vendor.serves = Some(if is_staying { "openai-2024" } else { "none" }.into());
        }
    })
    .await;
    set(&rig, moving(Stage::Shadow, Share::NONE, Share::ALL));
    rig.ask(ROUTE, false).await.is(200);
    while rig.gateway.stats().1.not_asked == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((destination.asked(), captures(&rig).await.len()), (0, 1));
}

#[tokio::test]
async fn a_side_request_is_not_retried() {
    let rig = Rig::new().await;
    let legs = rig.gateway.side_requests();
    let request = || SideRequest { route: MOVING.into(), ..ask("openai/gpt-4o", Some("acme")) };
    rig.fault("openai", Fault::Overload);
    let busy = legs.ask(request()).await.unwrap();
    assert_eq!((busy.outcome, busy.class, rig.asked("openai")), (Outcome::Refused, Some(ErrorClass::Overload), 1));
    assert!(busy.said.is_some_and(|said| !said.is_empty()) && busy.answer.is_none() && busy.may_differ_later);
    rig.sandbox.faults.clear_all();
    assert_eq!(rig.ask(MOVING, false).await.header("x-banjia-target"), "openai/gpt-4o", "no breaker was told");
    rig.fault("openai", Fault::Region);
    assert_eq!(legs.ask(request()).await.unwrap().class, Some(ErrorClass::Region));
    rig.sandbox.faults.clear_all();
    assert_eq!(legs.ask(request()).await.unwrap_err(), NotAsked::Cut("openai/gpt-4o".parse().unwrap()));
    assert_eq!(rig.ask(MOVING, false).await.header("x-banjia-target"), "zhipu/glm-4.6");
    assert_eq!(rig.alerts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn legs_can_be_asked_beside_a_running_gateway() {
    let rig = Rig::new().await;
    let parts = |route_moves| SideRequestParts {
        snapshot: Snapshot::compile(&rig.config, &profiles()).unwrap(),
        upstream: Upstream::new(&banjia_upstream::Config::default()).unwrap(),
        store: rig.store.clone(),
        clock: Clock::default(),
        route_moves,
    };
    let request = || SideRequest { route: MOVING.into(), ..ask("openai/gpt-4o", None) };
    let legs = Gateway::side_requests_only(parts(BTreeMap::new())).await.unwrap();
    assert_eq!(legs.ask(request()).await.unwrap().outcome, Outcome::Answered);
    rig.fault("openai", Fault::Region);
    assert_eq!(legs.ask(request()).await.unwrap().class, Some(ErrorClass::Region));
    legs.finish().await;
    assert_eq!(rig.store.cuts().await.unwrap().len(), 1, "a cut outlives the command");
    let again = Gateway::side_requests_only(parts(BTreeMap::new())).await.unwrap();
    assert!(matches!(again.ask(request()).await, Err(NotAsked::Cut(_))));
    let wrong = RouteMove { route: "nowhere".into(), ..route_move(Stage::Record) };
    // A move that does not fit is no reason to ask nothing of the other routes.
    let legs = Gateway::side_requests_only(parts(BTreeMap::from([(wrong.route.clone(), wrong)]))).await.unwrap();
    assert!(matches!(legs.ask(request()).await, Err(NotAsked::Cut(_))));
}

#[tokio::test]
async fn a_drain_writes_captures_and_drops_waiting_copies() {
    let (source, destination) = vendors().await;
    let rig = pair(&source, &destination, |config| config.capture.copies_at_once_max = 1).await;
    destination.may_answer.forget_permits(1_000_000);
    set(&rig, moving(Stage::Shadow, Share::NONE, Share::ALL));
    for _ in 0..5 {
        rig.ask(ROUTE, false).await.is(200);
    }
    while destination.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let gateway = rig.gateway.clone();
    let draining = tokio::spawn(async move { gateway.drain(gateway.stop_times()).await });
    while rig.gateway.stats().1.dropped < 4 {
        tokio::task::yield_now().await;
    }
    // The one under way may end.
    destination.may_answer.add_permits(10);
    assert!(draining.await.unwrap());
    let (_, copies, _) = rig.gateway.stats();
    assert_eq!((copies.wished, copies.dropped, copies.recorded), (5, 4, 1));
    let kept: Vec<Value> = captures(&rig).await.iter().map(|it| json!(it.leg)).collect();
    assert_eq!(kept.iter().filter(|leg| **leg == "live").count(), 5);
    assert_eq!(kept.iter().filter(|leg| **leg == "shadow").count(), 1);
}
