//! Zhipu's chat completions.

use super::Bad;
use crate::answer::{Answer, Call, Event, Ids, now_s};
use crate::brain::ModelAnswer;
use crate::chat::{self, Piece};
use serde_json::{Value, json};

const FAMILIES: [&str; 8] =
    ["glm-4", "glm-5", "glm-3-turbo", "chatglm", "charglm", "codegeex-4", "emohaa", "glm-z1-rumination"];
/// The most tools of a request.
const TOOLS_MAX: usize = 128;

/// Models that think unless told not to: 4.5 and later.
fn can_think(model: &str) -> bool {
    ["glm-4.5", "glm-4.6", "glm-4.7", "glm-5"].iter().any(|family| model.starts_with(family))
}

/// Models that take pictures.
fn sees(model: &str) -> bool {
    model.starts_with("glm-5.3-flash")
        || model.starts_with("glm-5v")
        || model.starts_with("glm-4v")
        || model.ends_with('v')
        || model.contains("v-")
}

pub(super) fn serve(call: &Call<'_>) -> Result<Answer, Bad> {
    let Some(body) = call.object() else { return Err(Bad::parameter("API 调用参数有误，请检查文档。")) };
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    if model.is_empty() {
        return Err(Bad(400, "1213", "未正常接收到model参数。".into()));
    }
    if !FAMILIES.iter().any(|family| model.starts_with(family)) {
        return Err(Bad(400, "1211", "模型不存在，请检查模型代码。".into()));
    }
    check_messages(model, &body)?;
    check_numbers(model, &body)?;
    check_members(model, &body)?;
    let switched_off = body.pointer("/thinking/type").and_then(Value::as_str) == Some("disabled");
    let skipped = model.starts_with("glm-5.2")
        && matches!(body.get("reasoning_effort").and_then(Value::as_str), Some("none" | "minimal"));
    let mut ask = chat::read(&body, true, can_think(model) && !switched_off && !skipped);
    ask.limit_counts_thinking = true;
    let thought = call.brain.think(&ask);
    Ok(if chat::flag(&body, "stream") {
        Answer::events(stream(call.ids, &body, &thought))
    } else {
        whole(call.ids, &body, &thought)
    })
}

fn check_messages(model: &str, body: &Value) -> Result<(), Bad> {
    let roles = chat::roles(body);
    if roles.is_empty() {
        return Err(Bad(400, "1213", "未正常接收到messages参数。".into()));
    }
    if roles.iter().any(|role| !["system", "user", "assistant", "tool"].contains(role)) {
        return Err(Bad(400, "1214", "messages 参数非法。角色信息不正确。".into()));
    }
    if roles.iter().all(|role| *role == "system") || roles.iter().all(|role| *role == "assistant") {
        return Err(Bad(400, "1214", "messages 参数非法。请检查文档。".into()));
    }
    for message in chat::messages(body) {
        let parts = message.get("content");
        if parts.is_some_and(Value::is_array) && !sees(model) {
            return Err(Bad::parameter("messages.content.type 参数非法，取值范围 ['text']；该模型只接受文本内容。"));
        }
        let blank = parts.is_none_or(|content| content.is_null() || content == "");
        if blank && matches!(message.get("role").and_then(Value::as_str), Some("user")) {
            return Err(Bad(400, "1213", "未正常接收到prompt参数。".into()));
        }
    }
    Ok(())
}

fn check_numbers(model: &str, body: &Value) -> Result<(), Bad> {
    // Older models take the open interval only.
    let old = !can_think(model);
    let fits = |name: &str, least: f64, most: f64, open: bool| {
        body.get(name).is_none_or(|value| {
            value.as_f64().is_some_and(|x| if open { x > least && x < most } else { (least..=most).contains(&x) })
        })
    };
    let sampling = body.get("do_sample") != Some(&json!(false));
    if sampling && !fits("temperature", 0.0, 1.0, old) {
        return Err(Bad::named("temperature"));
    }
    if sampling && !fits("top_p", 0.01, 1.0, false) {
        return Err(Bad::named("top_p"));
    }
    if !fits("max_tokens", 1.0, 131_072.0, false) {
        return Err(Bad::named("max_tokens"));
    }
    Ok(())
}

