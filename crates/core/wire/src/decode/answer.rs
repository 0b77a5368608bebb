//! Whole answers, made regular.
//!
//! Rules:
//! - A pass-through profile's answer stays as it is, once it was found to be one.
//! - An error inside a good status is an error.
//! - A body that is no answer, or no UTF-8, is the vendor's failure and says what is wrong with it.

use super::identity::{Identity, is_time};
use super::tools::{self, Naming};
use super::usage::{self, ReportedUsage};
use super::{finish, peek};
use crate::classify::{VendorError, hidden_error};
use crate::notes::Notes;
use crate::profile::{FinishMeaning, Profile};
use banjia_types::Operation;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A whole answer, ready for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The body.
    pub body: Bytes,
    /// The tokens that the vendor counted.
    pub usage: ReportedUsage,
    /// The finish reason of each choice; empty for embeddings.
    pub finish: Vec<String>,
}

/// Reads a body that came with a good status.
///
/// # Errors
/// The error that the body holds, or what makes it no answer.
pub fn decode_answer(
    profile: &Profile,
    notes: &Notes,
    operation: Operation,
    identity: Identity,
    body: &Bytes,
) -> Result<Answer, VendorError> {
    // Looked at once and for all profiles: what is skipped below, or passed through, would not be
    // looked at otherwise.
    let text = std::str::from_utf8(body).map_err(|_| VendorError::server("the vendor's answer is not UTF-8"))?;
    if profile.is_pass_through()
        && notes.renamed_tools.is_empty()
        && let Some(answer) = untouched(profile, notes, operation, (body, text))
    {
        return answer;
    }
    // Some vendors send empty lines while a request waits; JSON takes them as white space.
    let mut value: Value = serde_json::from_str(text).map_err(|error| not_json(body, &error))?;
    if let Some(error) = hidden_error(profile, 200, &value) {
        return Err(error);
    }
    let counted = usage::found_in(&value, notes.token_bounds);
    let regular_usage = usage::regular(&value, notes.token_bounds);
    let Some(answer) = value.as_object_mut() else {
        return Err(VendorError::server("the vendor's answer is not a JSON object"));
    };
    let finish = match operation {
        Operation::ChatCompletions => mend_chat(profile, notes, identity, answer)?,
        Operation::Embeddings => mend_embeddings(answer)?,
        _ => return Err(VendorError::server(format!("answers of the operation `{operation}` cannot be read"))),
    };
    answer.shift_remove("usage");
    if let Some(usage) = regular_usage {
        answer.insert("usage".into(), usage);
    }
    Ok(Answer { body: value.to_string().into(), usage: counted, finish })
}

fn not_json(body: &Bytes, error: &serde_json::Error) -> VendorError {
    if body.trim_ascii().is_empty() {
        return VendorError::server("the vendor's answer is empty");
    }
    VendorError::server(format!("the vendor's answer is not JSON: {error}"))
}

/// The answer as it is, read no further than needed. None when it is odd enough to be read whole.
fn untouched(
    profile: &Profile,
    notes: &Notes,
    operation: Operation,
    (body, text): (&Bytes, &str),
) -> Option<Result<Answer, VendorError>> {
    #[derive(Deserialize)]
    struct Glance<'a> {
        #[serde(borrow, default)]
        choices: Vec<Choice<'a>>,
        #[serde(default)]
        data: Vec<IgnoredAny>,
        #[serde(borrow)]
        usage: Option<&'a RawValue>,
        error: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Choice<'a> {
        #[serde(borrow)]
        finish_reason: Option<Cow<'a, str>>,
        #[serde(borrow)]
        message: Option<Message<'a>>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        tool_calls: Option<Vec<peek::WholeCall<'a>>>,
    }
    let glance: Glance<'_> = serde_json::from_str(text).ok()?;
    let is_answer = match operation {
        Operation::ChatCompletions => !glance.choices.is_empty(),
        Operation::Embeddings => !glance.data.is_empty(),
        _ => false,
    };
    let messages = glance.choices.iter().filter_map(|choice| choice.message.as_ref());
    let are_calls_regular = messages.flat_map(|message| &message.tool_calls).all(|calls| peek::are_regular(calls));
    if glance.error.is_some() || !is_answer || !are_calls_regular {
        return None;
    }
    let finish: Vec<String> =
        glance.choices.into_iter().filter_map(|choice| Some(choice.finish_reason?.into_owned())).collect();
    for reason in &finish {
        if let Some(FinishMeaning::Error(class)) = profile.stream().finish.get(reason) {
            return Some(Err(super::hidden_in_finish(*class, reason)));
        }
    }
    let usage = glance.usage.map_or(ReportedUsage::Missing, |usage| usage::read(usage.get(), notes.token_bounds));
    Some(Ok(Answer { body: body.clone(), usage, finish }))
}

