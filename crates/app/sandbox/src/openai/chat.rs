//! OpenAI's chat completions, whole and streamed.

use super::{Bad, check};
use crate::answer::{Answer, Call, Event, Ids, now_s};
use crate::brain::ModelAnswer;
use crate::chat::{self, Piece};
use serde_json::{Map, Value, json};

/// Models that reason before they answer, and hide it.
pub(super) fn reasons(model: &str) -> bool {
    ["o1", "o3", "o4"].iter().any(|family| model.starts_with(family))
        || ["gpt-5", "gpt-5-mini", "gpt-5-nano"].contains(&model)
}

pub(super) fn serve(call: &Call<'_>) -> Result<Answer, Bad> {
    let body = match serde_json::from_slice::<Value>(call.body) {
        Ok(Value::Object(mut members)) => {
            members.retain(|_, value| !value.is_null());
            members
        }
        _ => {
            return Err(Bad {
                param: None,
                ..Bad::new(
                    "",
                    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
                )
            });
        }
    };
    check::check(&body)?;
    let thoughts = think(call, &body);
    let body = Value::Object(body);
    Ok(if chat::flag(&body, "stream") {
        Answer::events(stream(call.ids, &body, &thoughts))
    } else {
        whole(call.ids, &body, &thoughts)
    })
}

fn think(call: &Call<'_>, body: &Map<String, Value>) -> Vec<ModelAnswer> {
    let body = Value::Object(body.clone());
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let effort = body.get("reasoning_effort").and_then(Value::as_str);
    let thinking = reasons(model) && !matches!(effort, Some("none" | "minimal"));
    let mut ask = chat::read(&body, true, thinking);
    let answers = body.get("n").and_then(Value::as_u64).unwrap_or(1);
    let first = ask.variant;
    (0..answers)
        .map(|at| {
            ask.variant = first.wrapping_add(at);
            call.brain.think(&ask)
        })
        .collect()
}

pub(crate) fn call_id(ids: &Ids) -> String {
    format!("call_{}", ids.word(24))
}

fn usage(thoughts: &[ModelAnswer]) -> Value {
    let prompt = thoughts.first().map_or(0, |thought| thought.prompt_tokens);
    let completion: usize = thoughts.iter().map(|thought| thought.completion_tokens).sum();
    let reasoning: usize = thoughts.iter().map(|thought| thought.reasoning.len()).sum();
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    })
}

fn logprobs(body: &Value, tokens: &[String]) -> Value {
    if !chat::flag(body, "logprobs") {
        return Value::Null;
    }
    let top = body.get("top_logprobs").and_then(Value::as_u64).unwrap_or(0);
    json!({"content": chat::logprobs(tokens, top), "refusal": null})
}

fn whole(ids: &Ids, body: &Value, thoughts: &[ModelAnswer]) -> Answer {
    let choice = |(index, thought): (usize, &ModelAnswer)| {
        let mut message =
            json!({"role": "assistant", "content": thought.content(), "refusal": null, "annotations": []});
        if !thought.calls.is_empty() {
            message["content"] = Value::Null;
            message["tool_calls"] = Value::Array(chat::calls(thought, ids, call_id, false));
        }
        json!({"index": index, "message": message, "logprobs": logprobs(body, &thought.text), "finish_reason": thought.finish.as_str()})
    };
    let choices: Vec<Value> = thoughts.iter().enumerate().map(choice).collect();
    let value = json!({
        "id": format!("chatcmpl-{}", ids.word(29)), "object": "chat.completion", "created": now_s(), "model": body["model"],
        "choices": choices, "usage": usage(thoughts), "service_tier": "default", "system_fingerprint": "fp_sandbox"
    });
    Answer::thought(value, thoughts.iter().map(|thought| thought.completion_tokens).max().unwrap_or(1))
}

fn stream(ids: &Ids, body: &Value, thoughts: &[ModelAnswer]) -> Vec<Event> {
    let with_usage = chat::include_usage(body);
    let mut frame = json!({
        "id": format!("chatcmpl-{}", ids.word(29)), "object": "chat.completion.chunk", "created": now_s(), "model": body["model"],
        "service_tier": "default", "system_fingerprint": "fp_sandbox", "choices": []
    });
    if with_usage {
        frame["usage"] = Value::Null;
    }
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = frame.clone();
        chunk["choices"] = choices;
        if with_usage {
            chunk["usage"] = usage;
        }
        chunk
    };
    let mut events = Vec::new();
    for (index, thought) in thoughts.iter().enumerate() {
        let mut send = |delta: Value, tokens: &[String], finish: Value, content: bool| {
            let logprobs = if tokens.is_empty() { Value::Null } else { logprobs(body, tokens) };
            let choice = json!([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}]);
            events.push(Event::data(&chunk(choice, Value::Null), content));
        };
        let opening = if thought.calls.is_empty() { json!("") } else { Value::Null };
        send(json!({"role": "assistant", "content": opening, "refusal": null}), &[], Value::Null, false);
        for piece in chat::pieces(thought, false) {
            match piece {
                // OpenAI counts the reasoning and never shows it.
                Piece::Reasoning(_) => {}
                Piece::Text(text) => {
                    let tokens = [text];
                    send(json!({"content": tokens[0]}), &tokens, Value::Null, true);
                }
                Piece::Call(at, name, arguments) => {
                    let call = json!({"index": at, "id": call_id(ids), "type": "function", "function": {"name": name, "arguments": arguments}});
                    send(json!({"tool_calls": [call]}), &[], Value::Null, true);
                }
                Piece::Arguments(at, arguments) => {
                    send(
                        json!({"tool_calls": [{"index": at, "function": {"arguments": arguments}}]}),
                        &[],
                        Value::Null,
                        true,
                    );
                }
            }
        }
        send(json!({}), &[], json!(thought.finish.as_str()), false);
    }
    if with_usage {
        events.push(Event::data(&chunk(json!([]), usage(thoughts)), false));
    }
    events.push(Event::done());
    events
}
