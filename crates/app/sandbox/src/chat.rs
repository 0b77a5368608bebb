//! What the chat wires have in common: reading the request's body for the mind, and an answer in pieces.

use crate::answer::Ids;
use crate::brain::{self, ModelAnswer, ModelRequest};
use serde_json::{Value, json};

/// Reads a body in OpenAI's shape. `parallel` is the vendor's default for `parallel_tool_calls`.
pub(crate) fn read(body: &Value, parallel: bool, thinking: bool) -> ModelRequest {
    let limit = ["max_completion_tokens", "max_tokens"].iter().find_map(|name| body.get(*name)).and_then(Value::as_u64);
    ModelRequest {
        messages: body.get("messages").and_then(Value::as_array).cloned().unwrap_or_default(),
        tools: brain::read_tools(body.get("tools")),
        choice: brain::read_choice(body.get("tool_choice")),
        parallel: body.get("parallel_tool_calls").and_then(Value::as_bool).unwrap_or(parallel),
        form: brain::read_form(body.get("response_format")),
        stop: brain::read_stop(body.get("stop")),
        tokens_max: limit.map(|limit| limit as usize),
        limit_counts_thinking: body.get("max_completion_tokens").is_some(),
        thinking,
        variant: body.get("seed").and_then(Value::as_u64).unwrap_or(0),
    }
}

/// One step of a streamed answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Reasoning(String),
    Text(String),
    /// The first piece of a call: place, name, first part of the arguments.
    Call(usize, String, String),
    /// A further part of the arguments of the call at that place.
    Arguments(usize, String),
}

/// An answer in pieces. With `whole_calls` the arguments of a call come at once.
pub(crate) fn pieces(thought: &ModelAnswer, whole_calls: bool) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = thought.reasoning.iter().cloned().map(Piece::Reasoning).collect();
    pieces.extend(thought.text.iter().cloned().map(Piece::Text));
    for (at, call) in thought.calls.iter().enumerate() {
        if whole_calls {
            pieces.push(Piece::Call(at, call.name.clone(), call.arguments.clone()));
            continue;
        }
        pieces.push(Piece::Call(at, call.name.clone(), String::new()));
        let tokens = brain::split(&call.arguments);
        pieces.extend(tokens.chunks(3).map(|part| Piece::Arguments(at, part.concat())));
    }
    pieces
}

/// The calls of a whole message. `id` makes an id; `index` says whether each carries its place.
pub(crate) fn calls(thought: &ModelAnswer, ids: &Ids, id: fn(&Ids) -> String, index: bool) -> Vec<Value> {
    let one = |(at, call): (usize, &brain::ToolCall)| {
        let mut value =
            json!({"id": id(ids), "type": "function", "function": {"name": call.name, "arguments": call.arguments}});
        if index {
            value["index"] = json!(at);
        }
        value
    };
    thought.calls.iter().enumerate().map(one).collect()
}

/// The roles of the messages.
pub(crate) fn roles(body: &Value) -> Vec<&str> {
    messages(body).iter().map(|message| message.get("role").and_then(Value::as_str).unwrap_or_default()).collect()
}

pub(crate) fn messages(body: &Value) -> &[Value] {
    body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn flag(body: &Value, name: &str) -> bool {
    body.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// Whether the client asked for usage in the stream.
pub(crate) fn include_usage(body: &Value) -> bool {
    body.get("stream_options").is_some_and(|options| flag(options, "include_usage"))
}

/// Whether any text of the messages holds a word, in any case.
pub(crate) fn mentions(body: &Value, word: &str) -> bool {
    messages(body)
        .iter()
        .any(|message| message.get("content").is_some_and(|content| content.to_string().to_lowercase().contains(word)))
}

/// Whether a message's content is a list with something other than text.
pub(crate) fn has_media(message: &Value) -> bool {
    let parts = message.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    parts.iter().any(|part| part.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "text"))
}

/// Makes up log probabilities for text tokens, `top` alternatives each.
pub(crate) fn logprobs(tokens: &[String], top: u64) -> Value {
    let one = |token: &String| {
        let entry = |text: &str, logprob: f64| json!({"token": text, "logprob": logprob, "bytes": text.as_bytes()});
        let chance = -0.01 - (crate::answer::hash(token) % 400) as f64 / 1000.0;
        let mut alternatives = vec![entry(token, chance)];
        for (at, text) in [" the", " a", "，", ".", " and", "的", " of", " to"]
            .iter()
            .cycle()
            .take(top.saturating_sub(1) as usize)
            .enumerate()
        {
            alternatives.push(entry(text, chance - 1.5 - at as f64 / 2.0));
        }
        alternatives.truncate(top as usize);
        let mut value = entry(token, chance);
        value["top_logprobs"] = Value::Array(alternatives);
        value
    };
    Value::Array(tokens.iter().map(one).collect())
}
