//! Input that is wrong, hostile or slow. It costs one request, bounded memory, and never a panic.

use crate::rig::{KEY, Rig, hello};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_compressed_body_is_a_415_that_says_why() {
    let rig = Rig::new().await;
    for encoding in ["gzip", "br", "zstd", "gzip, identity"] {
        let mut request = rig.request("/v1/chat/completions", hello("one-openai", false).to_string());
        request.headers_mut().insert("content-encoding", encoding.parse().unwrap());
        let message = rig.send(request).await.is_error(415, Some("unsupported_content_encoding"));
        assert!(message.contains(encoding), "{message}");
    }
    let mut request = rig.request("/v1/chat/completions", hello("one-openai", false).to_string());
    request.headers_mut().insert("content-encoding", "identity".parse().unwrap());
    rig.send(request).await.is(200);
}

#[tokio::test]
async fn bodies_that_are_no_request_are_a_400_that_says_why() {
    let rig = Rig::new().await;
    let deep = format!(r#"{{"model":"gpt-4o","messages":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for (what, body) in [
        ("empty", String::new()),
        ("truncated", r#"{"model": "gpt-4o", "messages": ["#.to_owned()),
        ("not an object", "[]".to_owned()),
        ("deep", deep),
        ("doubled model", r#"{"model":"gpt-4o","model":"glm","messages":[]}"#.to_owned()),
        ("doubled other name", r#"{"model":"gpt-4o","messages":[],"user":"a","user":"b"}"#.to_owned()),
        ("model is a number", r#"{"model":7,"messages":[]}"#.to_owned()),
        ("no model", r#"{"messages":[]}"#.to_owned()),
        ("stream is a text", r#"{"model":"gpt-4o","messages":[],"stream":"yes"}"#.to_owned()),
    ] {
        let answer = rig.raw(body).await;
        let error = answer.is(400).json()["error"].clone();
        assert_eq!(error["type"], "invalid_request_error", "{what}: {error}");
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 10), "{what}: {error}");
    }
    rig.raw(b"{\"model\":\"\xff\xfe\",\"messages\":[]}".to_vec()).await.is(400);
    assert_eq!(rig.raw(r#"{"model":7,"messages":[]}"#).await.json()["error"]["param"], "model");
    assert_eq!(rig.tally().await.accepted, 0);
    assert_eq!(rig.asked("openai"), 0);
}

#[tokio::test]
async fn an_unknown_model_is_a_404_with_near_names() {
    let rig = Rig::new().await;
    let message = rig.ask("gtp-4o", false).await.is_error(404, Some("model_not_found"));
    assert!(message.contains("`gpt-4o`"), "{message}");
    let message = rig.ask("entirely different", false).await.is_error(404, Some("model_not_found"));
    assert!(!message.contains("Near"), "{message}");
    assert_eq!(rig.tally().await.refused, 2);
}

#[tokio::test]
async fn unknown_parameters_pass() {
    let rig = Rig::new().await;
    let mut body = hello("one-openai", false);
    body["brand_new_parameter"] = json!({"a": [1, 2, 3]});
    let answer = rig.chat(&body).await;
    assert_eq!(rig.sandbox.last_requests("openai")[0].json()["brand_new_parameter"], json!({"a": [1, 2, 3]}));
    assert!(answer.is_error(400, None).contains("brand_new_parameter"), "its vendor's own refusal is passed on");
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_a_413_announced_or_not() {
    let rig = Rig::with(|config| config.serve.body_bytes_max = 1_000).await;
    let large = format!(r#"{{"model":"gpt-4o","messages":[],"pad":"{}"}}"#, "x".repeat(2_000));
    rig.raw(large.clone()).await.is_error(413, Some("request_too_large"));
    let mut socket = TcpStream::connect(rig.gateway.addr).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(format!("{:x}\r\n{large}\r\n", large.len()).as_bytes()).await.unwrap();
    let seen = read_some(&mut socket, "request_too_large").await;
    assert!(seen.starts_with("HTTP/1.1 413"), "{seen}");
}

#[tokio::test]
async fn a_bad_key_is_refused_before_the_body_is_read() {
    let rig = Rig::new().await;
    for authorization in
        ["", "authorization: Bearer sk-wrong\r\n", "authorization: Basic abc\r\n", "authorization: Bearer \r\n"]
    {
        let mut socket = TcpStream::connect(rig.gateway.addr).await.unwrap();
        // A body is announced and never sent: only who does not wait for it can answer.
        let head =
            format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{authorization}content-length: 1000000\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let seen = read_some(&mut socket, "invalid_api_key").await;
        assert!(seen.starts_with("HTTP/1.1 401"), "{authorization:?}: {seen}");
    }
    let request = Request::builder().method(Method::GET).uri(rig.url("/v1/models")).body(Full::default()).unwrap();
    rig.send(request).await.is_error(401, Some("invalid_api_key"));
    assert_eq!(rig.tally().await.accepted, 0);
}

#[tokio::test]
async fn slow_heads_and_slow_bodies_time_out() {
    let rig = Rig::with(|config| (config.serve.header_read_ms, config.serve.body_read_ms) = (150, 150)).await;
    let mut idle = TcpStream::connect(rig.gateway.addr).await.unwrap();
    let mut slow_head = TcpStream::connect(rig.gateway.addr).await.unwrap();
    slow_head.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost:").await.unwrap();
    let mut slow_body = TcpStream::connect(rig.gateway.addr).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 100\r\n\r\n{{"
    );
    slow_body.write_all(head.as_bytes()).await.unwrap();
    let seen = read_some(&mut slow_body, "request_timeout").await;
    assert!(seen.starts_with("HTTP/1.1 408"), "{seen}");
    for socket in [&mut idle, &mut slow_head] {
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_not_a_request() {
    let rig = Rig::new().await;
    let mut socket = TcpStream::connect(rig.gateway.addr).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 100\r\n\r\n{{\"model\""
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut seen = Vec::new();
    socket.read_to_end(&mut seen).await.unwrap();
    assert!(!String::from_utf8_lossy(&seen).contains("200 OK"));
    assert_eq!(rig.tally().await.accepted, 0);
    rig.ask("one-openai", false).await.is(200);
}

#[tokio::test]
async fn bytes_that_are_no_http_close_one_connection() {
    let rig = Rig::new().await;
    for junk in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET\r\n\r\n", b"\0\0\0\0\r\n\r\n"] {
        let mut socket = TcpStream::connect(rig.gateway.addr).await.unwrap();
        socket.write_all(junk).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut seen = Vec::new();
        // A reset is as good as an end.
        if socket.read_to_end(&mut seen).await.is_ok() {
            assert!(!String::from_utf8_lossy(&seen).contains("200 OK"));
        }
    }
    rig.ask("one-openai", false).await.is(200);
}

#[tokio::test]
async fn an_unsupported_parameter_follows_the_routes_rule() {
    let rig = Rig::with(|config| {
        let mut lax = banjia_gateway::config::RouteConfig::new("lax", ["zhipu/glm-4.6"]);
        lax.losses.worst = banjia_types::LossLevel::Dropped;
        config.routes.push(lax);
    })
    .await;
    let mut body = hello("one-zhipu", false);
    body["logit_bias"] = json!({"50256": -100});
    let strict = rig.chat(&body).await;
    strict.is_error(400, Some("unsupported_parameter"));
    assert_eq!(strict.json()["error"]["param"], "logit_bias");
    assert_eq!(rig.asked("zhipu"), 0, "nothing is sent that would lose it");
    body["model"] = json!("lax");
    let lax = rig.chat(&body).await;
    lax.is(200);
    assert!(lax.header("x-banjia-loss").contains("logit_bias=dropped"), "{}", lax.header("x-banjia-loss"));
    let rows = rig.rows().await;
    assert!(rows.iter().any(|row| row.losses.iter().any(|loss| loss.param == "logit_bias")), "{rows:?}");
}

/// Reads until `mark` was seen or the connection ended.
async fn read_some(socket: &mut TcpStream, mark: &str) -> String {
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = socket.read(&mut part).await.unwrap_or(0);
        seen.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        if count == 0 || text.contains(mark) {
            return text;
        }
    }
}
