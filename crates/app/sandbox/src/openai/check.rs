//! What OpenAI refuses in a chat request.

use super::{Bad, known, missing};
use crate::chat::{mentions, messages};
use serde_json::{Map, Value};

/// The members of a chat request (openapi document of 2026-08-21).
const MEMBERS: [&str; 40] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
    "moderation",
    "prompt_cache_options",
    "context_management",
    "conversation",
    "include",
];
const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
/// The largest `n`.
const N_MAX: f64 = 128.0;
/// The most tools.
const TOOLS_MAX: usize = 128;

/// The largest integer that is a plausible token limit.
const TOKENS_MAX: f64 = 1e9;

pub(super) fn check(body: &Map<String, Value>) -> Result<(), Bad> {
    if let Some(name) = body.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(Bad { param: None, ..Bad::new("", format!("Unrecognized request argument supplied: {name}")) });
    }
    let model = match body.get("model") {
        Some(Value::String(model)) if !model.is_empty() => model,
        Some(Value::String(_)) | None => {
            return Err(Bad { param: None, ..Bad::new("", "you must provide a model parameter") });
        }
        Some(_) => return Err(kind("model", "a string")),
    };
    let whole = Value::Object(body.clone());
    check_messages(&whole)?;
    for (name, least, most, integer) in [
        ("temperature", 0.0, 2.0, false),
        ("top_p", 0.0, 1.0, false),
        ("presence_penalty", -2.0, 2.0, false),
        ("frequency_penalty", -2.0, 2.0, false),
        ("n", 1.0, N_MAX, true),
        ("top_logprobs", 0.0, 20.0, true),
        ("max_tokens", 1.0, TOKENS_MAX, true),
        ("max_completion_tokens", 1.0, TOKENS_MAX, true),
        ("seed", -9.3e18, 9.3e18, true),
    ] {
        check_number(body, name, least, most, integer)?;
    }
    for name in ["stream", "logprobs", "parallel_tool_calls", "store"] {
        if body.get(name).is_some_and(|value| !value.is_boolean()) {
            return Err(kind(name, "a boolean"));
        }
    }
    check_together(body)?;
    check_stop(body.get("stop"))?;
    check_tools(body)?;
    check_format(&whole)?;
    if !known(model) {
        return Err(missing(model));
    }
    check_reasoning(model, body)
}

fn kind(param: &str, wanted: &str) -> Bad {
    Bad::new(param, format!("Invalid type for '{param}': expected {wanted}.")).code("invalid_type")
}

fn check_number(body: &Map<String, Value>, name: &str, least: f64, most: f64, integer: bool) -> Result<(), Bad> {
    let Some(value) = body.get(name) else { return Ok(()) };
    let Some(number) = value.as_f64() else { return Err(kind(name, if integer { "an integer" } else { "a decimal" })) };
    if integer && number.fract() != 0.0 {
        return Err(kind(name, "an integer"));
    }
    if number < least {
        let code = if integer { "integer_below_min_value" } else { "decimal_below_min_value" };
        return Err(Bad::new(
            name,
            format!(
                "Invalid '{name}': {} below minimum value. Expected a value >= {least}, but got {value} instead.",
                if integer { "integer" } else { "decimal" }
            ),
        )
        .code(code));
    }
    if number > most {
        let code = if integer { "integer_above_max_value" } else { "decimal_above_max_value" };
        return Err(Bad::new(
            name,
            format!(
                "Invalid '{name}': {} above maximum value. Expected a value <= {most}, but got {value} instead.",
                if integer { "integer" } else { "decimal" }
            ),
        )
        .code(code));
    }
    Ok(())
}

