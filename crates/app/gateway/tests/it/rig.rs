//! A sandbox, a gateway in front of it, and a client.

use banjia_gateway::config::{AccountConfig, Config, KeyConfig, LimitConfig, RouteConfig, VendorConfig};
use banjia_gateway::{Alert, Clock, Gateway, Handle, Parts, Profiles, Snapshot, keys};
use banjia_sandbox::{Fault, Options, Pace, Sandbox, When, key_of};
use banjia_store::{LedgerWriter, Location, Period, Row, Store, WriterConfig};
use banjia_types::{Secret, Tally, Timestamp};
use banjia_upstream::Upstream;
use banjia_wire::{Profile, embedded_profiles};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

pub(crate) const KEY: &str = "sk-acme-1";
pub(crate) const VENDORS: [&str; 4] = ["openai", "alibaba", "baidu", "zhipu"];
/// Routes of one target each.
pub(crate) const SINGLE: [(&str, &str); 4] = [
    ("one-openai", "openai/gpt-4o-mini"),
    ("one-alibaba", "alibaba/qwen-plus"),
    ("one-baidu", "baidu/ernie-5.1"),
    ("one-zhipu", "zhipu/glm-4.6"),
];
/// The route that the stories are about: a source and its destinations.
pub(crate) const MOVING: &str = "gpt-4o";

pub(crate) struct Rig {
    pub(crate) sandbox: Sandbox,
    pub(crate) gateway: Handle,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) ledger: LedgerWriter,
    pub(crate) alerts: Arc<Mutex<Vec<Alert>>>,
    pub(crate) client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) config: Config,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn events(&self) -> Events {
        Events::of(&self.body)
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        self
    }

    /// An error in OpenAI's shape, with this status and code.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, code: Option<&str>) -> String {
        self.is(status);
        let error = &self.json()["error"];
        for member in ["message", "type", "param", "code"] {
            assert!(error.get(member).is_some(), "{member} is missing in {error}");
        }
        assert_eq!(error["code"].as_str(), code, "{error}");
        assert!(self.header("x-request-id").starts_with("req_"), "{:?}", self.headers);
        error["message"].as_str().unwrap().to_owned()
    }
}

/// A stream as a client reads it.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) chunks: Vec<Value>,
    pub(crate) done: usize,
    pub(crate) error: Option<Value>,
    /// Lines of a vendor that are no JSON: a pass-through hands them on.
    pub(crate) junk: usize,
}

impl Events {
    pub(crate) fn of(body: &[u8]) -> Self {
        let mut events = Self::default();
        for line in String::from_utf8_lossy(body).lines() {
            let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
            if data == "[DONE]" {
                events.done += 1;
                continue;
            }
            assert_eq!(events.done, 0, "something came after the end");
            let Ok(chunk) = serde_json::from_str::<Value>(data) else {
                events.junk += 1;
                continue;
            };
            if chunk.get("error").is_some() {
                events.error = Some(chunk["error"].clone());
            } else {
                events.chunks.push(chunk);
            }
        }
        events
    }

    pub(crate) fn text(&self, choice: u64) -> String {
        self.deltas(choice).filter_map(|choice| choice["delta"]["content"].as_str()).collect()
    }

    pub(crate) fn deltas(&self, choice: u64) -> impl Iterator<Item = &Value> {
        let all = self.chunks.iter().flat_map(|chunk| chunk["choices"].as_array().into_iter().flatten());
        all.filter(move |it| it["index"].as_u64() == Some(choice))
    }

    pub(crate) fn finishes(&self, choice: u64) -> Vec<String> {
        self.deltas(choice).filter_map(|it| it["finish_reason"].as_str()).map(str::to_owned).collect()
    }

    pub(crate) fn usages(&self) -> Vec<&Value> {
        self.chunks.iter().map(|chunk| &chunk["usage"]).filter(|usage| usage.is_object()).collect()
    }

    #[track_caller]
    pub(crate) fn is_whole(&self, choice: u64, finish: &str) {
        assert_eq!((self.done, &self.error, self.junk), (1, &None, 0), "{self:?}");
        assert_eq!(self.finishes(choice), [finish], "{self:?}");
    }

    /// Broken, and the client can tell.
    #[track_caller]
    pub(crate) fn is_broken(&self) {
        assert_eq!(self.done, 0, "{self:?}");
        assert!(self.error.is_some(), "{self:?}");
        let clean = self.chunks.iter().flat_map(|chunk| chunk["choices"].as_array().into_iter().flatten());
        assert!(clean.filter_map(|it| it["finish_reason"].as_str()).all(|finish| finish != "stop"), "{self:?}");
    }
}

pub(crate) fn profiles() -> Profiles {
    let text_of =
        |name: &str| embedded_profiles().iter().find(|(stem, _)| *stem == name).map(|(_, text)| (*text).to_owned());
    let mut profiles = Profiles::new();
    for (stem, text) in embedded_profiles() {
        let (profile, problems) = Profile::parse(stem, text, &text_of);
        assert!(problems.is_empty(), "{stem}: {problems:?}");
        profiles.insert((*stem).to_owned(), Arc::new(profile.unwrap()));
    }
    profiles
}

