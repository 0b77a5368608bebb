//! A look at a chunk that changes nothing: what does it carry, and need it be read at all?

use super::{finish, hidden_in_finish};
use crate::classify::VendorError;
use crate::profile::{FinishMeaning, Profile};
use memchr::memchr2;
use serde_json::{Map, Value};

/// What one chunk carries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The choices in it, and whether each is finished by it.
    pub(super) choices: Vec<(u64, bool)>,
    pub(super) content: bool,
    pub(super) finish: bool,
    /// Usage and no choices.
    pub(super) usage: bool,
}

impl Seen {
    pub(super) fn kind(&self) -> super::FrameKind {
        match self {
            Self { content: true, .. } => super::FrameKind::Content,
            Self { finish: true, .. } => super::FrameKind::Finish,
            Self { usage: true, .. } => super::FrameKind::Usage,
            _ => super::FrameKind::Lifecycle,
        }
    }
}

/// Looks at a chunk that will be forwarded as it is.
pub(super) fn look(profile: &Profile, chunk: &Value) -> Result<Seen, VendorError> {
    let mut seen = Seen::default();
    let choices = chunk.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (place, choice) in (0_u64..).zip(choices) {
        let reason = finish::reason_of(choice);
        if let Some(FinishMeaning::Error(class)) = reason.and_then(|reason| profile.stream().finish.get(reason)) {
            return Err(hidden_in_finish(*class, reason.unwrap_or_default()));
        }
        seen.finish |= reason.is_some();
        seen.content |= choice.get("delta").and_then(Value::as_object).is_some_and(has_content);
        seen.choices.push((choice.get("index").and_then(Value::as_u64).unwrap_or(place), reason.is_some()));
    }
    seen.usage = choices.is_empty() && chunk.get("usage").is_some_and(Value::is_object);
    Ok(seen)
}

/// Whether a client would miss this delta.
pub(super) fn has_content(delta: &Map<String, Value>) -> bool {
    ["content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call", "audio"].iter().any(
        |name| match delta.get(*name) {
            None | Some(Value::Null | Value::Bool(_)) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(members)) => !members.is_empty(),
            Some(Value::Number(_)) => true,
        },
    )
}

/// Whether these bytes are one JSON object with choices that only go on: no finish reason, no
/// usage, no error, no second choice and no second tool call. A member of another name never makes
/// a chunk special here.
pub(super) fn is_plain(data: &[u8]) -> bool {
    let mut has_choices = false;
    let whole = each_name(data, |name, value| match name {
        b"choices" => {
            has_choices = true;
            true
        }
        b"finish_reason" | b"usage" | b"error" => value.starts_with(b"null"),
        b"index" => value.first() == Some(&b'0') && !value.get(1).is_some_and(u8::is_ascii_digit),
        _ => true,
    });
    whole && has_choices
}

/// Calls `look` with each name in the JSON text and what stands behind its colon. False when `look`
/// says so once, or when the brackets do not match up.
pub(super) fn each_name<'a>(data: &'a [u8], mut look: impl FnMut(&'a [u8], &'a [u8]) -> bool) -> bool {
    let (mut at, mut depth) = (0, 0_i64);
    while let Some(&byte) = data.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let Some(end) = string_end(data, at) else { return false };
                let rest = data[end + 1..].trim_ascii_start();
                if let Some(value) = rest.strip_prefix(b":")
                    && !look(&data[at..end], value.trim_ascii_start())
                {
                    return false;
                }
                at = end + 1;
            }
            _ => {}
        }
    }
    depth == 0 && data.starts_with(b"{") && data.ends_with(b"}")
}

/// Where the quote stands that closes a string whose first byte is at `at`.
fn string_end(data: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', data.get(at..)?)?;
        if data[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}
