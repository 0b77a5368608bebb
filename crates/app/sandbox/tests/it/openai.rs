use crate::box_under_test::{Box, hello, text_of, weather, with};
use serde_json::{Value, json};

#[tokio::test]
async fn streamed_and_whole_are_the_same_answer() {
    let b = Box::open().await;
    let (status, whole) = b.chat("openai", hello("gpt-4o-mini")).await;
    assert_eq!(status, 200, "{whole}");
    let events = b
        .stream(
            "openai",
            "/chat/completions",
            &with("gpt-4o-mini", json!({"stream": true, "stream_options": {"include_usage": true}})),
        )
        .await;
    assert_eq!(whole["choices"][0]["message"]["content"], json!(text_of(&events)));
    assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": "", "refusal": null}));
    assert_eq!(events[0]["usage"], Value::Null);
    let usage = &events[events.len() - 2];
    assert_eq!((&usage["choices"], &usage["usage"]), (&json!([]), &whole["usage"]));
    assert_eq!(events.last().unwrap(), "[DONE]");
}

#[tokio::test]
async fn tools_are_called_in_parallel() {
    let b = Box::open().await;
    let mut body = with("gpt-4o", json!({"tools": weather()}));
    body["messages"][0]["content"] = json!("What is the weather in Paris and London?");
    let (_, whole) = b.chat("openai", body.clone()).await;
    let calls = whole["choices"][0]["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2, "{whole}");
    assert_eq!(calls[1]["function"]["arguments"], "{\"city\":\"London\"}");
    body["stream"] = json!(true);
    let events = b.stream("openai", "/chat/completions", &body).await;
    let arguments: String = events
        .iter()
        .filter_map(|e| e.pointer("/choices/0/delta/tool_calls/0"))
        .filter(|c| c["index"] == 1)
        .filter_map(|c| c["function"]["arguments"].as_str())
        .collect();
    assert_eq!(arguments, "{\"city\":\"London\"}");
}

#[tokio::test]
async fn refusals_are_openais() {
    let b = Box::open().await;
    let schema =
        json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": {"type": "object"}}});
    for (more, status, param) in [
        (json!({"temperature": 3}), 400, json!("temperature")),
        (json!({"temperature": "hot"}), 400, json!("temperature")),
        (json!({"n": 0}), 400, json!("n")),
        (json!({"stop": ["1", "2", "3", "4", "5"]}), 400, json!("stop")),
        (json!({"stream_options": {}}), 400, json!("stream_options")),
        (json!({"top_logprobs": 2}), 400, json!("top_logprobs")),
        (json!({"tool_choice": "auto"}), 400, json!("tool_choice")),
        (json!({"response_format": {"type": "json_object"}}), 400, json!("messages")),
        (json!({"response_format": schema}), 400, json!("response_format")),
        (json!({"messages": []}), 400, json!("messages")),
        (json!({"enable_thinking": true}), 400, Value::Null),
    ] {
        let (got, error) = b.chat("openai", with("gpt-4o", more.clone())).await;
        assert_eq!((got, &error["error"]["param"]), (status, &param), "{more}: {error}");
        assert_eq!(error["error"]["type"], "invalid_request_error");
    }
    let (status, error) = b.chat("openai", hello("gpt-nothing")).await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("model_not_found")));
    let bare = b
        .client
        .post(format!("{}/chat/completions", b.sandbox.base("openai").unwrap()))
        .bearer_auth("sk-x")
        .json(&hello("gpt-4o"));
    assert_eq!(bare.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn embeddings_in_both_encodings_and_models() {
    let b = Box::open().await;
    let (_, floats) = b
        .ask("openai", "/embeddings", json!({"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 8}))
        .await;
    assert_eq!(floats["data"][1]["embedding"].as_array().unwrap().len(), 8);
    let (_, coded) = b
        .ask(
            "openai",
            "/embeddings",
            json!({"model": "text-embedding-3-small", "input": [[1, 2], [3]], "encoding_format": "base64"}),
        )
        .await;
    assert_eq!(
        (coded["data"][0]["embedding"].as_str().unwrap().len(), &coded["usage"]["prompt_tokens"]),
        (8192, &json!(3))
    );
    let many: Vec<&str> = vec!["x"; 2049];
    assert_eq!(b.ask("openai", "/embeddings", json!({"model": "text-embedding-3-small", "input": many})).await.0, 400);
}

#[tokio::test]
async fn nearly_openai_vendors_keep_their_habits() {
    let b = Box::open().await;
    let (status, answer) = b.chat("deepseek", hello("deepseek-v4-flash")).await;
    assert_eq!((status, &answer["usage"]["prompt_cache_hit_tokens"]), (200, &json!(0)));
    let text = b
        .post("deepseek", "/chat/completions", &with("deepseek-v4-flash", json!({"stream": true})))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(text.starts_with(": keep-alive\n\n"));
    assert_eq!(b.chat("moonshot", with("kimi-k3", json!({"temperature": 1.5}))).await.0, 400);
    let (_, error) = b.chat("siliconflow", hello("nothing")).await;
    assert_eq!(error["data"], Value::Null);
    assert!(error["code"].is_u64());
}
