//! Chunks of a vendor with habits of its own, mended one by one.
//!
//! Rules:
//! - Each choice has its role once.
//! - Every chunk has `object`, `created`, `id` and `model`, and they are the same in all chunks.
//! - The finish reason is `null` until it comes, comes once, and nothing follows it.
//! - Usage never stands beside choices. It has a chunk of its own just before the end, if the
//!   client asked for it.
//! - Members that no rule names stay.

use super::finish;
use super::identity::{Identity, is_time};
use super::peek::{Seen, WatchedCalls, each_name, has_content};
use super::tools::{Calls, Naming};
use super::usage::{self, ReportedUsage, TokenBounds};
use crate::chat::event;
use crate::classify::VendorError;
use crate::notes::Notes;
use crate::profile::{Profile, StreamHabits};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const OBJECT: &str = "chat.completion.chunk";

/// The mending of one stream.
#[derive(Debug)]
pub(super) struct Regular {
    habits: StreamHabits,
    renamed: Vec<(String, String)>,
    include_usage: bool,
    bounds: TokenBounds,
    envelope: Envelope,
    choices: BTreeMap<u64, Choice>,
    usage: Option<Value>,
}

/// The members that every chunk of a stream repeats: the first that the vendor said, or the
/// identity.
#[derive(Debug)]
struct Envelope {
    identity: Identity,
    id: Option<Value>,
    created: Option<Value>,
    model: Option<Value>,
}

#[derive(Debug, Default)]
struct Choice {
    role_given: bool,
    finished: bool,
    calls: Calls,
}

impl Regular {
    pub(super) fn new(profile: &Profile, notes: &Notes, identity: Identity) -> Self {
        Self {
            habits: profile.stream().clone(),
            renamed: notes.renamed_tools.clone(),
            include_usage: notes.include_usage,
            bounds: notes.token_bounds,
            envelope: Envelope { identity, id: None, created: None, model: None },
            choices: BTreeMap::new(),
            usage: None,
        }
    }

    /// The mending of the rest of a stream that was forwarded so far. `finished` has its choices,
    /// and `calls` their tool calls.
    pub(super) fn take_over(
        profile: &Profile,
        notes: &Notes,
        identity: Identity,
        finished: &BTreeMap<u64, bool>,
        calls: BTreeMap<u64, WatchedCalls>,
    ) -> Self {
        let mut regular = Self::new(profile, notes, identity);
        for (&index, &finished) in finished {
            regular.choices.insert(index, Choice { role_given: true, finished, calls: Calls::default() });
        }
        for (index, watched) in calls {
            let choice = regular.choices.entry(index).or_default();
            for (id, name) in watched.0 {
                choice.calls.opened(id, name);
            }
        }
        regular
    }

    /// Returns whether a chunk that is plain is regular too: nothing in it is missing and nothing
    /// is to be taken out.
    pub(super) fn is_plain(&self, data: &[u8]) -> bool {
        const WANTED: [&[u8]; 6] = [b"id", b"object", b"created", b"model", b"index", b"finish_reason"];
        let goes_on = self.choices.get(&0).is_some_and(|choice| choice.role_given && !choice.finished);
        let own_reasoning = self.habits.reasoning_member.as_deref().unwrap_or_default().as_bytes();
        let mut found = 0;
        goes_on
            && each_name(data, |name, value| match name {
                b"role" | b"tool_calls" | b"function_call" | b"message" | b"flag" | b"delta_tag" => false,
                b"created" if value.starts_with(b"0") => false,
                b"object" if !value.starts_with(b"\"chat.completion.chunk\"") => false,
                name if name == own_reasoning => false,
                name => {
                    found += usize::from(WANTED.contains(&name));
                    true
                }
            })
            && found == WANTED.len()
    }

    /// One chunk made regular; no bytes when nothing is left to say.
    pub(super) fn mend(&mut self, mut value: Value) -> Result<(Seen, Option<Bytes>), VendorError> {
        match usage::found_in(&value, self.bounds) {
            ReportedUsage::Missing => {}
            ReportedUsage::Known(_) | ReportedUsage::Implausible => self.usage = usage::regular(&value, self.bounds),
        }
        let Some(from) = value.as_object_mut() else { return Ok((Seen::default(), None)) };
        let mut chunk = self.envelope.open(from);
        from.shift_remove("usage");
        let choices = match from.shift_remove("choices") {
            Some(Value::Array(choices)) => choices,
            _ => Vec::new(),
        };
        chunk.append(from);
        let mut seen = Seen::default();
        let mut mended = Vec::with_capacity(choices.len());
        for (place, choice) in (0_u64..).zip(choices) {
            if let Value::Object(choice) = choice {
                mended.extend(self.mend_choice(choice, place, &mut seen)?.map(Value::Object));
            }
        }
        if mended.is_empty() {
            return Ok((seen, None));
        }
        chunk.insert("choices".into(), mended.into());
        Ok((seen, Some(event(&Value::Object(chunk)))))
    }

