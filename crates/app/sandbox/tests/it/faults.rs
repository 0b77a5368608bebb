use crate::box_under_test::{Box, events, hello, with};
use banjia_sandbox::{Fault, When, key_of};
use reqwest::Response;
use serde_json::{Value, json};
use std::time::Duration;

const MODELS: [(&str, &str); 4] =
    [("openai", "gpt-4o"), ("alibaba", "qwen-plus"), ("baidu", "ernie-5.1"), ("zhipu", "glm-4-plus")];

async fn struck(b: &Box, wire: &str, model: &str, fault: Fault, stream: bool) -> reqwest::Result<Response> {
    let body = with(model, json!({"stream": stream}));
    b.post(wire, "/chat/completions", &body).header("x-sandbox-fault", fault.as_str()).send().await
}

#[tokio::test]
async fn told_faults_use_the_vendors_words() {
    let b = Box::open().await;
    for (fault, told) in [
        (
            Fault::Region,
            [
                (403, "unsupported_country_region_territory"),
                (403, "access_denied"),
                (403, "access_denied"),
                (403, "1220"),
            ],
        ),
        (
            Fault::Rate,
            [(429, "rate_limit_exceeded"), (429, "limit_requests"), (429, "rpm_rate_limit_exceeded"), (429, "1302")],
        ),
        (Fault::Arrears, [(429, "insufficient_quota"), (400, "Arrearage"), (403, "account_overdue"), (429, "1113")]),
        (
            Fault::Content,
            [(400, "content_policy_violation"), (400, "data_inspection_failed"), (403, "system_unsafe"), (400, "1301")],
        ),
    ] {
        for ((wire, model), (status, code)) in MODELS.into_iter().zip(told) {
            let response = struck(&b, wire, model, fault, true).await.unwrap();
            assert_eq!(response.status(), status, "{wire} {fault}");
            assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], code, "{wire} {fault}");
        }
    }
    let region = struck(&b, "openai", "gpt-4o", Fault::Region, false).await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(
        region["error"],
        json!({"code": "unsupported_country_region_territory", "message": "Country, region, or territory not supported", "param": null, "type": "request_forbidden"})
    );
    assert_eq!(struck(&b, "openai", "gpt-4o", Fault::Rate, false).await.unwrap().headers()["retry-after"], "1");
}

