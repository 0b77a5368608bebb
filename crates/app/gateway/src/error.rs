//! The only maker of error answers.
//!
//! Rules: every error a client sees is a [`Failure`] and has OpenAI's shape, `{"error": {message, type, param, code}}` with
//! all four members; the class alone decides the status; a vendor's words are passed on only where they speak of the
//! client's request, and never with a vendor's key in them. The official SDKs retry 408, 409, 429 and 5xx unless the
//! header `x-should-retry` says otherwise (openai-python 3.54.0), so it is sent wherever a retry cannot help.

use crate::bad_request::BadRequest;
use crate::body::Body;
use banjia_traffic::Limit;
use banjia_types::{ErrorClass, Secret};
use banjia_wire::{BadBody, Refusal, VendorError, mask_key};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::json;
use std::time::Duration;

/// Nobody knows when a request under way will end; asking again after this is polite.
const CONCURRENCY_RETRY_AFTER: Duration = Duration::from_secs(1);
const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Names the verdict, and the rule that it follows from.
pub(crate) const BORDER: HeaderName = HeaderName::from_static("x-banjia-border");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// Who is at fault, for logs and the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Client,
    Gateway,
    Vendor,
}

impl Origin {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Vendor => "vendor",
        }
    }
}

/// Goes with an answer that is to be held back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delay(pub(crate) Duration);

/// An error as the client will see it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) origin: Origin,
    /// The class, where one applies; it goes into the ledger.
    pub(crate) class: Option<ErrorClass>,
    kind: &'static str,
    code: Option<Box<str>>,
    message: Box<str>,
    param: Option<Box<str>>,
    retry_after: Option<Duration>,
    retry_is_useless: bool,
    allow: Option<&'static str>,
    /// A key was given that nobody has. Then `retry_after` is the delay of the answer, and no
    /// header shows it.
    is_wrong_key: bool,
    /// A vendor's own words, without our key in them: for logs and evidence, shown only where they speak of the request.
    vendor_said: Box<str>,
}

impl Failure {
    fn new(status: StatusCode, origin: Origin, kind: &'static str, message: impl Into<Box<str>>) -> Self {
        Self {
            status,
            origin,
            class: None,
            kind,
            code: None,
            message: message.into(),
            param: None,
            retry_after: None,
            retry_is_useless: false,
            allow: None,
            is_wrong_key: false,
            vendor_said: Box::default(),
        }
    }

    fn client(status: StatusCode, message: impl Into<Box<str>>) -> Self {
        Self { class: Some(ErrorClass::BadRequest), ..Self::new(status, Origin::Client, INVALID, message) }
    }

