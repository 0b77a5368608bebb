//! A vendor that answers exactly what a test says: for what no honest sandbox would do twice.

use crate::rig::{Rig, hello};
use banjia_gateway::config::{RouteConfig, VendorConfig};
use banjia_types::{Outcome, Secret};
use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<String>>,
    seen: Mutex<Vec<(HeaderMap, Value)>>,
}

/// A rig with one more vendor, `script`, that speaks Zhipu's wire and gives these answers in order.
async fn rig(answers: Vec<String>) -> (Rig, Arc<Script>) {
    let script = Arc::new(Script { answers: Mutex::new(answers.into()), ..Script::default() });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let vendor = script.clone();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let script = vendor.clone();
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let script = script.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    script.seen.lock().unwrap().push((parts.headers, serde_json::from_slice(&body).unwrap()));
                    let answer = script.answers.lock().unwrap().pop_front().unwrap_or_default();
                    let kind = if answer.starts_with("data:") { "text/event-stream" } else { "application/json" };
                    let response =
                        Response::builder().header("content-type", kind).body(Full::new(Bytes::from(answer)));
                    Ok::<_, Infallible>(response.unwrap())
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    let rig = Rig::with(|config| {
        config.serve.write_stall_ms = 100;
        config.vendors.push(VendorConfig {
            profile: Some("zhipu".into()),
            base: Some(base),
            credential: Some(Secret::new("sk-script")),
            ..VendorConfig::new("script")
        });
        config.routes.push(RouteConfig::new("plain", ["script/glm-4.6"]));
        config.routes.push(RouteConfig::new("o3", ["script/glm-5.3"]));
        config.routes.push(RouteConfig::new("with-second", ["script/glm-4.6", "openai/gpt-4o"]));
    })
    .await;
    (rig, script)
}

