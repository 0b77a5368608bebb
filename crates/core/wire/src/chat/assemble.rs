//! The whole answer of a stream, as a client would have got it without streaming.
//!
//! Rules:
//! - Chunks are read as the client saw them.
//! - A stream that ended in an error, or did not end, gives no answer.
//! - Usage that was not shown is added from what the vendor reported.

use super::chunk_of;
use banjia_types::Usage;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The whole answer of a stream's bytes; `None` if it is not whole. `usage` is what the vendor
/// reported.
pub fn assemble(stream: &[u8], usage: Option<&Usage>) -> Option<Value> {
    let mut answer = Assembled::default();
    let mut is_done = false;
    for event in stream.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"data:")) {
        if event.get(5..).unwrap_or_default().trim_ascii() == b"[DONE]" {
            is_done = true;
            continue;
        }
        let chunk = chunk_of(event)?;
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            return None;
        }
        answer.add(chunk);
    }
    is_done.then(|| answer.finish(usage))
}

#[derive(Default)]
struct Assembled {
    head: Map<String, Value>,
    usage: Value,
    choices: BTreeMap<u64, Choice>,
}

#[derive(Default)]
struct Choice {
    message: Map<String, Value>,
    calls: BTreeMap<u64, Value>,
    finish: Value,
    logprobs: Value,
}

impl Assembled {
    fn add(&mut self, mut chunk: Value) {
        for choice in chunk.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            self.choices.entry(index).or_default().add(choice);
        }
        let Value::Object(members) = chunk else { return };
        for (name, value) in members {
            match name.as_str() {
                "choices" | "object" => {}
                "usage" if value.is_null() => {}
                "usage" => self.usage = value,
                _ => {
                    self.head.entry(name).or_insert(value);
                }
            }
        }
    }

    fn finish(self, usage: Option<&Usage>) -> Value {
        let mut answer = self.head;
        answer.insert("object".into(), "chat.completion".into());
        let choices = self.choices.into_iter().map(|(index, choice)| choice.finish(index));
        answer.insert("choices".into(), choices.collect());
        let reported = usage.filter(|_| self.usage.is_null()).map(|usage| {
            json!({ "prompt_tokens": usage.prompt, "completion_tokens": usage.completion, "total_tokens": usage.total() })
        });
        let usage = reported.unwrap_or(self.usage);
        if !usage.is_null() {
            answer.insert("usage".into(), usage);
        }
        Value::Object(answer)
    }
}

impl Choice {
    fn add(&mut self, choice: &mut Value) {
        if let Some(finish) = choice.get_mut("finish_reason").map(Value::take).filter(|it| !it.is_null()) {
            self.finish = finish;
        }
        if let Some(logprobs) = choice.get_mut("logprobs").map(Value::take) {
            extend(&mut self.logprobs, logprobs);
        }
        let Some(Value::Object(delta)) = choice.get_mut("delta").map(Value::take) else { return };
        for (name, value) in delta {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("tool_calls", Value::Array(calls)) => calls.into_iter().for_each(|call| self.add_call(call)),
                ("role", value) => {
                    self.message.insert(name, value);
                }
                (_, value) => join(self.message.entry(name).or_insert(Value::Null), value),
            }
        }
    }

    fn add_call(&mut self, call: Value) {
        let next = self.calls.keys().next_back().map_or(0, |last| last.saturating_add(1));
        let index = call.get("index").and_then(Value::as_u64).unwrap_or(next);
        let whole = self.calls.entry(index).or_insert_with(|| json!({}));
        let Value::Object(members) = call else { return };
        for (name, value) in members {
            match (name.as_str(), value) {
                ("index", _) | (_, Value::Null) => {}
                ("function", Value::Object(function)) => {
                    for (name, value) in function {
                        join(&mut whole["function"][&name], value);
                    }
                }
                (_, value) => whole[&name] = value,
            }
        }
    }

    fn finish(self, index: u64) -> Value {
        let mut message = self.message;
        message.entry("role").or_insert_with(|| "assistant".into());
        message.entry("content").or_insert(Value::Null);
        if !self.calls.is_empty() {
            // Vendors open each answer's text with an empty piece; a whole answer that only calls
            // tools has none.
            if message["content"].as_str().is_some_and(str::is_empty) {
                message["content"] = Value::Null;
            }
            message.insert("tool_calls".into(), self.calls.into_values().collect());
        }
        json!({ "index": index, "message": message, "logprobs": self.logprobs, "finish_reason": self.finish })
    }
}

