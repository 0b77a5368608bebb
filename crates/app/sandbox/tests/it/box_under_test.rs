//! A sandbox and a client for one test.

use banjia_sandbox::{Options, Sandbox, key_of};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::sync::OnceLock;

pub(crate) struct Box {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
}

impl Box {
    pub(crate) async fn open() -> Self {
        static PROVIDER: OnceLock<bool> = OnceLock::new();
        PROVIDER.get_or_init(|| rustls::crypto::ring::default_provider().install_default().is_ok());
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        Self { sandbox, client: Client::builder().no_proxy().build().unwrap() }
    }

    pub(crate) fn post(&self, wire: &str, path: &str, body: &Value) -> RequestBuilder {
        let vendor = wire.split('-').next().unwrap();
        let url = format!("{}{path}", self.sandbox.base(wire).unwrap());
        self.client.post(url).bearer_auth(key_of(vendor).unwrap()).json(body)
    }

    pub(crate) async fn ask(&self, wire: &str, path: &str, body: Value) -> (u16, Value) {
        read(self.post(wire, path, &body).send().await.unwrap()).await
    }

    pub(crate) async fn chat(&self, wire: &str, body: Value) -> (u16, Value) {
        self.ask(wire, "/chat/completions", body).await
    }

    /// The `data:` lines of a stream as JSON; `[DONE]` as a string.
    pub(crate) async fn stream(&self, wire: &str, path: &str, body: &Value) -> Vec<Value> {
        let text = self
            .post(wire, path, body)
            .header("accept", "text/event-stream")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        events(&text)
    }
}

pub(crate) fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data))).collect()
}

pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

pub(crate) fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Tell me about walls"}]})
}

/// `hello` with more members.
#[expect(clippy::needless_pass_by_value, reason = "a call reads as the JSON that it makes")]
pub(crate) fn with(model: &str, more: Value) -> Value {
    let mut body = hello(model);
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

pub(crate) fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "description": "Get the weather of a place",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])
}

/// The text of a stream in OpenAI's shape.
pub(crate) fn text_of(events: &[Value]) -> String {
    events.iter().filter_map(|event| event.pointer("/choices/0/delta/content").and_then(Value::as_str)).collect()
}
