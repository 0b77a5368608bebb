//! One line of a file as a capture: our own form, or a chat log that somebody else wrote.
//!
//! A log's line is the request itself with its answer beside (`{"model", "messages", "response"}`), or has them as members
//! (`{"request" | "body", "response" | "answer"}`). An answer is OpenAI's object, a message, or a text; a conversation that ends
//! with the assistant's turn has its answer there. What a log does not say gets a sensible value.

use banjia_store::Capture;
use banjia_types::{Operation, Outcome, RouteName, Target, Timestamp, TrafficKind, Usage};
use serde_json::{Map, Value, json};
use std::hash::{DefaultHasher, Hasher as _};

/// What stands for things that a log does not say.
pub(super) struct Defaults {
    pub(super) route: Option<RouteName>,
    pub(super) target: Option<Target>,
    pub(super) at: Timestamp,
}

/// Members of a log's line that are not the request's.
const BESIDE: [&str; 10] =
    ["answer", "response", "id", "custom_id", "request_id", "created_at", "timestamp", "route", "account", "usage"];

/// The capture of one line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn capture(text: &str, defaults: &Defaults) -> Result<Capture, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(mut members) = value else { return Err("it is no JSON object".to_owned()) };
    if members.contains_key("leg") {
        return serde_json::from_value(Value::Object(members)).map_err(|error| format!("it is no capture: {error}"));
    }
    let beside: Map<String, Value> =
        BESIDE.iter().filter_map(|name| Some(((*name).to_owned(), members.shift_remove(*name)?))).collect();
    let inner = ["request", "body"].iter().find_map(|name| members.shift_remove(*name)).filter(Value::is_object);
    let mut request = inner.unwrap_or(Value::Object(members));
    let is_chat = request.get("messages").is_some_and(Value::is_array);
    if !is_chat && request.get("input").is_none() {
        return Err("it has neither `messages` nor `input`, so it is no request that we know".to_owned());
    }
    let said = ["answer", "response"].iter().find_map(|name| beside.get(*name).cloned());
    let answer = said.filter(|it| !it.is_null()).or_else(|| last_turn(&mut request));
    let model = request.get("model").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let answer = answer.map(|answer| whole(answer, &model)).transpose()?;
    let route = text_of(&beside, "route").map(RouteName::from).or_else(|| defaults.route.clone());
    let target = match &defaults.target {
        Some(target) => target.clone(),
        None => Target { vendor: "imported".into(), model: model.as_str().into() },
    };
    let id = ["id", "custom_id", "request_id"].iter().find_map(|name| text_of(&beside, name).map(str::to_owned));
    let usage = answer.as_ref().and_then(|answer| usage(answer.get("usage")?));
    Ok(Capture {
        id: id.unwrap_or_else(|| id_of(&request)),
        leg: TrafficKind::Live,
        number: 0,
        at: time(&beside, answer.as_ref()).unwrap_or(defaults.at),
        account: text_of(&beside, "account").map(Into::into),
        route: route.unwrap_or_else(|| model.as_str().into()),
        target,
        endpoint: if is_chat { Operation::ChatCompletions } else { Operation::Embeddings }.to_string(),
        stream: request.get("stream") == Some(&Value::Bool(true)),
        client: None,
        outcome: if answer.is_some() { Outcome::Answered } else { Outcome::Refused },
        class: None,
        usage,
        cost: None,
        first_content_ms: None,
        total_ms: 0,
        redactions: 0,
        request,
        answer,
    })
}

fn text_of<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The assistant's turn at the end of the conversation, taken out of it.
fn last_turn(request: &mut Value) -> Option<Value> {
    let turns = request.get_mut("messages")?.as_array_mut()?;
    let is_answer = turns.len() > 1 && turns.last()?.get("role")? == "assistant";
    if is_answer { turns.pop() } else { None }
}

/// An answer in OpenAI's form.
fn whole(answer: Value, model: &str) -> Result<Value, String> {
    if answer.get("choices").is_some_and(Value::is_array) || answer.get("data").is_some_and(Value::is_array) {
        return Ok(answer);
    }
    // A batch's answer stands one level deeper.
    if let Some(body) = answer.get("body").filter(|body| body.get("choices").is_some()) {
        return Ok(body.clone());
    }
    let message = match answer {
        Value::String(text) => json!({ "role": "assistant", "content": text }),
        Value::Object(_) if answer.get("content").is_some() || answer.get("tool_calls").is_some() => answer,
        _ => return Err("its answer is neither a text, nor a message, nor an answer of OpenAI's API".to_owned()),
    };
    let finish = if message.get("tool_calls").is_some() { "tool_calls" } else { "stop" };
    let choice = json!({ "index": 0, "message": message, "finish_reason": finish });
    Ok(json!({ "object": "chat.completion", "model": model, "choices": [choice] }))
}

