//! OpenAI: chat completions, embeddings and models, after its public reference and openapi document (2026-08).
//!
//! Rules: strict, since it stands for the source that clients were written against: unknown request members, wrong types
//! and values out of range are refused in OpenAI's words and shape.

mod chat;
mod check;
mod embeddings;

use crate::answer::{Answer, Call, Event};
use crate::faults::Fault;
use crate::server::{MockVendor, key_of};
use serde_json::{Value, json};

pub(crate) const DESK: MockVendor =
    MockVendor { vendor: "openai", wire: "openai", prefix: "/openai/v1", serve, trouble, in_stream };

/// The models that the sandbox's OpenAI has; a name with a date behind one of them is the same model.
const MODELS: [&str; 26] = [
    "gpt-3.5-turbo",
    "gpt-4",
    "gpt-4-turbo",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-5.1",
    "gpt-5.2",
    "gpt-5.4",
    "gpt-5.5",
    "gpt-5.6",
    "gpt-6",
    "o1",
    "o3",
    "o3-mini",
    "o4-mini",
    "chatgpt-4o-latest",
    "text-embedding-ada-002",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "gpt-4o-audio-preview",
];

/// A refusal in OpenAI's terms.
pub(crate) struct Bad {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
}

impl Bad {
    pub(crate) fn new(param: &str, message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into(), param: Some(param.to_owned()), code: None }
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}

fn serve(call: &Call<'_>) -> Answer {
    let served = match authorised(call) {
        Ok(()) => route(call),
        Err(refused) => Err(refused),
    };
    let answer = served
        .unwrap_or_else(|bad| error(bad.status, &bad.message, "invalid_request_error", bad.param.as_deref(), bad.code));
    headers(answer, call)
}

fn route(call: &Call<'_>) -> Result<Answer, Bad> {
    match (call.method, call.segments().as_slice()) {
        ("POST", ["chat", "completions"]) => chat::serve(call),
        ("POST", ["embeddings"]) => embeddings::serve(call),
        ("GET", ["models"]) => Ok(Answer::json(200, json!({"object": "list", "data": MODELS.map(model)}))),
        ("GET", ["models", name]) if known(name) => Ok(Answer::json(200, model(name))),
        ("GET", ["models", name]) => Err(missing(name)),
        _ => Err(Bad {
            status: 404,
            message: format!("Invalid URL ({} /v1{})", call.method, call.path),
            param: None,
            code: None,
        }),
    }
}

fn authorised(call: &Call<'_>) -> Result<(), Bad> {
    match call.bearer() {
        Some(key) if Some(key) == key_of(DESK.vendor) => Ok(()),
        Some(key) => {
            let shown: String = key.chars().take(5).collect();
            let message = format!(
                "Incorrect API key provided: {shown}***. You can find your API key at https://platform.openai.com/account/api-keys."
            );
            Err(Bad { status: 401, message, param: None, code: Some("invalid_api_key") })
        }
        None => {
            let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
            Err(Bad { status: 401, message: message.to_owned(), param: None, code: None })
        }
    }
}

/// Whether a model is known, by its name or by a dated snapshot's.
fn known(name: &str) -> bool {
    let base = name.get(..name.len().saturating_sub(11)).filter(|_| {
        let date = name.get(name.len().saturating_sub(11)..).unwrap_or_default();
        date.starts_with("-20") && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    });
    MODELS.contains(&name) || base.is_some_and(|base| MODELS.contains(&base))
}

fn missing(name: &str) -> Bad {
    let message = format!("The model `{name}` does not exist or you do not have access to it.");
    Bad { status: 404, message, param: None, code: Some("model_not_found") }
}

fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "openai"})
}

fn headers(answer: Answer, call: &Call<'_>) -> Answer {
    answer
        .with("x-request-id", format!("req_{}", call.ids.hex(32)))
        .with("openai-version", "2020-10-01")
        .with("openai-processing-ms", "12")
        .with("x-ratelimit-limit-requests", "10000")
        .with("x-ratelimit-remaining-requests", "9999")
        .with("x-ratelimit-reset-requests", "6ms")
}

pub(crate) fn error(status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Answer {
    Answer::json(status, json!({"error": {"message": message, "type": kind, "param": param, "code": code}}))
}

fn trouble(fault: Fault, call: &Call<'_>) -> Answer {
    let answer = match fault {
        // The region block as OpenAI words it (seen in public reports, 2024-2026).
        Fault::Region => error(
            403,
            "Country, region, or territory not supported",
            "request_forbidden",
            None,
            Some("unsupported_country_region_territory"),
        ),
        Fault::Rate => error(
            429,
            "Rate limit reached for requests. Please try again in 1s.",
            "requests",
            None,
            Some("rate_limit_exceeded"),
        )
        .with("retry-after", "1")
        .with("retry-after-ms", "1000"),
        Fault::Overload => {
            error(503, "The engine is currently overloaded, please try again later", "server_error", None, None)
        }
        Fault::Arrears => error(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            None,
            Some("insufficient_quota"),
        ),
        Fault::Content => error(
            400,
            "Your request was flagged as potentially violating our usage policy. Please try again with a different prompt.",
            "invalid_request_error",
            None,
            Some("content_policy_violation"),
        ),
        _ => error(
            500,
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            None,
            None,
        ),
    };
    headers(answer, call)
}

fn in_stream(fault: Fault, call: &Call<'_>) -> Vec<Event> {
    match fault {
        Fault::ContentStream => {
            let chunk = json!({
                "id": format!("chatcmpl-{}", call.ids.word(29)), "object": "chat.completion.chunk", "created": crate::answer::now_s(), "model": "gpt-4o",
                "choices": [{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "content_filter"}]
            });
            vec![Event::data(&chunk, true), Event::done()]
        }
        Fault::NetworkError => {
            let told = json!({"error": {"message": "The server had an error processing your request.", "type": "server_error", "param": null, "code": null}});
            vec![Event::data(&told, true)]
        }
        _ => Vec::new(),
    }
}
