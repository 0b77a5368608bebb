//! Qianfan V2: chat and embeddings.

use super::{auth, v2_error};
use crate::answer::{Answer, Call, Event, Ids, now_s};
use crate::brain;
use crate::brain::ModelAnswer;
use crate::chat::{self, Piece};
use crate::vectors::{self, Input};
use serde_json::{Value, json};

/// Retired on 2026-10-29 (the vendor's page of 2026-09-24).
const RETIRED: [&str; 5] =
    ["ernie-5.0", "ernie-4.5-turbo-128k", "ernie-4.5-turbo-32k", "ernie-4.5-turbo-vl-128k", "ernie-4.5-turbo-vl-32k"];
const FAMILIES: [&str; 7] = ["ernie-", "deepseek-", "glm-", "qwen", "kimi-", "embedding-v1", "bge-large-"];
/// The most stop strings, and the longest one.
const STOPS_MAX: usize = 4;
const STOP_CHARS_MAX: usize = 20;

/// A refusal: status, code, message.
struct Bad(u16, &'static str, String);

impl Bad {
    fn argument(message: impl Into<String>) -> Self {
        Self(400, "invalid_argument", message.into())
    }
}

pub(super) fn serve(call: &Call<'_>) -> Answer {
    let route = (call.method, call.segments());
    if !auth::bearer_accepted(call) {
        if route.1.as_slice() == ["models"] {
            return Answer::json(403, json!({"code": "AccessDenied", "message": "Access denied."}));
        }
        return v2_error(
            call,
            401,
            "invalid_iam_token",
            "invalid_request_error",
            "IAM token is invalid, please check your API key",
        );
    }
    let served = match (route.0, route.1.as_slice()) {
        ("POST", ["chat", "completions"]) => complete(call),
        ("POST", ["embeddings"]) => embed(call),
        ("GET", ["models"]) => {
            let model = |name| json!({"id": name, "object": "model", "owned_by": "baidu"});
            Ok(Answer::json(
                200,
                json!({"object": "list", "data": (["ernie-5.1", "deepseek-v4-pro", "glm-5.3"].map(model))}),
            ))
        }
        (_, ["chat", "completions"] | ["embeddings"]) => {
            Err(Bad(405, "method_not_supported", "Method not supported".into()))
        }
        _ => Err(Bad(404, "not_found", format!("no such path: {}", call.path))),
    };
    let answer = served.unwrap_or_else(|Bad(status, code, message)| {
        let kind = if code == "model_offline" { "access_denied" } else { "invalid_request_error" };
        v2_error(call, status, code, kind, &message)
    });
    answer
        .with("x-ratelimit-limit-requests", "300")
        .with("x-ratelimit-limit-input-tokens", "300000")
        .with("x-ratelimit-limit-output-tokens", "100000")
        .with("x-ratelimit-remaining-requests", "299")
        .with("x-ratelimit-remaining-input-tokens", "299000")
        .with("x-ratelimit-remaining-output-tokens", "99000")
}

fn object(call: &Call<'_>) -> Result<Value, Bad> {
    call.object().ok_or_else(|| Bad(400, "malformed_json", "Invalid JSON".into()))
}

fn model_of(body: &Value) -> Result<&str, Bad> {
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    if model.is_empty() {
        return Err(Bad(400, "invalid_model", "The model field is required".into()));
    }
    if RETIRED.contains(&model) {
        return Err(Bad(403, "model_offline", format!("The model {model} has been taken offline")));
    }
    if !FAMILIES.iter().any(|family| model.starts_with(family)) && model != "tao-8k" {
        // An unknown model is a 401 here (error table of 2026-03-31).
        return Err(Bad(401, "invalid_model", "No permission to use the model, or it does not exist".into()));
    }
    Ok(model)
}

fn complete(call: &Call<'_>) -> Result<Answer, Bad> {
    let body = object(call)?;
    let model = model_of(&body)?;
    check_messages(model, &body)?;
    check_members(model, &body)?;
    let thinking = chat::flag(&body, "enable_thinking") || model.starts_with("ernie-x1") || model.contains("-thinking");
    let mut ask = chat::read(&body, true, thinking);
    ask.limit_counts_thinking = true;
    let thought = call.brain.think(&ask);
    Ok(if chat::flag(&body, "stream") {
        Answer::events(stream(call.ids, &body, &thought))
    } else {
        whole(call.ids, &body, &thought)
    })
}

fn check_messages(model: &str, body: &Value) -> Result<(), Bad> {
    let bad = |message: &str| Err(Bad(400, "invalid_messages", message.to_owned()));
    let (roles, messages) = (chat::roles(body), chat::messages(body));
    if messages.is_empty() {
        return bad("messages must not be empty");
    }
    if let Some(role) = roles.iter().find(|role| !["system", "user", "assistant", "tool"].contains(role)) {
        return bad(&format!("invalid role: {role}"));
    }
    if roles.iter().skip(1).any(|role| *role == "system") {
        return bad("the role of message must be system only in the first message");
    }
    if !["user", "system"].contains(&roles.first().copied().unwrap_or_default()) {
        return bad("the role of first message must be user or system");
    }
    if !["user", "tool"].contains(&roles.last().copied().unwrap_or_default()) {
        return bad("the role of last message must be user or tool");
    }
    for message in messages {
        let has_calls = message.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
        let blank = match message.get("content") {
            Some(Value::String(text)) => text.trim().is_empty(),
            Some(Value::Array(parts)) => parts.is_empty(),
            _ => true,
        };
        if blank && !has_calls {
            return bad("message content can not be empty");
        }
        if message.get("role") == Some(&json!("tool"))
            && message.get("tool_call_id").and_then(Value::as_str).is_none_or(str::is_empty)
        {
            return bad("tool_call_id is required in a message of role tool");
        }
        if chat::has_media(message) && !(model.contains("vl") || model.starts_with("ernie-5")) {
            return bad("the model does not support image input");
        }
    }
    // The strict alternation of the older reference; the newer one (ernie-5) no longer shows it.
    let turns: Vec<&str> = roles.iter().copied().filter(|role| *role != "system").collect();
    let old = ["ernie-4", "ernie-3", "ernie-speed", "ernie-lite", "ernie-tiny", "ernie-x1"]
        .iter()
        .any(|family| model.starts_with(family));
    if old && !turns.contains(&"tool") {
        if turns.len().is_multiple_of(2) {
            return Err(Bad::argument("the length of messages must be an odd number"));
        }
        if turns.windows(2).any(|pair| pair.first() == pair.last()) {
            return bad("the role of messages must alternate between user and assistant");
        }
    }
    Ok(())
}

fn check_members(model: &str, body: &Value) -> Result<(), Bad> {
    let ernie = model.starts_with("ernie-");
    let ranges: [(&str, bool, &str); 5] = [
        (
            "temperature",
            within(body, "temperature", |x| if ernie { x > 0.0 && x <= 1.0 } else { (0.0..=2.0).contains(&x) }),
            if ernie { "(0, 1.0]" } else { "[0, 2.0]" },
        ),
        ("top_p", within(body, "top_p", |x| (0.0..=1.0).contains(&x)), "[0, 1.0]"),
        ("penalty_score", within(body, "penalty_score", |x| (1.0..=2.0).contains(&x)), "[1.0, 2.0]"),
        ("seed", within(body, "seed", |x| x > 0.0 && x < 2_147_483_647.0), "(0, 2147483647)"),
        ("max_tokens", within(body, "max_tokens", |x| if ernie { x >= 2.0 } else { x >= 1.0 }), "[2, 65536]"),
    ];
    if let Some((name, _, range)) = ranges.iter().find(|(_, holds, _)| !holds) {
        return Err(Bad::argument(format!("{name} must be in range {range}")));
    }
    let stops = match body.get("stop") {
        None => &[],
        Some(Value::Array(stops)) => stops.as_slice(),
        Some(Value::String(_)) => std::slice::from_ref(&body["stop"]),
        Some(_) => return Err(Bad::argument("stop must be a string or an array of strings")),
    };
    if stops.len() > STOPS_MAX {
        return Err(Bad::argument(format!("stop: at most {STOPS_MAX} items")));
    }
    if stops.iter().any(|stop| stop.as_str().is_none_or(|text| text.chars().count() > STOP_CHARS_MAX)) {
        return Err(Bad::argument(format!("stop: an item must be a string of at most {STOP_CHARS_MAX} characters")));
    }
    match body.get("tool_choice").and_then(Value::as_str) {
        Some(choice) if !["none", "auto", "required"].contains(&choice) => {
            Err(Bad::argument(format!("tool_choice {choice} is invalid")))
        }
        _ => Ok(()),
    }
}

fn within(body: &Value, name: &str, holds: impl Fn(f64) -> bool) -> bool {
    body.get(name).is_none_or(|value| value.as_f64().is_some_and(holds))
}

/// Bare hexadecimal, without `call_`.
fn call_id(ids: &Ids) -> String {
    ids.hex(32)
}

fn usage(thought: &ModelAnswer) -> Value {
    let mut usage = json!({
        "prompt_tokens": thought.prompt_tokens, "completion_tokens": thought.completion_tokens,
        "total_tokens": thought.prompt_tokens + thought.completion_tokens
    });
    if !thought.reasoning.is_empty() {
        usage["completion_tokens_details"] = json!({"reasoning_tokens": thought.reasoning.len()});
    }
    usage
}

fn whole(ids: &Ids, body: &Value, thought: &ModelAnswer) -> Answer {
    let mut message = json!({"role": "assistant", "content": thought.content()});
    if !thought.reasoning.is_empty() {
        message["reasoning_content"] = json!(thought.thinking());
    }
    if !thought.calls.is_empty() {
        message["tool_calls"] = Value::Array(chat::calls(thought, ids, call_id, false));
    }
    let value = json!({
        "id": format!("as-{}", ids.word(10)), "object": "chat.completion", "created": now_s(), "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": thought.finish.as_str(), "flag": 0}], "usage": usage(thought)
    });
    Answer::thought(value, thought.completion_tokens)
}

