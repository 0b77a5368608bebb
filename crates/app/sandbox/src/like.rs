//! Vendors whose wire is nearly OpenAI's: DeepSeek, Moonshot, Volcengine Ark, SiliconFlow. Each with the few habits that
//! its public pages tell of (2026); what they do not tell is OpenAI's way.

use crate::answer::{Answer, Call, Event, Ids, now_s};
use crate::brain::{self, ModelAnswer};
use crate::chat::{self, Piece};
use crate::faults::Fault;
use crate::server::{MockVendor, key_of};
use crate::vectors::{self, Input};
use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) const DEEPSEEK: MockVendor = desk(
    "deepseek",
    "/deepseek/v1",
    |call| serve(&DEEPSEEK_HABITS, call),
    |fault, call| trouble(&DEEPSEEK_HABITS, fault, call),
);
pub(crate) const MOONSHOT: MockVendor = desk(
    "moonshot",
    "/moonshot/v1",
    |call| serve(&MOONSHOT_HABITS, call),
    |fault, call| trouble(&MOONSHOT_HABITS, fault, call),
);
pub(crate) const VOLCENGINE: MockVendor = desk(
    "volcengine",
    "/volcengine/api/v3",
    |call| serve(&VOLCENGINE_HABITS, call),
    |fault, call| trouble(&VOLCENGINE_HABITS, fault, call),
);
pub(crate) const SILICONFLOW: MockVendor = desk(
    "siliconflow",
    "/siliconflow/v1",
    |call| serve(&SILICONFLOW_HABITS, call),
    |fault, call| trouble(&SILICONFLOW_HABITS, fault, call),
);

const fn desk(
    vendor: &'static str,
    prefix: &'static str,
    serve: fn(&Call<'_>) -> Answer,
    trouble: fn(Fault, &Call<'_>) -> Answer,
) -> MockVendor {
    MockVendor { vendor, wire: vendor, prefix, serve, trouble, in_stream }
}

/// The words of an error: status, code, type, message.
type Words = (u16, &'static str, &'static str, &'static str);

/// What sets one of these vendors apart.
struct WireProfile {
    vendor: &'static str,
    families: &'static [&'static str],
    embeddings: &'static [(&'static str, usize)],
    /// Families that think unless told not to.
    thinkers: &'static [&'static str],
    temperature_max: f64,
    stops_max: usize,
    json_schema: bool,
    developer: bool,
    /// `: keep-alive` comments in streams and blank lines before whole answers.
    keep_alive: bool,
    /// Writes an error.
    error: fn(&Call<'_>, u16, &str, &str, &str) -> Answer,
    /// Region, rate, overload, arrears, content, server.
    words: [Words; 6],
}

