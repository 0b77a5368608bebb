//! Bytes of an event stream cut into events.
//!
//! Rules:
//! - However the bytes are split, the same events come out, each with its bytes as they were.
//! - Lines end with LF, CR or CRLF.
//! - An event ends with an empty line.
//! - A block of comments, and an empty line with nothing before it, is an event without data.
//! - An event longer than the bound is an error and the end.
//!
//! Why the bytes are kept: a vendor that needs no change is forwarded, not printed again.
//!
//! One known dialect is not read here: some recordings of native protocols have no empty line
//! between events.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use std::fmt;

/// The mark that may stand before the first line of a stream.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One event and the bytes that it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEvent {
    /// The bytes, its closing empty line included.
    pub raw: Bytes,
    /// The `event` field.
    pub event: Option<Bytes>,
    /// The `data` lines, joined with LF. None for comments, empty lines and unknown fields alone.
    pub data: Option<Bytes>,
    /// A status told in a comment (`:HTTP_STATUS/400`), as some vendors do in a stream that began
    /// with 200.
    pub status: Option<u16>,
    /// True if it has no named field: only comments and empty lines.
    pub is_comment: bool,
    /// True if it has an `id` or a `retry`, which readers of streams remember.
    pub has_extras: bool,
    /// True if a byte order mark stands before it.
    pub has_mark: bool,
}

/// An event was longer than the bound. Nothing more comes out of this framer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The bound.
    pub event_bytes_max: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one event of the stream is longer than {} bytes", self.event_bytes_max)
    }
}

/// Cuts a byte stream into events.
#[derive(Debug)]
pub struct Framer {
    /// The rest of the latest chunk, not copied.
    fresh: Bytes,
    /// An event that came in several chunks, as far as it is here.
    held: BytesMut,
    scan: Scan,
    at_start: bool,
    ended: bool,
    failed: bool,
    event_bytes_max: usize,
}

/// How far the event at the front of the buffer was searched for its end.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    at: usize,
    line_start: usize,
}

impl Framer {
    /// A framer that refuses events of more than `event_bytes_max` bytes.
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            fresh: Bytes::new(),
            held: BytesMut::new(),
            scan: Scan::default(),
            at_start: true,
            ended: false,
            failed: false,
            event_bytes_max,
        }
    }

    /// Takes more bytes. Take the events out with [`Framer::next`] before the next call, or they
    /// pile up.
    pub fn feed(&mut self, chunk: &Bytes) {
        if self.failed || self.ended {
            return;
        }
        if self.held.is_empty() && self.fresh.is_empty() {
            self.fresh = chunk.clone();
        } else {
            self.hold();
            self.held.extend_from_slice(chunk);
        }
    }

    /// Says that no more bytes come, so that [`Framer::next`] gives out an event that was not
    /// closed.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next event that is complete.
    #[expect(clippy::should_implement_trait, reason = "None means `not yet`, so this is no iterator")]
    pub fn next(&mut self) -> Option<Result<RawEvent, TooLong>> {
        let buffer: &[u8] = if self.held.is_empty() { &self.fresh } else { &self.held };
        let end = match self.scan.event_end(buffer) {
            None if self.ended && !buffer.is_empty() => Some(buffer.len()),
            end => end,
        };
        if end.unwrap_or(buffer.len()) > self.event_bytes_max {
            self.failed = true;
            self.fresh.clear();
            self.held = BytesMut::new();
            self.scan = Scan::default();
            return Some(Err(TooLong { event_bytes_max: self.event_bytes_max }));
        }
        let Some(end) = end else {
            self.hold();
            return None;
        };
        let raw = if self.held.is_empty() { self.fresh.split_to(end) } else { self.held.split_to(end).freeze() };
        self.scan = Scan::default();
        let event = RawEvent::read(raw, self.at_start);
        self.at_start = false;
        Some(Ok(event))
    }

    fn hold(&mut self) {
        self.held.extend_from_slice(&self.fresh);
        self.fresh.clear();
    }
}

impl Scan {
    /// Where the event at the front ends, if its end is here. Searches no byte twice.
    fn event_end(&mut self, buffer: &[u8]) -> Option<usize> {
        loop {
            let Some(found) = memchr2(b'\n', b'\r', &buffer[self.at..]) else {
                self.at = buffer.len();
                return None;
            };
            let line_end = self.at + found;
            self.at = line_end;
            let next = match (buffer[line_end], buffer.get(line_end + 1)) {
                // Whether this is a CR or half a CRLF is told by the next byte.
                (b'\r', None) => return None,
                (b'\r', Some(b'\n')) => line_end + 2,
                _ => line_end + 1,
            };
            if line_end == self.line_start {
                return Some(next);
            }
            self.at = next;
            self.line_start = next;
        }
    }
}

impl RawEvent {
    fn read(raw: Bytes, at_start: bool) -> Self {
        let has_mark = at_start && raw.starts_with(BYTE_ORDER_MARK);
        let mut event = Self {
            raw: Bytes::new(),
            event: None,
            data: None,
            status: None,
            is_comment: true,
            has_extras: false,
            has_mark,
        };
        let mut rest: &[u8] = if has_mark { &raw[BYTE_ORDER_MARK.len()..] } else { &raw };
        let mut data: Vec<&[u8]> = Vec::new();
        while !rest.is_empty() {
            let (line, after) = split_line(rest);
            rest = after;
            let (name, value) = match memchr::memchr(b':', line) {
                Some(colon) => (&line[..colon], &line[colon + 1..]),
                None => (line, &line[line.len()..]),
            };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            event.is_comment &= name.is_empty();
            match name {
                b"id" | b"retry" => event.has_extras = true,
                b"data" => data.push(value),
                b"event" => event.event = Some(raw.slice_ref(value)),
                b"" => event.status = event.status.or_else(|| status_in(value)),
                _ => {}
            }
        }
        event.data = match data[..] {
            [] => None,
            [line] => Some(raw.slice_ref(line)),
            _ => Some(data.join(&b'\n').into()),
        };
        Self { raw, ..event }
    }

    /// Its lines without `id`, `retry` and byte order mark, each with its end as it was.
    pub(crate) fn without_extras(&self) -> Bytes {
        let mut kept = BytesMut::with_capacity(self.raw.len());
        let mut rest: &[u8] = if self.has_mark { &self.raw[BYTE_ORDER_MARK.len()..] } else { &self.raw };
        while !rest.is_empty() {
            let (line, after) = split_line(rest);
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            if !matches!(name, b"id" | b"retry") {
                kept.extend_from_slice(&rest[..rest.len() - after.len()]);
            }
            rest = after;
        }
        kept.freeze()
    }
}

/// The first line without its end, and what follows.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = memchr2(b'\n', b'\r', text) else { return (text, &[]) };
    let after = &text[end + 1..];
    let after = if text[end] == b'\r' { after.strip_prefix(b"\n").unwrap_or(after) } else { after };
    (&text[..end], after)
}

/// Alibaba's native streams, recorded by public SDK tests of 2024-2026, tell the true status in a
/// comment.
fn status_in(comment: &[u8]) -> Option<u16> {
    std::str::from_utf8(comment.strip_prefix(b"HTTP_STATUS/")?).ok()?.trim().parse().ok()
}