/// The role and the flag stand in the first chunk; tool calls have no index; usage comes with the finish when asked for.
fn stream(ids: &Ids, body: &Value, thought: &ModelAnswer) -> Vec<Event> {
    let (id, created) = (format!("as-{}", ids.word(10)), now_s());
    let frame = |choice: Value| json!({"id": id, "object": "chat.completion.chunk", "created": created, "model": body["model"], "choices": [choice]});
    let mut events = Vec::new();
    for piece in chat::pieces(thought, true) {
        let mut delta = match piece {
            Piece::Reasoning(text) => json!({"reasoning_content": text, "content": ""}),
            Piece::Text(text) => json!({"content": text}),
            Piece::Call(_, name, arguments) => {
                json!({"tool_calls": [{"id": call_id(ids), "type": "function", "function": {"name": name, "arguments": arguments}}], "content": ""})
            }
            Piece::Arguments(..) => continue,
        };
        let choice = if events.is_empty() {
            delta["role"] = json!("assistant");
            json!({"index": 0, "delta": delta, "finish_reason": null, "flag": 0})
        } else {
            json!({"index": 0, "delta": delta})
        };
        events.push(Event::data(&frame(choice), true));
    }
    let mut last = frame(json!({"index": 0, "delta": {}, "finish_reason": thought.finish.as_str(), "flag": 0}));
    if chat::include_usage(body) {
        last["usage"] = usage(thought);
    }
    events.push(Event::data(&last, false));
    events.push(Event::done());
    events
}

