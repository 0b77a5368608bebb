//! The listener: one port, every vendor under its own path, plus `POST /_faults` and `GET /_counts`.
//!
//! Rules: bodies are bounded; a request is counted before anything else happens to it; a fault that has the vendor's own
//! wording (region, rate, arrears...) is worded by the vendor; closing the sandbox closes its connections.

use crate::answer::{Answer, Body, Call, Event, Ids, mix};
use crate::brain::ScriptedModel;
use crate::faults::{Fault, Faults, When};
use crate::pace::{Dial, Pace};
use crate::play::{self, Breakage, Sent};
use crate::record::{self, Counts, Records, Seen};
use crate::{alibaba, baidu, like, openai, zhipu};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The longest request body that is read.
const BODY_BYTES_MAX: usize = 64 << 20;
/// The header by which a request asks for a fault of its own.
const FAULT_HEADER: &str = "x-sandbox-fault";
/// The access key that the sandbox's Baidu knows (bce-auth-v1, and `client_id` of the old token exchange).
pub const BAIDU_ACCESS_KEY: &str = "sandboxak";
/// The secret of [`BAIDU_ACCESS_KEY`].
pub const BAIDU_SECRET_KEY: &str = "sandboxsk";

/// How a sandbox is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one. The default is loopback.
    pub bind: SocketAddr,
    /// Which vendors answer; empty means all.
    pub vendors: Vec<String>,
    /// The same seed and requests give the same answers.
    pub seed: u64,
    /// How fast the answers come.
    pub pace: Pace,
}

impl Default for Options {
    fn default() -> Self {
        Self { bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), vendors: Vec::new(), seed: 1, pace: Pace::default() }
    }
}

/// Why a sandbox did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address could not be listened on.
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A name in `vendors` that the sandbox does not have.
    UnknownVendor(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { addr, source } => {
                write!(f, "cannot listen on {addr}: {source}; choose another port, or 0 for a free one")
            }
            Self::UnknownVendor(name) => {
                let mut names: Vec<&str> = DESKS.iter().map(|desk| desk.vendor).collect();
                names.dedup();
                write!(f, "the sandbox has no vendor {name:?}; it has {}", names.join(", "))
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { source, .. } => Some(source),
            Self::UnknownVendor(_) => None,
        }
    }
}

/// One wire of one vendor.
pub(crate) struct MockVendor {
    /// The vendor whose faults and counters it shares.
    pub(crate) vendor: &'static str,
    /// The name of its base address in [`Sandbox::bases`].
    pub(crate) wire: &'static str,
    /// Where it is mounted.
    pub(crate) prefix: &'static str,
    pub(crate) serve: fn(&Call<'_>) -> Answer,
    /// The vendor's words for a fault that it would tell as an error.
    pub(crate) trouble: fn(Fault, &Call<'_>) -> Answer,
    /// What it puts into a stream when the content check stops it or inference breaks.
    pub(crate) in_stream: fn(Fault, &Call<'_>) -> Vec<Event>,
}

/// Longer prefixes stand before shorter ones that they begin with.
static DESKS: [MockVendor; 11] = [
    openai::DESK,
    alibaba::COMPATIBLE,
    alibaba::NATIVE,
    baidu::V2,
    baidu::V1,
    baidu::IAM,
    zhipu::DESK,
    like::DEEPSEEK,
    like::MOONSHOT,
    like::VOLCENGINE,
    like::SILICONFLOW,
];

/// The API key that the sandbox's vendor accepts, in the vendor's own form; none for an unknown vendor.
pub fn key_of(vendor: &str) -> Option<&'static str> {
    Some(match vendor {
        "openai" => "sk-sandbox-openai",
        "alibaba" => "sk-sandbox-alibaba",
        "baidu" => "bce-v3/ALTAK-sandbox/sk-sandbox-baidu",
        "zhipu" => "sk-sandbox-zhipu.sandbox-secret",
        "deepseek" => "sk-sandbox-deepseek",
        "moonshot" => "sk-sandbox-moonshot",
        "volcengine" => "sk-sandbox-volcengine",
        "siliconflow" => "sk-sandbox-siliconflow",
        _ => return None,
    })
}

/// Running vendors. Dropping it stops them.
#[derive(Debug)]
pub struct Sandbox {
    /// Where the sandbox listens.
    pub addr: SocketAddr,
    /// Base address by wire: `openai`, `alibaba`, `alibaba-native`, `baidu`, `baidu-v1`, `baidu-root` (token exchange and
    /// the SDK's console address), `zhipu`, `deepseek`, `moonshot`, `volcengine`, `siliconflow`. The one named as its vendor
    /// is the OpenAI-like one: append `/chat/completions`.
    pub bases: BTreeMap<&'static str, String>,
    /// Faults on demand.
    pub faults: Faults,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    faults: Faults,
    records: Records,
    dial: Arc<Dial>,
    brain: ScriptedModel,
    ids: Ids,
    seed: u64,
    vendors: Vec<String>,
}

impl Sandbox {
    /// Starts the servers. Must run inside a Tokio runtime; the servers live in it.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        if let Some(name) = options.vendors.iter().find(|name| key_of(name).is_none()) {
            return Err(StartError::UnknownVendor(name.clone()));
        }
        let bind_error = |source| StartError::Bind { addr: options.bind, source };
        let listener = TcpListener::bind(options.bind).await.map_err(bind_error)?;
        let addr = listener.local_addr().map_err(bind_error)?;
        let faults = Faults::default();
        let dial = Arc::new(Dial::default());
        dial.set(options.pace);
        let bases = DESKS
            .iter()
            .filter(|desk| options.vendors.is_empty() || options.vendors.iter().any(|name| name == desk.vendor))
            .map(|desk| (desk.wire, format!("http://{addr}{}", desk.prefix)))
            .collect();
        let shared = Arc::new(Shared {
            faults: faults.clone(),
            records: Records::default(),
            dial,
            brain: ScriptedModel::new(options.seed),
            ids: Ids::new(options.seed),
            seed: options.seed,
            vendors: options.vendors,
        });
        let stop = CancellationToken::new();
        tokio::spawn(accept(listener, Arc::clone(&shared), stop.clone()));
        Ok(Self { addr, bases, faults, shared, stop })
    }