fn whole(message: &Value) -> String {
    let finish = if message.get("tool_calls").is_some() { "tool_calls" } else { "stop" };
    json!({"id": "1", "created": 1, "model": "glm-4.6", "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}})
    .to_string()
}

fn said(text: &str) -> String {
    whole(&json!({"role": "assistant", "content": text}))
}

fn streamed(texts: &[&str]) -> String {
    let mut out = String::new();
    for text in texts {
        let chunk = json!({"id": "1", "created": 1, "model": "glm-4.6", "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}]});
        out += &event(&chunk);
    }
    let end = json!({"id": "1", "created": 1, "model": "glm-4.6", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}});
    out + &event(&end) + "data: [DONE]\n\n"
}

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

fn age(model: &str, stream: bool) -> Value {
    let mut body = hello(model, stream);
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "age", "strict": true, "schema":
        {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"], "additionalProperties": false}}});
    body
}

#[tokio::test]
async fn a_repaired_answer_is_paid_for_twice() {
    let (rig, script) = rig(vec![said("Ada is 36."), said("```json\n{\"age\": 36}\n```")]).await;
    let answer = rig.chat(&age("plain", false)).await.is(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "{\"age\": 36}");
    assert_eq!(answer["usage"]["total_tokens"], 30);
    let seen = script.seen.lock().unwrap().clone();
    let messages = seen[1].1["messages"].as_array().unwrap();
    let last = messages.last().unwrap()["content"].as_str().unwrap();
    assert!(last.contains("not valid JSON"), "{last}");
    assert_eq!(messages[messages.len() - 2]["content"], "Ada is 36.");
    let usage = rig.rows().await[0].usage.unwrap();
    assert_eq!(usage.total(), 30, "the ledger knows both");
}

#[tokio::test]
async fn a_stream_is_mended_before_it_leaves() {
    let (rig, _) = rig(vec![streamed(&["Ada ", "is 36."]), streamed(&["```json\n{\"age\"", ": 36}\n```"])]).await;
    let mut body = age("plain", true);
    body["stream_options"] = json!({"include_usage": true});
    let events = rig.chat(&body).await.is(200).events();
    events.is_whole(0, "stop");
    assert_eq!(events.text(0), "{\"age\": 36}");
    assert_eq!(events.usages()[0]["total_tokens"], 30);
    assert_eq!(rig.rows().await[0].usage.unwrap().total(), 30);
}

#[tokio::test]
async fn an_unmended_answer_goes_to_the_next_target() {
    for stream in [false, true] {
        let bad = || if stream { streamed(&["no"]) } else { said("no") };
        let (rig, script) = rig(vec![bad(), bad(), bad(), bad()]).await;
        let error = rig.chat(&age("plain", stream)).await;
        error.is_error(502, Some("answer_form_unmet"));
        assert_eq!(error.header("x-should-retry"), "false");
        assert_eq!(script.seen.lock().unwrap().len(), 2, "asked, asked again, and no more");
        let other = rig.chat(&age("with-second", stream)).await;
        other.is(200);
        assert_eq!(other.header("x-banjia-target"), "openai/gpt-4o");
        let outcomes: Vec<_> = rig.rows().await.iter().map(|row| row.outcome).collect();
        assert!(outcomes.contains(&Outcome::Refused) && outcomes.contains(&Outcome::Answered), "{outcomes:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_short_is_passed_on() {
    let cut = said("{\"age\":").replace("\"stop\"", "\"length\"");
    let (rig, script) = rig(vec![cut]).await;
    let answer = rig.chat(&age("plain", false)).await.is(200).json();
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(script.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn reasoning_is_kept_and_put_back_with_its_tool_call() {
    let call = json!({"id": "call_7", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let first =
        whole(&json!({"role": "assistant", "content": "", "reasoning_content": "I must look.", "tool_calls": [call]}));
    let (rig, script) = rig(vec![first, said("done")]).await;
    let tools =
        json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]);
    let mut body = hello("o3", false);
    body["tools"] = tools;
    body["reasoning_effort"] = json!("high");
    rig.chat(&body).await.is(200);
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
    messages.push(json!({"role": "tool", "tool_call_id": "call_7", "content": "seen"}));
    rig.chat(&body).await.is(200);
    let seen = script.seen.lock().unwrap();
    let sent = seen[1].1["messages"].as_array().unwrap();
    let assistant = sent.iter().find(|message| message["role"] == "assistant").unwrap();
    assert_eq!(assistant["reasoning_content"], "I must look.");
}

#[tokio::test]
async fn stop_strings_are_cut_across_chunks() {
    let (rig, _) = rig(vec![streamed(&["one ST", "OP", "2 two"])]).await;
    let mut body = hello("plain", true);
    body["stop"] = json!(["<a>", "STOP2"]);
    let events = rig.chat(&body).await.is(200).events();
    events.is_whole(0, "stop");
    assert_eq!(events.text(0), "one ");
}

#[tokio::test]
async fn a_streams_cost_is_told_after_its_end_when_asked() {
    let (rig, _) = rig(vec![streamed(&["hi"]), streamed(&["hi"])]).await;
    let mut request = rig.request("/v1/chat/completions", hello("plain", true).to_string());
    request.headers_mut().insert("x-banjia-cost", "yes".parse().unwrap());
    let asked = rig.send(request).await;
    asked.events().is_whole(0, "stop");
    let cost = rig.rows().await[0].cost.unwrap();
    let text = String::from_utf8_lossy(&asked.body).into_owned();
    assert!(text.ends_with(&format!("data: [DONE]\n\n: x-banjia-cost: {cost}\n\n")), "{text}");
    let silent = rig.chat(&hello("plain", true)).await;
    assert!(silent.body.ends_with(b"data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let large = "x".repeat(256 * 1024);
    let texts = vec![large.as_str(); 64];
    let (rig, _) = rig(vec![streamed(&texts)]).await;
    let mut socket = tokio::net::TcpStream::connect(rig.gateway.addr).await.unwrap();
    let body = hello("plain", true).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        crate::rig::KEY,
        body.len()
    );
    tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.unwrap();
    while rig.tally().await.abandoned == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.tally().await.missing(), 0);
}

#[tokio::test]
async fn a_json_answer_to_a_stream_costs_one_request() {
    let (rig, _) = rig(vec![said("whole"), said("whole")]).await;
    let answer = rig.chat(&hello("plain", true)).await;
    assert!(answer.status == 200 || answer.status == 502, "{:?}", answer.status);
    if answer.status == 200 {
        answer.events().is_whole(0, "stop");
    }
    assert_eq!(rig.tally().await.missing(), 0);
}

#[tokio::test]
async fn implausible_usage_is_unknown_and_noted() {
    for stream in [false, true] {
        let whole = |usage: &str| {
            let choice = r#"{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}"#;
            let chunk = r#"{"index":0,"finish_reason":"stop","delta":{"role":"assistant","content":"hi"}}"#;
            if stream {
                format!("data: {{\"choices\":[{chunk}],\"usage\":{usage}}}\n\ndata: [DONE]\n\n")
            } else {
                format!("{{\"choices\":[{choice}],\"usage\":{usage}}}")
            }
        };
        let counts = ["9223372036854775807", "18446744073709551616", "-1", "\"7\"", "1e300", "99999999"];
        let answers =
            counts.iter().map(|count| whole(&format!(r#"{{"prompt_tokens":{count},"completion_tokens":1}}"#)));
        let (rig, _) = rig(answers.collect()).await;
        for _ in counts {
            let answer = rig.chat(&hello("plain", stream)).await;
            answer.is(200);
            assert!(stream || answer.json().get("usage").is_none());
        }
        let rows = rig.rows().await;
        assert_eq!(rows.len(), counts.len());
        for row in rows {
            assert_eq!((row.outcome, row.usage, row.cost), (Outcome::Answered, None, None));
            assert_eq!(row.losses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["usage=dropped"]);
        }
        assert_eq!(rig.gateway.implausible_usages(), counts.len() as u64);
    }
}

#[tokio::test]
async fn half_a_key_in_an_error_is_masked() {
    let said = |words: &str| format!(r#"{{"error":{{"code":"1210","message":"{words}"}}}}"#);
    let (rig, _) = rig(vec![said("the value cript-o is wrong"), said("the value k-scri is wrong")]).await;
    for shown in ["the value [key]-o is wrong", "the value [key] is wrong"] {
        let answer = rig.chat(&hello("plain", false)).await;
        assert_eq!(answer.json()["error"]["message"], shown);
    }
}
