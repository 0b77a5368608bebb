//! What vendors answer, made regular: one shape for every client, whatever the vendor's habits.
//!
//! Rules:
//! - A pass-through profile's bytes are forwarded untouched and only looked at, but for what would
//!   break an official SDK ([`forward`]).
//! - No event without a JSON object or `[DONE]` reaches the client. A comment is none.
//! - Any other profile's chunks are mended to what the official SDKs expect.
//! - A stream ends with exactly one `Done` or one `Error`, and nothing follows it.
//! - A stream that was cut, or whose finish reason hides a failure, never ends in `Done`.
//! - An event that is no UTF-8 is the vendor's failure.
//! - Memory is bounded whatever the vendor sends.
//!
//! Why a chunk that is already regular is not parsed: most chunks of most streams are plain text,
//! and looking for a few names in their bytes is many times cheaper than reading and printing them.

mod answer;
mod chunk;
mod finish;
mod forward;
mod identity;
mod peek;
#[cfg(test)]
mod tests;
mod tools;
mod usage;

pub use answer::{Answer, decode_answer};
pub use identity::Identity;
pub use usage::{ReportedUsage, TokenBounds};

use crate::classify::{VendorError, hidden_error};
use crate::notes::Notes;
use crate::profile::Profile;
use crate::sse::{Framer, RawEvent};
use banjia_types::ErrorClass;
use bytes::Bytes;
use chunk::Regular;
use forward::{comment, forwarded, passed};
use peek::{Seen, WatchedCalls, look};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest event of a stream that is read.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most choices of one stream that are kept count of.
const CHOICES_MAX: usize = 128;
const DONE: &[u8] = b"data: [DONE]\n\n";

/// One event for the client.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it means for the request's life.
    pub kind: FrameKind,
    /// Event-stream text, ready to send. Empty for an error: its text is the gateway's to make.
    pub bytes: Bytes,
}

/// What an event means for the request's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Nothing that a client would miss: a role, a comment, an empty chunk.
    Lifecycle,
    /// Something that a client would miss: text, a tool call, reasoning, a refusal. It may carry
    /// the finish reason too.
    Content,
    /// A finish reason and nothing else.
    Finish,
    /// The usage chunk.
    Usage,
    /// The stream is complete.
    Done,
    /// The stream failed. Nothing follows.
    Error(VendorError),
}

/// Reads one vendor's stream.
#[derive(Debug)]
pub struct Decoder {
    profile: Arc<Profile>,
    framer: Framer,
    /// The mending of chunks; none when they are forwarded as they are.
    regular: Option<Regular>,
    /// Notes that a forwarded stream needs if it turns out to be irregular.
    notes: Notes,
    identity: Identity,
    /// The tool calls of each choice of a stream that is forwarded as it is.
    watched: BTreeMap<u64, WatchedCalls>,
    progress: Progress,
    over: bool,
}

/// How far the stream is, for both ways of reading.
#[derive(Debug, Default)]
struct Progress {
    /// Each choice that was seen, and whether it has its finish reason.
    finished: BTreeMap<u64, bool>,
    content: bool,
    usage: ReportedUsage,
}

impl Progress {
    fn is_complete(&self) -> bool {
        !self.finished.is_empty() && self.finished.values().all(|&finished| finished)
    }
}

impl Decoder {
    /// Creates a decoder for one answer to one request.
    pub fn new(profile: &Arc<Profile>, notes: &Notes, identity: Identity) -> Self {
        let untouched = profile.is_pass_through() && notes.renamed_tools.is_empty();
        Self {
            profile: Arc::clone(profile),
            framer: Framer::new(EVENT_BYTES_MAX),
            regular: (!untouched).then(|| Regular::new(profile, notes, identity)),
            notes: Notes { include_usage: notes.include_usage, token_bounds: notes.token_bounds, ..Notes::default() },
            identity,
            watched: BTreeMap::new(),
            progress: Progress::default(),
            over: false,
        }
    }

    /// Takes bytes as they come and puts the frames that they complete into `out`.
    pub fn feed(&mut self, chunk: &Bytes, out: &mut Vec<Frame>) {
        if !self.over {
            self.framer.feed(chunk);
            self.drain(out);
        }
    }

    /// Says that the vendor closed the stream. Afterwards `out` has seen its `Done` or its `Error`.
    pub fn end(&mut self, out: &mut Vec<Frame>) {
        self.framer.end();
        self.drain(out);
        if self.over {
            return;
        }
        if self.progress.is_complete() {
            self.finish(Bytes::from_static(DONE), out);
        } else {
            self.fail(VendorError::server("the vendor's stream ended before the answer was complete"), out);
        }
    }

    /// The tokens that the vendor counted, as far as it told.
    pub fn usage(&self) -> ReportedUsage {
        self.progress.usage
    }

    fn drain(&mut self, out: &mut Vec<Frame>) {
        while !self.over {
            match self.framer.next() {
                None => return,
                Some(Ok(event)) => self.event(&event, out),
                Some(Err(too_long)) => self.fail(VendorError::server(too_long.to_string()), out),
            }
        }
    }

    fn event(&mut self, event: &RawEvent, out: &mut Vec<Frame>) {
        let named_error = event.event.as_deref().is_some_and(|name| name.trim_ascii() == b"error");
        let data = event.data.as_deref().unwrap_or_default().trim_ascii();
        // An error's words are read in any encoding: what it means matters more than how it is
        // spelt.
        if !named_error && std::str::from_utf8(&event.raw).is_err() {
            self.fail(VendorError::server("a chunk of the vendor's stream is not UTF-8"), out);
        } else if data.is_empty() && !named_error {
            self.no_data(event, out);
        } else if data == b"[DONE]" {
            if self.progress.is_complete() {
                self.finish(forwarded(event), out);
            } else {
                self.fail(VendorError::server("the vendor closed its stream without a finish reason"), out);
            }
        } else if !named_error && self.is_plain(data) {
            out.push(Frame { kind: FrameKind::Content, bytes: forwarded(event) });
        } else {
            self.chunk(event, data, named_error, out);
        }
    }

