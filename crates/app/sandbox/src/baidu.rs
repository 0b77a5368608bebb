//! Baidu Qianfan: V2 (OpenAI's shape with flags), V1 wenxinworkshop (one address per model, errors in HTTP 200), and the
//! two ways to a token. After the manual up to 2026-09 and the vendor's SDK.

mod auth;
mod v1;
mod v2;

use crate::answer::{Answer, Call, Event};
use crate::faults::Fault;
use crate::server::MockVendor;
use serde_json::json;

pub(crate) const V2: MockVendor = MockVendor {
    vendor: "baidu",
    wire: "baidu",
    prefix: "/baidu/v2",
    serve: v2::serve,
    trouble: v2_trouble,
    in_stream: v2_in_stream,
};
pub(crate) const V1: MockVendor = MockVendor {
    vendor: "baidu",
    wire: "baidu-v1",
    prefix: "/baidu/rpc/2.0/ai_custom/v1/wenxinworkshop",
    serve: v1::serve,
    trouble: v1_trouble,
    in_stream: v1_in_stream,
};
pub(crate) const IAM: MockVendor = MockVendor {
    vendor: "baidu",
    wire: "baidu-root",
    prefix: "/baidu",
    serve: auth::serve,
    trouble: v2_trouble,
    in_stream: v2_in_stream,
};

/// An error in V2's envelope; it has no `param`.
pub(crate) fn v2_error(call: &Call<'_>, status: u16, code: &str, kind: &str, message: &str) -> Answer {
    Answer::json(
        status,
        json!({"error": {"code": code, "message": message, "type": kind}, "id": format!("as-{}", call.ids.word(10))}),
    )
}

fn v2_trouble(fault: Fault, call: &Call<'_>) -> Answer {
    let (status, code, kind, message) = match fault {
        // No region error is documented; a refusal of access in the documented style.
        Fault::Region => {
            (403, "access_denied", "access_denied", "Access denied: the service is not available in your region")
        }
        Fault::Rate => (429, "rpm_rate_limit_exceeded", "rate_limit_exceeded", "Rate limit reached for RPM"),
        Fault::Overload => (
            429,
            "cluster_rate_limit_exceeded",
            "rate_limit_exceeded",
            "The cluster is under high load, please try again later",
        ),
        Fault::Arrears => (403, "account_overdue", "access_denied", "The account is overdue, please recharge"),
        Fault::Content => (403, "system_unsafe", "unsafe_request", "The content is not safe, please check the input"),
        _ => (500, "internal_error", "Internal_error", "Internal error"),
    };
    v2_error(call, status, code, kind, message)
}

fn v2_in_stream(fault: Fault, call: &Call<'_>) -> Vec<Event> {
    match fault {
        // Flag 4 asks the client to take back what it has shown (manual, chat reference).
        Fault::ContentStream => {
            let chunk = json!({
                "id": format!("as-{}", call.ids.word(10)), "object": "chat.completion.chunk", "created": crate::answer::now_s(), "model": "ernie-5.1",
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "content_filter", "flag": 4, "ban_round": -1}]
            });
            vec![Event::data(&chunk, true), Event::done()]
        }
        Fault::NetworkError => {
            let told = json!({"error": {"code": "internal_error", "message": "Internal error", "type": "Internal_error"}, "id": format!("as-{}", call.ids.word(10))});
            vec![Event::data(&told, true)]
        }
        _ => Vec::new(),
    }
}

fn v1_words(fault: Fault) -> (u32, &'static str) {
    match fault {
        Fault::Region => (6, "No permission to access data"),
        Fault::Rate => (18, "Open api qps request limit reached"),
        Fault::Overload => (336_100, "the server is under high load, please try again later"),
        Fault::Arrears => (17, "Open api daily request limit reached"),
        Fault::Content | Fault::ContentStream => (336_104, "the input is not safe"),
        _ => (336_000, "Internal error"),
    }
}

fn v1_trouble(fault: Fault, call: &Call<'_>) -> Answer {
    let (code, message) = v1_words(fault);
    v1::error(call, code, message)
}

fn v1_in_stream(fault: Fault, _call: &Call<'_>) -> Vec<Event> {
    let (code, message) = v1_words(fault);
    vec![Event::data(&json!({"error_code": code, "error_msg": message}), true)]
}
