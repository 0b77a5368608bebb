//! One request to a vendor.
//!
//! Rules: a credential is compared with the endpoint's origin before anything else; the headers are
//! ours (few, fixed), the caller's are refused where they would speak of somebody's address or of
//! the connection; answers are asked for unencoded, so that a stream's bytes can be handed on as
//! they come.

use crate::client::ConnectFailed;
use crate::reply::{Reply, ReplyBody, Watch};
use crate::{Credential, Endpoint, Phase, SendError, Upstream};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::client::legacy;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("banjia/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Ours and a credential's; callers' come on top.
const HEADERS_USUAL: usize = 10;

/// Names that say, or pretend to say, where a request comes from. None is ever sent: the vendor
/// judges us by our address.
const ADDRESS_HEADERS: [&str; 9] = [
    "cf-connecting-ip",
    "cf-ipcountry",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
];

/// Names that belong to the connection or are set here.
const OWN_HEADERS: [HeaderName; 11] = [
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// How long each wait may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the send to the answer's status and headers, connecting included.
    pub head: Duration,
    /// From the send to the first byte of the answer's body.
    pub first_byte: Duration,
    /// Between two parts of the body, and from the last part to the end.
    pub idle: Duration,
}

impl Timeouts {
    /// The same bound for each wait.
    pub const fn each(wait: Duration) -> Self {
        Self { head: wait, first_byte: wait, idle: wait }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let (answer, idle) = (Duration::from_mins(5), Duration::from_mins(2));
        Self { head: answer, first_byte: answer, idle }
    }
}

/// One request. Make it with [`Call::post`] or [`Call::get`] and set what differs.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Where it goes.
    pub endpoint: &'a Endpoint,
    /// What opens the door there.
    pub credential: Option<&'a Credential>,
    /// POST or GET.
    pub method: Method,
    /// JSON, or nothing.
    pub body: Bytes,
    /// True if an event stream is asked for.
    pub stream: bool,
    /// Sent as `x-request-id`, to find this request in a vendor's logs.
    pub request_id: Option<&'a HeaderValue>,
    /// Further headers that the vendor's manual asks for.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// How long each wait may last. None for a caller that bounds every wait itself, so that there
    /// are not two timers for one wait: it drops the future or the body when its own time is over.
    pub timeouts: Option<Timeouts>,
}

impl<'a> Call<'a> {
    /// A POST of a JSON body.
    pub fn post(endpoint: &'a Endpoint, body: Bytes) -> Self {
        Self { method: Method::POST, body, ..Self::get(endpoint) }
    }

    /// A GET.
    pub fn get(endpoint: &'a Endpoint) -> Self {
        Self {
            endpoint,
            credential: None,
            method: Method::GET,
            body: Bytes::new(),
            stream: false,
            request_id: None,
            headers: &[],
            timeouts: Some(Timeouts::default()),
        }
    }
}

impl Upstream {
    /// Sends one request and waits for the answer's head. Redirects come back as the answer they
    /// are. Dropping the future takes the request back.
    ///
    /// # Errors
    /// Every way in which no answer's head came; an answer with an error status is an `Ok`.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, SendError> {
        let (host, timeouts) = (Arc::clone(call.endpoint.origin.shared_host()), call.timeouts);
        let request = prepare(call)?;
        let mut asking = self.client.request(request);
        let (answer, watch) = match timeouts {
            None => (asking.await, None),
            Some(timeouts) => {
                let begun = Instant::now();
                let within = timeouts.head.min(timeouts.first_byte);
                let mut timer = Box::pin(sleep_until(begun + within));
                let answer = tokio::select! {
                    biased;
                    answer = &mut asking => answer,
                    () = &mut timer => return Err(SendError::Timeout { host, phase: Phase::Head, within }),
                };
                (answer, Some(Watch::new(timer, begun, timeouts)))
            }
        };
        let (parts, body) = answer.map_err(|e| self.name(&host, &e))?.into_parts();
        if let Some(encoding) = parts.headers.get(header::CONTENT_ENCODING).filter(|e| *e != "identity") {
            let why = format!("it is encoded as {encoding:?} although no encoding was asked for");
            return Err(SendError::BadAnswer { host, why });
        }
        let body = ReplyBody::new(body, host, watch);
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// Names a failure of the pool in our words.
    fn name(&self, host: &Arc<str>, error: &legacy::Error) -> SendError {
        let host = Arc::clone(host);
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(error) = cause {
            match error.downcast_ref::<ConnectFailed>() {
                Some(ConnectFailed::Late(within)) => {
                    return SendError::Timeout { host, phase: Phase::Connect, within: *within };
                }
                Some(ConnectFailed::Tls(why)) => return SendError::Tls { host, why: why.clone() },
                Some(ConnectFailed::Tcp(why)) => return SendError::Connect { host, why: why.clone() },
                None => {}
            }
            if let Some(error) = error.downcast_ref::<hyper::Error>() {
                if error.is_parse_too_large() {
                    return SendError::TooLarge { host, what: "head", limit_bytes: self.head_bytes_max };
                }
                if error.is_parse() {
                    return SendError::BadAnswer { host, why: error.to_string() };
                }
                return SendError::Reset { host, in_body: false, why: innermost(error) };
            }
            cause = error.source();
        }
        SendError::Reset { host, in_body: false, why: error.to_string() }
    }
}

/// The text of the innermost cause: outer ones repeat that something went wrong.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

fn prepare(call: Call<'_>) -> Result<Request<Full<Bytes>>, SendError> {
    let endpoint = call.endpoint;
    let mut headers = HeaderMap::with_capacity(HEADERS_USUAL + call.headers.len());
    headers.insert(header::HOST, endpoint.host.clone());
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.insert(header::ACCEPT, if call.stream { EVENTS } else { JSON });
    headers.insert(header::ACCEPT_ENCODING, IDENTITY);
    if !call.body.is_empty() {
        headers.insert(header::CONTENT_TYPE, JSON);
    }
    for (name, value) in call.headers {
        if OWN_HEADERS.contains(name) || ADDRESS_HEADERS.contains(&name.as_str()) {
            let host = Arc::clone(endpoint.origin.shared_host());
            return Err(SendError::BadHeader { host, name: name.to_string() });
        }
        headers.insert(name.clone(), value.clone());
    }
    if let Some(id) = call.request_id {
        headers.insert(REQUEST_ID, id.clone());
    }
    if let Some(credential) = call.credential {
        if !credential.opens(&endpoint.origin) {
            let (origin, bound_to) = (endpoint.origin.to_string(), credential.bound_to());
            return Err(SendError::BadHost { origin, bound_to });
        }
        let (name, value) = credential.header();
        headers.insert(name, value);
    }
    let mut request = Request::new(Full::new(call.body));
    *request.method_mut() = call.method;
    *request.uri_mut() = endpoint.uri.clone();
    *request.headers_mut() = headers;
    Ok(request)
}
