//! What a vendor's server gets and gives, before any fault touches it.
//!
//! Rules: serving is a pure function from [`Call`] to [`Answer`]; waiting, breaking and sending are `play`'s.

use crate::brain::ScriptedModel;
use banjia_types::hash::{FNV_START, fnv1a, spread};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// One request, with the vendor's mount point taken off its path.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) full_path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) brain: &'a ScriptedModel,
    pub(crate) ids: &'a Ids,
}

impl Call<'_> {
    /// The path in pieces: `["chat", "completions"]`.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|piece| !piece.is_empty()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The credential after `Bearer `.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let value = self.header("authorization")?;
        value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")).map(str::trim)
    }

    /// A member of the query, percent-decoded.
    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        self.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| decode(v))
    }

    /// The body as a JSON object without explicit nulls at the top (most vendors read null as absent).
    pub(crate) fn object(&self) -> Option<Value> {
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(mut members)) => {
                members.retain(|_, value| !value.is_null());
                Some(Value::Object(members))
            }
            _ => None,
        }
    }
}

/// One event of a stream, ready to send.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    /// Whether the pace waits before it.
    pub(crate) content: bool,
}

impl Event {
    /// `data: {...}` and a blank line.
    pub(crate) fn data(value: &Value, content: bool) -> Self {
        Self { bytes: Bytes::from(format!("data: {value}\n\n")), content }
    }

    /// The `[DONE]` line.
    pub(crate) fn done() -> Self {
        Self { bytes: Bytes::from_static(b"data: [DONE]\n\n"), content: false }
    }
}

/// What a vendor's server says.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// A JSON document; `pieces` is how many tokens it took to think of it.
    Json { value: Value, pieces: usize },
    /// A stream of server-sent events.
    Events(Vec<Event>),
    /// Bytes of another type.
    Bytes { media_type: &'static str, bytes: Bytes },
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

impl Answer {
    pub(crate) fn json(status: u16, value: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json { value, pieces: 0 } }
    }

    pub(crate) fn thought(value: Value, pieces: usize) -> Self {
        Self { status: 200, headers: Vec::new(), body: Body::Json { value, pieces } }
    }

    pub(crate) fn events(events: Vec<Event>) -> Self {
        Self { status: 200, headers: Vec::new(), body: Body::Events(events) }
    }

    pub(crate) fn bytes(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self { status: 200, headers: Vec::new(), body: Body::Bytes { media_type, bytes: bytes.into() } }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Numbers for ids: unique in a sandbox, the same in each run with the same order of requests.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    next: AtomicU64,
    seed: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { next: AtomicU64::new(1), seed }
    }

    /// The next number, well mixed.
    pub(crate) fn number(&self) -> u64 {
        mix(self.seed ^ mix(self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Hexadecimal digits, at most 32.
    pub(crate) fn hex(&self, len: usize) -> String {
        let mut text = format!("{:016x}{:016x}", self.number(), self.number());
        text.truncate(len);
        text
    }

    /// Letters and digits in lower case, at most 32.
    pub(crate) fn word(&self, len: usize) -> String {
        const SET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut left = u128::from(self.number()) << 64 | u128::from(self.number());
        let mut text = String::with_capacity(len);
        for _ in 0..len {
            text.push(char::from(SET[(left % 36) as usize]));
            left /= 36;
        }
        text
    }

    /// In the form of a UUID.
    pub(crate) fn uuid(&self) -> String {
        let (high, low) = (self.number(), self.number());
        format!(
            "{:08x}-{:04x}-9{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            0x8000 | low >> 48 & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }
}

/// Spreads a number over all bits (the finaliser of splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    spread(number.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

/// A stable hash of text (FNV-1a, then spread).
pub(crate) fn hash(text: &str) -> u64 {
    mix(fnv1a(FNV_START, text.as_bytes()))
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_secs())
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// Percent-decoding of a query value.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A file in a multipart form.
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
    pub(crate) purpose: Option<String>,
}

/// The file and the purpose of an upload. A body that is no multipart form gives an empty file.
pub(crate) fn upload(call: &Call<'_>) -> Upload {
    let mut upload = Upload { name: String::new(), bytes: Bytes::new(), purpose: None };
    let boundary = call.header("content-type").and_then(|kind| kind.split("boundary=").nth(1)).unwrap_or_default();
    let boundary = format!("--{}", boundary.trim_matches('"'));
    for (head, bytes) in parts(call.body, boundary.as_bytes()) {
        if let Some(name) = after(&head, "filename=\"") {
            upload.name = name;
            upload.bytes = bytes;
        } else if after(&head, "name=\"").as_deref() == Some("purpose") {
            upload.purpose = Some(String::from_utf8_lossy(&bytes).trim().to_owned());
        }
    }
    upload
}

fn after(head: &str, mark: &str) -> Option<String> {
    head.split(mark).nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned)
}

fn parts(body: &Bytes, boundary: &[u8]) -> Vec<(String, Bytes)> {
    let mut found = Vec::new();
    let mut at = 0;
    while boundary.len() > 2 {
        let Some(start) = find(body, boundary, at).map(|start| start + boundary.len()) else { break };
        let Some(end) = find(body, boundary, start) else { break };
        if let Some(blank) = find(body, b"\r\n\r\n", start).filter(|blank| *blank < end) {
            let head = String::from_utf8_lossy(&body[start..blank]).into_owned();
            found.push((head, body.slice(blank + 4..end.saturating_sub(2).max(blank + 4))));
        }
        at = end;
    }
    found
}

fn find(body: &[u8], what: &[u8], from: usize) -> Option<usize> {
    body.get(from..)?.windows(what.len()).position(|window| window == what).map(|at| at + from)
}
