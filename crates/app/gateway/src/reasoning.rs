//! Reasoning that a vendor wants back with a tool's result, although OpenAI's wire has no place for
//! it.
//!
//! Rules:
//! - It is kept by account and tool call id, bounded in number and bytes. The oldest is dropped
//!   first.
//! - It is put back only if the client's message has the call and no reasoning of its own.
//! - Lost reasoning (a restart, a full cache) is no error: the vendor answers without it, less
//!   well.

use crate::held::{HeldBytes, Hold};
use crate::lock::lock;
use banjia_types::AccountId;
use banjia_wire::chat;
use bytes::Bytes;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

const ENTRIES_MAX: usize = 8_192;
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Tool calls of one answer whose reasoning is kept.
const CALLS_MAX: usize = 1_024;

type CallKey = (AccountId, String);

/// Reasoning by account and tool call id.
#[derive(Debug, Default)]
pub(crate) struct ReasoningCache(Mutex<CachedTexts>);

#[derive(Debug, Default)]
struct CachedTexts {
    texts: HashMap<CallKey, Arc<str>>,
    order: VecDeque<CallKey>,
    bytes: usize,
}

impl ReasoningCache {
    /// Keeps the reasoning that came with these tool calls.
    pub(crate) fn keep(&self, account: &AccountId, calls: &[String], reasoning: &str) {
        if reasoning.is_empty() || reasoning.len() > BYTES_MAX {
            return;
        }
        let text: Arc<str> = Arc::from(reasoning);
        let mut kept = lock(&self.0);
        for call in calls.iter().filter(|call| !call.is_empty()) {
            let key = (account.clone(), call.clone());
            match kept.texts.insert(key.clone(), text.clone()) {
                Some(old) => kept.bytes -= old.len(),
                None => kept.order.push_back(key),
            }
            kept.bytes += text.len();
        }
        while kept.texts.len() > ENTRIES_MAX || kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.order.pop_front() else { break };
            if let Some(text) = kept.texts.remove(&oldest) {
                kept.bytes -= text.len();
            }
        }
    }

    /// Puts kept reasoning back into a request's assistant messages. The bytes stay as they are if
    /// nothing changes.
    pub(crate) fn put_back(&self, account: &AccountId, body: Bytes) -> Bytes {
        if lock(&self.0).texts.is_empty() {
            return body;
        }
        let Ok(mut request) = serde_json::from_slice::<Value>(&body) else { return body };
        let has_changed = chat::put_back_reasoning(&mut request, |id| {
            lock(&self.0).texts.get(&(account.clone(), id.to_owned())).cloned()
        });
        if has_changed { Bytes::from(request.to_string()) } else { body }
    }
}

/// Reasoning and tool call ids of one choice, gathered from a stream or read from a whole answer.
#[derive(Debug, Default)]
pub(crate) struct ReasoningCollector {
    reasoning: String,
    calls: Vec<String>,
    /// Its memory; `None` for a whole answer, whose bytes are accounted for anyway.
    hold: Option<Hold>,
    /// Set if it was given up: there was no memory, or it is longer than may be kept.
    is_too_large: bool,
}

impl ReasoningCollector {
    /// A collector that grows with a stream, within the memory budget.
    pub(crate) fn within(held: &Arc<HeldBytes>) -> Self {
        Self { hold: Some(Hold::new(held)), ..Self::default() }
    }

    /// Adds the first choice of a chunk.
    pub(crate) fn add_chunk(&mut self, chunk: &Value) {
        let Some(delta) = chunk.pointer("/choices/0/delta") else { return };
        self.add(delta);
    }

    /// Adds a message of a whole answer, or the delta of a chunk: both name these members alike.
    pub(crate) fn add(&mut self, message: &Value) {
        if let Some(text) = chat::reasoning_text(message) {
            self.add_text(text);
        }
        let room = CALLS_MAX.saturating_sub(self.calls.len());
        self.calls.extend(chat::tool_call_ids(message).take(room).map(str::to_owned));
    }

    fn add_text(&mut self, text: &str) {
        if self.is_too_large {
            return;
        }
        let length = self.reasoning.len() + text.len();
        let has_room = self.hold.as_mut().is_none_or(|hold| hold.grow_to(length));
        self.is_too_large |= length > BYTES_MAX || !has_room;
        if self.is_too_large {
            self.reasoning = String::new();
            self.hold = None;
            return;
        }
        self.reasoning.push_str(text);
    }

    /// Puts what was collected into the cache.
    pub(crate) fn keep(&self, replay: &ReasoningCache, account: &AccountId) {
        replay.keep(account, &self.calls, &self.reasoning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reasoning_goes_back_to_its_account_and_call_only() {
        let (replay, acme, other) = (ReasoningCache::default(), AccountId::from("acme"), AccountId::from("other"));
        let mut gather = ReasoningCollector::default();
        gather.add_chunk(&json!({"choices": [{"delta": {"reasoning_content": "first "}}]}));
        gather.add_chunk(
            &json!({"choices": [{"delta": {"reasoning_content": "then", "tool_calls": [{"id": "call_1"}]}}]}),
        );
        gather.keep(&replay, &acme);
        let body = Bytes::from(json!({"messages": [
            {"role": "assistant", "tool_calls": [{"id": "call_1"}]}, {"role": "assistant", "tool_calls": [{"id": "call_2"}]},
        ]}).to_string());
        let back: Value = serde_json::from_slice(&replay.put_back(&acme, body.clone())).unwrap();
        assert_eq!(back["messages"][0]["reasoning_content"], "first then");
        assert_eq!(back["messages"][1].get("reasoning_content"), None);
        assert_eq!(replay.put_back(&other, body.clone()), body);
    }

    #[test]
    fn reasoning_without_room_is_given_up() {
        let (replay, acme, held) = (ReasoningCache::default(), AccountId::from("acme"), HeldBytes::new(10));
        let mut gather = ReasoningCollector::within(&held);
        for text in ["0123456789", "x", "y"] {
            gather.add(&json!({"reasoning_content": text, "tool_calls": [{"id": "call_1"}]}));
        }
        gather.keep(&replay, &acme);
        assert!(lock(&replay.0).texts.is_empty(), "a part would be worse than nothing");
        drop(gather);
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn the_cache_is_bounded_in_number_and_bytes() {
        let (replay, acme) = (ReasoningCache::default(), AccountId::from("acme"));
        for number in 0..ENTRIES_MAX + 10 {
            replay.keep(&acme, &[format!("call_{number}")], "x");
        }
        assert_eq!(lock(&replay.0).texts.len(), ENTRIES_MAX);
        let large = "x".repeat(BYTES_MAX / 2 + 1);
        replay.keep(&acme, &["a".into()], &large);
        replay.keep(&acme, &["b".into()], &large);
        let kept = lock(&replay.0);
        assert_eq!((kept.texts.len(), kept.bytes, kept.order.len()), (1, large.len(), 1));
    }
}
