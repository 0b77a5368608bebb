//! Each vendor behind OpenAI's API.

use crate::rig::{Rig, SINGLE, hello};
use banjia_types::Outcome;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn every_vendor_answers_whole_and_streamed() {
    let rig = Rig::new().await;
    for (route, target) in SINGLE {
        let whole = rig.ask(route, false).await;
        let answer = whole.is(200).json();
        let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(!text.is_empty(), "{route}: {answer}");
        assert_eq!(
            (answer["object"].as_str(), answer["choices"][0]["finish_reason"].as_str()),
            (Some("chat.completion"), Some("stop"))
        );
        assert!(answer["usage"]["total_tokens"].as_u64().unwrap() > 0, "{answer}");
        assert_eq!((whole.header("x-banjia-target"), whole.header("x-banjia-attempts")), (target, "1"));
        assert_eq!(whole.header("content-type"), "application/json");

        let mut body = hello(route, true);
        body["stream_options"] = json!({"include_usage": true});
        let streamed = rig.chat(&body).await;
        let events = streamed.is(200).events();
        events.is_whole(0, "stop");
        assert_eq!(events.text(0), text, "{route}: streamed or not, the text is the same");
        assert_eq!(events.deltas(0).filter(|it| it["delta"]["role"] == "assistant").count(), 1, "{route}: {events:?}");
        assert_eq!(events.usages().len(), 1, "{route}");
        assert_eq!(streamed.header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!(streamed.header("cache-control"), "no-cache, no-transform");

        let without = rig.ask(route, true).await.events();
        without.is_whole(0, "stop");
        assert!(without.usages().is_empty(), "{route}: usage was not asked for: {without:?}");
    }
    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.answered, tally.missing()), (12, 12, 0));
    for row in rig.rows().await {
        assert_eq!((row.outcome, row.status, row.attempts), (Outcome::Answered, 200, 1), "{row:?}");
        assert!(row.first_content_ms.is_some(), "{row:?}");
        let priced = row.usage.is_some() && row.cost.is_some();
        assert!(priced || row.stream && row.target.as_ref().unwrap().vendor.as_str() == "openai", "{row:?}");
    }
}

