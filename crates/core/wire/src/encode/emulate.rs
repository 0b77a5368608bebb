//! What the gateway will do in the vendor's place: taken out of the request and put into the notes.

use super::{Draft, Refusal};
use crate::notes::{ForcedTool, SchemaWanted};
use crate::profile::{Emulation, ParamRule};
use banjia_types::LossLevel;
use serde_json::{Value, json};

/// Most choices that one request may ask for (OpenAI's own limit, API document of 2026-08-21).
const CHOICES_MAX: u64 = 128;

/// Takes the parameter over from the vendor.
pub(super) fn apply(draft: &mut Draft<'_>, rule: &ParamRule, emulation: Emulation) -> Result<(), Refusal> {
    match emulation {
        Emulation::FanOut => fan_out(draft, rule)?,
        Emulation::StopInGateway => stop(draft, rule),
        Emulation::SchemaByInstruction => schema(draft, rule)?,
        Emulation::JsonByInstruction => json_object(draft, rule),
        Emulation::ForcedToolByInstruction => forced_tool(draft, rule),
        Emulation::Base64InGateway => base64(draft, rule),
    }
    Ok(())
}

fn lose(draft: &mut Draft<'_>, rule: &ParamRule, why: impl Into<String>) {
    let level = rule.level(LossLevel::Emulated);
    draft.lose(&rule.name, level, why);
}

fn fan_out(draft: &mut Draft<'_>, rule: &ParamRule) -> Result<(), Refusal> {
    let Some(value) = draft.body.get(&rule.name) else { return Ok(()) };
    let count = value.as_u64().filter(|n| (1..=CHOICES_MAX).contains(n));
    let Some(count) = count.and_then(|n| u32::try_from(n).ok()) else {
        return Err(Refusal::new(&rule.name, format!("must be a whole number from 1 to {CHOICES_MAX}, not {value}")));
    };
    draft.body.remove(&rule.name);
    if count > 1 {
        draft.notes.fan_out = count;
        lose(draft, rule, format!("{count} requests are sent, one for each choice"));
    }
    Ok(())
}

/// The vendor keeps the first strings that it takes; the gateway looks for the rest.
fn stop(draft: &mut Draft<'_>, rule: &ParamRule) {
    let wanted: Vec<String> = match draft.body.get(&rule.name) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) if many.iter().all(Value::is_string) => {
            many.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => return,
    };
    let count = rule.max_items.unwrap_or(usize::MAX);
    let chars = rule.max_chars.unwrap_or(usize::MAX);
    let (mut sent, mut ours) = (Vec::new(), Vec::new());
    for text in wanted.into_iter().filter(|text| !text.is_empty()) {
        if sent.len() < count && text.chars().count() <= chars {
            sent.push(text);
        } else {
            ours.push(text);
        }
    }
    if sent.is_empty() {
        draft.body.remove(&rule.name);
    } else {
        draft.body.set(&rule.name, json!(sent));
    }
    if !ours.is_empty() {
        lose(draft, rule, format!("{} of the stop strings are looked for in the gateway", ours.len()));
        draft.notes.stop = ours;
    }
}

fn schema(draft: &mut Draft<'_>, rule: &ParamRule) -> Result<(), Refusal> {
    let Some(format) = draft.body.get(&rule.name) else { return Ok(()) };
    let wanted = &format["json_schema"];
    if format["type"] != "json_schema" {
        return Ok(());
    }
    if !wanted["schema"].is_object() {
        return Err(Refusal::new("response_format.json_schema.schema", "must be a JSON Schema object"));
    }
    let schema = SchemaWanted {
        name: wanted["name"].as_str().unwrap_or("answer").to_owned(),
        schema: wanted["schema"].clone(),
        strict: wanted["strict"].as_bool().unwrap_or(false),
    };
    draft.body.set(&rule.name, json!({"type": "json_object"}));
    draft.instructions.push(format!(
        "Answer with one JSON object and nothing else: no prose, no code fence. It must be valid against this JSON Schema, \
         named {}:\n{}",
        schema.name, schema.schema
    ));
    draft.notes.schema = Some(schema);
    lose(draft, rule, "the schema is asked for in words, and the answer is checked against it");
    Ok(())
}

fn json_object(draft: &mut Draft<'_>, rule: &ParamRule) {
    if draft.body.get(&rule.name).is_none_or(|format| format["type"] != "json_object") {
        return;
    }
    draft.body.remove(&rule.name);
    draft.notes.json_object = true;
    draft.instructions.push("Answer with one JSON object and nothing else: no prose, no code fence.".into());
    lose(draft, rule, "a JSON object is asked for in words, and the answer is checked");
}

fn forced_tool(draft: &mut Draft<'_>, rule: &ParamRule) {
    let forced = match draft.body.get(&rule.name) {
        Some(Value::String(choice)) if choice == "required" => ForcedTool::Any,
        Some(choice) => match choice["function"]["name"].as_str() {
            Some(name) => ForcedTool::Named(name.to_owned()),
            None => return,
        },
        None => return,
    };
    let sentence = match &forced {
        ForcedTool::Any => "Answer by calling one of the given tools; do not answer in text.".to_owned(),
        ForcedTool::Named(name) => format!("Answer by calling the tool `{name}`; do not answer in text."),
    };
    draft.body.set(&rule.name, "auto".into());
    draft.instructions.push(sentence);
    draft.notes.forced_tool = Some(forced);
    lose(draft, rule, "the call is asked for in words, and the answer is checked");
}

fn base64(draft: &mut Draft<'_>, rule: &ParamRule) {
    let wanted = draft.body.get(&rule.name).is_some_and(|format| format == "base64");
    draft.body.remove(&rule.name);
    if wanted {
        draft.notes.base64_embeddings = true;
        lose(draft, rule, "the vendor gives floats, the gateway encodes them");
    }
}