    /// The base address of a wire; see [`Sandbox::bases`].
    pub fn base(&self, wire: &str) -> Option<&str> {
        self.bases.get(wire).map(String::as_str)
    }

    /// Changes the speed of answers, running streams included.
    pub fn set_pace(&self, pace: Pace) {
        self.shared.dial.set(pace);
    }

    /// The counters by vendor.
    pub fn counts(&self) -> BTreeMap<&'static str, Counts> {
        self.shared.records.counts()
    }

    /// The last requests that a vendor got, the oldest first, without credentials.
    pub fn last_requests(&self, vendor: &str) -> Vec<Seen> {
        self.shared.records.last(vendor)
    }

    /// Stops listening and closes every connection.
    pub fn shutdown(self) {
        self.stop.cancel();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let socket = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match socket {
            Ok((socket, _)) => drop(tokio::spawn(connection(socket, Arc::clone(&shared), stop.clone()))),
            // Out of file handles or an aborted connection: the next accept may work again.
            Err(error) => {
                tracing::debug!(%error, "the sandbox could not accept a connection");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, shared: Arc<Shared>, stop: CancellationToken) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let service = service_fn(move |request| handle(request, Arc::clone(&shared)));
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        () = stop.cancelled() => {}
        ended = serving => if let Err(error) = ended {
            // Cut answers and resets end here by design.
            tracing::debug!(%error, "a sandbox connection ended");
        }
    }
}

