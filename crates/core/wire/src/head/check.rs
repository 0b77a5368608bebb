//! What every client of OpenAI's API gets as a 400, whatever the model.
//!
//! Names, types and bounds are those of OpenAI's published document (openapi.json of 2026-08-21).

use super::BadBody;
use super::top::Top;
use banjia_types::Operation;
use serde::Deserialize;

/// The most choices that one request may ask for (OpenAI's document, `n`).
const CHOICES_MAX: u64 = 128;

/// What a value may be. `null` is the same as leaving the name out.
#[derive(Clone, Copy)]
enum JsonKind {
    Boolean,
    Number,
    Integer,
    Text,
    Array,
    Object,
    TextOrArray,
    TextOrObject,
}

impl JsonKind {
    const fn words(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Integer => "an integer",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::TextOrArray => "a string or an array",
            Self::TextOrObject => "a string or an object",
        }
    }

    fn fits(self, raw: &str) -> bool {
        let first = raw.bytes().next().unwrap_or_default();
        let number = first == b'-' || first.is_ascii_digit();
        match self {
            Self::Boolean => matches!(first, b't' | b'f'),
            Self::Number => number,
            Self::Integer => number && !raw.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')),
            Self::Text => first == b'"',
            Self::Array => first == b'[',
            Self::Object => first == b'{',
            Self::TextOrArray => matches!(first, b'"' | b'['),
            Self::TextOrObject => matches!(first, b'"' | b'{'),
        }
    }
}

fn shape_of(name: &str, operation: Operation) -> Option<JsonKind> {
    Some(match (name, operation) {
        ("model" | "user", _) | ("encoding_format", Operation::Embeddings) => JsonKind::Text,
        ("dimensions", Operation::Embeddings) => JsonKind::Integer,
        ("input", Operation::Embeddings) => JsonKind::TextOrArray,
        (_, Operation::Embeddings) => return None,
        ("messages" | "tools" | "functions" | "modalities", _) => JsonKind::Array,
        ("stream" | "logprobs" | "parallel_tool_calls" | "store", _) => JsonKind::Boolean,
        ("temperature" | "top_p" | "presence_penalty" | "frequency_penalty", _) => JsonKind::Number,
        ("n" | "max_tokens" | "max_completion_tokens" | "top_logprobs" | "seed", _) => JsonKind::Integer,
        ("prompt_cache_key" | "safety_identifier" | "reasoning_effort" | "service_tier" | "verbosity", _) => {
            JsonKind::Text
        }
        ("stream_options" | "response_format" | "metadata" | "logit_bias" | "audio" | "prediction", _) => {
            JsonKind::Object
        }
        ("stop", _) => JsonKind::TextOrArray,
        ("tool_choice" | "function_call", _) => JsonKind::TextOrObject,
        _ => return None,
    })
}

/// Refuses the first thing that is wrong: a missing parameter, a wrong type, an empty list, a
/// contradiction. `prompt` is the member that holds what the model is asked.
pub(super) fn check(top: &Top<'_>, operation: Operation, prompt: &str) -> Result<(), BadBody> {
    for required in ["model", prompt] {
        if top.get(required).is_none_or(|raw| raw == "null") {
            let message = format!("Missing required parameter: '{required}'.");
            return Err(BadBody::of(required, "missing_required_parameter", message));
        }
    }
    for (name, raw) in top.iter().filter(|(_, raw)| *raw != "null") {
        if let Some(shape) = shape_of(name, operation).filter(|shape| !shape.fits(raw)) {
            return Err(wrong_type(name, shape.words(), raw));
        }
    }
    for name in ["model", prompt] {
        if top.get(name).is_some_and(is_empty) {
            let message = format!("Invalid '{name}': it is empty, and at least one {} is needed.", unit_of(name));
            return Err(BadBody::of(name, "empty_value", message));
        }
    }
    Ok(())
}

fn unit_of(name: &str) -> &'static str {
    match name {
        "messages" => "message",
        "input" => "text",
        _ => "character",
    }
}

/// Whether a string or an array has nothing in it.
fn is_empty(raw: &str) -> bool {
    let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    match raw.bytes().next() {
        Some(b'[') => inside.trim_ascii().is_empty(),
        Some(b'"') => inside.is_empty(),
        _ => false,
    }
}

fn wrong_type(name: &str, wanted: &str, raw: &str) -> BadBody {
    let got = match raw.bytes().next() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    };
    let code = "invalid_type";
    BadBody::of(name, code, format!("Invalid type for '{name}': {wanted} is expected, and {got} was given."))
}

/// The text of a raw JSON string.
pub(super) fn string(name: &str, raw: &str) -> Result<String, BadBody> {
    // A lone surrogate escape is valid to JSON's grammar, and yet no text.
    serde_json::from_str(raw).map_err(|error| {
        BadBody::of(name, "invalid_value", format!("Invalid '{name}': it cannot be read as text: {error}."))
    })
}

/// The text of a parameter that may be left out; None when it is empty too.
pub(super) fn said(top: &Top<'_>, name: &str) -> Result<Option<String>, BadBody> {
    match top.get(name).filter(|raw| raw.starts_with('"')) {
        Some(raw) => Ok(Some(string(name, raw)?).filter(|text| !text.is_empty())),
        None => Ok(None),
    }
}

/// `stream_options.include_usage`.
pub(super) fn include_usage(top: &Top<'_>) -> Result<bool, BadBody> {
    #[derive(Deserialize)]
    struct StreamOptions {
        include_usage: Option<bool>,
    }
    let Some(raw) = top.get("stream_options").filter(|raw| *raw != "null") else { return Ok(false) };
    let options: StreamOptions = serde_json::from_str(raw).map_err(|_| {
        let message = "Invalid 'stream_options': 'include_usage' must be a boolean and stand once.".to_owned();
        BadBody::of("stream_options.include_usage", "invalid_type", message)
    })?;
    Ok(options.include_usage.unwrap_or(false))
}

/// `n`, between 1 and OpenAI's most.
pub(super) fn choices(top: &Top<'_>) -> Result<u32, BadBody> {
    let Some(raw) = top.get("n").filter(|raw| *raw != "null") else { return Ok(1) };
    if raw.starts_with('-') || raw == "0" {
        let message = format!("Invalid 'n': at least 1 is expected, and {} was given.", short(raw));
        return Err(BadBody::of("n", "integer_below_min_value", message));
    }
    match raw.parse::<u64>() {
        Ok(n) if n <= CHOICES_MAX => Ok(n as u32),
        _ => {
            let message = format!("Invalid 'n': at most {CHOICES_MAX} is expected, and {} was given.", short(raw));
            Err(BadBody::of("n", "integer_above_max_value", message))
        }
    }
}

/// A number's text is ASCII and may be as long as the body.
fn short(raw: &str) -> &str {
    raw.get(..20).unwrap_or(raw)
}