fn mend_chat(
    profile: &Profile,
    notes: &Notes,
    identity: Identity,
    answer: &mut Map<String, Value>,
) -> Result<Vec<String>, VendorError> {
    fill_envelope(answer, "chat.completion", identity);
    let answer_id = answer.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let naming = Naming { renamed: &notes.renamed_tools, identity, answer_id: &answer_id, choice: 0 };
    let choices = match answer.get_mut("choices").and_then(Value::as_array_mut) {
        Some(choices) if !choices.is_empty() => choices,
        _ => return Err(VendorError::server("the vendor's answer has no choices")),
    };
    let mut reasons = Vec::with_capacity(choices.len());
    for (place, choice) in choices.iter_mut().enumerate() {
        let Some(choice) = choice.as_object_mut() else {
            return Err(VendorError::server("a choice of the vendor's answer is not an object"));
        };
        fill(choice, "index", place.into());
        reasons.push(mend_choice(profile, &Naming { choice: place as u64, ..naming }, choice)?);
    }
    Ok(reasons)
}

fn mend_choice(profile: &Profile, naming: &Naming<'_>, choice: &mut Map<String, Value>) -> Result<String, VendorError> {
    let habits = profile.stream();
    let blocked = finish::is_blocked(habits, choice);
    let said =
        finish::reason_of(&Value::Object(choice.clone())).map(|reason| finish::regular(habits, reason)).transpose()?;
    let Some(message) = choice.get_mut("message").and_then(Value::as_object_mut) else {
        return Err(VendorError::server("a choice of the vendor's answer has no message"));
    };
    message.shift_remove("role");
    message.shift_insert(0, "role".into(), "assistant".into());
    fill(message, "content", Value::Null);
    fill(message, "refusal", Value::Null);
    if blocked {
        message.insert("content".into(), Value::Null);
        message.shift_remove("tool_calls");
    }
    if let Some(name) = &habits.reasoning_member
        && let Some(reasoning) = message.shift_remove(name)
    {
        message.insert("reasoning_content".into(), reasoning);
    }
    let calls = match message.get_mut("tool_calls") {
        Some(Value::Array(calls)) if !calls.is_empty() => {
            tools::mend_whole(calls, said.as_deref().unwrap_or_default(), naming)?;
            true
        }
        _ => {
            message.shift_remove("tool_calls");
            false
        }
    };
    let reason = match said {
        _ if blocked => finish::CONTENT_FILTER.to_owned(),
        Some(reason) => reason,
        None if calls => "tool_calls".to_owned(),
        None => "stop".to_owned(),
    };
    fill(choice, "logprobs", Value::Null);
    choice.insert("finish_reason".into(), reason.as_str().into());
    choice.shift_remove("usage");
    Ok(reason)
}

fn mend_embeddings(answer: &mut Map<String, Value>) -> Result<Vec<String>, VendorError> {
    fill(answer, "object", "list".into());
    fill(answer, "model", "".into());
    let data = match answer.get_mut("data").and_then(Value::as_array_mut) {
        Some(data) if !data.is_empty() => data,
        _ => return Err(VendorError::server("the vendor's answer has no embeddings")),
    };
    for (place, item) in data.iter_mut().enumerate() {
        let Some(item) = item.as_object_mut().filter(|item| item.contains_key("embedding")) else {
            return Err(VendorError::server("an item of the vendor's answer has no embedding"));
        };
        fill(item, "object", "embedding".into());
        fill(item, "index", place.into());
    }
    Ok(Vec::new())
}

fn fill_envelope(answer: &mut Map<String, Value>, object: &str, identity: Identity) {
    fill(answer, "id", identity.id());
    fill(answer, "object", object.into());
    if answer.get("created").is_none_or(|created| !is_time(created)) {
        answer.insert("created".into(), identity.created());
    }
    fill(answer, "model", "".into());
    // OpenAI's document of 2026-08-21 knows it as a text that may be missing, not as null. Chunks
    // keep a null: no client minds it there, and taking it out would mean printing each of them
    // anew.
    if answer.get("system_fingerprint").is_some_and(Value::is_null) {
        answer.shift_remove("system_fingerprint");
    }
}

/// Puts a member in where there is none, or only `null`.
fn fill(object: &mut Map<String, Value>, name: &str, value: Value) {
    if object.get(name).is_none_or(Value::is_null) {
        object.insert(name.into(), value);
    }
}