    fn mend_choice(
        &mut self,
        mut choice: Map<String, Value>,
        place: u64,
        seen: &mut Seen,
    ) -> Result<Option<Map<String, Value>>, VendorError> {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(place);
        let state = self.choices.entry(index).or_default();
        if state.finished {
            return Ok(None);
        }
        let mut delta = match choice.shift_remove("delta").or_else(|| choice.shift_remove("message")) {
            Some(Value::Object(delta)) => delta,
            _ => Map::new(),
        };
        let blocked = finish::is_blocked(&self.habits, &choice);
        if blocked {
            delta.retain(|name, _| name == "role");
            choice.shift_remove("logprobs");
        }
        mend_delta(&mut delta, &self.habits);
        let reason = match finish::reason_of(&Value::Object(choice.clone())) {
            _ if blocked => Some(finish::CONTENT_FILTER.to_owned()),
            Some(reason) => Some(finish::regular(&self.habits, reason)?),
            None => None,
        };
        let answer_id = self.envelope.id.as_ref().and_then(Value::as_str).unwrap_or_default();
        let naming = Naming { renamed: &self.renamed, identity: self.envelope.identity, answer_id, choice: index };
        mend_calls(&mut state.calls, &mut delta, reason.as_deref().filter(|_| !blocked), &naming)?;
        // Chunks that only tell how a search goes carry no text (Baidu Qianfan V2 chat reference,
        // 2025-08).
        let is_signal = delta.shift_remove("delta_tag").is_some_and(|tag| !tag.is_null()) && !has_content(&delta);
        if is_signal && reason.is_none() {
            return Ok(None);
        }
        if state.role_given {
            delta.shift_remove("role");
        } else {
            state.role_given = true;
            delta.shift_remove("role");
            delta.shift_insert(0, "role".into(), "assistant".into());
        }
        state.finished = reason.is_some();
        seen.choices.push((index, reason.is_some()));
        seen.content |= has_content(&delta);
        seen.finish |= reason.is_some();
        choice.shift_remove("usage");
        choice.insert("finish_reason".into(), reason.into());
        choice.shift_insert(0, "delta".into(), delta.into());
        choice.shift_remove("index");
        choice.shift_insert(0, "index".into(), index.into());
        Ok(Some(choice))
    }

    /// The usage chunk that the client asked for, when the vendor counted.
    pub(super) fn usage_chunk(&mut self) -> Option<Bytes> {
        let usage = self.usage.take().filter(|_| self.include_usage)?;
        let mut chunk = self.envelope.open(&mut Map::new());
        chunk.insert("choices".into(), json!([]));
        chunk.insert("usage".into(), usage);
        Some(event(&Value::Object(chunk)))
    }
}

/// Names that differ and pieces of the wrong type.
fn mend_delta(delta: &mut Map<String, Value>, habits: &StreamHabits) {
    if let Some(name) = &habits.reasoning_member
        && let Some(reasoning) = delta.shift_remove(name)
    {
        delta.insert("reasoning_content".into(), reasoning);
    }
}

/// Puts the pieces that the client may see in the place of those that came.
fn mend_calls(
    calls: &mut Calls,
    delta: &mut Map<String, Value>,
    reason: Option<&str>,
    naming: &Naming<'_>,
) -> Result<(), VendorError> {
    let pieces = match delta.shift_remove("tool_calls") {
        Some(Value::Array(pieces)) => pieces,
        _ => Vec::new(),
    };
    let mut sent = calls.mend(pieces, naming)?;
    if let Some(reason) = reason {
        sent.extend(calls.finish(reason, naming)?);
    }
    if !sent.is_empty() {
        delta.insert("tool_calls".into(), sent.into());
    }
    Ok(())
}

impl Envelope {
    /// Takes a chunk's own envelope out of it and begins the mended one.
    fn open(&mut self, from: &mut Map<String, Value>) -> Map<String, Value> {
        fn first(from: &mut Map<String, Value>, name: &str, fits: fn(&Value) -> bool) -> Option<Value> {
            from.shift_remove(name).filter(fits)
        }
        fn is_text(value: &Value) -> bool {
            value.as_str().is_some_and(|text| !text.is_empty())
        }
        let (identity, id, created) = (self.identity, first(from, "id", is_text), first(from, "created", is_time));
        from.shift_remove("object");
        let mut chunk = Map::new();
        let id = self.id.get_or_insert_with(|| id.unwrap_or_else(|| identity.id()));
        chunk.insert("id".into(), id.clone());
        chunk.insert("object".into(), OBJECT.into());
        let created = self.created.get_or_insert_with(|| created.unwrap_or_else(|| identity.created()));
        chunk.insert("created".into(), created.clone());
        // A later chunk may be the first to name the model.
        self.model = self.model.take().or(first(from, "model", is_text));
        chunk.insert("model".into(), self.model.clone().unwrap_or_else(|| "".into()));
        chunk
    }
}
