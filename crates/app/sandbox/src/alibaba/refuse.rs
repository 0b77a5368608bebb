//! What Alibaba refuses in a chat request. `settings` is the body itself in compatible mode and `parameters` natively.

use super::{Bad, known, multimodal, thinking, thinks_always};
use crate::chat::{flag, mentions};
use serde_json::{Value, json};

/// A member, what holds for it, and the words for it where it does not.
type Range = (&'static str, fn(f64) -> bool, &'static str);

/// The largest seed.
const SEED_MAX: f64 = 2_147_483_647.0;

pub(super) fn check(model: &str, messages: &[Value], settings: &Value) -> Result<(), Bad> {
    if !known(model) {
        return Err(Bad::missing_model(model));
    }
    check_messages(model, messages)?;
    check_numbers(settings)?;
    check_thinking(model, settings)?;
    check_format(model, messages, settings)?;
    check_tools(model, settings)
}

fn check_messages(model: &str, messages: &[Value]) -> Result<(), Bad> {
    if messages.is_empty() {
        return Err(Bad::parameter("[] is too short - 'messages'"));
    }
    let mut after_calls = false;
    for (at, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !["system", "user", "assistant", "tool", "function"].contains(&role) {
            return Err(Bad::parameter(format!(
                "'{role}' is not one of ['system', 'assistant', 'user', 'tool', 'function'] - 'messages.{at}.role'"
            )));
        }
        if role == "system" && at > 0 && messages.first().and_then(|first| first.get("role")) != Some(&json!("system"))
        {
            return Err(Bad::parameter("System message must be at the beginning."));
        }
        let content = message.get("content");
        if role == "tool" {
            if !after_calls {
                return Err(Bad::parameter(
                    "messages with role \"tool\" must be a response to a preceeding message with \"tool_calls\".",
                ));
            }
            if content.is_some_and(Value::is_array) {
                return Err(Bad::parameter("The content field of a tool message is required to be a string."));
            }
        } else {
            after_calls = message.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
        }
        if content.is_some_and(Value::is_array) && !multimodal(model) && !plain_cache_marks(content) {
            return Err(Bad::parameter(
                "<400> InternalError.Algo.InvalidParameter: The input content must be a string.",
            ));
        }
        if matches!(role, "user" | "system") && content.is_none_or(|content| content.is_null() || content == "") {
            return Err(Bad::parameter("Role must be user or assistant and Content length must be greater than 0"));
        }
    }
    let last = messages.last();
    let role = last.and_then(|last| last.get("role")).and_then(Value::as_str).unwrap_or_default();
    if !["user", "tool"].contains(&role) && !last.is_some_and(|last| flag(last, "partial")) {
        return Err(Bad {
            status: 500,
            native: "InternalError.Algo",
            code: "internal_error",
            kind: "internal_error",
            message: "<500> InternalError.Algo: list index out of range".to_owned(),
            param: None,
        });
    }
    Ok(())
}

/// Text parts with `cache_control` are taken by text models too: that is how the explicit cache is asked for.
fn plain_cache_marks(content: Option<&Value>) -> bool {
    let parts = content.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    parts.iter().any(|part| part.get("cache_control").is_some()) && parts.iter().all(|part| part.get("text").is_some())
}

fn check_numbers(settings: &Value) -> Result<(), Bad> {
    let ranges: [Range; 8] = [
        ("temperature", |x| (0.0..2.0).contains(&x), "Temperature should be in [0.0, 2.0)"),
        ("top_p", |x| x > 0.0 && x <= 1.0, "Range of top_p should be (0.0, 1.0]"),
        ("presence_penalty", |x| (-2.0..=2.0).contains(&x), "Presence_penalty should be in [-2.0, 2.0]"),
        ("repetition_penalty", |x| x > 0.0, "Repetition_penalty should be greater than 0.0"),
        ("seed", |x| (0.0..=SEED_MAX).contains(&x), "Range of seed should be [0, 2147483647]"),
        ("n", |x| (1.0..=4.0).contains(&x), "Range of n should be [1, 4]"),
        ("top_logprobs", |x| (0.0..=5.0).contains(&x), "Range of top_logprobs should be [0, 5]"),
        ("max_tokens", |x| x >= 1.0, "Range of max_tokens should be [1, 65536]"),
    ];
    for (name, holds, message) in ranges {
        match settings.get(name).map(serde_json::Value::as_f64) {
            Some(Some(number)) if holds(number) => {}
            Some(_) => return Err(Bad::parameter(format!("<400> InternalError.Algo.InvalidParameter: {message}"))),
            None => {}
        }
    }
    let kinds = settings.get("stop").and_then(Value::as_array);
    if kinds.is_some_and(|items| {
        !(items.iter().all(Value::is_string) || items.iter().all(|item| item.is_array() || item.is_u64()))
    }) {
        return Err(Bad::parameter("stop must be a string, or an array of items of one type."));
    }
    Ok(())
}

