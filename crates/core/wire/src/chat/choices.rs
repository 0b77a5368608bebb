//! `n` answers from `n` requests: one answer with `n` choices, or one stream with `n` choices
//! interleaved.
//!
//! Rules:
//! - Each request's choices get the number of their request.
//! - The id is that of the first.
//! - What they used is added up, because that is what they cost.
//! - The stream ends when all have ended.

use serde_json::{Map, Value};

/// Joins whole answers, in the order of their requests.
pub fn join_answers(answers: Vec<Value>) -> Value {
    let mut answers = answers.into_iter();
    let Some(mut joined) = answers.next() else { return Value::Null };
    let mut choices = take_choices(&mut joined, 0);
    for (request, mut answer) in (1_u64..).zip(answers) {
        choices.extend(take_choices(&mut answer, request));
        if let Some(usage) = answer.get("usage") {
            add(&mut joined, usage);
        }
    }
    joined["choices"] = Value::Array(choices);
    joined
}

fn take_choices(answer: &mut Value, request: u64) -> Vec<Value> {
    let mut choices = match answer.get_mut("choices").map(Value::take) {
        Some(Value::Array(choices)) => choices,
        _ => Vec::new(),
    };
    for choice in choices.iter_mut().filter(|choice| choice.is_object()) {
        choice["index"] = Value::from(request);
    }
    choices
}

fn add(joined: &mut Value, usage: &Value) {
    match joined.get_mut("usage") {
        Some(sum) if !sum.is_null() => sum_numbers(sum, usage),
        _ => joined["usage"] = usage.clone(),
    }
}

/// Adds every number of `more` to the one of the same name in `sum`, nested ones too.
pub fn sum_numbers(sum: &mut Value, more: &Value) {
    match (sum, more) {
        (Value::Object(sum), Value::Object(more)) => {
            for (name, value) in more {
                match sum.get_mut(name) {
                    Some(known) => sum_numbers(known, value),
                    None => {
                        sum.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (sum @ Value::Null, more) => *sum = more.clone(),
        (sum, more) => {
            if let (Some(a), Some(b)) = (sum.as_u64(), more.as_u64()) {
                *sum = Value::from(a.saturating_add(b));
            } else if let (Some(a), Some(b)) = (sum.as_f64(), more.as_f64()) {
                *sum = Value::from(a + b);
            }
        }
    }
}

/// Makes one stream of several: numbers, ids and usage.
#[derive(Debug, Default)]
pub struct Interleave {
    id: Option<Value>,
    created: Option<Value>,
    usage: Option<Value>,
    shape: Option<Map<String, Value>>,
}

impl Interleave {
    /// Renumbers a chunk of the `request`-th request. Returns whether anything is left of it: a
    /// usage chunk is kept back.
    pub fn chunk(&mut self, request: u64, chunk: &mut Value) -> bool {
        let Some(members) = chunk.as_object_mut() else { return true };
        if let Some(usage) = members.get("usage").filter(|usage| !usage.is_null()) {
            match &mut self.usage {
                Some(sum) => sum_numbers(sum, usage),
                None => self.usage = Some(usage.clone()),
            }
            members.insert("usage".to_owned(), Value::Null);
        }
        for (name, kept) in [("id", &mut self.id), ("created", &mut self.created)] {
            if let Some(value) = members.get_mut(name) {
                value.clone_from(kept.get_or_insert_with(|| value.clone()));
            }
        }
        if self.shape.is_none() {
            let mut shape = members.clone();
            shape.insert("choices".to_owned(), Value::Array(Vec::new()));
            self.shape = Some(shape);
        }
        let Some(choices) = members.get_mut("choices").and_then(Value::as_array_mut) else { return true };
        for choice in choices.iter_mut().filter(|choice| choice.is_object()) {
            choice["index"] = Value::from(request);
        }
        !choices.is_empty()
    }

    /// The one usage chunk; `None` if no request reported its usage, or if it was taken.
    pub fn usage_chunk(&mut self) -> Option<Value> {
        let usage = self.usage.take()?;
        let mut chunk = self.shape.take().unwrap_or_default();
        chunk.insert("usage".to_owned(), usage);
        Some(Value::Object(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn joined_answers_are_renumbered_and_added_up() {
        let answer = |text: &str, tokens: u64| {
            json!({"id": text, "choices": [{"index": 0, "message": {"content": text}}],
                "usage": {"prompt_tokens": 3, "completion_tokens": tokens, "completion_tokens_details": {"reasoning_tokens": 1}}})
        };
        let joined = join_answers(vec![answer("a", 1), answer("b", 2), answer("c", 3)]);
        assert_eq!(joined["id"], "a");
        let texts: Vec<_> = joined["choices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| (c["index"].as_u64().unwrap(), c["message"]["content"].as_str().unwrap()))
            .collect();
        assert_eq!(texts, [(0, "a"), (1, "b"), (2, "c")]);
        let usage =
            json!({"prompt_tokens": 9, "completion_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 3}});
        assert_eq!(joined["usage"], usage);
        assert_eq!(join_answers(vec![]), Value::Null);
    }

    #[test]
    fn interleaved_chunks_share_an_id_and_a_usage() {
        let mut streams = Interleave::default();
        let mut first = json!({"id": "x", "created": 1, "choices": [{"index": 0, "delta": {"content": "a"}}]});
        let mut second = json!({"id": "y", "created": 2, "choices": [{"index": 0, "delta": {"content": "b"}}]});
        assert!(streams.chunk(0, &mut first) && streams.chunk(1, &mut second));
        assert_eq!(
            (second["id"].as_str(), second["created"].as_u64(), second["choices"][0]["index"].as_u64()),
            (Some("x"), Some(1), Some(1))
        );
        for _ in 0..2 {
            let mut usage = json!({"id": "z", "choices": [], "usage": {"total_tokens": 4}});
            assert!(!streams.chunk(0, &mut usage));
        }
        let usage = streams.usage_chunk().unwrap();
        assert_eq!(
            (usage["usage"]["total_tokens"].as_u64(), usage["id"].as_str(), usage["choices"].as_array().map(Vec::len)),
            (Some(8), Some("x"), Some(0))
        );
        assert_eq!(streams.usage_chunk(), None);
    }
}