static DEEPSEEK_HABITS: WireProfile = WireProfile {
    vendor: "deepseek",
    families: &["deepseek-v4", "deepseek-flash", "deepseek-chat", "deepseek-reasoner"],
    embeddings: &[],
    thinkers: &["deepseek-v4", "deepseek-reasoner", "deepseek-flash"],
    temperature_max: 2.0,
    stops_max: 16,
    json_schema: false,
    developer: false,
    keep_alive: true,
    error: openai_error,
    words: [
        (403, "forbidden", "forbidden", "Access from your region is not allowed"),
        (429, "rate_limit_exceeded", "rate_limit_error", "Rate limit reached"),
        (503, "service_unavailable", "server_error", "The server is overloaded"),
        (402, "invalid_request_error", "unknown_error", "Insufficient Balance"),
        (400, "invalid_request_error", "invalid_request_error", "Content Exists Risk"),
        (500, "internal_error", "server_error", "Internal server error"),
    ],
};
static MOONSHOT_HABITS: WireProfile = WireProfile {
    vendor: "moonshot",
    families: &["kimi-", "moonshot-v1"],
    embeddings: &[],
    thinkers: &["kimi-k2.6", "kimi-k2.7-code", "kimi-k3"],
    temperature_max: 1.0,
    stops_max: 5,
    json_schema: true,
    developer: false,
    keep_alive: false,
    error: openai_error,
    words: [
        (403, "permission_denied_error", "permission_denied_error", "The API is not available in your region"),
        (429, "rate_limit_reached_error", "rate_limit_reached_error", "Your account reached max request"),
        (
            429,
            "engine_overloaded_error",
            "engine_overloaded_error",
            "The engine is currently overloaded, please try again later",
        ),
        (
            429,
            "exceeded_current_quota_error",
            "exceeded_current_quota_error",
            "Your account is suspended, please check your plan and billing details",
        ),
        (400, "content_filter", "content_filter", "The request was rejected because it was considered high risk"),
        (500, "server_error", "server_error", "Internal server error"),
    ],
};
static VOLCENGINE_HABITS: WireProfile = WireProfile {
    vendor: "volcengine",
    families: &["doubao-", "ep-", "deepseek-", "kimi-", "glm-"],
    embeddings: &[("doubao-embedding-text-240715", 2560), ("doubao-embedding-large-text-240915", 4096)],
    thinkers: &["doubao-seed-1.6", "doubao-seed-1-6", "doubao-seed-2"],
    temperature_max: 2.0,
    stops_max: 4,
    json_schema: true,
    developer: false,
    keep_alive: false,
    error: openai_error,
    words: [
        (403, "AccessDenied", "Forbidden", "The request is denied for your region"),
        (
            429,
            "RateLimitExceeded.EndpointRPMExceeded",
            "TooManyRequests",
            "The Requests Per Minute (RPM) limit of the endpoint is exceeded",
        ),
        (429, "ServerOverloaded", "TooManyRequests", "The service is currently unable to handle additional requests"),
        (403, "AccountOverdueError", "Forbidden", "Your account has an overdue balance"),
        (400, "SensitiveContentDetected", "BadRequest", "The input may contain sensitive information"),
        (500, "InternalServiceError", "InternalServerError", "The service encountered an unexpected internal error"),
    ],
};
static SILICONFLOW_HABITS: WireProfile = WireProfile {
    vendor: "siliconflow",
    families: &["deepseek-ai/", "Qwen/", "zai-org/", "moonshotai/", "Pro/", "THUDM/", "BAAI/", "tencent/", "baidu/"],
    embeddings: &[
        ("BAAI/bge-m3", 1024),
        ("BAAI/bge-large-zh-v1.5", 1024),
        ("Qwen/Qwen3-Embedding-8B", 4096),
        ("Qwen/Qwen3-Embedding-0.6B", 1024),
    ],
    thinkers: &[],
    temperature_max: 2.0,
    stops_max: 4,
    json_schema: true,
    developer: false,
    keep_alive: false,
    error: numbered_error,
    words: [
        (403, "30004", "", "The service is not available in your region"),
        (429, "50501", "", "Request was rejected due to rate limiting. If you want more, please contact us."),
        (503, "50505", "", "Model service overloaded. Please try again later."),
        (403, "30001", "", "Sorry, your account balance is insufficient"),
        (451, "20052", "", "The content is blocked"),
        (500, "50000", "", "Unknown error"),
    ],
};

