//! The native DashScope wire: `input` and `parameters`, events with `id:`, `event:` and a status in a comment.
//!
//! Rules (recorded traffic, 2024-2026): no space after the colons; no `[DONE]`; `finish_reason` is the text `"null"` until
//! the end; usage is cumulative on every event; text is cumulative too unless `incremental_output` is true; a parameter
//! error of a stream comes with HTTP 200 as `event:error`.

use super::{Bad, assets, authorised, compatible, embeddings, multimodal, refuse, thinking};
use crate::answer::{Answer, Body, Call, Event};
use crate::brain::{Choice, Finish, ModelAnswer};
use crate::chat::{self, Piece};
use bytes::Bytes;
use serde_json::{Map, Value, json};

pub(super) fn serve(call: &Call<'_>) -> Answer {
    let served = authorised(call).and_then(|()| match (call.method, call.segments().as_slice()) {
        ("POST", ["services", "aigc", "text-generation", "generation"]) => generate(call, false),
        ("POST", ["services", "aigc", "multimodal-generation", "generation"]) => generate(call, true),
        ("POST", ["services", "embeddings", "text-embedding", "text-embedding"]) => embeddings::native(call),
        _ => assets::native(call),
    });
    let answer = match served {
        Ok(answer) => answer,
        Err(bad) if wants_stream(call) && bad.status != 401 => {
            let id = call.ids.uuid();
            let told = json!({"code": bad.native, "message": bad.message, "request_id": id});
            Answer::events(vec![event(1, "error", bad.status, &told, true)]).with("x-request-id", id)
        }
        Err(bad) => return bad.native(call),
    };
    let answer = if matches!(answer.body, Body::Events(_)) {
        answer.with("content-type", "text/event-stream;charset=UTF-8")
    } else {
        answer
    };
    answer.with("x-dashscope-call-gateway", "true")
}

fn wants_stream(call: &Call<'_>) -> bool {
    call.header("x-dashscope-sse") == Some("enable")
        || call.header("accept").is_some_and(|kinds| kinds.contains("text/event-stream"))
}

/// One event in DashScope's form.
pub(super) fn event(number: usize, name: &str, status: u16, data: &Value, content: bool) -> Event {
    Event { bytes: Bytes::from(format!("id:{number}\nevent:{name}\n:HTTP_STATUS/{status}\ndata:{data}\n\n")), content }
}

fn generate(call: &Call<'_>, multimodal_path: bool) -> Result<Answer, Bad> {
    let Some(body) = call.object() else {
        return Err(Bad::parameter("Required body invalid, please check the request body format."));
    };
    let Some(model) = body.get("model").and_then(Value::as_str).filter(|model| !model.is_empty()) else {
        return Err(Bad {
            native: "BadRequest.EmptyModel",
            ..Bad::parameter("Required parameter \"model\" missing or invalid, please check the request parameters.")
        });
    };
    if !super::known(model) {
        // The native wire says 400 where compatible mode says 404.
        return Err(Bad::parameter("Model not exist."));
    }
    if multimodal(model) != multimodal_path {
        return Err(Bad::parameter("url error, please check url！"));
    }
    let mut settings = body.get("parameters").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = settings.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    let messages = messages(&body)?;
    refuse::check(model, &messages, &settings)?;
    let thinks = thinking(model, &settings);
    let incremental = chat::flag(&settings, "incremental_output");
    if thinks && wants_stream(call) && !incremental && super::thinks_always(model) {
        return Err(Bad::parameter("The incremental_output parameter must be \"true\" when enable_thinking is true"));
    }
    if model.starts_with("qwen-image") {
        return Ok(picture(call));
    }
    let mut request = settings.clone();
    request["messages"] = Value::Array(messages);
    let ask = chat::read(&request, false, thinks);
    let forced = matches!(ask.choice, Choice::Named(_));
    let thought = call.brain.think(&ask);
    let asked = settings.get("result_format").and_then(Value::as_str);
    let old_text = asked != Some("message") && !multimodal_path && !thinks && body.pointer("/input/prompt").is_some();
    let form = Form { id: call.ids.uuid(), old_text, parts: multimodal_path, forced, incremental };
    let answer = if wants_stream(call) {
        Answer::events(stream(call, &form, &thought))
    } else {
        whole(call, &form, &thought, &settings)
    };
    Ok(answer.with("x-request-id", form.id))
}

/// How an answer is written.
#[expect(clippy::struct_excessive_bools, reason = "four independent switches of the vendor's own request")]
struct Form {
    id: String,
    /// `output.text` in the place of `output.choices`.
    old_text: bool,
    /// Content as a list of parts.
    parts: bool,
    /// The client named the function to call.
    forced: bool,
    incremental: bool,
}

impl Form {
    fn finish(&self, finish: Finish) -> &'static str {
        // A forced function ends with "stop" (recorded, 2025).
        if self.forced && finish == Finish::ToolCalls { "stop" } else { finish.as_str() }
    }

    fn content(&self, text: &str) -> Value {
        match (self.parts, text.is_empty()) {
            (true, true) => json!([]),
            (true, false) => json!([{"text": text}]),
            (false, _) => json!(text),
        }
    }
}

