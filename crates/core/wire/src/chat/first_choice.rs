//! The first choice of an answer as far as checks of its form look at it, and the request that asks
//! for a better one.

use crate::decode::Frame;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Text, tool calls and finish reason of the first choice, read from a whole answer or gathered
/// from a stream.
#[derive(Debug, Default)]
pub struct FirstChoice {
    /// Its text.
    pub text: String,
    /// Name and arguments of each tool call.
    pub calls: Vec<(String, String)>,
    finish: Option<String>,
    is_refusal: bool,
    has_changed: bool,
}

impl FirstChoice {
    /// Reads it from a whole answer.
    pub fn of_answer(answer: &Value) -> Self {
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let calls = answer.pointer("/choices/0/message/tool_calls").and_then(Value::as_array);
        Self {
            text: text("/choices/0/message/content").unwrap_or_default(),
            calls: calls.into_iter().flatten().map(name_and_arguments).collect(),
            finish: text("/choices/0/finish_reason"),
            is_refusal: text("/choices/0/message/refusal").is_some(),
            has_changed: false,
        }
    }

    /// Gathers it from the frames of a whole stream.
    pub fn of_stream(frames: &[Frame]) -> Self {
        let mut gathered = Self::default();
        for chunk in frames.iter().filter_map(|frame| super::chunk_of(&frame.bytes)) {
            gathered.add_chunk(&chunk);
        }
        gathered
    }

    /// Takes in one chunk of a stream.
    pub fn add_chunk(&mut self, chunk: &Value) {
        let Some(choice) = chunk.pointer("/choices/0") else { return };
        let text = |pointer: &str| choice.pointer(pointer).and_then(Value::as_str);
        self.text.push_str(text("/delta/content").unwrap_or_default());
        self.is_refusal |= text("/delta/refusal").is_some();
        if let Some(finish) = text("/finish_reason") {
            self.finish = Some(finish.to_owned());
        }
        for delta in choice.pointer("/delta/tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let (name, arguments) = name_and_arguments(delta);
            let index = delta.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
            match index.and_then(|index| self.calls.get_mut(index)) {
                Some(known) => {
                    known.0.push_str(&name);
                    known.1.push_str(&arguments);
                }
                None => self.calls.push((name, arguments)),
            }
        }
    }

    /// Whether the answer was cut off or filtered: its form says nothing then.
    pub fn was_cut(&self) -> bool {
        matches!(self.finish.as_deref(), Some("length" | "content_filter"))
    }

    /// Whether its text stands for the answer: it neither calls a tool nor refuses.
    pub fn is_text(&self) -> bool {
        self.calls.is_empty() && !self.is_refusal
    }

    /// Takes off a code fence around the whole text.
    pub fn take_off_fence(&mut self) {
        let inner = self.text.trim().strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
        let Some(inner) = inner else { return };
        // The first line names the language, as in ```json.
        let inner = match inner.split_once('\n') {
            Some((first, rest)) if first.trim().chars().all(char::is_alphanumeric) => rest,
            _ => inner,
        };
        self.text = inner.trim().to_owned();
        self.has_changed = true;
    }

    /// The whole text if it was changed, to be put in place of the vendor's.
    pub fn changed_text(&self) -> Option<&str> {
        self.has_changed.then_some(self.text.as_str())
    }

    /// Puts a changed text into the whole answer that it was read from.
    pub fn put_text(&self, answer: &mut Value) {
        if let (Some(text), Some(content)) = (self.changed_text(), answer.pointer_mut("/choices/0/message/content")) {
            *content = Value::from(text);
        }
    }
}

fn name_and_arguments(call: &Value) -> (String, String) {
    let text = |pointer| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/function/name"), text("/function/arguments"))
}

/// The client's request with the failed answer and what is wrong with it at its end. `None` if it
/// has no messages.
pub fn repair(mut request: Value, failed: &FirstChoice, findings: &[String]) -> Option<Value> {
    let messages = request.get_mut("messages")?.as_array_mut()?;
    let mut answer = failed.text.clone();
    for (name, arguments) in &failed.calls {
        write!(answer, "\n[called {name} with {arguments}]").expect("writing to a String cannot fail");
    }
    if !answer.trim().is_empty() {
        messages.push(json!({ "role": "assistant", "content": answer.trim() }));
    }
    let text = format!(
        "This answer does not have the form that was asked for:\n- {}\nAnswer again, with these points mended and nothing else \
         changed.",
        findings.join("\n- ")
    );
    messages.push(json!({ "role": "user", "content": text }));
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_shows_the_answer_and_the_findings() {
        let request = json!({"messages": [{"role": "user", "content": "hi"}]});
        let failed =
            FirstChoice::of_answer(&json!({"choices": [{"message": {"content": "bad"}, "finish_reason": "stop"}]}));
        let repaired = repair(request, &failed, &["n is missing".into()]).unwrap();
        let messages = repaired["messages"].as_array().unwrap();
        assert_eq!((messages.len(), messages[1]["content"].as_str()), (3, Some("bad")));
        assert!(messages[2]["content"].as_str().unwrap().contains("n is missing"));
    }
}
