//! A pair: one request and the responses of both sides.
//!
//! # Rules
//! - Everything is given; nothing is requested here.
//! - A response that is missing, broken or of an unknown form is a value that each axis treats by
//!   its own rule.
//! - Texts are read only through [`Answer`], so that all axes see the same text.

use crate::expect::Expectation;
use crate::judge::Preference;
use banjia_types::{ErrorClass, Money, Usage};
use serde_json::Value;
use std::sync::Arc;

/// Maximum number of responses of one side of a pair. More would cost time and add almost nothing.
pub const ANSWERS_MAX: usize = 8;

/// One request with the responses of both sides.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// The request's id, for people.
    pub id: String,
    /// The request in OpenAI's form.
    pub request: Value,
    /// The response of the source.
    pub source: Answer,
    /// Further responses of the source to the same request. They show its own noise.
    pub repeats: Vec<Answer>,
    /// The response of the destination.
    pub destination: Answer,
    /// Further responses of the destination.
    pub more: Vec<Answer>,
    /// Expectations in addition to those of the request itself. All must hold.
    pub expectations: Vec<Arc<Expectation>>,
    /// A judge's preferences between the two responses, one for each comparison.
    pub preferences: Vec<Preference>,
}

/// One response.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The body in OpenAI's form. `None` if there was none.
    pub body: Option<Value>,
    /// The class of the error, if it ended with one.
    pub class: Option<ErrorClass>,
    /// From sending to the first content, in milliseconds.
    pub first_content_ms: Option<u32>,
    /// From sending to the end, in milliseconds.
    pub total_ms: Option<u32>,
    /// Its cost.
    pub cost: Option<Money>,
    /// Tokens, as the vendor reported them.
    pub usage: Option<Usage>,
    /// The embedding of the response's text. The same model must be used for all responses of both
    /// sides.
    pub vector: Option<Vec<f32>>,
}

/// A tool call as the model wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The tool's name.
    pub name: String,
    /// Its arguments as text, which should be JSON.
    pub arguments: String,
}

impl Pair {
    /// The source's responses, at most [`ANSWERS_MAX`].
    pub fn sources(&self) -> impl Iterator<Item = &Answer> + Clone {
        std::iter::once(&self.source).chain(&self.repeats).take(ANSWERS_MAX)
    }

    /// The destination's responses, at most [`ANSWERS_MAX`].
    pub fn destinations(&self) -> impl Iterator<Item = &Answer> + Clone {
        std::iter::once(&self.destination).chain(&self.more).take(ANSWERS_MAX)
    }

    /// The text of the user's last message. Empty if there is none.
    pub fn prompt(&self) -> String {
        let messages = self.request.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let last = messages.iter().rev().find(|message| message.get("role").and_then(Value::as_str) == Some("user"));
        last.and_then(|message| message.get("content")).map(text_of).unwrap_or_default()
    }
}

impl Answer {
    /// Whether there is a response to compare. A text that the vendor's content check blocked
    /// counts as one: a refusal.
    pub fn is_answered(&self) -> bool {
        self.class == Some(ErrorClass::Content) || (self.class.is_none() && self.body.is_some())
    }

    /// The message of the first choice.
    fn message(&self) -> Option<&Value> {
        self.choice()?.get("message")
    }

    fn choice(&self) -> Option<&Value> {
        self.body.as_ref()?.get("choices")?.get(0)
    }

    /// The text of the first choice. Empty if there is none.
    pub fn text(&self) -> String {
        self.message().and_then(|message| message.get("content")).map(text_of).unwrap_or_default()
    }

    /// Why the first choice ended, in OpenAI's words.
    pub fn finish(&self) -> Option<&str> {
        self.choice()?.get("finish_reason")?.as_str()
    }

    /// The refusal that the model marked as such.
    pub fn refusal(&self) -> Option<&str> {
        self.message()?.get("refusal")?.as_str().filter(|text| !text.is_empty())
    }

    /// The tool calls of the first choice, in order.
    pub fn calls(&self) -> Vec<Call> {
        let calls = self.message().and_then(|message| message.get("tool_calls")).and_then(Value::as_array);
        let text = |call: &Value, name: &str| call.get("function")?.get(name)?.as_str().map(str::to_owned);
        calls
            .into_iter()
            .flatten()
            .filter_map(|call| {
                Some(Call { name: text(call, "name")?, arguments: text(call, "arguments").unwrap_or_default() })
            })
            .collect()
    }
}

/// The text of a message's content: a string, or the text parts of a list.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_of_any_form_is_read_and_never_panics() {
        let whole = json!({"choices": [{"finish_reason": "tool_calls", "message": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "refusal": "no", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g"}}, {"odd": 1}]}}]});
        let answer = Answer { body: Some(whole), ..Answer::default() };
        assert_eq!(
            (answer.text().as_str(), answer.finish(), answer.refusal()),
            ("a\nb", Some("tool_calls"), Some("no"))
        );
        let call = |name: &str, arguments: &str| Call { name: name.into(), arguments: arguments.into() };
        assert_eq!(answer.calls(), [call("f", "{}"), call("g", "")]);
        for odd in [json!(null), json!({"choices": 7}), json!({"choices": []}), json!({"choices": [{"message": "x"}]})]
        {
            let answer = Answer { body: Some(odd), ..Answer::default() };
            assert_eq!((answer.text(), answer.finish(), answer.calls()), (String::new(), None, vec![]));
        }
        assert!(!Answer::default().is_answered());
        assert!(Answer { class: Some(ErrorClass::Content), ..Answer::default() }.is_answered());
    }

    #[test]
    fn the_prompt_is_what_the_user_said_last() {
        let request = json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]});
        assert_eq!(Pair { request, ..Pair::default() }.prompt(), "b");
        assert_eq!(Pair::default().prompt(), "");
    }
}