fn openai_error(_call: &Call<'_>, status: u16, code: &str, kind: &str, message: &str) -> Answer {
    Answer::json(status, json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

fn numbered_error(_call: &Call<'_>, status: u16, code: &str, _kind: &str, message: &str) -> Answer {
    Answer::json(status, json!({"code": code.parse::<u32>().unwrap_or(20_015), "message": message, "data": null}))
}

fn trouble(habits: &WireProfile, fault: Fault, call: &Call<'_>) -> Answer {
    let at = match fault {
        Fault::Region => 0,
        Fault::Rate => 1,
        Fault::Overload => 2,
        Fault::Arrears => 3,
        Fault::Content | Fault::ContentStream => 4,
        _ => 5,
    };
    let (status, code, kind, message) = habits.words[at];
    (habits.error)(call, status, code, kind, message)
}

fn in_stream(fault: Fault, call: &Call<'_>) -> Vec<Event> {
    let reason = if fault == Fault::ContentStream { "content_filter" } else { "insufficient_system_resource" };
    let choice = json!({"index": 0, "delta": {"content": ""}, "logprobs": null, "finish_reason": reason});
    let chunk = json!({"id": call.ids.uuid(), "object": "chat.completion.chunk", "created": now_s(), "model": "sandbox", "choices": [choice]});
    vec![Event::data(&chunk, true), Event::done()]
}

fn serve(habits: &WireProfile, call: &Call<'_>) -> Answer {
    if call.bearer().is_none_or(|key| Some(key) != key_of(habits.vendor)) {
        return (habits.error)(
            call,
            401,
            "invalid_request_error",
            "authentication_error",
            "Authentication Fails, your api key is invalid",
        );
    }
    let served = match (call.method, call.segments().as_slice()) {
        ("POST", ["chat", "completions"]) => complete(habits, call),
        ("POST", ["embeddings"]) if !habits.embeddings.is_empty() => embed(habits, call),
        ("GET", ["models"]) => {
            let models: Vec<Value> = habits
                .families
                .iter()
                .map(|family| json!({"id": family, "object": "model", "owned_by": habits.vendor}))
                .collect();
            Ok(Answer::json(200, json!({"object": "list", "data": models})))
        }
        _ => Err((404, format!("no such path: {}", call.path))),
    };
    served.unwrap_or_else(|(status, message)| {
        (habits.error)(
            call,
            status,
            if status == 404 { "model_not_found" } else { "invalid_request_error" },
            "invalid_request_error",
            &message,
        )
    })
}

fn complete(habits: &WireProfile, call: &Call<'_>) -> Result<Answer, (u16, String)> {
    let body = call.object().ok_or((400, "Failed to parse the request body as JSON".to_owned()))?;
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    if !habits.families.iter().any(|family| model.starts_with(family)) {
        return Err((if habits.vendor == "deepseek" { 400 } else { 404 }, format!("Model Not Exist: {model}")));
    }
    check(habits, &body).map_err(|message| (400, message))?;
    let off = body.pointer("/thinking/type").and_then(Value::as_str) == Some("disabled")
        || body.get("enable_thinking") == Some(&json!(false));
    let on = body.pointer("/thinking/type").and_then(Value::as_str) == Some("enabled")
        || chat::flag(&body, "enable_thinking");
    let thinking = on || (!off && habits.thinkers.iter().any(|family| model.starts_with(family)));
    let thought = call.brain.think(&chat::read(&body, true, thinking));
    Ok(if chat::flag(&body, "stream") {
        Answer::events(stream(habits, call.ids, &body, &thought))
    } else {
        whole(habits, call.ids, &body, &thought)
    })
}

fn check(habits: &WireProfile, body: &Value) -> Result<(), String> {
    let roles = chat::roles(body);
    if roles.is_empty() {
        return Err("messages must not be empty".into());
    }
    if let Some(role) = roles.iter().find(|role| {
        !(["system", "user", "assistant", "tool"].contains(role) || habits.developer && **role == "developer")
    }) {
        return Err(format!("unknown variant `{role}`, expected one of `system`, `user`, `assistant`, `tool`"));
    }
    if body
        .get("temperature")
        .is_some_and(|value| !value.as_f64().is_some_and(|x| (0.0..=habits.temperature_max).contains(&x)))
    {
        return Err(format!(
            "Invalid temperature value, the valid range of temperature is [0, {}]",
            habits.temperature_max
        ));
    }
    if brain::read_stop(body.get("stop")).len() > habits.stops_max {
        return Err(format!("stop: at most {} items", habits.stops_max));
    }
    match body.pointer("/response_format/type").and_then(Value::as_str) {
        Some("json_schema") if !habits.json_schema => Err("This response_format type is unavailable now".into()),
        Some("json_object") if habits.vendor == "deepseek" && !chat::mentions(body, "json") => {
            Err("Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
                .into())
        }
        _ => Ok(()),
    }
}

fn call_id(ids: &Ids) -> String {
    format!("call_{}", ids.word(24))
}

fn usage(habits: &WireProfile, thought: &ModelAnswer) -> Value {
    let (prompt, completion) = (thought.prompt_tokens, thought.completion_tokens);
    let mut usage =
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion});
    if habits.vendor == "deepseek" {
        usage["prompt_cache_hit_tokens"] = json!(0);
        usage["prompt_cache_miss_tokens"] = json!(prompt);
    }
    if !thought.reasoning.is_empty() {
        usage["completion_tokens_details"] = json!({"reasoning_tokens": thought.reasoning.len()});
    }
    usage
}

