//! The floor: the least that any LLM proxy must do, in Rust, on the same HTTP library as the
//! gateway.
//!
//! It checks a key and puts the vendor's in its place, reads the request whole, finds `model` and
//! `stream` in it, chooses an upstream by the model, and counts the tokens of the answer: of a
//! plain one from its `usage`, of a stream by looking at each event and reading the one that
//! carries `usage`. It has no limits, no log, no retries, no error handling worth the name. One
//! thread.

use crate::mock::UPSTREAM_KEY;
use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use std::cell::Cell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::net::TcpListener;

/// Upstream connections that are kept open.
const IDLE_CONNECTIONS_MAX: usize = 1_024;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    model: std::borrow::Cow<'a, str>,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
struct Answered {
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

type Counter = Arc<AtomicU64>;
type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

struct Proxy {
    client: Client<HttpConnector, Full<Bytes>>,
    keys: HashMap<Vec<u8>, Counter>,
    upstreams: HashMap<String, Authority>,
    other: Authority,
    credential: HeaderValue,
    served: Cell<u64>,
}

/// Serves until the process ends. `key` is the client's, `upstream` the mock's address.
pub async fn serve(listener: TcpListener, upstream: &str, key: &str) -> anyhow::Result<()> {
    let authority: Authority = upstream.parse().context("the upstream's address")?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let proxy = Rc::new(Proxy {
        client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_CONNECTIONS_MAX).build(connector),
        keys: HashMap::from([(key.as_bytes().to_vec(), Counter::default())]),
        upstreams: HashMap::from([(crate::cases::MODEL.to_owned(), authority.clone())]),
        other: authority,
        credential: HeaderValue::from_str(&format!("Bearer {UPSTREAM_KEY}"))?,
        served: Cell::new(0),
    });
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        stream.set_nodelay(true)?;
        let proxy = Rc::clone(&proxy);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| answer(Rc::clone(&proxy), request));
            // A client that closes its connection ends it with an error of no interest.
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(proxy: Rc<Proxy>, request: Request<Incoming>) -> anyhow::Result<Answer> {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let Some(tokens) = given.and_then(|key| proxy.keys.get(key)).map(Arc::clone) else {
        return Ok(empty(StatusCode::UNAUTHORIZED));
    };
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let Ok(asked) = serde_json::from_slice::<Asked<'_>>(&body) else { return Ok(empty(StatusCode::BAD_REQUEST)) };
    let upstream = proxy.upstreams.get(asked.model.as_ref()).unwrap_or(&proxy.other).clone();
    let stream = asked.stream;
    let mut uri = Uri::builder().scheme("http").authority(upstream);
    if let Some(path) = parts.uri.path_and_query() {
        uri = uri.path_and_query(path.clone());
    }
    parts.uri = uri.build()?;
    parts.headers.remove(HOST);
    parts.headers.remove(CONNECTION);
    parts.headers.insert(AUTHORIZATION, proxy.credential.clone());
    let (head, body) = proxy.client.request(Request::from_parts(parts, Full::new(body))).await?.into_parts();
    proxy.served.set(proxy.served.get() + 1);
    if stream {
        let watched = CountedStream { inner: body, open: BytesMut::new(), tokens };
        return Ok(Response::from_parts(head, UnsyncBoxBody::new(watched)));
    }
    let whole = body.collect().await?.to_bytes();
    count(&whole, &tokens);
    Ok(Response::from_parts(head, full(whole)))
}

fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn full(body: Bytes) -> UnsyncBoxBody<Bytes, hyper::Error> {
    UnsyncBoxBody::new(Full::new(body).map_err(|never| match never {}))
}

fn count(json: &[u8], tokens: &AtomicU64) {
    if let Ok(Answered { usage: Some(usage) }) = serde_json::from_slice(json) {
        tokens.fetch_add(usage.prompt_tokens + usage.completion_tokens, Ordering::Relaxed);
    }
}

/// A stream that is passed on as it comes, while its events are looked at.
struct CountedStream {
    inner: Incoming,
    /// The event that has begun and not ended.
    open: BytesMut,
    tokens: Counter,
}

impl CountedStream {
    fn look(&mut self, data: &[u8]) {
        self.open.extend_from_slice(data);
        while let Some(end) = memchr::memmem::find(&self.open, b"\n\n") {
            let event = self.open.split_to(end + 2);
            if memchr::memmem::find(&event, b"\"usage\":{").is_some()
                && let Some(json) = event.strip_prefix(b"data: ")
            {
                count(json, &self.tokens);
            }
        }
    }
}

impl Body for CountedStream {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.look(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