/// One request. An error closes the connection without an answer.
async fn handle(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Sent>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return Ok(small(413, &json!({"error": {"message": format!("the body could not be read: {error}")}})));
        }
    };
    let path = head.uri.path();
    match (head.method.as_str(), path) {
        ("POST", "/_faults") => return Ok(control(&shared, &body)),
        ("GET", "/_counts") => return Ok(small(200, &json!(shared.records.counts()))),
        _ => {}
    }
    let desk = DESKS.iter().find(|desk| under(path, desk.prefix).is_some());
    let Some((desk, rest)) = desk.and_then(|desk| Some((desk, under(path, desk.prefix)?))) else {
        return Ok(small(404, &json!({"error": {"message": format!("no vendor of the sandbox is at {path}")}})));
    };
    if !shared.vendors.is_empty() && !shared.vendors.iter().any(|name| name == desk.vendor) {
        return Ok(small(404, &json!({"error": {"message": format!("this sandbox runs without {}", desk.vendor)}})));
    }
    let fault = choose_fault(&shared, desk, &head.headers);
    let seen = Seen {
        method: head.method.as_str().to_owned(),
        path: rest.to_owned(),
        headers: record::plain_headers(&head.headers),
        body: record::kept(&body),
        fault: fault.map(Fault::as_str),
    };
    shared.records.note(desk.vendor, seen);
    let brain = if fault == Some(Fault::Careless) { shared.brain.careless() } else { shared.brain };
    let call = Call {
        method: head.method.as_str(),
        path: rest,
        query: head.uri.query().unwrap_or_default(),
        full_path: path,
        headers: &head.headers,
        body: &body,
        brain: &brain,
        ids: &shared.ids,
    };
    let mut answer = match fault {
        Some(Fault::Reset) => {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "the sandbox closes this connection"));
        }
        Some(Fault::Silent) => std::future::pending().await,
        Some(Fault::Region | Fault::Rate | Fault::Overload | Fault::Arrears | Fault::Content | Fault::Server) => {
            (desk.trouble)(fault.unwrap_or(Fault::Server), &call)
        }
        Some(Fault::OkWithError) => Answer { status: 200, ..(desk.trouble)(Fault::Server, &call) },
        _ => (desk.serve)(&call),
    };
    if matches!(fault, Some(Fault::ContentStream | Fault::NetworkError)) && matches!(answer.body, Body::Json { .. }) {
        // Without a stream the check can only refuse; where inference broke the vendor reports a server error.
        let told = if fault == Some(Fault::ContentStream) { Fault::Content } else { Fault::Server };
        answer = (desk.trouble)(told, &call);
    }
    let in_stream = fault.map(|fault| (desk.in_stream)(fault, &call)).unwrap_or_default();
    shared.records.answered(desk.vendor, answer.status);
    Ok(respond(answer, &Breakage { fault, in_stream }, &shared))
}

/// The path below a mount point.
fn under<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn choose_fault(shared: &Shared, desk: &MockVendor, headers: &http::HeaderMap) -> Option<Fault> {
    let asked = headers.get(FAULT_HEADER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    asked.or_else(|| {
        let draw = mix(shared.seed ^ shared.ids.number()) as f64 / u64::MAX as f64;
        shared.faults.pick(desk.vendor, draw)
    })
}

fn respond(answer: Answer, breakage: &Breakage, shared: &Shared) -> Response<Sent> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::builder().status(status);
    let typed = answer.headers.iter().any(|(name, _)| *name == "content-type");
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(value)) {
            response = response.header(name, value);
        }
    }
    let (media_type, len, body) = play::play(answer, breakage, Arc::clone(&shared.dial));
    if !typed {
        response = response.header(http::header::CONTENT_TYPE, media_type);
    }
    if let Some(len) = len {
        response = response.header(http::header::CONTENT_LENGTH, len);
    }
    response.body(body).expect("status, names and values were checked above")
}

fn small(status: u16, value: &Value) -> Response<Sent> {
    let body = Full::new(Bytes::from(value.to_string())).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The body of `POST /_faults`. Without `next`, `share` and `after_ms` the fault stays; `"none"` takes the rules away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    vendor: Option<String>,
    fault: String,
    next: Option<u32>,
    share: Option<f64>,
    after_ms: Option<u64>,
}

fn control(shared: &Shared, body: &Bytes) -> Response<Sent> {
    let order: Order = match serde_json::from_slice(body) {
        Ok(order) => order,
        Err(error) => return small(400, &json!({"error": format!("the order could not be read: {error}")})),
    };
    if order.fault == "none" {
        match &order.vendor {
            Some(vendor) => shared.faults.clear(vendor),
            None => shared.faults.clear_all(),
        }
        return small(200, &json!({"ok": true}));
    }
    let fault: Fault = match order.fault.parse() {
        Ok(fault) => fault,
        Err(error) => return small(400, &json!({"error": format!("{:?}: {error}", order.fault)})),
    };
    let Some(vendor) = order.vendor.filter(|vendor| key_of(vendor).is_some()) else {
        return small(400, &json!({"error": "name a vendor of the sandbox in \"vendor\""}));
    };
    let when = match (order.next, order.share, order.after_ms) {
        (Some(next), _, _) => When::Next(next),
        (None, Some(share), _) => When::Share(share),
        (None, None, Some(ms)) => When::After(Duration::from_millis(ms)),
        (None, None, None) => When::Always,
    };
    shared.faults.set(&vendor, fault, when);
    small(200, &json!({"ok": true}))
}