fn logprobs(body: &Value, tokens: &[String]) -> Value {
    if !chat::flag(body, "logprobs") || tokens.is_empty() {
        return Value::Null;
    }
    json!({"content": chat::logprobs(tokens, body.get("top_logprobs").and_then(Value::as_u64).unwrap_or(0))})
}

fn whole(habits: &WireProfile, ids: &Ids, body: &Value, thought: &ModelAnswer) -> Answer {
    let mut message = json!({"role": "assistant", "content": thought.content()});
    if !thought.reasoning.is_empty() {
        message["reasoning_content"] = json!(thought.thinking());
    }
    if !thought.calls.is_empty() {
        message["tool_calls"] = Value::Array(chat::calls(thought, ids, call_id, false));
    }
    let choice = json!({"index": 0, "message": message, "logprobs": logprobs(body, &thought.text), "finish_reason": thought.finish.as_str()});
    let value = json!({
        "id": ids.uuid(), "object": "chat.completion", "created": now_s(), "model": body["model"], "choices": [choice], "usage": usage(habits, thought)
    });
    if habits.keep_alive {
        return Answer::bytes("application/json", format!("\n\n{value}"));
    }
    Answer::thought(value, thought.completion_tokens)
}

fn stream(habits: &WireProfile, ids: &Ids, body: &Value, thought: &ModelAnswer) -> Vec<Event> {
    let (id, created) = (ids.uuid(), now_s());
    let frame = |choices: Value| json!({"id": id, "object": "chat.completion.chunk", "created": created, "model": body["model"], "choices": choices});
    let mut events = Vec::new();
    if habits.keep_alive {
        events.push(Event { bytes: Bytes::from_static(b": keep-alive\n\n"), content: false });
    }
    let mut send = |delta: Value, tokens: &[String], finish: Value, content: bool| {
        events.push(Event::data(
            &frame(json!([{"index": 0, "delta": delta, "logprobs": logprobs(body, tokens), "finish_reason": finish}])),
            content,
        ));
    };
    send(json!({"role": "assistant", "content": ""}), &[], Value::Null, false);
    for piece in chat::pieces(thought, false) {
        match piece {
            Piece::Reasoning(text) => send(json!({"content": null, "reasoning_content": text}), &[], Value::Null, true),
            Piece::Text(text) => send(json!({"content": text}), std::slice::from_ref(&text), Value::Null, true),
            Piece::Call(at, name, arguments) => {
                send(
                    json!({"tool_calls": [{"index": at, "id": call_id(ids), "type": "function", "function": {"name": name, "arguments": arguments}}]}),
                    &[],
                    Value::Null,
                    true,
                );
            }
            Piece::Arguments(at, arguments) => send(
                json!({"tool_calls": [{"index": at, "function": {"arguments": arguments}}]}),
                &[],
                Value::Null,
                true,
            ),
        }
    }
    send(json!({"content": ""}), &[], json!(thought.finish.as_str()), false);
    if chat::include_usage(body) {
        let mut last = frame(json!([]));
        last["usage"] = usage(habits, thought);
        events.push(Event::data(&last, false));
    }
    events.push(Event::done());
    events
}

fn embed(habits: &WireProfile, call: &Call<'_>) -> Result<Answer, (u16, String)> {
    let body = call.object().ok_or((400, "Failed to parse the request body as JSON".to_owned()))?;
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let Some((_, size)) = habits.embeddings.iter().find(|(name, _)| *name == model) else {
        return Err((404, format!("Model Not Exist: {model}")));
    };
    let Some(Input::Texts(texts)) = vectors::read(body.get("input")) else {
        return Err((400, "input must be a string or an array of strings".into()));
    };
    if body.get("dimensions").is_some() && model.contains("bge") {
        return Err((400, "dimensions is not supported by this model".into()));
    }
    let tokens: usize = texts.iter().map(|text| brain::count(text)).sum();
    let value = json!({
        "object": "list", "model": model, "data": vectors::data(model, &texts, *size, body.get("encoding_format") == Some(&json!("base64"))),
        "usage": {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
    });
    Ok(Answer::json(200, value))
}
