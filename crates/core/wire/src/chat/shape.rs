//! What is done to the frames of a stream that was made of several requests, or that a stop string
//! may cut.
//!
//! Rules:
//! - A frame keeps its kind.
//! - Comments are passed on.
//! - A chunk that is left empty is not sent.
//! - `[DONE]` comes once, after the last of the requests that the stream is made of, and the one
//!   usage chunk just before it.

use super::{Interleave, StopCutter, chunk_of, event};
use crate::decode::{Frame, FrameKind};
use crate::notes::Notes;
use serde_json::Value;

/// The changes to one client's stream.
#[derive(Debug)]
pub struct StreamShape {
    stop: Option<StopCutter>,
    interleave: Option<Interleave>,
    include_usage: bool,
    requests_open: u32,
}

impl StreamShape {
    /// The changes that the notes ask for.
    pub fn new(notes: &Notes) -> Self {
        let requests = notes.requests();
        Self {
            stop: (!notes.stop.is_empty()).then(|| StopCutter::new(&notes.stop)),
            interleave: (requests > 1).then(Interleave::default),
            include_usage: notes.include_usage,
            requests_open: requests,
        }
    }

    /// Works on the frames from `from` on, which came from the request with this number. `on_chunk`
    /// is given each chunk as the vendor sent it.
    pub fn apply(&mut self, request: u32, frames: &mut Vec<Frame>, from: usize, mut on_chunk: impl FnMut(&Value)) {
        for mut frame in frames.split_off(from) {
            match frame.kind {
                FrameKind::Error(_) => frames.push(frame),
                FrameKind::Done => self.done(frame, frames),
                _ => {
                    let Some(mut chunk) = chunk_of(&frame.bytes) else {
                        frames.push(frame);
                        continue;
                    };
                    on_chunk(&chunk);
                    if self.chunk(request, &mut chunk) {
                        frame.bytes = event(&chunk);
                        frames.push(frame);
                    }
                }
            }
        }
    }

    fn chunk(&mut self, request: u32, chunk: &mut Value) -> bool {
        let has_choices = self.interleave.as_mut().is_none_or(|streams| streams.chunk(u64::from(request), chunk));
        has_choices && self.stop.as_mut().is_none_or(|stop| stop.cut_chunk(chunk))
    }

    fn done(&mut self, frame: Frame, frames: &mut Vec<Frame>) {
        self.requests_open = self.requests_open.saturating_sub(1);
        if self.requests_open > 0 {
            return;
        }
        let usage = self.interleave.as_mut().and_then(Interleave::usage_chunk);
        if let Some(usage) = usage.filter(|_| self.include_usage) {
            frames.push(Frame { kind: FrameKind::Usage, bytes: event(&usage) });
        }
        frames.push(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;

    #[test]
    fn two_requests_make_one_stream_with_one_end() {
        let notes = Notes { fan_out: 2, include_usage: true, ..Notes::default() };
        let (mut shape, mut frames, mut seen) = (StreamShape::new(&notes), Vec::new(), 0);
        for request in 0..2 {
            let from = frames.len();
            let text = json!({"id": "a", "choices": [{"index": 0, "delta": {"content": "x"}}], "usage": null});
            let usage = json!({"id": "a", "choices": [], "usage": {"total_tokens": 5}});
            frames.push(Frame { kind: FrameKind::Content, bytes: event(&text) });
            frames.push(Frame { kind: FrameKind::Usage, bytes: event(&usage) });
            frames.push(Frame { kind: FrameKind::Done, bytes: Bytes::from_static(b"data: [DONE]\n\n") });
            shape.apply(request, &mut frames, from, |_| seen += 1);
        }
        assert_eq!((frames.len(), seen), (4, 4));
        assert_eq!(chunk_of(&frames[1].bytes).unwrap()["choices"][0]["index"], 1);
        assert_eq!(chunk_of(&frames[2].bytes).unwrap()["usage"]["total_tokens"], 10);
        assert!(matches!(frames[3].kind, FrameKind::Done));
    }
}