fn check_members(model: &str, body: &Value) -> Result<(), Bad> {
    match body.get("stop") {
        None => {}
        Some(Value::Array(stops)) if stops.len() <= 1 && stops.iter().all(Value::is_string) => {}
        Some(_) => return Err(Bad(400, "1214", "stop 参数非法。最多支持1个停用词，且必须为数组。".into())),
    }
    match body.pointer("/response_format/type").and_then(Value::as_str) {
        None | Some("text" | "json_object") => {}
        Some(_) => return Err(Bad::named("response_format.type")),
    }
    if body.get("tools").and_then(Value::as_array).is_some_and(|tools| tools.is_empty() || tools.len() > TOOLS_MAX) {
        return Err(Bad::named("tools"));
    }
    if body.get("tool_choice").is_some_and(|choice| choice != "auto") {
        return Err(Bad(400, "1214", "tool_choice 参数非法，仅支持auto。".into()));
    }
    let kind = body.pointer("/thinking/type").and_then(Value::as_str);
    if body.get("thinking").is_some() && !matches!(kind, Some("enabled" | "disabled")) {
        return Err(Bad::named("thinking.type"));
    }
    if model.starts_with("glm-5.3") && kind == Some("disabled") {
        return Err(Bad::parameter("该模型不支持关闭思考。"));
    }
    if model.starts_with("glm-5.3")
        && body
            .get("reasoning_effort")
            .is_some_and(|effort| !["low", "high", "max"].iter().any(|known| effort == known))
    {
        return Err(Bad::named("reasoning_effort"));
    }
    let user_fits = body
        .get("user_id")
        .is_none_or(|user| user.as_str().is_some_and(|user| (6..=128).contains(&user.chars().count())));
    if user_fits {
        Ok(())
    } else {
        Err(Bad(400, "1214", "user_id 参数非法。长度应为6到128个字符。".into()))
    }
}

fn call_id(ids: &Ids) -> String {
    format!("call_{}", ids.number())
}

fn id(ids: &Ids) -> String {
    format!("20261124{}", ids.hex(22))
}

fn usage(thought: &ModelAnswer) -> Value {
    json!({
        "prompt_tokens": thought.prompt_tokens, "completion_tokens": thought.completion_tokens,
        "total_tokens": thought.prompt_tokens + thought.completion_tokens, "prompt_tokens_details": {"cached_tokens": 0}
    })
}

fn whole(ids: &Ids, body: &Value, thought: &ModelAnswer) -> Answer {
    let mut message = json!({"role": "assistant", "content": thought.content()});
    if !thought.reasoning.is_empty() {
        message["reasoning_content"] = json!(format!("\n{}", thought.thinking()));
    }
    if !thought.calls.is_empty() {
        message["tool_calls"] = Value::Array(chat::calls(thought, ids, call_id, true));
    }
    let id = id(ids);
    let request = body.get("request_id").cloned().unwrap_or_else(|| json!(id));
    let value = json!({
        "id": id, "request_id": request, "created": now_s(), "model": body["model"],
        "choices": [{"index": 0, "finish_reason": thought.finish.as_str(), "message": message}], "usage": usage(thought)
    });
    Answer::thought(value, thought.completion_tokens)
}

fn stream(ids: &Ids, body: &Value, thought: &ModelAnswer) -> Vec<Event> {
    let (id, created) = (id(ids), now_s());
    let frame = |choice: Value| json!({"id": id, "created": created, "object": "chat.completion.chunk", "model": body["model"], "choices": [choice]});
    let mut events = Vec::new();
    let mut send = |delta: Value| events.push(Event::data(&frame(json!({"index": 0, "delta": delta})), true));
    if !thought.reasoning.is_empty() {
        send(json!({"role": "assistant", "reasoning_content": "\n"}));
    }
    for piece in chat::pieces(thought, !chat::flag(body, "tool_stream")) {
        send(match piece {
            Piece::Reasoning(text) => json!({"role": "assistant", "reasoning_content": text}),
            Piece::Text(text) => json!({"role": "assistant", "content": text}),
            Piece::Call(at, name, arguments) => {
                json!({"role": "assistant", "tool_calls": [{"id": call_id(ids), "index": at, "type": "function", "function": {"name": name, "arguments": arguments}}]})
            }
            Piece::Arguments(at, arguments) => {
                json!({"role": "assistant", "tool_calls": [{"index": at, "function": {"arguments": arguments}}]})
            }
        });
    }
    let mut last = frame(
        json!({"index": 0, "finish_reason": thought.finish.as_str(), "delta": {"role": "assistant", "content": ""}}),
    );
    last["usage"] = usage(thought);
    events.push(Event::data(&last, false));
    events.push(Event::done());
    events
}
