//! Quirks of the order of turns.

use crate::encode::{Cell, Draft, Refusal, text_of};
use banjia_types::LossLevel;
use serde_json::{Value, json};

fn role(cell: &mut Cell) -> String {
    cell.text("role").unwrap_or_default()
}

/// Two contents in one: texts joined by a blank line, or the parts of both in a row.
fn joined(first: &Value, second: &Value) -> Value {
    if let (Some(a), Some(b)) = (text_of(first), text_of(second)) {
        let between = if a.is_empty() || b.is_empty() { "" } else { "\n\n" };
        return format!("{a}{between}{b}").into();
    }
    let parts = |content: &Value| match content {
        Value::Array(parts) => parts.clone(),
        Value::Null => Vec::new(),
        text => vec![json!({"type": "text", "text": text})],
    };
    let mut all = parts(first);
    all.extend(parts(second));
    all.into()
}

/// One system message, the first of all.
pub(super) fn one_system_first(draft: &mut Draft<'_>, name: &str) {
    let Some(messages) = draft.body.list(name) else { return };
    let systems: Vec<usize> = (0..messages.len()).filter(|at| role(&mut messages[*at]) == "system").collect();
    if systems.is_empty() || systems == [0] {
        return;
    }
    let in_front = systems.iter().enumerate().all(|(nth, at)| nth == *at);
    let mut taken: Vec<Cell> = systems.iter().rev().map(|at| messages.remove(*at)).collect();
    taken.reverse();
    let mut first = taken.remove(0);
    for mut other in taken {
        let content = joined(&first.read()["content"], &other.read()["content"]);
        first.edit()["content"] = content;
    }
    messages.insert(0, first);
    if in_front {
        draft.lose("messages", LossLevel::Exact, "the system messages were joined into one");
    } else {
        draft.lose(
            "messages",
            LossLevel::Degraded,
            "system messages stand first here; later ones were moved to the front",
        );
    }
}

/// Strict alternation: neighbours of the same role become one turn. Calls and their results stay
/// apart.
pub(super) fn same_role_turns_merged(draft: &mut Draft<'_>, name: &str) {
    let Some(messages) = draft.body.list(name) else { return };
    let before = messages.len();
    let mut merged: Vec<Cell> = Vec::with_capacity(before);
    let mut last_plain = String::new();
    for mut cell in std::mem::take(messages) {
        let kind = role(&mut cell);
        let plain = matches!(kind.as_str(), "user" | "assistant") && cell.read().get("tool_calls").is_none();
        match merged.last_mut() {
            Some(last) if plain && last_plain == kind => {
                let content = joined(&last.read()["content"], &cell.read()["content"]);
                last.edit()["content"] = content;
            }
            _ => merged.push(cell),
        }
        last_plain = if plain { kind } else { String::new() };
    }
    let after = merged.len();
    *messages = merged;
    if after < before {
        draft.lose("messages", LossLevel::Exact, "turns take turns here: neighbours of the same role were joined");
    }
}

/// Conversations of nothing but system messages: the last one speaks as the user.
pub(super) fn not_only_system(draft: &mut Draft<'_>, name: &str) -> Result<(), Refusal> {
    let Some(messages) = draft.body.list(name) else { return Ok(()) };
    if messages.is_empty() {
        return Err(Refusal::new("messages", "at least one message is needed"));
    }
    if messages.iter_mut().all(|cell| role(cell) == "system")
        && let Some(last) = messages.last_mut()
    {
        last.members(|message| message.set("role", "user".into()));
        draft.lose("messages.role", LossLevel::Degraded, "a user must speak here; the last system message does");
    }
    Ok(())
}

/// The last word is the user's or a tool's.
pub(super) fn ends_with_user(draft: &mut Draft<'_>, name: &str) -> Result<(), Refusal> {
    let Some(last) = draft.body.list(name).and_then(|messages| messages.last_mut()) else { return Ok(()) };
    // A text to be continued is said in the vendor's own way, and then it may stand last.
    let continued = last.read().get("partial").is_some() || last.read().get("prefix").is_some();
    if role(last) == "assistant" && !continued {
        return Err(Refusal::new("messages", "the last message must come from the user or a tool here"));
    }
    Ok(())
}

/// The last message has something in it.
pub(super) fn last_message_not_blank(draft: &mut Draft<'_>, name: &str) -> Result<(), Refusal> {
    let Some(last) = draft.body.list(name).and_then(|messages| messages.last_mut()) else { return Ok(()) };
    let is_user = role(last) == "user";
    if is_user && text_of(&last.read()["content"]).is_some_and(|text| text.trim().is_empty()) {
        return Err(Refusal::new("messages", "the last message must not be blank here"));
    }
    Ok(())
}
