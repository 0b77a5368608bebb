//! Token counts, wherever a vendor puts them and whatever it calls them.

use banjia_types::Usage;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The usage object of a chunk or an answer: at the top, or inside a choice as older Moonshot streams have it
/// (general knowledge of 2024, unconfirmed since).
pub(super) fn object_in(value: &Value) -> Option<&Map<String, Value>> {
    let top = value.get("usage").and_then(Value::as_object);
    top.or_else(|| value.get("choices")?.as_array()?.iter().find_map(|choice| choice.get("usage")?.as_object()))
}

/// The members of a usage object that are counted, as vendors name them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    prompt_tokens: Option<u64>,
    input_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    prompt_cache_hit_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl Counts {
    /// The counts as they are booked; none when nothing was counted.
    fn usage(&self) -> Option<Usage> {
        let prompt = self.prompt_tokens.or(self.input_tokens);
        let completion = self.completion_tokens.or(self.output_tokens);
        if prompt.is_none() && completion.is_none() && self.total_tokens.is_none() {
            return None;
        }
        let completion = completion.unwrap_or_default();
        let cached = self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
        let reasoning = self.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
        Some(Usage {
            prompt: prompt.unwrap_or_else(|| self.total_tokens.unwrap_or_default().saturating_sub(completion)),
            completion,
            cached: cached.or(self.cached_tokens).or(self.prompt_cache_hit_tokens).unwrap_or_default(),
            reasoning: reasoning.unwrap_or_default(),
        })
    }

    /// The same members out of an object whose numbers may be written in any way.
    fn of(usage: &Map<String, Value>) -> Self {
        let at = |name: &str| count(usage, &[name]);
        let inside = |name: &str, member: &str| count(usage.get(name)?.as_object()?, &[member]);
        Self {
            prompt_tokens: at("prompt_tokens"),
            input_tokens: at("input_tokens"),
            completion_tokens: at("completion_tokens"),
            output_tokens: at("output_tokens"),
            // That it is there is enough: then something was counted.
            total_tokens: usage.get("total_tokens").map(|_| at("total_tokens").unwrap_or_default()),
            cached_tokens: at("cached_tokens"),
            prompt_cache_hit_tokens: at("prompt_cache_hit_tokens"),
            prompt_tokens_details: Some(PromptDetails {
                cached_tokens: inside("prompt_tokens_details", "cached_tokens"),
            }),
            completion_tokens_details: Some(CompletionDetails {
                reasoning_tokens: inside("completion_tokens_details", "reasoning_tokens"),
            }),
        }
    }
}

/// The counts of a usage object as it came. Numbers that are written oddly are read with more patience.
pub(super) fn read(usage: &str) -> Option<Usage> {
    if let Ok(counts) = serde_json::from_str::<Counts>(usage) {
        return counts.usage();
    }
    let value: Value = serde_json::from_str(usage).ok()?;
    Counts::of(value.as_object()?).usage()
}

/// The counts of a chunk or an answer.
pub(super) fn found_in(value: &Value) -> Option<Usage> {
    Counts::of(object_in(value)?).usage()
}

/// The vendor's usage object with OpenAI's required members in front. What else it says stays.
pub(super) fn regular(value: &Value) -> Option<Value> {
    let (usage, from) = (found_in(value)?, object_in(value)?);
    let total = count(from, &["total_tokens"]).unwrap_or_else(|| usage.total());
    let mut regular = Map::new();
    regular.insert("prompt_tokens".into(), usage.prompt.into());
    regular.insert("completion_tokens".into(), usage.completion.into());
    regular.insert("total_tokens".into(), total.into());
    for (name, member) in from {
        if !regular.contains_key(name) && !member.is_null() {
            regular.insert(name.clone(), member.clone());
        }
    }
    if usage.cached > 0 && !regular.contains_key("prompt_tokens_details") {
        regular.insert("prompt_tokens_details".into(), json!({ "cached_tokens": usage.cached }));
    }
    Some(Value::Object(regular))
}

fn count(from: &Map<String, Value>, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| {
        let number = from.get(*name)?;
        number.as_u64().or_else(|| number.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
    })
}