fn check_together(body: &Map<String, Value>) -> Result<(), Bad> {
    let on = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    if body.contains_key("stream_options") && !on("stream") {
        return Err(Bad::new(
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    if body.contains_key("top_logprobs") && !on("logprobs") {
        return Err(Bad::new(
            "top_logprobs",
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
        ));
    }
    if body.contains_key("max_tokens") && body.contains_key("max_completion_tokens") {
        return Err(Bad::new(
            "max_tokens",
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ));
    }
    match body.get("reasoning_effort") {
        Some(Value::String(effort)) if EFFORTS.contains(&effort.as_str()) => Ok(()),
        Some(other) => {
            Err(Bad::new("reasoning_effort", format!("Invalid value: {other}. Supported values are: {EFFORTS:?}."))
                .code("invalid_value"))
        }
        None => Ok(()),
    }
}

fn check_stop(stop: Option<&Value>) -> Result<(), Bad> {
    match stop {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Array(items)) if items.len() > 4 => {
            let message = format!(
                "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length {} instead.",
                items.len()
            );
            Err(Bad::new("stop", message).code("array_above_max_length"))
        }
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err(kind("stop", "a string or an array of strings")),
    }
}

fn check_messages(body: &Value) -> Result<(), Bad> {
    match body.get("messages") {
        None => {
            return Err(
                Bad::new("messages", "Missing required parameter: 'messages'.").code("missing_required_parameter")
            );
        }
        Some(Value::Array(items)) if items.is_empty() => {
            let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
            return Err(Bad::new("messages", message).code("empty_array"));
        }
        Some(Value::Array(_)) => {}
        Some(_) => return Err(kind("messages", "an array of objects")),
    }
    let mut open: Vec<&str> = Vec::new();
    for (at, message) in messages(body).iter().enumerate() {
        let place = format!("messages[{at}]");
        let Some(role) = message.get("role").and_then(Value::as_str) else {
            return Err(Bad::new(&format!("{place}.role"), format!("Missing required parameter: '{place}.role'."))
                .code("missing_required_parameter"));
        };
        if !ROLES.contains(&role) {
            let text = format!(
                "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
            );
            return Err(Bad::new(&format!("{place}.role"), text).code("invalid_value"));
        }
        check_content(message, role, &place)?;
        if role == "tool" {
            let id = message.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
            let before = open.len();
            open.retain(|wanted| *wanted != id);
            if open.len() == before {
                let text = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
                return Err(Bad::new(&format!("{place}.role"), text));
            }
            continue;
        }
        unanswered(&open, &place)?;
        let calls = message.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        open = calls.iter().filter_map(|call| call.get("id").and_then(Value::as_str)).collect();
    }
    unanswered(&open, "messages")
}

fn unanswered(open: &[&str], place: &str) -> Result<(), Bad> {
    if open.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Err(Bad::new(place, message))
}

fn check_content(message: &Value, role: &str, place: &str) -> Result<(), Bad> {
    let param = format!("{place}.content");
    match message.get("content") {
        Some(Value::String(_)) => Ok(()),
        None | Some(Value::Null) if role == "assistant" => Ok(()),
        None | Some(Value::Null) => {
            Err(Bad::new(&param, format!("Invalid value for 'content': expected a string, got null. ({place})")))
        }
        Some(Value::Array(parts)) => {
            for (at, part) in parts.iter().enumerate() {
                let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
                let allowed: &[&str] = match role {
                    "user" => &["text", "image_url", "input_audio", "file"],
                    "assistant" => &["text", "refusal"],
                    _ => &["text"],
                };
                if !allowed.contains(&kind) {
                    let text = format!("Invalid value: '{kind}'. Supported values are: {allowed:?}.");
                    return Err(Bad::new(&format!("{param}[{at}].type"), text).code("invalid_value"));
                }
            }
            Ok(())
        }
        Some(_) => Err(kind_of(&param)),
    }
}

fn kind_of(param: &str) -> Bad {
    kind(param, "one of a string or array of objects")
}

fn check_tools(body: &Map<String, Value>) -> Result<(), Bad> {
    let tools = match body.get("tools") {
        None => {
            return match body.get("tool_choice").or_else(|| body.get("parallel_tool_calls")) {
                Some(Value::String(choice)) if choice == "none" => Ok(()),
                None => Ok(()),
                Some(_) if body.contains_key("tool_choice") => Err(Bad::new(
                    "tool_choice",
                    "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
                )),
                Some(_) => Err(Bad::new(
                    "parallel_tool_calls",
                    "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
                )),
            };
        }
        Some(Value::Array(tools)) => tools,
        Some(_) => return Err(kind("tools", "an array of objects")),
    };
    if tools.is_empty() {
        return Err(Bad::new(
            "tools",
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        )
        .code("empty_array"));
    }
    if tools.len() > TOOLS_MAX {
        return Err(Bad::new(
            "tools",
            format!("Invalid 'tools': array too long. Expected an array with maximum length {TOOLS_MAX}."),
        )
        .code("array_above_max_length"));
    }
    for (at, tool) in tools.iter().enumerate() {
        let param = format!("tools[{at}].function.name");
        let name = tool.pointer("/function/name").or_else(|| tool.pointer("/custom/name")).and_then(Value::as_str);
        let Some(name) = name else {
            return Err(
                Bad::new(&param, format!("Missing required parameter: '{param}'.")).code("missing_required_parameter")
            );
        };
        let plain = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !plain {
            return Err(Bad::new(&param, format!("Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.")).code("invalid_value"));
        }
    }
    check_choice(body.get("tool_choice"), tools)
}

fn check_choice(choice: Option<&Value>, tools: &[Value]) -> Result<(), Bad> {
    match choice {
        None => Ok(()),
        Some(Value::String(text)) if ["auto", "none", "required"].contains(&text.as_str()) => Ok(()),
        Some(Value::String(text)) => Err(Bad::new(
            "tool_choice",
            format!("Invalid value: '{text}'. Supported values are: 'none', 'auto', and 'required'."),
        )
        .code("invalid_value")),
        Some(choice) => match choice.pointer("/function/name").and_then(Value::as_str) {
            Some(name)
                if tools.iter().any(|tool| tool.pointer("/function/name").and_then(Value::as_str) == Some(name)) =>
            {
                Ok(())
            }
            Some(name) => Err(Bad::new(
                "tool_choice",
                format!("Invalid value for 'tool_choice': function '{name}' not found in 'tools'."),
            )),
            None if choice.get("type").and_then(Value::as_str) == Some("allowed_tools") => Ok(()),
            None => Err(kind("tool_choice", "a string or an object with a function's name")),
        },
    }
}

fn check_format(body: &Value) -> Result<(), Bad> {
    let Some(format) = body.get("response_format") else { return Ok(()) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(()),
        Some("json_object") if mentions(body, "json") => Ok(()),
        Some("json_object") => Err(Bad::new(
            "messages",
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        )),
        Some("json_schema") => check_schema(format),
        other => {
            let text = format!(
                "Invalid value: '{}'. Supported values are: 'json_object', 'json_schema', and 'text'.",
                other.unwrap_or_default()
            );
            Err(Bad::new("response_format.type", text).code("invalid_value"))
        }
    }
}

fn check_schema(format: &Value) -> Result<(), Bad> {
    let wrapped = format.get("json_schema");
    if wrapped.and_then(|wrapped| wrapped.get("name")).and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(Bad::new(
            "response_format.json_schema.name",
            "Missing required parameter: 'response_format.json_schema.name'.",
        )
        .code("missing_required_parameter"));
    }
    let strict = wrapped.and_then(|wrapped| wrapped.get("strict")).and_then(Value::as_bool).unwrap_or(false);
    let Some(schema) = wrapped.and_then(|wrapped| wrapped.get("schema")) else {
        return Err(Bad::new(
            "response_format.json_schema.schema",
            "Missing required parameter: 'response_format.json_schema.schema'.",
        )
        .code("missing_required_parameter"));
    };
    let object = schema.get("type").and_then(Value::as_str) == Some("object");
    if strict && object && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        let name = wrapped.and_then(|wrapped| wrapped.get("name")).and_then(Value::as_str).unwrap_or_default();
        let text = format!(
            "Invalid schema for response_format '{name}': In context=(), 'additionalProperties' is required to be supplied and to be false."
        );
        return Err(Bad::new("response_format", text));
    }
    Ok(())
}

/// Reasoning models know neither `max_tokens` nor sampling.
fn check_reasoning(model: &str, body: &Map<String, Value>) -> Result<(), Bad> {
    if !super::chat::reasons(model) {
        return Ok(());
    }
    if body.contains_key("max_tokens") {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        return Err(Bad::new("max_tokens", message).code("unsupported_parameter"));
    }
    match body.get("temperature").and_then(Value::as_f64) {
        Some(temperature) if (temperature - 1.0).abs() > f64::EPSILON => {
            let message = format!(
                "Unsupported value: 'temperature' does not support {temperature} with this model. Only the default (1) value is supported."
            );
            Err(Bad::new("temperature", message).code("unsupported_value"))
        }
        _ => Ok(()),
    }
}