    pub(crate) fn code(self, code: impl Into<Box<str>>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    pub(crate) fn no_key() -> Self {
        let message = "No API key was given. Send it as a header: `Authorization: Bearer YOUR_KEY`.";
        Self {
            class: Some(ErrorClass::Auth),
            ..Self::client(StatusCode::UNAUTHORIZED, message).code("invalid_api_key")
        }
    }

    pub(crate) fn wrong_key() -> Self {
        let message = "The API key is not known here. Keys of this gateway are needed, not those of a vendor.";
        Self {
            is_wrong_key: true,
            class: Some(ErrorClass::Auth),
            ..Self::client(StatusCode::UNAUTHORIZED, message).code("invalid_api_key")
        }
    }

    /// True if a key was given that nobody has.
    pub(crate) const fn is_wrong_key(&self) -> bool {
        self.is_wrong_key
    }

    /// The same, to be held back for a while.
    pub(crate) fn delayed(self, delay: Duration) -> Self {
        Self { retry_after: Some(delay).filter(|delay| !delay.is_zero()), ..self }
    }

    pub(crate) fn bad_body(bad: BadBody) -> Self {
        let failure = Self::client(StatusCode::BAD_REQUEST, bad.message);
        Self { param: bad.param.map(Into::into), code: bad.code.map(Into::into), ..failure }
    }

    pub(crate) fn bad_request(param: &str, message: impl Into<Box<str>>) -> Self {
        Self { param: Some(param.into()), ..Self::client(StatusCode::BAD_REQUEST, message) }
    }

    /// The body ended early or could not be read.
    pub(crate) fn truncated() -> Self {
        Self::client(StatusCode::BAD_REQUEST, "The request's body ended before it was complete.")
    }

    pub(crate) fn body_too_large(bytes_max: usize) -> Self {
        let message = format!("The request's body is larger than the {bytes_max} bytes that are read here.");
        Self::client(StatusCode::PAYLOAD_TOO_LARGE, message).code("request_too_large")
    }

    pub(crate) fn compressed_body(encoding: &str) -> Self {
        let shown: String = encoding.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect();
        let message = format!(
            "The request's body is compressed (`content-encoding: {shown}`). Send it as it is, without that header."
        );
        Self::client(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).code("unsupported_content_encoding")
    }

    pub(crate) fn body_too_slow(limit: Duration) -> Self {
        let message = format!("The request's body was not complete after {} seconds.", limit.as_secs_f32());
        Self::client(StatusCode::REQUEST_TIMEOUT, message).code("request_timeout")
    }

    pub(crate) fn unknown_model(model: &str, near: &[&str]) -> Self {
        let shown: String = model.chars().take(100).collect();
        let mut message = format!("The model `{shown}` does not exist or you do not have access to it.");
        if !near.is_empty() {
            message.push_str(" Near to it: ");
            message.push_str(&near.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
            message.push('.');
        }
        let failure = Self::client(StatusCode::NOT_FOUND, message).code("model_not_found");
        Self { class: Some(ErrorClass::ModelGone), ..failure }
    }

    /// `near` is the path that was probably meant.
    pub(crate) fn unknown_path(method: &http::Method, path: &str, near: Option<&str>) -> Self {
        let shown: String = path.chars().take(200).collect();
        let near = near.map_or_else(String::new, |near| format!(" Did you mean {near}?"));
        Self::client(StatusCode::NOT_FOUND, format!("Unknown request URL: {method} {shown}.{near}")).code("unknown_url")
    }

    pub(crate) fn not_supported(what: &str) -> Self {
        let message = format!("{what} is known to this gateway but not supported by it yet.");
        let failure = Self::new(StatusCode::NOT_IMPLEMENTED, Origin::Gateway, INVALID, message).code("not_supported");
        Self { retry_is_useless: true, ..failure }
    }

    pub(crate) fn wrong_method(method: &http::Method, allow: &'static str) -> Self {
        let message = format!("{method} is not allowed here; use {allow}.");
        let failure = Self::client(StatusCode::METHOD_NOT_ALLOWED, message).code("method_not_allowed");
        Self { allow: Some(allow), ..failure }
    }

    /// One of this gateway's own limits.
    pub(crate) fn limited(by: Limit, whose: &str, limit: u32, retry_after: Option<Duration>) -> Self {
        let what = match by {
            Limit::Requests => "requests a minute",
            Limit::Tokens => "tokens a minute",
            Limit::Concurrency => "requests at once",
        };
        let message = format!("The limit of {limit} {what} of this {whose} is reached. Try again later.");
        let kind = if by == Limit::Tokens { "tokens" } else { "requests" };
        let failure = Self::new(StatusCode::TOO_MANY_REQUESTS, Origin::Client, kind, message);
        let retry_after = retry_after.or_else(|| (by == Limit::Concurrency).then_some(CONCURRENCY_RETRY_AFTER));
        Self { class: Some(ErrorClass::Rate), retry_after, ..failure.code("rate_limit_exceeded") }
    }

    /// No place in the ledger's queue: the request is not accepted, because it could not be accounted for.
    pub(crate) fn ledger_full() -> Self {
        let message = "The gateway is too busy to take this request. Try again in a moment.";
        let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, Origin::Gateway, SERVER, message).code("overloaded");
        Self { class: Some(ErrorClass::Overload), retry_after: Some(Duration::from_secs(1)), ..failure }
    }

    /// No room in memory for the request's body or for its answer.
    pub(crate) fn no_memory() -> Self {
        let message = "The gateway holds as many bytes of requests and answers as it may. Try again in a moment.";
        let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, Origin::Gateway, SERVER, message).code("overloaded");
        Self { class: Some(ErrorClass::Overload), retry_after: Some(Duration::from_secs(1)), ..failure }
    }

    /// A client address has as many connections as it may have.
    pub(crate) fn too_many_connections() -> Self {
        let message = "Too many connections are open from your address. Close some of them, or use them for more than one \
                       request.";
        let failure = Self::new(StatusCode::TOO_MANY_REQUESTS, Origin::Client, "requests", message);
        let failure = failure.code("too_many_connections");
        Self { class: Some(ErrorClass::Rate), retry_after: Some(Duration::from_secs(1)), ..failure }
    }

