//! Who asks, what they send, and whether they may now.
//!
//! Rules: the key is looked at, and requests and concurrency are taken from its limits, before a
//! byte of the body is read; the body is bounded in size and time, and all bodies together in
//! bytes; what a request takes from its limits is given back when its [`Reservation`] is dropped,
//! however it ends.

use crate::config::ServeConfig;
use crate::error::Failure;
use crate::held::Hold;
use crate::keys::KeyHash;
use crate::live::{LiveKey, RuntimeState};
use crate::lock::lock;
use crate::overload::Cause;
use crate::state::State;
use banjia_traffic::{Admission, Limiter, Remaining};
use banjia_types::{Moment, Usage};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Body as _;
use hyper::body::Incoming;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

/// A first guess for a body whose length is not said.
const BODY_BYTES_GUESS: usize = 8 * 1024;

/// Finds the key in the headers.
pub(crate) fn identify(headers: &HeaderMap, runtime: &RuntimeState) -> Result<Arc<LiveKey>, Failure> {
    let value = headers.get(header::AUTHORIZATION).ok_or_else(Failure::no_key)?;
    let text = value.to_str().map_err(|_| Failure::wrong_key())?;
    let (scheme, key) = text.split_once(' ').ok_or_else(Failure::no_key)?;
    let key = key.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
        return Err(Failure::no_key());
    }
    let hash = KeyHash::of(runtime.snapshot.serve.pepper.as_ref(), key);
    runtime.keys.get(&hash).cloned().ok_or_else(Failure::wrong_key)
}

/// Refuses a body that is compressed: its size would say nothing about the memory that it takes.
///
/// # Errors
/// The error for the client, 415 (RFC 9110, section 15.5.16).
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Failure> {
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?").trim());
    let mut compressed =
        encodings.filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"));
    compressed.next().map_or(Ok(()), |encoding| Err(Failure::compressed_body(encoding)))
}

/// Reads a body, bounded in size and time. No timer is made for a body that is already there. The
/// bytes are part of the budget of all that is held for as long as they live.
pub(crate) async fn read_body(body: Incoming, state: &State, serve: &ServeConfig) -> Result<Bytes, Failure> {
    let (bytes_max, within) = (serve.body_bytes_max, Duration::from_millis(serve.body_read_ms));
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        return Err(Failure::body_too_large(bytes_max));
    }
    let mut hold = Hold::new(&state.held);
    if !hold.reach(announced as usize) {
        state.overload.count(Cause::Memory);
        return Err(Failure::no_memory());
    }
    let mut reading = pin!(collect(body, bytes_max, state, hold));
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        return done;
    }
    match tokio::time::timeout(within, reading).await {
        Ok(done) => done,
        Err(_) => Err(Failure::body_too_slow(within)),
    }
}

async fn collect(mut body: Incoming, bytes_max: usize, state: &State, mut hold: Hold) -> Result<Bytes, Failure> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(0);
    let mut first: Option<Bytes> = None;
    let mut whole: Option<BytesMut> = None;
    let mut length = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| Failure::truncated())?.into_data() else { continue };
        length += data.len();
        if length > bytes_max {
            return Err(Failure::body_too_large(bytes_max));
        }
        if !hold.grow_to(length) {
            state.overload.count(Cause::Memory);
            return Err(Failure::no_memory());
        }
        match (&mut whole, first.take()) {
            (Some(whole), _) => whole.extend_from_slice(&data),
            (None, None) => first = Some(data),
            (None, Some(before)) => {
                let mut joined = BytesMut::with_capacity(expected.max(length).max(BODY_BYTES_GUESS));
                joined.extend_from_slice(&before);
                joined.extend_from_slice(&data);
                whole = Some(joined);
            }
        }
    }
    Ok(hold.cover(whole.map(BytesMut::freeze).or(first).unwrap_or_default()))
}

/// What a request holds of its limits. Given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    key: Arc<LiveKey>,
    used: u64,
}

impl Reservation {
    /// Tells what was used, for the tokens' limit.
    pub(crate) fn settle(&mut self, usage: &Usage) {
        self.used = usage.total();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let limiters = [&self.key.own, &self.key.account];
        if limiters.iter().all(|limiter| limiter.is_none()) {
            return;
        }
        let now = crate::clock::moment();
        for limiter in limiters.into_iter().flatten() {
            lock(limiter).finish(0, self.used, now);
        }
    }
}

/// Takes one request from the key's limits and its account's.
pub(crate) fn reserve(key: &Arc<LiveKey>, now: Moment) -> Result<Reservation, Failure> {
    if let Some(own) = &key.own {
        admit(own, "key", now)?;
    }
    if let Some(account) = &key.account
        && let Err(failure) = admit(account, "account", now)
    {
        if let Some(own) = &key.own {
            lock(own).undo(0, now);
        }
        return Err(failure);
    }
    Ok(Reservation { key: key.clone(), used: 0 })
}

fn admit(limiter: &Mutex<Limiter>, whose: &'static str, now: Moment) -> Result<(), Failure> {
    let mut limiter = lock(limiter);
    let Admission::Refused { by, retry_after } = limiter.admit(0, now) else { return Ok(()) };
    let rules = limiter.rules();
    let limit = match by {
        banjia_traffic::Limit::Requests => rules.requests_per_minute,
        banjia_traffic::Limit::Tokens => rules.tokens_per_minute,
        banjia_traffic::Limit::Concurrency => rules.concurrency_max,
    };
    Err(Failure::limited(by, whose, limit.unwrap_or(0), retry_after))
}

/// What is left of the limits, for OpenAI's `x-ratelimit-*` headers. Where key and account are both limited, the one with
/// less left is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimitHeaders {
    requests: Option<Remaining>,
    tokens: Option<Remaining>,
}

impl RateLimitHeaders {
    pub(crate) fn of(key: &LiveKey, now: Moment) -> Self {
        let limiters = [&key.own, &key.account];
        let least = |remaining: fn(&Limiter, Moment) -> Option<Remaining>| {
            limiters
                .into_iter()
                .flatten()
                .filter_map(|limiter| remaining(&lock(limiter), now))
                .min_by_key(|remaining| remaining.left)
        };
        Self { requests: least(Limiter::requests), tokens: least(Limiter::tokens) }
    }

    /// Adds the headers.
    pub(crate) fn annotate(&self, headers: &mut HeaderMap) {
        if let Some(remaining) = &self.requests {
            put(headers, remaining, REQUESTS);
        }
        if let Some(remaining) = &self.tokens {
            put(headers, remaining, TOKENS);
        }
    }
}

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

fn put(headers: &mut HeaderMap, remaining: &Remaining, [limit, left, reset]: [HeaderName; 3]) {
    headers.insert(limit, HeaderValue::from(remaining.limit));
    headers.insert(left, HeaderValue::from(remaining.left));
    if let Ok(text) = HeaderValue::try_from(remaining.reset_text()) {
        headers.insert(reset, text);
    }
}
