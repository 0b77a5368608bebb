//! A look at a chunk that changes nothing: what does it carry, and need it be read at all?

use super::{finish, hidden_in_finish};
use crate::classify::VendorError;
use crate::profile::{FinishMeaning, Profile};
use memchr::memchr2;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;

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

/// Returns whether a client would miss this delta.
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

/// Returns whether these bytes are one JSON object with choices that only go on: no finish reason,
/// no usage, no error, no second choice and no second tool call. A member of another name never
/// makes a chunk special here. A piece of a tool call is plain if it has an index and arguments,
/// neither id nor name, and the call has begun (`has_call`).
pub(super) fn is_plain(data: &[u8], has_call: bool) -> bool {
    let (mut has_choices, mut in_call, mut has_name) = (false, false, false);
    let (mut ids, mut indexes) = (0, 0);
    let whole = each_name(data, |name, value| match name {
        b"choices" => {
            has_choices = true;
            true
        }
        b"finish_reason" | b"usage" | b"error" => value.starts_with(b"null"),
        b"index" => {
            indexes += 1;
            value.first() == Some(&b'0') && !value.get(1).is_some_and(u8::is_ascii_digit)
        }
        b"tool_calls" => {
            in_call |= !value.starts_with(b"null");
            true
        }
        b"id" => {
            ids += 1;
            true
        }
        b"name" => {
            has_name = true;
            true
        }
        _ => true,
    });
    whole && has_choices && (!in_call || has_call && !has_name && ids <= 1 && indexes == 2)
}

/// A tool call of a whole answer, as far as it can be irregular.
#[derive(Deserialize)]
pub(super) struct WholeCall<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<Cow<'a, str>>,
}

/// Returns whether each of these calls has an id of its own, a name and arguments. Calls of other
/// kinds than functions are the vendor's own matter.
pub(super) fn are_regular(calls: &[WholeCall<'_>]) -> bool {
    let is_said = |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| !text.is_empty());
    calls.iter().enumerate().all(|(place, call)| {
        let is_function = call.kind.as_deref().is_none_or(|kind| matches!(kind, "" | "function"));
        let is_whole = call.function.as_ref().is_some_and(|part| is_said(&part.name) && is_said(&part.arguments));
        let is_new = is_said(&call.id) && calls.iter().take(place).all(|other| other.id != call.id);
        !is_function || is_new && is_whole && is_said(&call.kind)
    })
}

/// The calls of one choice of a stream that is forwarded as it is: id and name.
#[derive(Clone, Debug, Default)]
pub(super) struct WatchedCalls(pub(super) Vec<(String, String)>);

impl WatchedCalls {
    /// Returns whether every SDK understands these pieces, which are then taken for seen.
    pub(super) fn understands(&mut self, pieces: &[Value]) -> bool {
        pieces.iter().all(|piece| self.understands_piece(piece))
    }

    fn understands_piece(&mut self, piece: &Value) -> bool {
        let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
        let (id, name) = (text(&piece["id"]), text(&piece["function"]["name"]));
        let arguments = &piece["function"]["arguments"];
        let is_custom = piece["type"].as_str().is_some_and(|kind| !matches!(kind, "" | "function"));
        let Some(index) = piece["index"].as_u64().and_then(|index| usize::try_from(index).ok()) else { return false };
        if let Some((_, known)) = self.0.get_mut(index) {
            // SDKs add up names, so a further part is understood and a name that is said again is
            // not.
            let is_further = !name.is_empty() && !name.starts_with(known.as_str());
            known.push_str(if is_further { &name } else { "" });
            return id.is_empty() && (name.is_empty() || is_further) && (arguments.is_string() || arguments.is_null());
        }
        let is_new = !id.is_empty() && self.0.iter().all(|(known, _)| *known != id);
        let is_function = piece["type"] == "function" && !name.is_empty();
        let is_whole = is_custom || is_function && (arguments.is_string() || arguments.is_null());
        let is_understood = index == self.0.len() && is_new && is_whole;
        self.0.push((id, name));
        is_understood
    }
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
