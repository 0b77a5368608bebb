//! Alibaba Cloud Model Studio: compatible mode and the native DashScope wire, after its manual (2026-09/10) and recorded
//! traffic (2024-2026).
//!
//! Rules: both wires share models, keys and refusals; their envelopes and streams differ. Where the manual is silent, a
//! request is let through.

mod assets;
mod compatible;
mod embeddings;
mod native;
mod refuse;

use crate::answer::{Answer, Call, Event};
use crate::faults::Fault;
use crate::server::{MockVendor, key_of};
use serde_json::{Value, json};

pub(crate) const COMPATIBLE: MockVendor = MockVendor {
    vendor: "alibaba",
    wire: "alibaba",
    prefix: "/alibaba/compatible-mode/v1",
    serve: compatible::serve,
    trouble: compatible_trouble,
    in_stream: compatible_in_stream,
};
pub(crate) const NATIVE: MockVendor = MockVendor {
    vendor: "alibaba",
    wire: "alibaba-native",
    prefix: "/alibaba/api/v1",
    serve: native::serve,
    trouble: native_trouble,
    in_stream: native_in_stream,
};

/// Families of chat models; a name that begins with one of them is known.
const CHAT_FAMILIES: [&str; 22] = [
    "qwen3.8-max",
    "qwen3.8-flash",
    "qwen3.8-omni-flash",
    "qwen3.7-max",
    "qwen3.7-plus",
    "qwen3.6-flash",
    "qwen3.6-plus",
    "qwen3.5-",
    "qwen-plus",
    "qwen-flash",
    "qwen-turbo",
    "qwen-max",
    "qwen3-",
    "qwen-long",
    "qwen-vl-",
    "qwq-",
    "qvq-",
    "deepseek-v",
    "kimi-k",
    "glm-",
    "MiniMax-M",
    "qwen-image",
];
/// Families that take pictures and other parts.
const MULTIMODAL: [&str; 13] = [
    "qwen3.8-",
    "qwen3.7-plus",
    "qwen3.6-",
    "qwen3.5-",
    "qwen3-vl",
    "qwen-vl",
    "qvq-",
    "qwen3-omni",
    "kimi-k2.5",
    "kimi-k2.6",
    "kimi-k3",
    "qwen-image",
    "qwen3-asr",
];

/// One refusal, in both wires' terms.
pub(crate) struct Bad {
    pub(crate) status: u16,
    /// The native code.
    pub(crate) native: &'static str,
    /// The compatible mode's code.
    pub(crate) code: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) param: Option<&'static str>,
}

impl Bad {
    /// A parameter that is out of range, of a wrong type, or does not go with another.
    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            native: "InvalidParameter",
            code: "invalid_parameter_error",
            kind: "invalid_request_error",
            message: message.into(),
            param: None,
        }
    }

    pub(crate) fn missing_model(model: &str) -> Self {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Self {
            status: 404,
            native: "ModelNotFound",
            code: "model_not_found",
            kind: "invalid_request_error",
            message,
            param: None,
        }
    }

    pub(crate) fn compatible(&self, call: &Call<'_>) -> Answer {
        let error = json!({"message": self.message, "type": self.kind, "param": self.param, "code": self.code});
        let id = call.ids.uuid();
        Answer::json(self.status, json!({"error": error, "request_id": id})).with("x-request-id", id)
    }

    pub(crate) fn native(&self, call: &Call<'_>) -> Answer {
        let id = call.ids.uuid();
        Answer::json(self.status, json!({"code": self.native, "message": self.message, "request_id": id}))
            .with("x-request-id", id)
    }
}

pub(crate) fn authorised(call: &Call<'_>) -> Result<(), Bad> {
    if call.bearer().is_some_and(|key| Some(key) == key_of("alibaba")) {
        return Ok(());
    }
    Err(Bad {
        status: 401,
        native: "InvalidApiKey",
        code: "invalid_api_key",
        kind: "invalid_request_error",
        message: if call.bearer().is_some() { "Incorrect API key provided. " } else { "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). " }.to_owned(),
        param: None,
    })
}

pub(crate) fn known(model: &str) -> bool {
    CHAT_FAMILIES.iter().any(|family| model.starts_with(family)) || model.contains('/')
}

pub(crate) fn multimodal(model: &str) -> bool {
    MULTIMODAL.iter().any(|family| model.starts_with(family))
}

/// Whether a model thinks, when the request says nothing: Qwen 3.5 and later, and models that do nothing else.
pub(crate) fn thinks_unasked(model: &str) -> bool {
    ["qwen3.5", "qwen3.6", "qwen3.7", "qwen3.8", "kimi-k3", "glm-5.3"].iter().any(|family| model.starts_with(family))
        || thinks_always(model)
}

pub(crate) fn thinks_always(model: &str) -> bool {
    model.starts_with("qwq-") || model.starts_with("qvq-") || model.contains("-thinking")
}

/// Whether this request is answered with thinking.
pub(crate) fn thinking(model: &str, settings: &Value) -> bool {
    if settings.get("reasoning_effort").and_then(Value::as_str) == Some("none") {
        return false;
    }
    settings.get("enable_thinking").and_then(Value::as_bool).unwrap_or_else(|| thinks_unasked(model))
}

fn bad(fault: Fault) -> Bad {
    let (status, native, code, kind, message) = match fault {
        // The manual has no region error of its own; a refusal of access is the nearest documented answer.
        Fault::Region => (
            403,
            "AccessDenied",
            "access_denied",
            "access_denied",
            "Access denied: this service is not available in your region.",
        ),
        Fault::Rate => (
            429,
            "Throttling.RateQuota",
            "limit_requests",
            "limit_requests",
            "You have exceeded your current request limit. For details, see the rate limit page.",
        ),
        Fault::Overload => (
            503,
            "ModelUnavailable",
            "model_unavailable",
            "service_unavailable",
            "Model is unavailable, please try again later.",
        ),
        Fault::Arrears => (
            400,
            "Arrearage",
            "Arrearage",
            "Arrearage",
            "Access denied, please make sure your account is in good standing.",
        ),
        Fault::Content | Fault::ContentStream => (
            400,
            "DataInspectionFailed",
            "data_inspection_failed",
            "data_inspection_failed",
            "Output data may contain inappropriate content.",
        ),
        _ => (
            500,
            "InternalError.Algo",
            "internal_error",
            "internal_error",
            "An internal error has occured, please try again later or contact service support.",
        ),
    };
    Bad { status, native, code, kind, message: message.to_owned(), param: None }
}

fn compatible_trouble(fault: Fault, call: &Call<'_>) -> Answer {
    bad(fault).compatible(call)
}

fn native_trouble(fault: Fault, call: &Call<'_>) -> Answer {
    bad(fault).native(call)
}

fn compatible_in_stream(fault: Fault, call: &Call<'_>) -> Vec<Event> {
    let bad = bad(fault);
    let error = json!({"error": {"message": bad.message, "type": bad.kind, "param": null, "code": bad.code}, "request_id": call.ids.uuid()});
    vec![Event::data(&error, true)]
}

fn native_in_stream(fault: Fault, call: &Call<'_>) -> Vec<Event> {
    let bad = bad(fault);
    vec![native::event(
        99,
        "error",
        bad.status,
        &json!({"code": bad.native, "message": bad.message, "request_id": call.ids.uuid()}),
        true,
    )]
}
