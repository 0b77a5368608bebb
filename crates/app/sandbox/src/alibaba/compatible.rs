//! Compatible mode: OpenAI's shape with Alibaba's habits.

use super::{Bad, assets, authorised, embeddings, refuse, thinking};
use crate::answer::{Answer, Call, Event, Ids, now_s};
use crate::brain::{ModelAnswer, Tool};
use crate::chat::{self, Piece};
use serde_json::{Map, Value, json};

pub(super) fn serve(call: &Call<'_>) -> Answer {
    let served = authorised(call).and_then(|()| match (call.method, call.segments().as_slice()) {
        ("POST", ["chat", "completions"]) => complete(call),
        ("POST", ["embeddings"]) => embeddings::compatible(call),
        ("GET", ["models"]) => {
            let names =
                ["qwen3.8-max", "qwen3.8-flash", "qwen3.7-plus", "qwen-plus", "qwen-flash", "text-embedding-v4"];
            Ok(Answer::json(200, json!({"object": "list", "data": names.map(model)})))
        }
        (_, ["files" | "batches", ..]) => assets::compatible(call),
        _ => Err(Bad {
            status: 404,
            native: "InvalidURL",
            code: "not_found",
            ..Bad::parameter(format!("Not found: {}", call.path))
        }),
    });
    match served {
        Ok(answer) => answer.with("x-request-id", call.ids.uuid()),
        Err(bad) => bad.compatible(call),
    }
}

fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 1_750_000_000, "owned_by": "system"})
}

fn complete(call: &Call<'_>) -> Result<Answer, Bad> {
    let Some(body) = call.object() else {
        return Err(Bad { code: "invalid_request_error", ..Bad::parameter("The request body is not valid JSON.") });
    };
    let Some(model) = body.get("model").and_then(Value::as_str) else {
        return Err(Bad::parameter("you must provide a model parameter"));
    };
    if !body.get("messages").is_some_and(Value::is_array) {
        return Err(Bad::parameter("'messages' is a required property"));
    }
    refuse::check(model, chat::messages(&body), &body)?;
    let mut ask = chat::read(&body, false, thinking(model, &body));
    ask.limit_counts_thinking |= ["deepseek-v4", "glm-5.3", "glm-5.2"].iter().any(|family| model.starts_with(family));
    ask.tools.retain(|tool: &Tool| !tool.name.is_empty());
    let first = ask.variant;
    let answers = body.get("n").and_then(Value::as_u64).unwrap_or(1);
    let thoughts: Vec<ModelAnswer> = (0..answers)
        .map(|at| {
            ask.variant = first.wrapping_add(at);
            call.brain.think(&ask)
        })
        .collect();
    Ok(if chat::flag(&body, "stream") {
        Answer::events(stream(call.ids, &body, &thoughts))
    } else {
        whole(call.ids, &body, &thoughts)
    })
}

pub(super) fn call_id(ids: &Ids) -> String {
    format!("call_{}", ids.hex(22))
}

fn usage(thoughts: &[ModelAnswer]) -> Value {
    let prompt = thoughts.first().map_or(0, |thought| thought.prompt_tokens);
    let completion: usize = thoughts.iter().map(|thought| thought.completion_tokens).sum();
    let reasoning: usize = thoughts.iter().map(|thought| thought.reasoning.len()).sum();
    let mut usage = json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, "prompt_tokens_details": {"cached_tokens": 0}});
    if reasoning > 0 {
        usage["completion_tokens_details"] = json!({"reasoning_tokens": reasoning});
    }
    usage
}

fn logprobs(body: &Value, tokens: &[String]) -> Value {
    if !chat::flag(body, "logprobs") || tokens.is_empty() {
        return Value::Null;
    }
    json!({"content": chat::logprobs(tokens, body.get("top_logprobs").and_then(Value::as_u64).unwrap_or(0))})
}

fn whole(ids: &Ids, body: &Value, thoughts: &[ModelAnswer]) -> Answer {
    let choice = |(index, thought): (usize, &ModelAnswer)| {
        let mut message = Map::new();
        message.insert("role".into(), json!("assistant"));
        message.insert("content".into(), json!(thought.content()));
        if !thought.reasoning.is_empty() {
            message.insert("reasoning_content".into(), json!(thought.thinking()));
        }
        if !thought.calls.is_empty() {
            message.insert("tool_calls".into(), Value::Array(chat::calls(thought, ids, call_id, true)));
        }
        json!({"message": message, "finish_reason": thought.finish.as_str(), "index": index, "logprobs": logprobs(body, &thought.text)})
    };
    let choices: Vec<Value> = thoughts.iter().enumerate().map(choice).collect();
    let value = json!({
        "choices": choices, "object": "chat.completion", "usage": usage(thoughts), "created": now_s(), "system_fingerprint": null,
        "model": body["model"], "id": format!("chatcmpl-{}", ids.uuid())
    });
    Answer::thought(value, thoughts.iter().map(|thought| thought.completion_tokens).max().unwrap_or(1))
}

/// The role stands in the first chunk only, `usage` is null on every chunk but the last, and that one has no choices.
fn stream(ids: &Ids, body: &Value, thoughts: &[ModelAnswer]) -> Vec<Event> {
    let (id, created) = (format!("chatcmpl-{}", ids.uuid()), now_s());
    let frame = |choices: Value, usage: Value| {
        json!({
            "choices": choices, "object": "chat.completion.chunk", "usage": usage, "created": created, "system_fingerprint": null,
            "model": body["model"], "id": id
        })
    };
    let mut events = Vec::new();
    for (index, thought) in thoughts.iter().enumerate() {
        let mut send = |delta: Value, tokens: &[String], finish: Value, content: bool| {
            let choice =
                json!([{"delta": delta, "index": index, "logprobs": logprobs(body, tokens), "finish_reason": finish}]);
            events.push(Event::data(&frame(choice, Value::Null), content));
        };
        if thought.reasoning.is_empty() {
            send(json!({"content": "", "role": "assistant"}), &[], Value::Null, false);
        } else {
            send(json!({"content": null, "role": "assistant", "reasoning_content": ""}), &[], Value::Null, false);
        }
        for piece in chat::pieces(thought, false) {
            match piece {
                Piece::Reasoning(text) => {
                    send(json!({"content": null, "reasoning_content": text}), &[], Value::Null, true);
                }
                Piece::Text(text) => send(json!({"content": text}), std::slice::from_ref(&text), Value::Null, true),
                Piece::Call(at, name, arguments) => {
                    let call = json!({"index": at, "id": call_id(ids), "type": "function", "function": {"name": name, "arguments": arguments}});
                    send(json!({"content": null, "tool_calls": [call]}), &[], Value::Null, true);
                }
                Piece::Arguments(at, arguments) => {
                    let call = json!({"index": at, "id": "", "type": "function", "function": {"arguments": arguments}});
                    send(json!({"content": null, "tool_calls": [call]}), &[], Value::Null, true);
                }
            }
        }
        send(json!({"content": ""}), &[], json!(thought.finish.as_str()), false);
    }
    if chat::include_usage(body) {
        events.push(Event::data(&frame(json!([]), usage(thoughts)), false));
    }
    events.push(Event::done());
    events
}
