use super::*;
use banjia_types::{Outcome, Timestamp};
use banjia_wire::embedded_profiles;
use serde_json::json;

fn capture(id: &str, request: &Value) -> Capture {
    serde_json::from_value(json!({
        "id": id, "leg": "live", "at": 1_720_000_000_000_i64, "route": "shop", "target": "openai/gpt-4o", "endpoint": "chat",
        "request": request, "outcome": "answered", "total_ms": 900, "client": "OpenAI/Python 1.40.0",
    }))
    .unwrap()
}

#[test]
fn a_shape_says_names_and_kinds_and_no_text() {
    let request = json!({"model": "shop", "temperature": 0.3, "user": null, "stream_options": {"include_usage": true},
        "response_format": {"type": "json_schema", "json_schema": {}},
        "tools": [{"type": "function", "function": {"name": "find_order"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "请查 order 订单"}, {"type": "image_url"}]}]});
    let shape = shape(&capture("a", &request));
    assert!(shape.params.contains(&"temperature: number".to_owned()));
    assert!(shape.params.contains(&"stream_options.include_usage: boolean".to_owned()));
    assert!(!shape.params.iter().any(|name| name.starts_with("user") || name.contains('查')));
    assert_eq!((shape.tools, shape.schema, shape.images), (vec!["find_order".to_owned()], true, true));
    assert_eq!(shape.language, Language::Zh);
}

#[test]
fn a_capture_of_a_counted_row_is_not_counted() {
    let id: banjia_types::RequestId = serde_json::from_value(json!("00000000-0000-0000-0000-000000000007")).unwrap();
    let mut row = Row::new(id, Timestamp(1_000), Timestamp(3_000), Outcome::Answered);
    row.route = Some("shop".into());
    let mut surveyor = Surveyor::default();
    surveyor.row(&row);
    surveyor.capture(&capture(&id.to_string(), &json!({"model": "shop"})));
    surveyor.capture(&capture("imported", &json!({"model": "shop"})));
    surveyor.capture(&capture("imported", &json!({"model": "shop"})));
    surveyor.capture(&Capture { leg: TrafficKind::Shadow, ..capture("other", &json!({})) });
    let survey = surveyor.done();
    let route = &survey.routes["shop"];
    assert_eq!((route.requests, route.shapes), (2, 2));
}

#[test]
fn captures_of_an_unknown_operation_count_as_refused() {
    let texts: BTreeMap<_, _> = embedded_profiles().iter().copied().collect();
    let find = |name: &str| texts.get(name).map(|text| (*text).to_owned());
    let profile = Profile::parse("zhipu", texts["zhipu"], &find).0.unwrap();
    let profiles = Profiles::from([("zhipu".to_owned(), Arc::new(profile))]);
    let target: Target = "zhipu/glm-4.7".parse().unwrap();
    let candidates = BTreeMap::from([("shop".into(), vec![target.clone()])]);
    let mut counter = LossCounter::new(&profiles, &candidates);
    let request = json!({"model": "shop", "messages": [{"role": "user", "content": "hi"}]});
    counter.capture(&Capture { endpoint: "telepathy".to_owned(), ..capture("a", &request) });
    let losses = &counter.done()[&("shop".into(), target)];
    assert_eq!((losses.tested, losses.refused), (1, 1));
    let count = &losses.counts[0];
    assert_eq!((count.param.as_str(), count.requests), ("(endpoint)", 1));
    assert!(count.why.contains("telepathy"), "{}", count.why);
}

#[test]
fn an_unreadable_request_counts_as_refused() {
    let texts: BTreeMap<_, _> = embedded_profiles().iter().copied().collect();
    let find = |name: &str| texts.get(name).map(|text| (*text).to_owned());
    let profile = |name: &str| Arc::new(Profile::parse(name, texts[name], &find).0.unwrap());
    let profiles: Profiles = ["zhipu"].into_iter().map(|name| (name.to_owned(), profile(name))).collect();
    let target: Target = "zhipu/glm-4.7".parse().unwrap();
    let candidates = BTreeMap::from([("shop".into(), vec![target.clone(), "nobody/x".parse().unwrap()])]);
    let mut counter = LossCounter::new(&profiles, &candidates);
    let messages = json!([{"role": "user", "content": "hi"}]);
    counter.capture(&capture("a", &json!({"model": "shop", "messages": messages, "logit_bias": {"1": 5}})));
    counter.capture(&capture("b", &json!({"model": "shop", "messages": messages})));
    counter.capture(&capture("c", &json!({"messages": messages})));
    let found = counter.done();
    let losses = &found[&("shop".into(), target)];
    assert_eq!((losses.tested, losses.refused, losses.dropped), (3, 1, 1));
    assert!(losses.counts.iter().any(|count| count.param == "logit_bias" && count.requests == 1));
    assert_eq!(found.len(), 1);
    let facts = facts(&profiles["zhipu"], "glm-4.7");
    assert!(facts.price.is_some() && facts.context.is_some());
}