    /// Bytes that are not a request with exactly one reading.
    pub(crate) fn unclear_request(why: BadRequest) -> Self {
        let status = match why {
            BadRequest::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::client(status, why.message()).code("malformed_request")
    }

    pub(crate) fn internal() -> Self {
        let message = "The gateway failed on this request. Its request id is in the header x-request-id.";
        let failure = Self::new(StatusCode::INTERNAL_SERVER_ERROR, Origin::Gateway, SERVER, message);
        Self { class: Some(ErrorClass::Server), ..failure }
    }

    /// A parameter that the target cannot honour and the route does not let go.
    pub(crate) fn refusal(refusal: Refusal) -> Self {
        Self::bad_request(&refusal.param, refusal.message).code("unsupported_parameter")
    }

    /// A failure of which no more is known than its class.
    pub(crate) fn broken(class: ErrorClass) -> Self {
        Self::of_class(class, None)
    }

    /// The answer did not have the form that was promised (a schema, a tool call), also when it was asked for again.
    pub(crate) fn form_unmet(findings: &str) -> Self {
        let message = format!("The model did not answer in the form that was asked for: {findings}");
        let failure = Self::new(StatusCode::BAD_GATEWAY, Origin::Vendor, SERVER, message).code("answer_form_unmet");
        Self { class: Some(ErrorClass::Server), retry_is_useless: true, ..failure }
    }

    /// No target gave its first content in time.
    pub(crate) fn too_late() -> Self {
        let message = "The vendor behind this model did not answer in time.";
        let failure = Self::new(StatusCode::GATEWAY_TIMEOUT, Origin::Vendor, SERVER, message).code("vendor_timeout");
        Self { class: Some(ErrorClass::Server), ..failure }
    }

    /// The border's block: the body that OpenAI has sent to places that it does not support since 2024.
    pub(crate) fn not_served_here() -> Self {
        Self { origin: Origin::Gateway, retry_is_useless: true, ..Self::of_class(ErrorClass::Region, None) }
    }

    /// The target that would be asked is a move's source, and it may not be asked any more.
    pub(crate) fn source_left() -> Self {
        Self { origin: Origin::Gateway, retry_is_useless: true, ..Self::of_class(ErrorClass::ModelGone, None) }
    }

    /// A rehearsal of the block. Its code is its own, so that nobody takes it for a rate limit or an outage.
    pub(crate) fn brownout(block: Option<&str>) -> Self {
        let when = block.map_or_else(String::new, |block| format!(" From {block} on every request will be refused."));
        let message = format!(
            "This request was refused on purpose, to show what is coming: this country, region, or territory will not be \
             supported.{when} See the mail about it, and the headers of this answer."
        );
        let failure = Self::new(StatusCode::FORBIDDEN, Origin::Gateway, "request_forbidden", message);
        Self { class: Some(ErrorClass::Region), retry_is_useless: true, ..failure.code("region_brownout") }
    }

    /// A block that the law demands (RFC 7725: 451, naming who demands it).
    pub(crate) fn legal_demand(by: &str) -> Self {
        let message = format!("Unavailable for legal reasons: {by} demands that this request is not served.");
        let status = StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS;
        let failure = Self::new(status, Origin::Gateway, "request_forbidden", message);
        Self {
            class: Some(ErrorClass::Region),
            retry_is_useless: true,
            ..failure.code("unavailable_for_legal_reasons")
        }
    }

    /// Somebody who is not one of our own proxies asked the border for another.
    pub(crate) fn not_a_proxy() -> Self {
        let message = "Only trusted proxies may ask here; the operator names them in border.peer.trusted.";
        let failure = Self::client(StatusCode::FORBIDDEN, message).code("not_a_trusted_proxy");
        Self { retry_is_useless: true, ..failure }
    }

    /// Whether the same request may go otherwise at another time: the failure tells of a key, a balance, the pace, the load or
    /// a broken connection, and neither of the request nor of what the model said.
    pub(crate) fn may_differ_later(&self) -> bool {
        match self.class {
            None | Some(ErrorClass::BadRequest | ErrorClass::Context | ErrorClass::Content) => false,
            Some(ErrorClass::Server) => !self.retry_is_useless,
            Some(_) => true,
        }
    }

    /// What a vendor answered, in the shape and with the status of its class.
    pub(crate) fn vendor(error: &VendorError, secret: Option<&Secret>) -> Self {
        let masked = |text: &str| secret.map_or_else(|| text.to_owned(), |secret| mask_key(text, secret.expose()));
        let message = masked(&error.message);
        let mut failure = Self::of_class(error.class, Some(&message));
        failure.vendor_said = message.into();
        failure.retry_after = error.retry_after.or(failure.retry_after);
        if matches!(error.class, ErrorClass::BadRequest | ErrorClass::Context | ErrorClass::Content) {
            failure.param = error.param.as_deref().map(|param| masked(param).into());
        }
        if error.class == ErrorClass::BadRequest && failure.code.is_none() {
            failure.code = error.code.as_deref().map(|code| masked(code).into());
        }
        failure
    }

    /// `said` is the vendor's own message; it is shown only where it speaks of the client's request.
    fn of_class(class: ErrorClass, said: Option<&str>) -> Self {
        let made = |status, kind, own: &str| Self::new(status, Origin::Vendor, kind, own);
        let about_request = |status, own: &str| {
            let message = said.filter(|text| !text.is_empty()).unwrap_or(own);
            Self::new(status, Origin::Vendor, INVALID, message)
        };
        let failure = match class {
            ErrorClass::Auth => Self {
                retry_is_useless: true,
                ..made(StatusCode::BAD_GATEWAY, SERVER, "The vendor behind this model does not accept this gateway.")
            }
            .code("vendor_auth"),
            ErrorClass::Quota => Self {
                retry_is_useless: true,
                ..made(
                    StatusCode::TOO_MANY_REQUESTS,
                    "insufficient_quota",
                    "The quota at the vendor behind this model is used up.",
                )
            }
            .code("insufficient_quota"),
            ErrorClass::Rate => made(
                StatusCode::TOO_MANY_REQUESTS,
                "requests",
                "The vendor behind this model limits the rate. Try again later.",
            )
            .code("rate_limit_exceeded"),
            ErrorClass::Overload => made(
                StatusCode::SERVICE_UNAVAILABLE,
                SERVER,
                "The vendor behind this model is overloaded. Try again later.",
            )
            .code("overloaded"),
            ErrorClass::Context => {
                about_request(StatusCode::BAD_REQUEST, "The request does not fit the model's context.")
                    .code("context_length_exceeded")
            }
            ErrorClass::Content => {
                about_request(StatusCode::BAD_REQUEST, "The vendor's content check blocked this request.")
                    .code("content_filter")
            }
            ErrorClass::Region => {
                made(StatusCode::FORBIDDEN, "request_forbidden", "Country, region, or territory not supported")
                    .code("unsupported_country_region_territory")
            }
            ErrorClass::ModelGone => {
                made(StatusCode::NOT_FOUND, INVALID, "The vendor behind this model does not serve it (any more).")
                    .code("model_not_found")
            }
            ErrorClass::BadRequest => {
                about_request(StatusCode::BAD_REQUEST, "The vendor refused the request as malformed.")
            }
            ErrorClass::Server => {
                made(StatusCode::BAD_GATEWAY, SERVER, "The vendor behind this model failed to answer.")
                    .code("vendor_error")
            }
        };
        Self { class: Some(class), ..failure }
    }

    /// What the vendor said, for logs and as evidence of a cut.
    pub(crate) fn vendor_said(&self) -> &str {
        &self.vendor_said
    }

    /// What the client is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The JSON text, `{"error": {...}}`.
    pub(crate) fn json(&self) -> String {
        // The order of the members is that of the block which the SDKs know (seen 2024 to 2026).
        let (code, param) = (self.code.as_deref(), self.param.as_deref());
        let error = json!({ "code": code, "message": &*self.message, "param": param, "type": self.kind });
        json!({ "error": error }).to_string()
    }

    /// The event that ends a broken stream. No `[DONE]` follows it, so that no client takes the answer for whole.
    pub(crate) fn event(&self) -> Bytes {
        Bytes::from(format!("data: {}\n\n", self.json()))
    }

    /// The whole answer as bytes, for a connection that is closed before a request is read.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let response = self.response();
        let (status, body) = (response.status(), self.json());
        let mut wire =
            format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len()).into_bytes();
        for (name, value) in response.headers() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                wire.extend_from_slice(part);
            }
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(body.as_bytes());
        wire
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::full(Bytes::from(self.json())));
        *response.status_mut() = self.status;
        if let Some(delay) = self.retry_after.filter(|_| self.is_wrong_key) {
            response.extensions_mut().insert(Delay(delay));
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(after) = self.retry_after.filter(|_| !self.is_wrong_key) {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            headers.insert(RETRY_AFTER_MS, HeaderValue::from(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
        }
        if self.retry_is_useless {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}
