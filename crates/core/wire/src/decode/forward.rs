//! Events that are forwarded as they came, without what breaks official SDKs.
//!
//! Rules:
//! - An event without data becomes a comment. SDKs take everything else for a chunk and fail to
//!   read its JSON.
//! - `id`, `retry` and a byte order mark are taken out. openai-python 2.x remembers an id, and then
//!   even a comment is a chunk for it (its `_streaming.py`, 2026-11).
//! - A JSON object without choices is no chunk: SDKs go through `choices` without asking.
//! - Everything else keeps its bytes.

use crate::chat;
use crate::sse::RawEvent;
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

/// A comment that only says that the stream lives.
pub(super) const KEEP_ALIVE: &[u8] = b":\n\n";

/// An event's bytes.
pub(super) fn forwarded(event: &RawEvent) -> Bytes {
    if event.has_extras || event.has_mark { closed(&event.without_extras()) } else { closed(&event.raw) }
}

/// The comment that stands for an event without data: its own comments, or a bare one.
pub(super) fn comment(event: &RawEvent) -> Bytes {
    if event.is_comment { forwarded(event) } else { Bytes::from_static(KEEP_ALIVE) }
}

/// The bytes of an event whose data is this JSON object.
pub(super) fn passed(event: &RawEvent, mut chunk: Value) -> Bytes {
    if chunk.get("choices").is_some_and(Value::is_array) {
        return forwarded(event);
    }
    if chunk.get("usage").is_some_and(Value::is_object) {
        chunk["choices"] = json!([]);
        return chat::event(&chunk);
    }
    Bytes::from_static(KEEP_ALIVE)
}

/// An event's bytes with the empty line that ends it, which the last event of a stream may lack.
fn closed(raw: &Bytes) -> Bytes {
    if raw.ends_with(b"\n") || raw.ends_with(b"\r") {
        let ends = raw.ends_with(b"\n\n") || raw.ends_with(b"\r\n\r\n") || raw.ends_with(b"\r\r") || raw.len() <= 2;
        if ends || raw.ends_with(b"\n\r\n") {
            return raw.clone();
        }
    }
    let mut whole = BytesMut::with_capacity(raw.len() + 2);
    whole.extend_from_slice(raw);
    whole.extend_from_slice(b"\n\n");
    whole.freeze()
}
