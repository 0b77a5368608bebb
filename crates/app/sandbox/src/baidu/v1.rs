//! Wenxinworkshop V1: one address per model, `result` in the place of choices, errors with HTTP 200, and streams that end
//! by `is_end` without `[DONE]`.

use super::auth;
use crate::answer::{Answer, Call, Event, now_s};
use crate::brain::{self, ModelAnswer};
use crate::chat;
use crate::vectors::{self, Input};
use serde_json::{Value, json};

/// A member, what holds for it, and the words for it where it does not.
type Range = (&'static str, fn(f64) -> bool, &'static str);

/// The most texts of one embedding call.
const TEXTS_MAX: usize = 16;

struct Bad(u32, String);

impl Bad {
    fn parameter(message: impl Into<String>) -> Self {
        Self(336_003, message.into())
    }
}

pub(super) fn error(call: &Call<'_>, code: u32, message: &str) -> Answer {
    Answer::json(200, json!({"error_code": code, "error_msg": message, "id": format!("as-{}", call.ids.word(10))}))
}

pub(super) fn serve(call: &Call<'_>) -> Answer {
    if !auth::v1_accepted(call) {
        return match call.query_value("access_token") {
            Some(_) => error(call, 110, "Access token invalid or no longer valid"),
            None => error(call, 14, "IAM Certification failed"),
        };
    }
    let served = match (call.method, call.segments().as_slice()) {
        ("POST", ["chat", _]) => complete(call),
        ("POST", ["embeddings", model]) => embed(call, model),
        ("POST", ["reranker", _]) => rerank(call),
        ("POST", ["tokenizer", _]) => Ok(tokenizer(call)),
        _ => Err(Bad(3, "Unsupported openapi method".into())),
    };
    served.unwrap_or_else(|Bad(code, message)| error(call, code, &message))
}

fn object(call: &Call<'_>) -> Result<Value, Bad> {
    call.object().ok_or_else(|| Bad(336_002, "Invalid JSON".into()))
}

fn complete(call: &Call<'_>) -> Result<Answer, Bad> {
    let body = object(call)?;
    check(&body)?;
    let mut messages = chat::messages(&body).to_vec();
    if let Some(system) = body.get("system") {
        messages.insert(0, json!({"role": "system", "content": system}));
    }
    let mut request = json!({"messages": messages});
    for (theirs, ours) in [("max_output_tokens", "max_tokens"), ("stop", "stop"), ("functions", "tools")] {
        if let Some(value) = body.get(theirs) {
            request[ours] = value.clone();
        }
    }
    if body.get("response_format") == Some(&json!("json_object")) {
        request["response_format"] = json!({"type": "json_object"});
    }
    let thought = call.brain.think(&chat::read(&request, false, false));
    Ok(if chat::flag(&body, "stream") { Answer::events(stream(call, &thought)) } else { whole(call, &thought) })
}

fn check(body: &Value) -> Result<(), Bad> {
    let roles = chat::roles(body);
    if roles.is_empty() {
        return Err(Bad::parameter("messages must not be empty"));
    }
    if roles.len().is_multiple_of(2) {
        return Err(Bad::parameter("the length of messages must be an odd number"));
    }
    for (at, role) in roles.iter().enumerate() {
        let fits = if at % 2 == 0 { ["user", "function"].contains(role) } else { *role == "assistant" };
        if !fits {
            return Err(Bad::parameter("the role of message with even index in the messages must be user or function"));
        }
    }
    let empty = chat::messages(body).iter().any(|message| {
        message.get("content").and_then(Value::as_str).is_none_or(|text| text.trim().is_empty())
            && message.get("function_call").is_none()
    });
    if empty {
        return Err(Bad::parameter("message content can not be empty"));
    }
    let ranges: [Range; 3] = [
        ("temperature", |x| x > 0.0 && x <= 1.0, "(0, 1.0]"),
        ("top_p", |x| (0.0..=1.0).contains(&x), "[0, 1.0]"),
        ("penalty_score", |x| (1.0..=2.0).contains(&x), "[1.0, 2.0]"),
    ];
    for (name, holds, range) in ranges {
        if body.get(name).is_some_and(|value| !value.as_f64().is_some_and(holds)) {
            return Err(Bad::parameter(format!("{name} must be in range {range}")));
        }
    }
    let stops = body.get("stop").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if stops.len() > 4 || stops.iter().any(|stop| stop.as_str().is_none_or(|text| text.chars().count() > 20)) {
        return Err(Bad::parameter("stop must have at most 4 items of at most 20 characters"));
    }
    Ok(())
}

