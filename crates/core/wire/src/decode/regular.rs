//! A stream with a vendor's habits, printed anew as OpenAI's clients expect it.
//!
//! Rules: `role` once for each choice; every tool call has an index, and its id and name stand only in its first piece
//! (official SDKs join the pieces, so a repeated id would become "idid"); usage in one chunk of its own, when asked for;
//! fields that nobody knows survive.

use super::pass::has_content;
use super::{Frame, FrameKind, usage};
use crate::classify::{VendorError, hidden_error};
use crate::notes::Notes;
use crate::profile::{FinishMeaning, Profile};
use banjia_types::{ErrorClass, Usage};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Choices in one stream; OpenAI allows 128.
const CHOICES_MAX: usize = 128;
/// Tool calls in one choice. OpenAI documents 128 tools; a vendor that sends more is broken.
const CALLS_MAX: usize = 256;

/// What is remembered of the stream.
#[derive(Debug)]
pub(super) struct Regular {
    include_usage: bool,
    renamed_tools: Vec<(String, String)>,
    id: Option<String>,
    model: Option<String>,
    created: Option<u64>,
    choices: BTreeMap<u64, Choice>,
    finished: bool,
    usage: Option<Value>,
}

#[derive(Debug, Default)]
struct Choice {
    has_role: bool,
    withdrawn: bool,
    calls: Vec<String>,
}

impl Regular {
    pub(super) fn new(notes: &Notes) -> Self {
        Self {
            include_usage: notes.include_usage,
            renamed_tools: notes.renamed_tools.clone(),
            id: None,
            model: None,
            created: None,
            choices: BTreeMap::new(),
            finished: false,
            usage: None,
        }
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn event(
        &mut self,
        profile: &Profile,
        data: &[u8],
        failed: bool,
        seen: &mut Option<Usage>,
        out: &mut Vec<Frame>,
    ) -> Result<(), VendorError> {
        let value: Value = serde_json::from_slice(data)
            .map_err(|error| VendorError::server(format!("the vendor sent a chunk that is no JSON: {error}")))?;
        if let Some(error) = hidden_error(profile, &value) {
            return Err(error);
        }
        let Value::Object(mut chunk) = value else {
            return Err(VendorError::server("the vendor sent a chunk that is no JSON object"));
        };
        if failed {
            return Err(VendorError::server("the vendor ended its stream with an error event"));
        }
        self.take_usage(&mut chunk, seen);
        self.head(&mut chunk, data);
        let kind = self.take_choices(profile, &mut chunk)?;
        let no_choices = chunk.get("choices").and_then(Value::as_array).is_none_or(Vec::is_empty);
        if !no_choices {
            out.push(Frame { kind, bytes: event(&Value::Object(chunk)) });
        }
        Ok(())
    }

    /// The usage chunk of its own, once, when the client asked for it and the vendor told.
    pub(super) fn usage_chunk(&mut self) -> Option<Frame> {
        let usage = self.usage.take().filter(|_| self.include_usage)?;
        let chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created.unwrap_or(0),
            "model": self.model, "choices": [], "usage": usage,
        });
        Some(Frame { kind: FrameKind::Usage, bytes: event(&chunk) })
    }

    /// Keeps the counts for the end. They are cumulative wherever vendors repeat them, so the last ones stand.
    fn take_usage(&mut self, chunk: &mut Map<String, Value>, seen: &mut Option<Usage>) {
        let inner = chunk
            .get_mut("choices")
            .and_then(Value::as_array_mut)
            .and_then(|choices| choices.iter_mut().find_map(|choice| choice.as_object_mut()?.shift_remove("usage")));
        let top = chunk.shift_remove("usage");
        if let Some(counts) = [top, inner].into_iter().flatten().find(|counts| usage::read(counts).is_some()) {
            *seen = usage::read(&counts);
            self.usage = Some(counts);
        }
        if self.include_usage {
            chunk.insert("usage".into(), Value::Null);
        }
    }

    /// The members that every chunk has, the same in all of them.
    fn head(&mut self, chunk: &mut Map<String, Value>, data: &[u8]) {
        let text = |name: &str| chunk.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let id = self.id.take().or_else(|| text("id").map(str::to_owned));
        let id = id.unwrap_or_else(|| super::made_up_id(data));
        let model = self.model.take().or_else(|| text("model").map(str::to_owned));
        let created = self.created.or_else(|| chunk.get("created").and_then(Value::as_u64));
        chunk.insert("id".into(), id.clone().into());
        chunk.insert("object".into(), "chat.completion.chunk".into());
        chunk.insert("created".into(), created.unwrap_or(0).into());
        chunk.insert("model".into(), model.clone().unwrap_or_default().into());
        (self.id, self.model, self.created) = (Some(id), model, created);
    }

    fn take_choices(&mut self, profile: &Profile, chunk: &mut Map<String, Value>) -> Result<FrameKind, VendorError> {
        let mut kind = FrameKind::Lifecycle;
        let choices = chunk.get_mut("choices").and_then(Value::as_array_mut);
        for choice in choices.into_iter().flatten().filter_map(Value::as_object_mut) {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            if self.choices.len() >= CHOICES_MAX && !self.choices.contains_key(&index) {
                return Err(VendorError::server("the vendor sent more choices than a request may ask for"));
            }
            let known = self.choices.entry(index).or_default();
            choice.insert("index".into(), index.into());
            known.withdraw(profile, choice);
            let delta = choice.entry("delta").or_insert_with(|| json!({}));
            if !delta.is_object() {
                *delta = json!({});
            }
            let content = delta.as_object_mut().is_some_and(|delta| known.delta(profile, &self.renamed_tools, delta));
            let finish = finish_reason(profile, choice.get("finish_reason"))?;
            self.finished |= !finish.is_null();
            kind = match (content, finish.is_null(), kind) {
                (true, ..) | (_, _, FrameKind::Content) => FrameKind::Content,
                (_, false, _) => FrameKind::Finish,
                (_, _, kind) => kind,
            };
            choice.insert("finish_reason".into(), finish);
        }
        Ok(kind)
    }
}