fn usage(value: &Value) -> Option<Usage> {
    let count = |pointer: &str| value.pointer(pointer).and_then(Value::as_u64);
    Some(Usage {
        prompt: count("/prompt_tokens")?,
        completion: count("/completion_tokens").unwrap_or(0),
        cached: count("/prompt_tokens_details/cached_tokens").unwrap_or(0),
        reasoning: count("/completion_tokens_details/reasoning_tokens").unwrap_or(0),
    })
}

/// Seconds, milliseconds, or a text with a zone.
fn time(beside: &Map<String, Value>, answer: Option<&Value>) -> Option<Timestamp> {
    const SECONDS_MAX: i64 = 100_000_000_000;
    let said = ["created_at", "timestamp"].iter().find_map(|name| beside.get(*name));
    let said = said.or_else(|| answer?.get("created"))?;
    if let Some(text) = said.as_str() {
        return chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| Timestamp(at.timestamp_millis()));
    }
    let number = said.as_i64().filter(|number| *number > 0)?;
    Some(Timestamp(if number < SECONDS_MAX { number * 1000 } else { number }))
}

/// The same for the same request, so that a file may be taken in twice.
fn id_of(request: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(request.to_string().as_bytes());
    format!("log_{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &Value) -> Result<Capture, String> {
        let defaults = Defaults { route: None, target: None, at: Timestamp(7) };
        capture(&line.to_string(), &defaults)
    }

    #[test]
    fn logs_of_many_shapes_become_captures() {
        let turns = json!([{ "role": "user", "content": "hi" }]);
        let request = json!({ "model": "gpt-4o", "messages": turns, "temperature": 0 });
        let answer = json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hello" }, "finish_reason": "stop" }],
            "created": 1_719_273_600, "usage": { "prompt_tokens": 3, "completion_tokens": 2 } });
        let mut beside = request.clone();
        beside["response"] = json!("hello");
        beside["id"] = json!("a");
        let flat = read(&beside).unwrap();
        assert_eq!(
            (flat.id.as_str(), flat.route.as_str(), flat.target.to_string().as_str()),
            ("a", "gpt-4o", "imported/gpt-4o")
        );
        assert_eq!((&flat.request, flat.at, flat.outcome), (&request, Timestamp(7), Outcome::Answered));
        assert_eq!(flat.answer.unwrap()["choices"][0]["message"]["content"], "hello");
        let nested = read(&json!({ "request": request, "response": answer })).unwrap();
        assert_eq!(
            (&nested.request, nested.answer.as_ref(), nested.at),
            (&request, Some(&answer), Timestamp(1_719_273_600_000))
        );
        assert_eq!(nested.usage.map(|usage| (usage.prompt, usage.completion)), Some((3, 2)));
        assert_eq!(nested.id, read(&json!({ "request": request })).unwrap().id, "the same request has the same id");
        let batch =
            read(&json!({ "custom_id": "b", "body": request, "response": { "status_code": 200, "body": answer } }))
                .unwrap();
        assert_eq!((batch.id.as_str(), batch.answer), ("b", Some(answer)));
        let mut conversation = request.clone();
        conversation["messages"] = json!([turns[0], { "role": "assistant", "content": "hello" }]);
        let tuned = read(&conversation).unwrap();
        assert_eq!((&tuned.request, tuned.outcome), (&request, Outcome::Answered));
        let embedding = read(&json!({ "model": "e", "input": "x" })).unwrap();
        assert_eq!((embedding.endpoint.as_str(), embedding.outcome), ("embeddings", Outcome::Refused));
        let again = read(&serde_json::from_str(&embedding.to_line()).unwrap()).unwrap();
        assert_eq!(again, embedding);
    }

    #[test]
    fn what_is_no_log_is_told() {
        for (line, said) in [
            (json!([1]), "no JSON object"),
            (json!({ "prompt": "x" }), "neither `messages` nor `input`"),
            (json!({ "messages": [], "response": 7 }), "its answer is neither"),
            (json!({ "leg": "live" }), "it is no capture: missing field"),
        ] {
            let error = read(&line).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