fn check_thinking(model: &str, settings: &Value) -> Result<(), Bad> {
    if thinks_always(model) && settings.get("enable_thinking") == Some(&json!(false)) {
        return Err(Bad::parameter("parameter.enable_thinking must be set to true for this model."));
    }
    if settings.get("thinking_budget").is_some_and(|budget| budget.as_u64().is_none_or(|budget| budget == 0)) {
        return Err(Bad::parameter("parameter thinking_budget must be a positive integer."));
    }
    let Some(effort) = settings.get("reasoning_effort") else { return Ok(()) };
    if settings.get("thinking_budget").is_some() {
        return Err(Bad::parameter("reasoning_effort and thinking_budget cannot be set at the same time."));
    }
    let allowed: &[&str] =
        if model.starts_with("deepseek-v4") || model.starts_with("glm-5.3") || model.starts_with("kimi-k3") {
            &["none", "low", "high", "max"]
        } else if model.starts_with("glm-5.2") {
            &["none", "high", "max"]
        } else {
            &["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        };
    if effort.as_str().is_some_and(|effort| allowed.contains(&effort)) {
        return Ok(());
    }
    Err(Bad::parameter(format!("reasoning_effort must be one of {allowed:?}.")))
}

fn check_format(model: &str, messages: &[Value], settings: &Value) -> Result<(), Bad> {
    let Some(kind) = settings.get("response_format").and_then(|format| format.get("type")).and_then(Value::as_str)
    else {
        return Ok(());
    };
    if !["text", "json_object", "json_schema"].contains(&kind) {
        return Err(Bad::parameter(format!(
            "'{kind}' is not one of ['text', 'json_object', 'json_schema'] - 'response_format.type'"
        )));
    }
    if kind != "text" && thinking(model, settings) {
        return Err(Bad::parameter(
            "<400> InternalError.Algo.InvalidParameter: Json mode response is not supported when enable_thinking is true",
        ));
    }
    if kind == "json_object" && !mentions(&json!({"messages": messages}), "json") {
        return Err(Bad::parameter(
            "<400> InternalError.Algo.InvalidParameter: 'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        ));
    }
    Ok(())
}

fn check_tools(model: &str, settings: &Value) -> Result<(), Bad> {
    let several = settings.get("n").and_then(Value::as_u64).unwrap_or(1) > 1;
    if several
        && (!(model.starts_with("qwen3-") || model.starts_with("qwen-plus-character")) || thinking(model, settings))
    {
        return Err(Bad::parameter(
            "<400> InternalError.Algo.InvalidParameter: This model does not support n greater than 1.",
        ));
    }
    let Some(tools) = settings.get("tools").and_then(Value::as_array) else { return Ok(()) };
    if tools.is_empty() {
        return Err(Bad::parameter("[] is too short - 'tools'"));
    }
    if several {
        return Err(Bad::parameter("<400> InternalError.Algo.InvalidParameter: n must be 1 when tools are used."));
    }
    for tool in tools {
        let name = tool.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
        let plain = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !plain {
            return Err(Bad::parameter(
                "<400> InternalError.Algo.InvalidParameter: The tool name should contain only letters, digits, _ and -, and at most 64 of them.",
            ));
        }
        if name == "search" {
            return Err(Bad::parameter(
                "<400> InternalError.Algo.InvalidParameter: Tool names are not allowed to be [search]",
            ));
        }
    }
    match settings.get("tool_choice") {
        Some(Value::String(choice)) if choice == "auto" || choice == "none" => Ok(()),
        Some(Value::String(_)) => Err(Bad::parameter(
            "<400> InternalError.Algo.InvalidParameter: The tool_choice parameter only supports none and auto.",
        )),
        Some(_) if thinking(model, settings) => Err(Bad::parameter(
            "<400> InternalError.Algo.InvalidParameter: The tool_choice parameter does not support being set to required or object in thinking mode",
        )),
        None | Some(_) => Ok(()),
    }
}