#[tokio::test]
async fn tools_are_called_on_every_vendor() {
    let rig = Rig::new().await;
    for (route, _) in SINGLE {
        for stream in [false, true] {
            let body = json!({
                "model": route, "stream": stream,
                "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
                "tools": [{"type": "function", "function": {"name": "get_weather", "description": "The weather in a city",
                    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}],
            });
            let answer = rig.chat(&body).await;
            answer.is(200);
            let arguments = if stream {
                let events = answer.events();
                events.is_whole(0, "tool_calls");
                events
                    .deltas(0)
                    .filter_map(|it| it["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
                    .collect()
            } else {
                let answer = answer.json();
                assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls", "{route}: {answer}");
                let call = &answer["choices"][0]["message"]["tool_calls"][0];
                assert_eq!(call["function"]["name"], "get_weather", "{answer}");
                call["function"]["arguments"].as_str().unwrap().to_owned()
            };
            let arguments: serde_json::Value = serde_json::from_str(&arguments).unwrap();
            assert!(arguments["city"].is_string(), "{route} stream={stream}: {arguments}");
        }
    }
}

#[tokio::test]
async fn embeddings_come_as_floats_and_base64_in_order() {
    let rig = Rig::new().await;
    let texts: Vec<String> = (0..23).map(|n| format!("text number {n}")).collect();
    for route in ["text-embedding-3-small", "emb-alibaba", "emb-baidu", "emb-zhipu"] {
        let floats =
            rig.post("/v1/embeddings", &json!({"model": route, "input": texts, "encoding_format": "float"})).await;
        let answer = floats.is(200).json();
        let data = answer["data"].as_array().unwrap();
        assert_eq!(data.len(), texts.len(), "{route}");
        for (place, item) in data.iter().enumerate() {
            assert_eq!(item["index"].as_u64(), Some(place as u64), "{route}");
        }
        let coded =
            rig.post("/v1/embeddings", &json!({"model": route, "input": texts, "encoding_format": "base64"})).await;
        let coded = coded.is(200).json();
        for place in [0, 11, 22] {
            let text = coded["data"][place]["embedding"].as_str().unwrap_or_else(|| panic!("{route}: no base64"));
            let vector = banjia_wire::base64_to_floats(text).unwrap();
            let plain: Vec<f32> =
                data[place]["embedding"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect();
            assert_eq!(vector, plain, "{route}");
        }
        assert!(answer["usage"]["total_tokens"].as_u64().unwrap() > 0);
    }
}

#[tokio::test]
async fn token_arrays_are_the_text_they_stand_for() {
    let rig = Rig::new().await;
    // "hello world" in cl100k_base is 15339, 1917 (tiktoken).
    let tokens = rig
        .post("/v1/embeddings", &json!({"model": "emb-zhipu", "input": [[15339, 1917]], "encoding_format": "float"}))
        .await;
    let text = rig
        .post("/v1/embeddings", &json!({"model": "emb-zhipu", "input": "hello world", "encoding_format": "float"}))
        .await;
    assert_eq!(tokens.is(200).json()["data"], text.is(200).json()["data"]);
    let bad = rig.post("/v1/embeddings", &json!({"model": "emb-zhipu", "input": [[4_294_967_295_u32]]})).await;
    bad.is(400);
    assert_eq!(bad.json()["error"]["param"], "input");
}

#[tokio::test]
async fn models_are_the_routes() {
    let rig = Rig::with(|config| {
        config.routes.push(banjia_gateway::config::RouteConfig::new("org/model:1", ["zhipu/glm-4.6"]));
    })
    .await;
    let list = rig.call(Method::GET, "/v1/models").await;
    let list = list.is(200).json();
    let ids: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.contains(&"gpt-4o".to_owned()) && ids.contains(&"org/model:1".to_owned()), "{ids:?}");
    for path in ["/v1/models/org/model:1", "/v1/models/org%2Fmodel%3A1"] {
        let one = rig.call(Method::GET, path).await.is(200).json();
        assert_eq!(
            (one["id"].as_str(), one["object"].as_str(), one["owned_by"].as_str()),
            (Some("org/model:1"), Some("model"), Some("zhipu"))
        );
        assert!(one["created"].is_u64());
    }
    let message = rig.call(Method::GET, "/v1/models/gpt-4p").await.is_error(404, Some("model_not_found"));
    assert!(message.contains("`gpt-4o`"), "{message}");
}

#[tokio::test]
async fn other_paths_are_refused_in_openais_shape() {
    let rig = Rig::new().await;
    for (method, path, status, code) in [
        (Method::POST, "/v1/responses", 501, "not_supported"),
        (Method::GET, "/v1/files/file-1", 501, "not_supported"),
        (Method::GET, "/v1/chat/completions", 501, "not_supported"),
        (Method::GET, "/v1/nonsense", 404, "unknown_url"),
        (Method::POST, "/", 404, "unknown_url"),
        (Method::POST, "/chat/completions", 404, "unknown_url"),
        (Method::POST, "/v1/chat/completions/", 404, "unknown_url"),
        (Method::GET, "/v1/models/", 404, "unknown_url"),
        (Method::GET, "/v1/embeddings", 405, "method_not_allowed"),
        (Method::DELETE, "/v1/models", 405, "method_not_allowed"),
        (Method::PUT, "/v1/chat/completions", 405, "method_not_allowed"),
    ] {
        rig.call(method.clone(), path).await.is_error(status, Some(code));
    }
    assert_eq!(rig.call(Method::GET, "/v1/embeddings").await.header("allow"), "POST");
    rig.call(Method::GET, "/healthz").await.is(200);
    rig.call(Method::GET, "/readyz").await.is(200);
    assert_eq!(rig.tally().await.accepted, 0);
}

#[tokio::test]
async fn a_typing_error_in_a_path_names_the_right_one() {
    let rig = Rig::new().await;
    for (path, right) in [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/v1/chat/completion", "/v1/chat/completions"),
        ("/v1/chat/completions/chat/completions", "/v1/chat/completions"),
        ("/v1/embedding", "/v1/embeddings"),
        ("/v1/embeddings/embeddings", "/v1/embeddings"),
        ("/model", "/v1/models"),
        ("/health", "/healthz"),
    ] {
        let message = rig.call(Method::POST, path).await.is_error(404, Some("unknown_url"));
        assert!(message.ends_with(&format!("Did you mean {right}?")), "{path}: {message}");
    }
    let message = rig.call(Method::GET, "/v1/nonsense").await.is_error(404, Some("unknown_url"));
    assert!(!message.contains("Did you mean"), "{message}");
}

#[tokio::test]
async fn the_root_says_what_this_is() {
    let rig = Rig::new().await;
    let answer = rig.call(Method::GET, "/").await;
    let text = std::str::from_utf8(&answer.is(200).body).unwrap();
    assert!(text.starts_with("Banjia ") && text.contains("/v1/chat/completions") && text.contains("/readyz"), "{text}");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
}

/// Every header of ours that the code names stands in the guide, in both languages.
#[test]
fn every_header_is_in_the_guide() {
    let guides =
        [include_str!("../../../../../docs/guide/http.md"), include_str!("../../../../../docs/guide/http.zh.md")];
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for rest in text.split("\"x-banjia-").skip(1) {
                let name = format!("x-banjia-{}", rest.split('"').next().unwrap());
                seen.insert(name);
            }
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
    for name in &seen {
        assert!(
            guides.iter().all(|guide| guide.contains(&format!("`{name}`"))),
            "{name} is not in docs/guide/http*.md"
        );
    }
}

#[tokio::test]
async fn a_vendor_learns_nothing_about_the_client() {
    let rig = Rig::new().await;
    let mut request = rig.request("/v1/chat/completions", hello("one-openai", false).to_string());
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "openai-organization", "cookie", "x-stainless-lang"] {
        request.headers_mut().insert(name, "secret-of-the-client".parse().unwrap());
    }
    let answer = rig.send(request).await;
    answer.is(200);
    let seen = rig.sandbox.last_requests("openai").pop().unwrap();
    for (name, value) in &seen.headers {
        assert!(!value.contains("secret-of-the-client") && !value.contains(super::rig::KEY), "{name}: {value}");
    }
    assert_eq!(seen.header("x-request-id"), Some(answer.header("x-request-id")));
    let sent = std::str::from_utf8(&seen.body).unwrap();
    assert_eq!(sent, hello("gpt-4o-mini", false).to_string(), "a pass-through changes the model and nothing else");
}
