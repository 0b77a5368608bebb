//! A vendor that a test speaks for: it is told of each request when it comes, and answers when it likes.

use banjia_gateway::config::{Config, VendorConfig};
use banjia_types::Secret;
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

type OnRequest = Arc<dyn Fn(usize, &Value) -> (u16, String) + Send + Sync>;

/// See the module's text.
#[derive(Clone)]
pub(crate) struct Vendor {
    pub(crate) base: String,
    /// The bodies that came.
    pub(crate) seen: Arc<Mutex<Vec<Value>>>,
    /// Each answer takes one of these; there are plenty unless a test takes them away.
    pub(crate) may_answer: Arc<Semaphore>,
}

impl Vendor {
    /// Answers what `on` says for the nth request (from 0 on).
    pub(crate) async fn start(on: impl Fn(usize, &Value) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let vendor = Self { base, seen: Arc::default(), may_answer: Arc::new(Semaphore::new(1_000_000)) };
        let (on, me): (OnRequest, _) = (Arc::new(on), vendor.clone());
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (on, me) = (on.clone(), me.clone());
                let service = service_fn(move |request| answer(request, me.clone(), on.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        vendor
    }

    /// Adds it under a name, with the wire of a profile.
    pub(crate) fn add(&self, config: &mut Config, name: &str, profile: &str) {
        config.vendors.push(VendorConfig {
            profile: Some(profile.into()),
            base: Some(self.base.clone()),
            credential: Some(Secret::new(format!("sk-{name}"))),
            ..VendorConfig::new(name)
        });
    }

    pub(crate) fn asked(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn answer(
    request: http::Request<Incoming>,
    me: Vendor,
    on: OnRequest,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let number = {
        let mut seen = me.seen.lock().unwrap();
        seen.push(body.clone());
        seen.len() - 1
    };
    let (status, text) = on(number, &body);
    me.may_answer.acquire().await.unwrap().forget();
    let kind = if text.starts_with("data:") { "text/event-stream" } else { "application/json" };
    Ok(Response::builder().status(status).header("content-type", kind).body(Full::new(text.into())).unwrap())
}

/// A whole answer that says this.
pub(crate) fn said(text: &str) -> (u16, String) {
    let message = json!({ "role": "assistant", "content": text });
    let answer = json!({ "id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 } });
    (200, answer.to_string())
}

/// A failure that is worth a retry.
pub(crate) fn busy() -> (u16, String) {
    (500, json!({ "error": { "message": "busy", "type": "server_error", "code": null, "param": null } }).to_string())
}
