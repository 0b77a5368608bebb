use crate::box_under_test::{Box, hello, read, text_of, weather, with};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

#[tokio::test]
async fn streams_have_zhipus_habits() {
    let b = Box::open().await;
    let events = b.stream("zhipu", "/chat/completions", &with("glm-4-plus", json!({"stream": true}))).await;
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let (last, running) = chunks.split_last().unwrap();
    for chunk in chunks {
        assert_eq!(chunk["choices"][0]["delta"]["role"], "assistant");
    }
    assert!(
        running.iter().all(|chunk| chunk["choices"][0].get("finish_reason").is_none() && chunk.get("usage").is_none())
    );
    let (_, whole) = b.chat("zhipu", hello("glm-4-plus")).await;
    assert!(whole.get("object").is_none());
    assert_eq!(
        (&whole["choices"][0]["message"]["content"], &whole["usage"]),
        (&json!(text_of(&events)), &last["usage"])
    );
    let (_, thinking) = b.chat("zhipu", hello("glm-4.7")).await;
    assert!(thinking["choices"][0]["message"]["reasoning_content"].as_str().unwrap().starts_with('\n'));
}

#[tokio::test]
async fn refusals() {
    let b = Box::open().await;
    for (model, more, code) in [
        ("glm-4.7", json!({"temperature": 1.5}), "1214"),
        ("glm-4-plus", json!({"temperature": 0}), "1214"),
        ("glm-4.7", json!({"stop": ["a", "b"]}), "1214"),
        ("glm-4.7", json!({"stop": "a"}), "1214"),
        ("glm-4.7", json!({"tools": weather(), "tool_choice": "required"}), "1214"),
        (
            "glm-4.7",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}),
            "1214",
        ),
        ("glm-4.7", json!({"user_id": "me"}), "1214"),
        ("glm-4.7", json!({"messages": [{"role": "developer", "content": "x"}]}), "1214"),
        (
            "glm-4.7",
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}),
            "1210",
        ),
        ("glm-5.3", json!({"thinking": {"type": "disabled"}}), "1210"),
        ("glm-5.3", json!({"reasoning_effort": "medium"}), "1214"),
        ("nothing", json!({}), "1211"),
    ] {
        let (status, error) = b.chat("zhipu", with(model, more.clone())).await;
        assert_eq!((status, &error["error"]["code"]), (400, &json!(code)), "{model} {more}: {error}");
        assert!(error["error"].get("type").is_none());
    }
    let nulls = json!({"response_format": null, "thinking": null, "stop": null, "tool_choice": null});
    assert_eq!(b.chat("zhipu", with("glm-4.7", nulls)).await.0, 200);
}

#[tokio::test]
async fn embeddings_have_sizes_and_a_limit() {
    let b = Box::open().await;
    let (_, answer) =
        b.ask("zhipu", "/embeddings", json!({"model": "embedding-3", "input": ["a"], "dimensions": 512})).await;
    assert_eq!(answer["data"][0]["embedding"].as_array().unwrap().len(), 512);
    assert_eq!(answer["usage"]["completion_tokens"], 0);
    assert_eq!(
        b.ask("zhipu", "/embeddings", json!({"model": "embedding-3", "input": "a", "dimensions": 1536})).await.0,
        400
    );
    let texts: Vec<String> = (0..65).map(|n| n.to_string()).collect();
    assert_eq!(b.ask("zhipu", "/embeddings", json!({"model": "embedding-3", "input": texts})).await.0, 400);
}

fn jwt(secret: &str, exp: u64) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!(
        "{}.{}",
        part(json!({"alg": "HS256", "sign_type": "SIGN"})),
        part(json!({"api_key": "sk-sandbox-zhipu", "exp": exp, "timestamp": 1}))
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_jwt_must_be_signed_and_in_time() {
    let b = Box::open().await;
    let url = format!("{}/chat/completions", b.sandbox.base("zhipu").unwrap());
    for (token, status, code) in [
        (jwt("sandbox-secret", 9_999_999_999_999), 200, None),
        (jwt("other", 9_999_999_999_999), 401, Some("1000")),
        (jwt("sandbox-secret", 9_999_999_999), 401, Some("1003")),
        ("nonsense".to_owned(), 401, Some("1002")),
    ] {
        let (got, answer) =
            read(b.client.post(&url).bearer_auth(token).json(&hello("glm-4.7")).send().await.unwrap()).await;
        assert_eq!((got, answer["error"]["code"].as_str()), (status, code));
    }
}
