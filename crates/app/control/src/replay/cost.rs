//! What a question costs, before it is asked.

use banjia_store::Capture;
use banjia_types::{Money, Operation, Price, Usage};
use serde_json::Value;

/// Parts of a message that have no length in tokens by their text.
const NOT_TEXT: [&str; 4] = ["image_url", "input_audio", "video_url", "file"];

/// What is known of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its price.
    pub price: Option<Price>,
    /// The longest answer that it gives, in tokens.
    pub output_max: Option<u64>,
}

impl Known {
    /// With as many tokens as were recorded. None where the price or the tokens are unknown.
    pub(super) fn about(&self, capture: &Capture) -> Option<Money> {
        Some(self.price.as_ref()?.cost(&capture.usage?))
    }

    /// With the longest answer that may come: a token is at least one byte of the request, and an answer ends at the request's own
    /// limit or at the model's. An answer in a form that was asked for may be asked for twice, the second time with the first
    /// one shown. None where the price or a limit is unknown, or the request holds more than texts.
    pub(super) fn at_most(&self, capture: &Capture) -> Option<Money> {
        let price = self.price.as_ref()?;
        let request = &capture.request;
        if holds_more_than_texts(request) {
            return None;
        }
        let prompt = request.to_string().len() as u64;
        let number = |name: &str| request.get(name).and_then(Value::as_u64);
        let answer = match capture.endpoint.parse::<Operation>().ok()? {
            Operation::Embeddings => 0,
            _ => number("max_completion_tokens").or_else(|| number("max_tokens")).or(self.output_max)?,
        };
        let times = if has_form(request) { 2 } else { 1 };
        let prompt = prompt.saturating_mul(times).saturating_add(answer.saturating_mul(times - 1));
        let one = price.cost(&Usage { prompt, completion: answer, ..Usage::default() });
        let micros =
            one.micros.saturating_mul(i64::try_from(number("n").unwrap_or(1).max(1).saturating_mul(times)).ok()?);
        Some(Money { micros, ..one })
    }
}

/// Whether a form is asked for that the gateway checks, and asks for again when it is not kept.
fn has_form(request: &Value) -> bool {
    request.get("response_format").is_some() || request.get("tools").is_some()
}

fn holds_more_than_texts(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_more_than_texts),
        Value::Object(members) => {
            members.keys().any(|name| NOT_TEXT.contains(&name.as_str())) || members.values().any(holds_more_than_texts)
        }
        _ => false,
    }
}
