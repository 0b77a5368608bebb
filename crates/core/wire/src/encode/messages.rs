//! Roles, the words that emulations add, and the quirks of message lists.

use super::{Cell, Draft, Refusal};
use banjia_types::LossLevel;
use serde_json::{Value, json};

/// Shapes `messages` for the vendor.
pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    drop_nulls(draft);
    roles(draft);
    instruct(draft);
    let profile = draft.profile;
    for (quirk, models) in &profile.messages.quirks {
        if models.is_empty() || models.iter().any(|pattern| pattern.matches(draft.model)) {
            quirk.apply(draft, "messages")?;
        }
    }
    Ok(())
}

/// SDKs that send an answer back as history print members that were not set (`refusal`, `audio`,
/// `function_call`, ...). `content` stays: beside tool calls its `null` is part of the message.
fn drop_nulls(draft: &mut Draft<'_>) {
    for cell in draft.body.list("messages").into_iter().flatten() {
        let unset = |(name, value): (&String, &Value)| value.is_null() && name != "content";
        if cell.read().as_object().is_some_and(|message| message.iter().any(unset)) {
            cell.members(|message| message.drop_nulls("content"));
        }
    }
}

fn roles(draft: &mut Draft<'_>) {
    let profile = draft.profile;
    let mut changed: Vec<(String, &String)> = Vec::new();
    for cell in draft.body.list("messages").into_iter().flatten() {
        let Some(role) = cell.text("role") else { continue };
        if let Some(to) = profile.messages.roles.get(&role) {
            cell.members(|message| message.set("role", to.as_str().into()));
            if !changed.iter().any(|(from, _)| *from == role) {
                changed.push((role, to));
            }
        }
    }
    for (from, to) in changed {
        draft.lose("messages.role", LossLevel::Exact, format!("`{from}` is called `{to}` here"));
    }
}

/// Adds the emulations' sentences to the first system message, or puts one in front.
fn instruct(draft: &mut Draft<'_>) {
    if draft.instructions.is_empty() {
        return;
    }
    let words = std::mem::take(&mut draft.instructions).join("\n\n");
    let Some(messages) = draft.body.list("messages") else { return };
    let system = messages.iter_mut().position(|cell| cell.text("role").as_deref() == Some("system"));
    let Some(system) = system.and_then(|at| messages.get_mut(at)) else {
        messages.insert(0, Cell::Own(json!({"role": "system", "content": words})));
        return;
    };
    match &mut system.edit()["content"] {
        Value::Array(parts) => parts.push(json!({"type": "text", "text": words})),
        Value::String(text) if !text.is_empty() => {
            text.push_str("\n\n");
            text.push_str(&words);
        }
        other => *other = words.into(),
    }
}

/// A message's text: the string itself, or its text parts on lines of their own. `None` when there
/// is anything else in it.
pub(crate) fn text_of(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Array(parts) => {
            let texts: Option<Vec<&str>> = parts
                .iter()
                .map(|part| {
                    let is_text = part["type"] == "text" && part.get("cache_control").is_none();
                    part["text"].as_str().filter(|_| is_text)
                })
                .collect();
            texts.map(|texts| texts.join("\n"))
        }
        _ => None,
    }
}