    /// Returns whether a chunk may go as it is without being read: more text of an answer that has
    /// begun.
    fn is_plain(&self, data: &[u8]) -> bool {
        self.progress.content
            && peek::is_plain(data, self.watched.get(&0).is_some_and(|watched| !watched.0.is_empty()))
            && self.regular.as_ref().is_none_or(|regular| regular.is_plain(data))
    }

    /// Comments and empty events keep a connection alive. But some vendors answer a stream request
    /// with one plain JSON body.
    fn no_data(&mut self, event: &RawEvent, out: &mut Vec<Frame>) {
        let text = event.raw.trim_ascii();
        if !text.starts_with(b"{") {
            out.push(Frame { kind: FrameKind::Lifecycle, bytes: comment(event) });
            return;
        }
        let hidden = serde_json::from_slice(text).ok().and_then(|value| hidden_error(&self.profile, 200, &value));
        let error =
            hidden.unwrap_or_else(|| VendorError::server("the vendor answered a stream request without a stream"));
        self.fail(error, out);
    }

    fn chunk(&mut self, event: &RawEvent, data: &[u8], named_error: bool, out: &mut Vec<Frame>) {
        let status = event.status.filter(|status| *status >= 400).unwrap_or(200);
        let value = match serde_json::from_slice::<Value>(data) {
            Ok(value @ Value::Object(_)) => value,
            Ok(_) => return self.fail(VendorError::server("a chunk of the vendor's stream is not a JSON object"), out),
            Err(_) if named_error => {
                let said = crate::classify::classify(&self.profile, status, None, data);
                return self.fail(said, out);
            }
            Err(error) => {
                let message = format!("a chunk of the vendor's stream is not JSON: {error}");
                return self.fail(VendorError::server(message), out);
            }
        };
        if let Some(error) = hidden_error(&self.profile, status, &value) {
            return self.fail(error, out);
        }
        if named_error {
            return self.fail(VendorError::server("the vendor's stream told an error without words"), out);
        }
        // The last report counts: a vendor that counts in every chunk corrects itself.
        self.progress.usage = usage::found_in(&value, self.notes.token_bounds).or(self.progress.usage);
        if self.regular.is_none() && !self.understands_calls(&value) {
            let watched = std::mem::take(&mut self.watched);
            let regular =
                Regular::take_over(&self.profile, &self.notes, self.identity, &self.progress.finished, watched);
            self.regular = Some(regular);
        }
        let result = match &mut self.regular {
            None => look(&self.profile, &value).map(|seen| (seen, Some(passed(event, value)))),
            Some(regular) => regular.mend(value),
        };
        match result {
            Ok((seen, bytes)) => self.note(&seen, bytes, out),
            Err(error) => self.fail(error, out),
        }
    }

    /// Returns whether every SDK understands the tool calls in a chunk that would be forwarded as
    /// it is. If not, none of them is taken for seen.
    fn understands_calls(&mut self, chunk: &Value) -> bool {
        let choices = chunk.get("choices").and_then(Value::as_array).into_iter().flatten();
        let mut watched = None;
        for (place, choice) in (0..CHOICES_MAX as u64).zip(choices) {
            let Some(pieces) = choice.pointer("/delta/tool_calls").and_then(Value::as_array) else { continue };
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(place);
            let watched = watched.get_or_insert_with(|| self.watched.clone());
            if !watched.entry(index).or_default().understands(pieces) {
                return false;
            }
        }
        self.watched = watched.unwrap_or_else(|| std::mem::take(&mut self.watched));
        true
    }

    /// Books what a chunk said, and passes on what is left of it.
    fn note(&mut self, seen: &Seen, bytes: Option<Bytes>, out: &mut Vec<Frame>) {
        for &(index, finished) in &seen.choices {
            if self.progress.finished.len() >= CHOICES_MAX && !self.progress.finished.contains_key(&index) {
                return self.fail(VendorError::server("the vendor's stream has more choices than can be read"), out);
            }
            *self.progress.finished.entry(index).or_default() |= finished;
        }
        self.progress.content |= seen.content;
        if let Some(bytes) = bytes {
            out.push(Frame { kind: seen.kind(), bytes });
        }
    }

    fn finish(&mut self, done: Bytes, out: &mut Vec<Frame>) {
        self.over = true;
        let done = match &mut self.regular {
            None => done,
            Some(regular) => {
                out.extend(regular.usage_chunk().map(|bytes| Frame { kind: FrameKind::Usage, bytes }));
                Bytes::from_static(DONE)
            }
        };
        out.push(Frame { kind: FrameKind::Done, bytes: done });
    }

    fn fail(&mut self, error: VendorError, out: &mut Vec<Frame>) {
        self.over = true;
        out.push(Frame { kind: FrameKind::Error(error), bytes: Bytes::new() });
    }
}

/// The failure that a finish reason stands for.
fn hidden_in_finish(class: ErrorClass, reason: &str) -> VendorError {
    let reason = crate::classify::clean(reason);
    let message = format!("the vendor broke the answer off with the finish reason `{reason}`");
    VendorError { code: Some(reason), ..VendorError::of(class, message) }
}