pub(crate) fn config(sandbox: &Sandbox) -> Config {
    let mut config = Config::default();
    config.serve.bind = ([127, 0, 0, 1], 0).into();
    for vendor in VENDORS {
        config.vendors.push(VendorConfig {
            base: Some(sandbox.base(vendor).unwrap().to_owned()),
            credential: Some(Secret::new(key_of(vendor).unwrap())),
            ..VendorConfig::new(vendor)
        });
    }
    for (name, target) in SINGLE {
        config.routes.push(RouteConfig::new(name, [target]));
    }
    config.routes.push(RouteConfig::new(MOVING, ["openai/gpt-4o", "zhipu/glm-4.6", "alibaba/qwen-plus"]));
    for (name, target) in [
        ("text-embedding-3-small", "openai/text-embedding-3-small"),
        ("emb-alibaba", "alibaba/text-embedding-v4"),
        ("emb-baidu", "baidu/embedding-v1"),
        ("emb-zhipu", "zhipu/embedding-3"),
    ] {
        config.routes.push(RouteConfig::new(name, [target]));
    }
    config.accounts.push(AccountConfig::new("acme"));
    config.keys.push(KeyConfig {
        id: "acme-1".into(),
        hash: keys::hash(None, KEY),
        account: "acme".into(),
        limits: LimitConfig::default(),
    });
    config
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(Store::open(&Location::Temporary).await.unwrap(), WriterConfig::default(), change).await
    }

    pub(crate) async fn over(store: Store, writer: WriterConfig, change: impl FnOnce(&mut Config)) -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let mut config = config(&sandbox);
        change(&mut config);
        let snapshot = Snapshot::compile(&config, &profiles()).unwrap();
        let ledger = store.ledger_writer(&writer).await.unwrap();
        let alerts: Arc<Mutex<Vec<Alert>>> = Arc::default();
        let seen = alerts.clone();
        let clock = Clock::default();
        let gateway = Gateway::start(Parts {
            snapshot,
            upstream: Upstream::new(&banjia_upstream::Config::default()).unwrap(),
            store: store.clone(),
            ledger: ledger.clone(),
            on_alert: Some(Arc::new(move |alert: &Alert| seen.lock().unwrap().push(alert.clone()))),
            clock: clock.clone(),
        })
        .await
        .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { sandbox, gateway, clock, store, ledger, alerts, client, config }
    }

    pub(crate) fn reload(&self, change: impl FnOnce(&mut Config)) {
        let mut config = self.config.clone();
        change(&mut config);
        self.gateway.reload(Snapshot::compile(&config, &profiles()).unwrap());
    }

    pub(crate) fn fault(&self, vendor: &str, fault: Fault) {
        self.sandbox.faults.set(vendor, fault, When::Always);
    }

    pub(crate) fn slow(&self, millis: u64) {
        self.sandbox.set_pace(Pace { per_token: std::time::Duration::from_millis(millis), ..Pace::default() });
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.addr)
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn request(&self, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        Request::post(self.url(path))
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(path, body.to_string())).await
    }

    pub(crate) async fn raw(&self, body: impl Into<Bytes>) -> Answer {
        self.send(self.request("/v1/chat/completions", body)).await
    }

    pub(crate) async fn chat(&self, body: &Value) -> Answer {
        self.post("/v1/chat/completions", body).await
    }

    pub(crate) async fn ask(&self, model: &str, stream: bool) -> Answer {
        self.chat(&hello(model, stream)).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str) -> Answer {
        let request =
            Request::builder().method(method).uri(self.url(path)).header("authorization", format!("Bearer {KEY}"));
        self.send(request.body(Full::default()).unwrap()).await
    }

    /// A stream that is read piece by piece.
    pub(crate) async fn open(&self, body: &Value) -> (StatusCode, Incoming) {
        let request = self.request("/v1/chat/completions", body.to_string());
        let response = self.client.request(request).await.unwrap();
        (response.status(), response.into_body())
    }

    pub(crate) async fn rows(&self) -> Vec<Row> {
        self.ledger.flush().await.unwrap();
        self.store.last_rows(10_000).await.unwrap()
    }

    pub(crate) async fn tally(&self) -> Tally {
        self.ledger.flush().await.unwrap();
        let always = Period { from: Timestamp(0), to: Timestamp(i64::MAX) };
        let mut sum = Tally::default();
        for (_, tally) in self.store.tally(always).await.unwrap() {
            sum.accepted += tally.accepted;
            sum.answered += tally.answered;
            sum.refused += tally.refused;
            sum.failed += tally.failed;
            sum.abandoned += tally.abandoned;
        }
        sum
    }

    /// Requests that a vendor got.
    pub(crate) fn asked(&self, vendor: &str) -> u64 {
        self.sandbox.counts().get(vendor).map_or(0, |counts| counts.requests)
    }
}

pub(crate) fn hello(model: &str, stream: bool) -> Value {
    json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": "Say hello to Ada in one sentence." }] })
}

/// Reads a body to its end or its break.
pub(crate) async fn rest(mut body: Incoming) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Err(_) => return (bytes, false),
        }
    }
    (bytes, true)
}

/// Reads until the first content has come.
pub(crate) async fn first_content(body: &mut Incoming) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let frame = body.frame().await.expect("content before the end").unwrap();
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if !Events::of(&bytes[..whole]).text(0).is_empty() {
            return bytes;
        }
    }
}
