use crate::box_under_test::{Box, hello, read, text_of, weather, with};
use banjia_sandbox::{BAIDU_ACCESS_KEY, BAIDU_SECRET_KEY};
use serde_json::{Value, json};

#[tokio::test]
async fn v2_streams_have_baidus_habits() {
    let b = Box::open().await;
    let events = b
        .stream(
            "baidu",
            "/chat/completions",
            &with("ernie-5.1", json!({"stream": true, "stream_options": {"include_usage": true}})),
        )
        .await;
    assert_eq!(
        (&events[0]["choices"][0]["flag"], &events[0]["choices"][0]["delta"]["role"]),
        (&json!(0), &json!("assistant"))
    );
    assert!(events[1]["choices"][0].get("flag").is_none());
    let (_, whole) = b.chat("baidu", hello("ernie-5.1")).await;
    assert!(whole["id"].as_str().unwrap().starts_with("as-"));
    assert_eq!(whole["choices"][0]["message"]["content"], json!(text_of(&events)));
    assert_eq!(events[events.len() - 2]["usage"], whole["usage"]);
    let mut body = with("ernie-5.1", json!({"stream": true, "tools": weather(), "tool_choice": "required"}));
    let events = b.stream("baidu", "/chat/completions", &body).await;
    let call = &events[0]["choices"][0]["delta"]["tool_calls"][0];
    assert!(call.get("index").is_none());
    assert!(call["id"].as_str().unwrap().len() == 32, "{call}");
    body["stream"] = json!(false);
    assert_eq!(b.chat("baidu", body).await.1["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn v2_refusals() {
    let b = Box::open().await;
    let two_users = json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "user", "content": "c"}]});
    for (model, more, status, code) in [
        ("ernie-5.1", json!({"temperature": 0}), 400, "invalid_argument"),
        ("ernie-5.1", json!({"stop": ["a", "b", "c", "d", "e"]}), 400, "invalid_argument"),
        ("ernie-5.1", json!({"stop": ["this one is longer than twenty"]}), 400, "invalid_argument"),
        ("ernie-5.1", json!({"messages": [{"role": "developer", "content": "x"}]}), 400, "invalid_messages"),
        ("ernie-5.1", json!({"messages": [{"role": "user", "content": " "}]}), 400, "invalid_messages"),
        (
            "ernie-5.1",
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
            400,
            "invalid_messages",
        ),
        ("ernie-4.0-turbo-8k", two_users, 400, "invalid_messages"),
        ("ernie-5.0", json!({}), 403, "model_offline"),
        ("nothing", json!({}), 401, "invalid_model"),
    ] {
        let (got, error) = b.chat("baidu", with(model, more.clone())).await;
        assert_eq!((got, &error["error"]["code"]), (status, &json!(code)), "{model} {more}: {error}");
    }
    let bare = b
        .client
        .post(format!("{}/chat/completions", b.sandbox.base("baidu").unwrap()))
        .bearer_auth("sk-x")
        .json(&hello("ernie-5.1"));
    let (status, error) = read(bare.send().await.unwrap()).await;
    assert_eq!((status, &error["error"]["code"]), (401, &json!("invalid_iam_token")));
    let texts: Vec<String> = (0..17).map(|n| n.to_string()).collect();
    assert_eq!(b.ask("baidu", "/embeddings", json!({"model": "bge-large-zh", "input": &texts[..16]})).await.0, 200);
    assert_eq!(b.ask("baidu", "/embeddings", json!({"model": "bge-large-zh", "input": texts})).await.0, 400);
}

#[tokio::test]
async fn v1_with_an_exchanged_token() {
    let b = Box::open().await;
    let root = b.sandbox.base("baidu-root").unwrap();
    let url = format!(
        "{root}/oauth/2.0/token?grant_type=client_credentials&client_id={BAIDU_ACCESS_KEY}&client_secret={BAIDU_SECRET_KEY}"
    );
    let (_, granted) = read(b.client.post(url).send().await.unwrap()).await;
    let token = granted["access_token"].as_str().unwrap();
    let path = format!("/chat/completions_pro?access_token={token}");
    let body = json!({"messages": [{"role": "user", "content": "你好"}]});
    let (status, whole) = b.ask("baidu-v1", &path, body.clone()).await;
    assert_eq!((status, &whole["finish_reason"]), (200, &json!("normal")));
    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    let events = b.stream("baidu-v1", &path, &streamed).await;
    let text: String = events.iter().map(|e| e["result"].as_str().unwrap()).collect();
    assert_eq!(whole["result"], json!(text));
    assert_eq!(events.last().unwrap()["is_end"], true);
    let (status, error) = b.ask("baidu-v1", "/chat/completions_pro?access_token=24.old", body).await;
    assert_eq!((status, &error["error_code"]), (200, &json!(110)));
    let even = json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]});
    assert_eq!(b.ask("baidu-v1", &path, even).await.1["error_code"], 336_003);
}

#[tokio::test]
async fn a_false_signature_is_refused() {
    let b = Box::open().await;
    let url = format!("{}/v1/BCE-BEARER/token?expireInSeconds=60", b.sandbox.base("baidu-root").unwrap());
    let forged = format!("bce-auth-v1/{BAIDU_ACCESS_KEY}/2026-11-24T01:43:55Z/300/host/00");
    let (status, error): (u16, Value) =
        read(b.client.get(url).header("authorization", forged).send().await.unwrap()).await;
    assert_eq!((status, &error["code"]), (401, &json!("SignatureDoesNotMatch")));
}
