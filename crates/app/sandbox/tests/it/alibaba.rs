use crate::box_under_test::{Box, hello, text_of, weather, with};
use serde_json::{Value, json};

#[tokio::test]
async fn compatible_streams_have_alibabas_habits() {
    let b = Box::open().await;
    let events = b
        .stream(
            "alibaba",
            "/chat/completions",
            &with("qwen-plus", json!({"stream": true, "stream_options": {"include_usage": true}})),
        )
        .await;
    assert_eq!(events[0]["choices"][0]["delta"], json!({"content": "", "role": "assistant"}));
    assert_eq!(events[1]["usage"], Value::Null);
    assert!(events[1]["choices"][0]["delta"].get("role").is_none());
    assert_eq!(events[events.len() - 2]["choices"], json!([]));
    let (_, whole) = b.chat("alibaba", hello("qwen-plus")).await;
    assert_eq!(whole["choices"][0]["message"]["content"], json!(text_of(&events)));
    assert_eq!(whole["usage"], events[events.len() - 2]["usage"]);
    let thinking = b.stream("alibaba", "/chat/completions", &with("qwen3.8-max", json!({"stream": true}))).await;
    assert_eq!(thinking[1]["choices"][0]["delta"]["content"], Value::Null);
    assert!(thinking[1]["choices"][0]["delta"]["reasoning_content"].is_string());
}

#[tokio::test]
async fn compatible_refusals() {
    let b = Box::open().await;
    let developer = json!({"messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "y"}]});
    let parts = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "y"}]}]});
    let search = json!([{"type": "function", "function": {"name": "search", "parameters": {}}}]);
    for more in [
        developer,
        parts,
        json!({"temperature": 2}),
        json!({"top_p": 0}),
        json!({"n": 5}),
        json!({"n": 2, "tools": weather()}),
        json!({"response_format": {"type": "json_object"}}),
        json!({"response_format": {"type": "json_object"}, "enable_thinking": true}),
        json!({"tools": weather(), "tool_choice": "required"}),
        json!({"tools": search}),
        json!({"top_logprobs": 20, "logprobs": true}),
    ] {
        let (status, error) = b.chat("alibaba", with("qwen-plus", more.clone())).await;
        assert_eq!((status, &error["error"]["code"]), (400, &json!("invalid_parameter_error")), "{more}");
    }
    let (status, error) = b.chat("alibaba", hello("nothing")).await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("model_not_found")));
    let ends_with_assistant =
        json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]});
    assert_eq!(b.chat("alibaba", with("qwen-plus", ends_with_assistant)).await.0, 500);
}

#[tokio::test]
async fn batches_of_texts_are_limited() {
    let b = Box::open().await;
    for (model, most) in [("text-embedding-v4", 10), ("qwen3.7-text-embedding", 20)] {
        let texts: Vec<String> = (0..=most).map(|n| format!("text {n}")).collect();
        assert_eq!(b.ask("alibaba", "/embeddings", json!({"model": model, "input": &texts[..most]})).await.0, 200);
        assert_eq!(b.ask("alibaba", "/embeddings", json!({"model": model, "input": texts})).await.0, 400);
    }
    assert_eq!(b.ask("alibaba", "/embeddings", json!({"model": "text-embedding-v4", "input": [[1, 2]]})).await.0, 400);
}

#[tokio::test]
async fn native_streams_are_cumulative_unless_asked() {
    let b = Box::open().await;
    let path = "/services/aigc/text-generation/generation";
    let ask = |incremental: bool| {
        json!({"model": "qwen-max", "input": {"messages": [{"role": "user", "content": "请介绍一下长城"}]},
        "parameters": {"result_format": "message", "incremental_output": incremental}})
    };
    let (_, whole) = b.ask("alibaba-native", path, ask(false)).await;
    let text = &whole["output"]["choices"][0]["message"]["content"];
    let content = |event: &Value| event["output"]["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let cumulative = b.stream("alibaba-native", path, &ask(false)).await;
    assert_eq!(text, &json!(content(cumulative.last().unwrap())));
    assert_eq!(cumulative[0]["output"]["choices"][0]["finish_reason"], "null");
    assert_eq!(cumulative.last().unwrap()["usage"], whole["usage"]);
    let parts: String = b.stream("alibaba-native", path, &ask(true)).await.iter().map(content).collect();
    assert_eq!(text, &json!(parts));
    let raw = b
        .post("alibaba-native", path, &json!({"model": "qwen-max", "input": {"messages": []}}))
        .header("x-dashscope-sse", "enable")
        .send()
        .await
        .unwrap();
    assert_eq!(raw.status(), 200);
    let raw = raw.text().await.unwrap();
    assert!(raw.starts_with("id:1\nevent:error\n:HTTP_STATUS/400\ndata:{\"code\":\"InvalidParameter\""), "{raw}");
}

#[tokio::test]
async fn native_neighbours() {
    let b = Box::open().await;
    let wrong = json!({"model": "qwen3.8-max", "input": {"messages": [{"role": "user", "content": "x"}]}});
    assert_eq!(
        b.ask("alibaba-native", "/services/aigc/text-generation/generation", wrong.clone()).await.1["message"],
        "url error, please check url！"
    );
    let (_, right) = b.ask("alibaba-native", "/services/aigc/multimodal-generation/generation", wrong).await;
    assert!(right["output"]["choices"][0]["message"]["content"][0]["text"].is_string());
    let (_, vectors) = b
        .ask(
            "alibaba-native",
            "/services/embeddings/text-embedding/text-embedding",
            json!({"model": "text-embedding-v3", "input": {"texts": ["a", "b"]}, "parameters": {"dimension": 512}}),
        )
        .await;
    assert_eq!(vectors["output"]["embeddings"][1]["embedding"].as_array().unwrap().len(), 512);
    assert_eq!(vectors["output"]["embeddings"][1]["text_index"], 1);
    assert_eq!(
        b.ask("alibaba-native", "/services/aigc/text2image/image-synthesis", json!({"model": "wanx-v1"})).await.0,
        403
    );
}