/// A model's size of vectors, texts per call, and characters per text.
fn facts(model: &str) -> Option<(usize, usize, usize)> {
    match model {
        "embedding-v1" => Some((384, 16, 1_000)),
        "bge-large-zh" | "bge-large-en" => Some((1024, 16, 2_000)),
        "tao-8k" => Some((1024, 1, 28_000)),
        name if name.starts_with("qwen3-embedding-") => Some((1024, 16, 28_000)),
        _ => None,
    }
}

fn embed(call: &Call<'_>) -> Result<Answer, Bad> {
    let body = object(call)?;
    let model = model_of(&body)?;
    let Some((size, texts_max, chars_max)) = facts(model) else {
        return Err(Bad(401, "invalid_model", "The model does not support embeddings".into()));
    };
    let Some(Input::Texts(texts)) = vectors::read(body.get("input")) else {
        return Err(Bad::argument("input must be a string or an array of strings"));
    };
    if texts.is_empty() || texts.iter().any(|text| text.trim().is_empty()) {
        return Err(Bad::argument("input must not be empty"));
    }
    if texts.len() > texts_max {
        return Err(Bad::argument(format!("the number of input texts must not be larger than {texts_max}")));
    }
    if texts.iter().any(|text| text.chars().count() > chars_max) {
        return Err(Bad(
            400,
            "characters_too_long",
            format!("an input text must not be longer than {chars_max} characters"),
        ));
    }
    if body.get("encoding_format").is_some_and(|format| format != "float") {
        return Err(Bad::argument("encoding_format only supports float"));
    }
    let tokens: usize = texts.iter().map(|text| brain::count(text)).sum();
    let value = json!({
        "id": format!("as-{}", call.ids.word(10)), "object": "embedding_list", "created": now_s(), "model": model,
        "data": vectors::data(model, &texts, size, false), "usage": {"prompt_tokens": tokens, "total_tokens": tokens}
    });
    Ok(Answer::json(200, value))
}
