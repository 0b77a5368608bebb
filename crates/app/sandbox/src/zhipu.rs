//! Zhipu BigModel / Z.ai: chat, embeddings and the asset calls that its SDKs make, after its manual (2026-09).
//!
//! Rules: explicit nulls are absent (its own SDKs send them); the error's code is a string and there is no type; the role is
//! in every delta; `finish_reason` is not there until the end; usage comes with the finish, asked for or not.

mod assets;
mod auth;
mod chat;

use crate::answer::{Answer, Call, Event, now_s};
use crate::brain;
use crate::faults::Fault;
use crate::server::MockVendor;
use crate::vectors::{self, Input};
use serde_json::{Value, json};

pub(crate) const DESK: MockVendor =
    MockVendor { vendor: "zhipu", wire: "zhipu", prefix: "/zhipu/api/paas/v4", serve, trouble, in_stream };

/// The most texts of one embedding call, and the most tokens of one text.
const TEXTS_MAX: usize = 64;
const TEXT_TOKENS_MAX: usize = 3072;

/// A refusal: HTTP status, code, message.
pub(crate) struct Bad(pub(crate) u16, pub(crate) &'static str, pub(crate) String);

impl Bad {
    /// 1210: a parameter is wrong. 1214 names the parameter.
    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self(400, "1210", message.into())
    }

    pub(crate) fn named(name: &str) -> Self {
        Self(400, "1214", format!("{name} 参数非法，请检查文档。"))
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, json!({"error": {"code": code, "message": message}}))
}

fn serve(call: &Call<'_>) -> Answer {
    let served = auth::check(call).and_then(|()| match (call.method, call.segments().as_slice()) {
        ("POST", ["chat", "completions"]) => chat::serve(call),
        ("POST", ["embeddings"]) => embed(call),
        ("GET", ["models"]) => {
            let model = |name| json!({"id": name, "object": "model", "created": 1_760_000_000, "owned_by": "z-ai"});
            Ok(Answer::json(200, json!({"object": "list", "data": (["glm-4.5-air", "glm-4.6", "glm-4.7", "glm-5", "glm-5.3"].map(model))})))
        }
        _ => assets::serve(call),
    });
    served.unwrap_or_else(|Bad(status, code, message)| error(status, code, &message))
}

fn trouble(fault: Fault, _call: &Call<'_>) -> Answer {
    let (status, code, message) = match fault {
        // No region code is documented; 1220 is the refusal of access.
        Fault::Region => (403, "1220", "您无权访问该地区的服务。"),
        Fault::Rate => (429, "1302", "您当前使用该API的并发数过高，请降低并发，或联系客服增加限额。"),
        Fault::Overload => (429, "1305", "当前API请求过多，请稍后重试。"),
        Fault::Arrears => (429, "1113", "您的账户已欠费，请充值后重试。"),
        Fault::Content | Fault::ContentStream => (
            400,
            "1301",
            "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合。",
        ),
        _ => (500, "1234", "网络错误，错误id：sandbox，请联系客服。"),
    };
    error(status, code, message)
}

/// A broken stream has no error body, only its finish reason (error page, 2026).
fn in_stream(fault: Fault, call: &Call<'_>) -> Vec<Event> {
    let reason = if fault == Fault::ContentStream { "sensitive" } else { "network_error" };
    let chunk = json!({
        "id": format!("20261124{}", call.ids.hex(24)), "created": now_s(), "object": "chat.completion.chunk", "model": "glm-4.7",
        "choices": [{"index": 0, "finish_reason": reason, "delta": {"role": "assistant", "content": ""}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    });
    vec![Event::data(&chunk, true), Event::done()]
}

fn embed(call: &Call<'_>) -> Result<Answer, Bad> {
    let Some(body) = call.object() else { return Err(Bad::parameter("API 调用参数有误，请检查文档。")) };
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let sizes: &[u64] = match model {
        "embedding-3" => &[2048, 1024, 512, 256],
        "embedding-2" => &[1024],
        _ => return Err(Bad(400, "1211", "模型不存在，请检查模型代码。".into())),
    };
    let Some(Input::Texts(texts)) = vectors::read(body.get("input")) else { return Err(Bad::named("input")) };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(Bad(400, "1213", "未正常接收到input参数。".into()));
    }
    if texts.len() > TEXTS_MAX {
        return Err(Bad(400, "1214", format!("input数组最大不得超过{TEXTS_MAX}条")));
    }
    let counts: Vec<usize> = texts.iter().map(|text| brain::count(text)).collect();
    if counts.iter().any(|count| *count > TEXT_TOKENS_MAX) {
        return Err(Bad(400, "1261", "Prompt 超长".into()));
    }
    let size = match body.get("dimensions").map(Value::as_u64) {
        None => sizes.first().copied().unwrap_or(1024),
        Some(Some(size)) if sizes.contains(&size) => size,
        Some(_) => return Err(Bad::named("dimensions")),
    };
    let tokens: usize = counts.iter().sum();
    Ok(Answer::json(
        200,
        json!({
            "model": model, "object": "list", "data": vectors::data(model, &texts, size as usize, false),
            "usage": {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
        }),
    ))
}
