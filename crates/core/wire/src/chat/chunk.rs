//! The chunks of a stream: from a frame's bytes to JSON and back, and changes to a stream that was
//! read to its end.

use super::sum_numbers;
use crate::decode::{Frame, FrameKind};
use bytes::Bytes;
use serde_json::Value;

/// The text of the first choice in a chunk.
const TEXT: &str = "/choices/0/delta/content";

/// The JSON of a frame's `data` line; `None` for comments and for what is not JSON.
pub fn chunk_of(frame: &[u8]) -> Option<Value> {
    let data = frame.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"data:"))?;
    serde_json::from_slice(data).ok()
}

/// The event of one chunk, ready to send.
pub fn event(chunk: &Value) -> Bytes {
    Bytes::from(format!("data: {chunk}\n\n"))
}

/// The usage that a client would see in this stream: that of the last chunk which has any.
pub fn shown_usage(frames: &[Frame]) -> Option<Value> {
    frames.iter().rev().find_map(|frame| {
        let mut chunk = chunk_of(&frame.bytes)?;
        chunk.get_mut("usage").map(Value::take).filter(|usage| !usage.is_null())
    })
}

/// Adds `more` to the usage that a client would see in this stream. A stream that shows none stays
/// as it is.
pub fn add_to_shown_usage(frames: &mut [Frame], more: &Value) {
    let shown = frames.iter_mut().rev().find_map(|frame| {
        let chunk = chunk_of(&frame.bytes)?;
        chunk.get("usage").is_some_and(|usage| !usage.is_null()).then_some((frame, chunk))
    });
    if let Some((frame, mut chunk)) = shown {
        sum_numbers(&mut chunk["usage"], more);
        frame.bytes = event(&chunk);
    }
}

/// Puts `text` into the first chunk that has text, and takes the text out of the others. A chunk
/// that had only text goes.
pub fn replace_text(frames: &mut Vec<Frame>, text: &str) {
    let mut left = Some(text);
    frames.retain_mut(|frame| {
        let Some(mut chunk) = chunk_of(&frame.bytes) else { return true };
        let has_text = chunk.pointer(TEXT).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if !has_text {
            return true;
        }
        let is_kept = left.is_some() || !matches!(frame.kind, FrameKind::Content);
        if let Some(content) = chunk.pointer_mut(TEXT) {
            *content = Value::from(left.take().unwrap_or_default());
        }
        frame.bytes = event(&chunk);
        is_kept
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn frame(kind: FrameKind, chunk: &Value) -> Frame {
        Frame { kind, bytes: event(chunk) }
    }

    fn text(content: &str) -> Frame {
        frame(FrameKind::Content, &json!({"choices": [{"index": 0, "delta": {"content": content}}]}))
    }

    #[test]
    fn a_comment_has_no_chunk() {
        assert_eq!(chunk_of(b": keep-alive\n\n"), None);
        assert_eq!(chunk_of(b"event: x\ndata: {\"a\":1}\n\n"), Some(json!({"a": 1})));
    }

    #[test]
    fn usage_is_added_where_it_is_shown() {
        let usage = json!({"choices": [], "usage": {"total_tokens": 4}});
        let mut frames = vec![text("a"), frame(FrameKind::Usage, &usage)];
        add_to_shown_usage(&mut frames, &json!({"total_tokens": 3}));
        assert_eq!(shown_usage(&frames), Some(json!({"total_tokens": 7})));
        let mut bare = vec![text("a")];
        add_to_shown_usage(&mut bare, &json!({"total_tokens": 3}));
        assert_eq!(shown_usage(&bare), None);
    }

    #[test]
    fn a_new_text_stands_in_the_first_chunk() {
        let mut frames = vec![text("a"), text("b"), text("c")];
        replace_text(&mut frames, "whole");
        assert_eq!(frames.len(), 1);
        assert_eq!(chunk_of(&frames[0].bytes).unwrap().pointer(TEXT), Some(&json!("whole")));
    }
}