fn usage(thought: &ModelAnswer, completion: usize) -> Value {
    json!({"prompt_tokens": thought.prompt_tokens, "completion_tokens": completion, "total_tokens": thought.prompt_tokens + completion})
}

fn finish(thought: &ModelAnswer) -> &'static str {
    match thought.finish {
        brain::Finish::Stop => "normal",
        brain::Finish::Length => "length",
        brain::Finish::ToolCalls => "function_call",
    }
}

fn frame(call: &Call<'_>, thought: &ModelAnswer, result: &str) -> Value {
    let mut value = json!({
        "id": format!("as-{}", call.ids.word(10)), "object": "chat.completion", "created": now_s(), "result": result,
        "is_truncated": thought.finish == brain::Finish::Length, "need_clear_history": false, "finish_reason": finish(thought)
    });
    if let Some(wanted) = thought.calls.first() {
        value["function_call"] = json!({"name": wanted.name, "arguments": wanted.arguments, "thoughts": ""});
    }
    value
}

fn whole(call: &Call<'_>, thought: &ModelAnswer) -> Answer {
    let mut value = frame(call, thought, &thought.content());
    value["usage"] = usage(thought, thought.completion_tokens);
    Answer::thought(value, thought.completion_tokens)
}

fn stream(call: &Call<'_>, thought: &ModelAnswer) -> Vec<Event> {
    let first = frame(call, thought, "");
    let mut events = Vec::new();
    let mut parts: Vec<String> = thought.text.chunks(2).map(<[String]>::concat).collect();
    parts.push(String::new());
    let last = parts.len() - 1;
    for (at, part) in parts.iter().enumerate() {
        let mut value = first.clone();
        value["result"] = json!(part);
        value["sentence_id"] = json!(at);
        value["is_end"] = json!(at == last);
        if at < last {
            value["finish_reason"] = json!("normal");
            value["is_truncated"] = json!(false);
        }
        value["usage"] = usage(thought, if at == last { thought.completion_tokens } else { (at + 1) * 2 });
        events.push(Event::data(&value, at < last || last == 0));
    }
    events
}

fn embed(call: &Call<'_>, model: &str) -> Result<Answer, Bad> {
    let body = object(call)?;
    let Some(Input::Texts(texts)) =
        vectors::read(body.get("input")).filter(|_| body.get("input").is_some_and(Value::is_array))
    else {
        return Err(Bad::parameter("input must be an array of strings"));
    };
    if texts.is_empty()
        || texts.len() > TEXTS_MAX
        || texts.iter().any(|text| text.is_empty() || text.chars().count() > 1_000)
    {
        return Err(Bad::parameter(format!("input must hold 1 to {TEXTS_MAX} texts of 1 to 1000 characters")));
    }
    let size = if model == "embedding-v1" { 384 } else { 1024 };
    let tokens: usize = texts.iter().map(|text| brain::count(text)).sum();
    Ok(Answer::json(
        200,
        json!({
            "id": format!("as-{}", call.ids.word(10)), "object": "embedding_list", "created": now_s(), "data": vectors::data(model, &texts, size, false),
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens}
        }),
    ))
}

fn rerank(call: &Call<'_>) -> Result<Answer, Bad> {
    let body = object(call)?;
    let documents = body.get("documents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if documents.is_empty() || body.get("query").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(Bad::parameter("query and documents must not be empty"));
    }
    let top = body.get("top_n").and_then(Value::as_u64).unwrap_or(documents.len() as u64) as usize;
    let one = |(at, document): (usize, &Value)| json!({"document": document, "relevance_score": 0.9 / (at + 1) as f64, "index": at});
    let results: Vec<Value> = documents.iter().enumerate().take(top).map(one).collect();
    Ok(Answer::json(
        200,
        json!({
            "id": format!("as-{}", call.ids.word(10)), "object": "rerank_list", "created": now_s(), "results": results,
            "usage": {"prompt_tokens": documents.len() * 4, "total_tokens": documents.len() * 4}
        }),
    ))
}

fn tokenizer(call: &Call<'_>) -> Answer {
    let body = call.object().unwrap_or_default();
    let tokens = body.get("prompt").and_then(Value::as_str).map_or(0, brain::count);
    Answer::json(
        200,
        json!({
            "id": format!("as-{}", call.ids.word(10)), "object": "tokenizer.erniebot", "created": now_s(),
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens}
        }),
    )
}