/// Joins texts and lists. Of other values the last one stays.
fn join(whole: &mut Value, part: Value) {
    match (whole, part) {
        (Value::String(whole), Value::String(part)) => whole.push_str(&part),
        (Value::Array(whole), Value::Array(part)) => whole.extend(part),
        (_, Value::Null) => {}
        (whole, part) => *whole = part,
    }
}

fn extend(whole: &mut Value, part: Value) {
    match (whole, part) {
        (_, Value::Null) => {}
        (Value::Object(whole), Value::Object(part)) => {
            for (name, value) in part {
                join(whole.entry(name).or_insert(Value::Null), value);
            }
        }
        (whole, part) => *whole = part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(chunks: &[Value], end: &str) -> Vec<u8> {
        let events: Vec<_> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
        format!(": hello\n\n{}{end}", events.concat()).into_bytes()
    }

    fn delta(index: u64, delta: &Value) -> Value {
        json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{ "index": index, "delta": delta }] })
    }

    const DONE: &str = "data: [DONE]\n\n";

    #[test]
    fn text_and_logprobs_are_joined() {
        let mut first = delta(0, &json!({ "role": "assistant", "content": "" }));
        first["usage"] = Value::Null;
        let mut second = delta(0, &json!({ "content": "你" }));
        second["choices"][0]["logprobs"] = json!({ "content": [{ "token": "你" }], "refusal": null });
        let mut third = delta(0, &json!({ "content": "好", "reasoning_content": "think" }));
        third["choices"][0]["logprobs"] = json!({ "content": [{ "token": "好" }], "refusal": null });
        let mut end = delta(0, &json!({}));
        end["choices"][0]["finish_reason"] = "stop".into();
        let chunks = [
            first,
            second,
            third,
            end,
            json!({ "id": "c", "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 2 } }),
        ];
        let answer = assemble(&stream(&chunks, DONE), None).unwrap();
        let choice = json!({ "index": 0, "message": { "role": "assistant", "content": "你好", "reasoning_content": "think" },
            "logprobs": { "content": [{ "token": "你" }, { "token": "好" }], "refusal": null }, "finish_reason": "stop" });
        let expected = json!({ "id": "c", "created": 1, "model": "m", "object": "chat.completion", "choices": [choice],
            "usage": { "prompt_tokens": 3, "completion_tokens": 2 } });
        assert_eq!(answer, expected);
    }

    #[test]
    fn tool_calls_of_several_choices_are_joined() {
        let call = |index: u64, rest: Value| {
            let mut call = rest;
            call["index"] = index.into();
            json!({ "tool_calls": [call] })
        };
        let chunks = [
            delta(1, &json!({ "role": "assistant", "content": "" })),
            delta(1, &call(0, json!({ "id": "a", "type": "function", "function": { "name": "f", "arguments": "" } }))),
            delta(0, &json!({ "content": "no" })),
            delta(
                1,
                &call(1, json!({ "id": "b", "type": "function", "function": { "name": "g", "arguments": "{}" } })),
            ),
            delta(1, &call(0, json!({ "function": { "arguments": "{\"x\":" } }))),
            delta(1, &call(0, json!({ "function": { "arguments": "1}" } }))),
        ];
        let usage = Usage { prompt: 4, completion: 6, ..Usage::default() };
        let answer = assemble(&stream(&chunks, DONE), Some(&usage)).unwrap();
        let calls = json!([
            { "id": "a", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } },
            { "id": "b", "type": "function", "function": { "name": "g", "arguments": "{}" } },
        ]);
        assert_eq!(answer["choices"][0]["message"], json!({ "role": "assistant", "content": "no" }));
        assert_eq!(
            answer["choices"][1]["message"],
            json!({ "role": "assistant", "content": null, "tool_calls": calls })
        );
        assert_eq!(answer["usage"]["total_tokens"], 10);
    }

    #[test]
    fn a_stream_that_broke_gives_no_answer() {
        let chunk = delta(0, &json!({ "content": "half" }));
        assert_eq!(assemble(&stream(std::slice::from_ref(&chunk), ""), None), None);
        assert_eq!(assemble(&stream(&[chunk.clone(), json!({ "error": { "message": "x" } })], DONE), None), None);
        assert_eq!(assemble(&stream(&[chunk], "data: {half\n\ndata: [DONE]\n\n"), None), None);
        assert_eq!(assemble(b"", None), None);
    }
}