fn messages(body: &Value) -> Result<Vec<Value>, Bad> {
    let input = body.get("input");
    if let Some(messages) = input.and_then(|input| input.get("messages")).and_then(Value::as_array) {
        if messages.is_empty() {
            return Err(Bad::parameter("Role must be user or assistant and Content length must be greater than 0"));
        }
        return Ok(messages.clone());
    }
    match input.and_then(|input| input.get("prompt")).and_then(Value::as_str) {
        Some(prompt) if !prompt.is_empty() => Ok(vec![json!({"role": "user", "content": prompt})]),
        _ => Err(Bad {
            native: "BadRequest.EmptyInput",
            ..Bad::parameter("Required input parameter missing from request.")
        }),
    }
}

fn usage(thought: &ModelAnswer, completion: usize, reasoning: usize) -> Value {
    let prompt = thought.prompt_tokens;
    let mut usage = json!({"total_tokens": prompt + completion, "input_tokens": prompt, "output_tokens": completion, "prompt_tokens_details": {"cached_tokens": 0}});
    if reasoning > 0 {
        usage["output_tokens_details"] = json!({"reasoning_tokens": reasoning});
    }
    usage
}

fn whole(call: &Call<'_>, form: &Form, thought: &ModelAnswer, settings: &Value) -> Answer {
    let usage = usage(thought, thought.completion_tokens, thought.reasoning.len());
    let output = if form.old_text {
        json!({"finish_reason": form.finish(thought.finish), "text": thought.content()})
    } else {
        let mut message = Map::new();
        message.insert("role".into(), json!("assistant"));
        if !thought.calls.is_empty() {
            message
                .insert("tool_calls".into(), Value::Array(chat::calls(thought, call.ids, compatible::call_id, true)));
        }
        message.insert("content".into(), form.content(&thought.content()));
        if !thought.reasoning.is_empty() {
            message.insert("reasoning_content".into(), json!(thought.thinking()));
        }
        let mut choice = json!({"finish_reason": form.finish(thought.finish), "message": message});
        if chat::flag(settings, "logprobs") {
            let top = settings.get("top_logprobs").and_then(Value::as_u64).unwrap_or(0);
            choice["logprobs"] = json!({"content": chat::logprobs(&thought.text, top)});
        }
        json!({"choices": [choice]})
    };
    Answer::thought(json!({"output": output, "usage": usage, "request_id": form.id}), thought.completion_tokens)
}

fn stream(call: &Call<'_>, form: &Form, thought: &ModelAnswer) -> Vec<Event> {
    let mut events = Vec::new();
    let (mut reasoning, mut text, mut calls) = (String::new(), String::new(), Vec::<Value>::new());
    let (mut sent, mut thought_of) = (0, 0);
    let pieces = chat::pieces(thought, false);
    for piece in pieces {
        sent += 1;
        let (mut new_text, mut new_reasoning, mut new_calls) = (String::new(), String::new(), Vec::new());
        match piece {
            Piece::Reasoning(part) => {
                thought_of += 1;
                new_reasoning = part;
            }
            Piece::Text(part) => new_text = part,
            Piece::Call(at, name, arguments) => {
                let value = json!({"index": at, "id": compatible::call_id(call.ids), "type": "function", "function": {"name": name, "arguments": arguments}});
                calls.push(value.clone());
                new_calls.push(value);
            }
            Piece::Arguments(at, part) => {
                if let Some(Value::String(whole)) =
                    calls.get_mut(at).and_then(|call| call.pointer_mut("/function/arguments"))
                {
                    whole.push_str(&part);
                }
                new_calls.push(json!({"index": at, "id": "", "type": "function", "function": {"arguments": part}}));
            }
        }
        reasoning.push_str(&new_reasoning);
        text.push_str(&new_text);
        let now = if form.incremental {
            (new_text, new_reasoning, new_calls)
        } else {
            (text.clone(), reasoning.clone(), calls.clone())
        };
        let usage = usage(thought, sent.min(thought.completion_tokens), thought_of);
        events.push(event(events.len() + 1, "result", 200, &output(form, thought, now, "null", &usage), true));
    }
    let usage = usage(thought, thought.completion_tokens, thought.reasoning.len());
    let last = if form.incremental { (String::new(), String::new(), Vec::new()) } else { (text, reasoning, calls) };
    events.push(event(
        events.len() + 1,
        "result",
        200,
        &output(form, thought, last, form.finish(thought.finish), &usage),
        false,
    ));
    events
}

fn output(
    form: &Form,
    thought: &ModelAnswer,
    (text, reasoning, calls): (String, String, Vec<Value>),
    finish: &str,
    usage: &Value,
) -> Value {
    if form.old_text {
        return json!({"output": {"finish_reason": finish, "text": text}, "usage": usage, "request_id": form.id});
    }
    let mut message = Map::new();
    message.insert("content".into(), form.content(&text));
    if !thought.reasoning.is_empty() {
        message.insert("reasoning_content".into(), json!(reasoning));
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    message.insert("role".into(), json!("assistant"));
    json!({"output": {"choices": [{"message": message, "index": 0, "finish_reason": finish}]}, "usage": usage, "request_id": form.id})
}

fn picture(call: &Call<'_>) -> Answer {
    let id = call.ids.uuid();
    let url = format!("https://dashscope-result.example.com/{id}.png");
    let value = json!({
        "output": {"choices": [{"finish_reason": "stop", "message": {"content": [{"image": url}], "role": "assistant"}}], "task_metric": {"FAILED": 0, "SUCCEEDED": 1, "TOTAL": 1}},
        "usage": {"height": 1024, "image_count": 1, "width": 1024}, "request_id": id
    });
    Answer::json(200, value)
}
