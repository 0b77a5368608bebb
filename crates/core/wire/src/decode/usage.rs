//! Token counts, wherever a vendor puts them and whatever it calls them.

use banjia_types::Usage;
use serde_json::{Map, Value, json};

/// The usage object of a chunk or an answer: at the top, or inside a choice as older Moonshot streams have it
/// (general knowledge of 2024, unconfirmed since).
pub(super) fn object_in(value: &Value) -> Option<&Map<String, Value>> {
    let top = value.get("usage").and_then(Value::as_object);
    top.or_else(|| value.get("choices")?.as_array()?.iter().find_map(|choice| choice.get("usage")?.as_object()))
}

/// The counts of a chunk or an answer.
pub(super) fn found_in(value: &Value) -> Option<Usage> {
    let usage = object_in(value)?;
    let prompt = count(usage, &["prompt_tokens", "input_tokens"]);
    let completion = count(usage, &["completion_tokens", "output_tokens"]);
    if prompt.is_none() && completion.is_none() && !usage.contains_key("total_tokens") {
        return None;
    }
    let details = |name: &str| usage.get(name).and_then(Value::as_object);
    let cached = details("prompt_tokens_details").and_then(|details| count(details, &["cached_tokens"]));
    let reasoning = details("completion_tokens_details").and_then(|details| count(details, &["reasoning_tokens"]));
    let prompt = prompt.unwrap_or_else(|| {
        count(usage, &["total_tokens"]).unwrap_or_default().saturating_sub(completion.unwrap_or_default())
    });
    Some(Usage {
        prompt,
        completion: completion.unwrap_or_default(),
        cached: cached.or_else(|| count(usage, &["cached_tokens", "prompt_cache_hit_tokens"])).unwrap_or_default(),
        reasoning: reasoning.unwrap_or_default(),
    })
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