impl Choice {
    /// A vendor that blocks or withdraws an answer by a flag: nothing more of it is shown, and the client is told why.
    fn withdraw(&mut self, profile: &Profile, choice: &mut Map<String, Value>) {
        let flag = choice.get("flag").and_then(Value::as_u64);
        self.withdrawn |= flag.zip(profile.stream().blocked_flag_min).is_some_and(|(flag, min)| flag >= min);
        if self.withdrawn {
            choice.insert("delta".into(), json!({}));
            let open = choice.get("finish_reason").is_none_or(Value::is_null);
            if !open || flag.is_some_and(|flag| flag > 0) {
                choice.insert("finish_reason".into(), "content_filter".into());
            }
        }
    }

    /// Makes one delta regular. Returns whether it has content.
    fn delta(&mut self, profile: &Profile, renamed: &[(String, String)], delta: &mut Map<String, Value>) -> bool {
        if let Some(text) = profile.stream().reasoning_member.as_ref().and_then(|name| delta.shift_remove(name)) {
            delta.insert("reasoning_content".into(), text);
        }
        for call in delta.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(call) = call.as_object_mut() {
                self.call(renamed, call);
            }
        }
        let content = delta.iter().any(|(name, value)| name != "delta_tag" && has_content(&json!({ name: value })));
        if self.has_role {
            delta.shift_remove("role");
        } else {
            delta.insert("role".into(), "assistant".into());
            self.has_role = true;
        }
        content
    }

    /// Gives a piece of a tool call its index, and lets its id and name stand once.
    fn call(&mut self, renamed: &[(String, String)], call: &mut Map<String, Value>) {
        let id = call.get("id").and_then(Value::as_str).unwrap_or("").to_owned();
        let stated = call.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        let known = self.calls.iter().position(|known| !id.is_empty() && *known == id);
        let last = self.calls.len().saturating_sub(1);
        let index = match (stated, known) {
            (Some(index), _) => index.min(CALLS_MAX),
            (None, Some(index)) => index,
            (None, None) if id.is_empty() && !self.calls.is_empty() => last,
            (None, None) => self.calls.len().min(CALLS_MAX),
        };
        let first = index >= self.calls.len() || self.calls[index].is_empty();
        if index >= self.calls.len() {
            self.calls.resize(index + 1, String::new());
        }
        call.insert("index".into(), index.into());
        if first && !id.is_empty() {
            self.calls[index] = id;
            call.entry("type").or_insert_with(|| "function".into());
        } else {
            call.shift_remove("id");
            call.shift_remove("type");
        }
        if let Some(function) = call.get_mut("function").and_then(Value::as_object_mut) {
            rename_back(renamed, function);
            arguments_as_text(function);
            if !first {
                function.shift_remove("name");
            }
        }
    }
}

/// A finish reason in OpenAI's words; null while the choice goes on.
///
/// # Errors
/// A failure that the vendor hid in it.
pub(super) fn finish_reason(profile: &Profile, reason: Option<&Value>) -> Result<Value, VendorError> {
    let Some(reason) = reason.and_then(Value::as_str).filter(|reason| !reason.is_empty() && *reason != "null") else {
        return Ok(Value::Null);
    };
    match profile.stream().finish.get(reason) {
        None => Ok(reason.into()),
        Some(FinishMeaning::Reason(meant)) => Ok(meant.as_str().into()),
        Some(FinishMeaning::Error(class)) => Err(hidden_failure(*class, reason)),
    }
}

fn hidden_failure(class: ErrorClass, reason: &str) -> VendorError {
    let message = format!("the vendor broke off with the finish reason {reason:?}");
    VendorError { class, code: Some(reason.to_owned()), ..VendorError::server(message) }
}

/// The client's own name for a tool that went out under another.
pub(super) fn rename_back(renamed: &[(String, String)], function: &mut Map<String, Value>) {
    let name = function.get("name").and_then(Value::as_str);
    if let Some((_, client)) = renamed.iter().find(|(sent, _)| Some(sent.as_str()) == name) {
        function.insert("name".into(), client.as_str().into());
    }
}

/// Arguments are a JSON text at OpenAI; some servers send the object itself.
pub(super) fn arguments_as_text(function: &mut Map<String, Value>) {
    if let Some(arguments) = function.get_mut("arguments").filter(|arguments| !arguments.is_string()) {
        *arguments = if arguments.is_null() { "".into() } else { arguments.to_string().into() };
    }
}

fn event(chunk: &Value) -> Bytes {
    format!("data: {chunk}\n\n").into()
}