#[tokio::test]
async fn broken_streams_break_after_content() {
    let b = Box::open().await;
    for (wire, model) in MODELS {
        let mut cut = struck(&b, wire, model, Fault::Cut, true).await.unwrap();
        let mut bytes = Vec::new();
        let error = loop {
            match cut.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        let text = String::from_utf8(bytes).unwrap();
        assert!(error && events(&text).len() > 2 && !text.contains("[DONE]"), "{wire}: {text}");
        let empty = struck(&b, wire, model, Fault::Empty, true).await.unwrap();
        assert_eq!((empty.status().as_u16(), empty.text().await.unwrap()), (200, String::new()));
        assert!(struck(&b, wire, model, Fault::Reset, true).await.is_err());
    }
    let filtered = struck(&b, "zhipu", "glm-4-plus", Fault::ContentStream, true).await.unwrap().text().await.unwrap();
    assert!(filtered.contains("\"finish_reason\":\"sensitive\"") && filtered.ends_with("data: [DONE]\n\n"));
    let broken = struck(&b, "zhipu", "glm-4-plus", Fault::NetworkError, true).await.unwrap().text().await.unwrap();
    assert!(broken.contains("network_error"));
    let withdrawn = struck(&b, "baidu", "ernie-5.1", Fault::ContentStream, true).await.unwrap().text().await.unwrap();
    assert!(withdrawn.contains("\"flag\":4"));
}

#[tokio::test]
async fn a_stalled_stream_stays_open_and_an_endless_line_goes_on() {
    let b = Box::open().await;
    let mut endless = struck(&b, "openai", "gpt-4o", Fault::LongLine, true).await.unwrap();
    let mut got = 0;
    while got < 1 << 20 {
        got += endless.chunk().await.unwrap().unwrap().len();
    }
    drop(endless);
    let mut stalled = struck(&b, "openai", "gpt-4o", Fault::Stall, true).await.unwrap();
    let whole = async { while stalled.chunk().await.unwrap().is_some() {} };
    assert!(tokio::time::timeout(Duration::from_millis(200), whole).await.is_err());
}

#[tokio::test]
async fn wrong_answers_with_status_200() {
    let b = Box::open().await;
    let error = struck(&b, "zhipu", "glm-4.7", Fault::OkWithError, false).await.unwrap();
    assert_eq!(error.status(), 200);
    assert_eq!(error.json::<Value>().await.unwrap()["error"]["code"], "1234");
    for fault in [Fault::Garbage, Fault::Malformed] {
        let bytes = struck(&b, "openai", "gpt-4o", fault, false).await.unwrap().bytes().await.unwrap();
        assert!(serde_json::from_slice::<Value>(&bytes).is_err(), "{fault}");
    }
}

#[tokio::test]
async fn rules_counters_and_records() {
    let b = Box::open().await;
    b.sandbox.faults.set("openai", Fault::Overload, When::Next(2));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(b.chat("openai", hello("gpt-4o")).await.0);
    }
    assert_eq!(statuses, [503, 503, 200]);
    assert_eq!(b.chat("zhipu", hello("glm-4.7")).await.0, 200);
    let counts = &b.sandbox.counts()["openai"];
    assert_eq!((counts.requests, counts.faults["overload"], counts.statuses[&503]), (3, 2, 2));
    let last = b.sandbox.last_requests("openai");
    assert_eq!((last[2].path.as_str(), last[2].json()["model"].as_str()), ("/chat/completions", Some("gpt-4o")));
    assert!(last[2].header("authorization").is_none());
    assert!(!format!("{last:?}").contains(key_of("openai").unwrap()));
    let order = b
        .client
        .post(format!("http://{}/_faults", b.sandbox.addr))
        .json(&json!({"vendor": "openai", "fault": "region", "after_ms": 0}));
    assert_eq!(order.send().await.unwrap().status(), 200);
    assert_eq!(b.chat("openai", hello("gpt-4o")).await.0, 403);
    b.sandbox.faults.clear_all();
    b.sandbox.faults.set("openai", Fault::Server, When::Share(0.5));
    let mut failed = 0;
    for _ in 0..60 {
        failed += u32::from(b.chat("openai", hello("gpt-4o")).await.0 == 500);
    }
    assert!((15..=45).contains(&failed), "{failed}");
    let unknown = b
        .client
        .post(format!("http://{}/_faults", b.sandbox.addr))
        .json(&json!({"vendor": "openai", "fault": "flood"}));
    assert_eq!(unknown.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_careless_answer_is_whole_and_not_what_was_asked_for() {
    let b = Box::open().await;
    let messages =
        json!([{"role": "user", "content": "Return the order as a JSON object with the keys id and status."}]);
    let asks = json!({"messages": messages, "response_format": {"type": "json_object"}});
    for (wire, model) in MODELS {
        let body = with(model, asks.clone());
        let text = async |fault: Option<Fault>| {
            let mut request = b.post(wire, "/chat/completions", &body);
            if let Some(fault) = fault {
                request = request.header("x-sandbox-fault", fault.as_str());
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200, "{wire}");
            let answer = response.json::<Value>().await.unwrap();
            assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{wire}");
            answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
        };
        assert!(serde_json::from_str::<Value>(&text(None).await).is_ok(), "{wire} keeps the form when it cares");
        assert!(serde_json::from_str::<Value>(&text(Some(Fault::Careless)).await).is_err(), "{wire}");
    }
}
