//! What is done to the frames of a stream that needs an emulation. A stream that needs none never comes here.
//!
//! Rules: a frame keeps its kind; comments pass; what is left empty is not sent; `[DONE]` comes once, after the last of the
//! requests that the stream is made of, and the one usage chunk just before it.

use super::choices::Interleave;
use super::reasoning::{ReasoningCache, ReasoningCollector};
use super::stop::StopCutter;
use crate::held::HeldBytes;
use banjia_types::AccountId;
use banjia_wire::{Frame, FrameKind, Notes};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// The emulations of one stream.
#[derive(Debug)]
pub(crate) struct StreamEmulation {
    stop: Option<StopCutter>,
    interleave: Option<Interleave>,
    gather: Option<Vec<ReasoningCollector>>,
    include_usage: bool,
    legs_open: u32,
}

impl StreamEmulation {
    /// None when the frames may go as they are.
    pub(crate) fn of(notes: &Notes, held: &Arc<HeldBytes>) -> Option<Box<Self>> {
        let legs = notes.requests();
        if legs == 1 && notes.stop.is_empty() && !notes.replay_reasoning {
            return None;
        }
        Some(Box::new(Self {
            stop: (!notes.stop.is_empty()).then(|| StopCutter::new(&notes.stop)),
            interleave: (legs > 1).then(Interleave::default),
            gather: notes.replay_reasoning.then(|| (0..legs).map(|_| ReasoningCollector::within(held)).collect()),
            include_usage: notes.include_usage,
            legs_open: legs,
        }))
    }

    /// Works on the frames from `from` on, which came from the `upstream_stream`-th request.
    pub(crate) fn apply(&mut self, upstream_stream: u32, frames: &mut Vec<Frame>, from: usize) {
        for mut frame in frames.split_off(from) {
            match frame.kind {
                FrameKind::Error(_) => frames.push(frame),
                FrameKind::Done => self.done(frame, frames),
                _ => {
                    let Some(mut chunk) = payload(&frame.bytes) else {
                        frames.push(frame);
                        continue;
                    };
                    if self.chunk(upstream_stream, &mut chunk) {
                        frame.bytes = event(&chunk);
                        frames.push(frame);
                    }
                }
            }
        }
    }

    /// Keeps what the stream's tool calls will want back.
    pub(crate) fn keep_reasoning(&mut self, replay: &ReasoningCache, account: &AccountId) {
        for gather in self.gather.take().into_iter().flatten() {
            gather.keep(replay, account);
        }
    }

    fn chunk(&mut self, upstream_stream: u32, chunk: &mut Value) -> bool {
        if let Some(gather) = self.gather.as_mut().and_then(|gathers| gathers.get_mut(upstream_stream as usize)) {
            gather.add_chunk(chunk);
        }
        let renumbered =
            self.interleave.as_mut().is_none_or(|streams| streams.chunk(u64::from(upstream_stream), chunk));
        renumbered && self.stop.as_mut().is_none_or(|stop| stop.cut_chunk(chunk))
    }

    fn done(&mut self, frame: Frame, frames: &mut Vec<Frame>) {
        self.legs_open = self.legs_open.saturating_sub(1);
        if self.legs_open > 0 {
            return;
        }
        let usage = self.interleave.as_mut().and_then(Interleave::usage_chunk);
        if let Some(usage) = usage.filter(|_| self.include_usage) {
            frames.push(Frame { kind: FrameKind::Usage, bytes: event(&usage) });
        }
        frames.push(frame);
    }
}

/// The JSON of a frame's `data` line; none for comments and for what is not JSON.
pub(crate) fn payload(frame: &[u8]) -> Option<Value> {
    let data = frame.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"data:"))?;
    serde_json::from_slice(data).ok()
}

/// A frame of one chunk.
pub(crate) fn event(chunk: &Value) -> Bytes {
    Bytes::from(format!("data: {chunk}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn frame(kind: FrameKind, chunk: &Value) -> Frame {
        Frame { kind, bytes: event(chunk) }
    }

    #[test]
    fn two_requests_make_one_stream_with_one_usage_and_one_done() {
        let notes = Notes { fan_out: 2, include_usage: true, ..Notes::default() };
        let mut shape = StreamEmulation::of(&notes, &HeldBytes::new(0)).unwrap();
        let mut frames = Vec::new();
        for upstream_stream in 0..2 {
            let from = frames.len();
            let text = json!({"id": "a", "choices": [{"index": 0, "delta": {"content": "x"}}], "usage": null});
            frames.push(frame(FrameKind::Content, &text));
            frames.push(frame(FrameKind::Usage, &json!({"id": "a", "choices": [], "usage": {"total_tokens": 5}})));
            frames.push(Frame { kind: FrameKind::Done, bytes: Bytes::from_static(b"data: [DONE]\n\n") });
            shape.apply(upstream_stream, &mut frames, from);
        }
        assert_eq!(frames.len(), 4);
        assert_eq!(payload(&frames[1].bytes).unwrap()["choices"][0]["index"], 1);
        assert_eq!(payload(&frames[2].bytes).unwrap()["usage"]["total_tokens"], 10);
        assert!(matches!(frames[3].kind, FrameKind::Done));
        assert!(StreamEmulation::of(&Notes::default(), &HeldBytes::new(0)).is_none());
    }
}
