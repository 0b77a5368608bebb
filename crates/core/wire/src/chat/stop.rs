//! Stop strings that a vendor does not take are cut here, in streams and in whole answers.
//!
//! Rules:
//! - No part of a stop string is sent, and nothing after it.
//! - A text is held back only as long as it could still become a stop string, so a stream stays a
//!   stream.
//! - A choice that was cut finishes with `stop`, once.
//! - The vendor's answer is read to its end all the same: only its last chunk says what it cost.

use serde_json::Value;
use std::collections::BTreeMap;

/// Choices beyond this number are not looked at; OpenAI's own bound on `n` is 128.
const CHOICES_MAX: u64 = 256;

/// Cuts the texts of one answer's choices.
#[derive(Debug)]
pub struct StopCutter {
    stops: Vec<String>,
    choices: BTreeMap<u64, HeldText>,
}

#[derive(Debug, Default)]
struct HeldText {
    text: String,
    cut: bool,
    finished: bool,
}

impl StopCutter {
    /// A cutter for these stop strings; empty ones are ignored.
    pub fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { stops, choices: BTreeMap::new() }
    }

    /// Cuts a whole answer in place.
    pub fn cut_answer(&self, answer: &mut Value) {
        let Some(choices) = answer.get_mut("choices").and_then(Value::as_array_mut) else { return };
        for choice in choices {
            let Some(Value::String(text)) = choice.pointer_mut("/message/content") else { continue };
            let Some(at) = self.stops.iter().filter_map(|stop| text.find(stop.as_str())).min() else { continue };
            text.truncate(at);
            choice["finish_reason"] = Value::from("stop");
        }
    }

    /// Cuts one chunk of a stream in place. Returns whether anything is left of it that a client
    /// should see.
    pub fn cut_chunk(&mut self, chunk: &mut Value) -> bool {
        let Some(choices) = chunk.get_mut("choices").and_then(Value::as_array_mut) else { return true };
        if choices.is_empty() {
            return true;
        }
        choices.retain_mut(|choice| self.cut_choice(choice));
        !choices.is_empty()
    }

    fn cut_choice(&mut self, choice: &mut Value) -> bool {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        if index >= CHOICES_MAX {
            return false;
        }
        let held = self.choices.entry(index).or_default();
        if held.cut {
            return false;
        }
        let finishes = choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
        let text = choice.pointer("/delta/content").and_then(Value::as_str).unwrap_or_default();
        let had_text = !text.is_empty();
        held.text.push_str(text);
        let (out, cut) = take(&self.stops, &mut held.text, finishes);
        held.cut = cut;
        held.finished |= finishes;
        if cut {
            choice["finish_reason"] = Value::from("stop");
        }
        if (had_text || !out.is_empty())
            && let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut)
        {
            if out.is_empty() && delta.len() == 1 && !cut && !finishes {
                return false;
            }
            delta.insert("content".to_owned(), Value::from(out));
        }
        true
    }
}

/// Takes what may leave from `text`: up to the first stop string, or up to what could still become
/// one. The second value tells whether a stop string was found.
fn take(stops: &[String], text: &mut String, all: bool) -> (String, bool) {
    if let Some(at) = stops.iter().filter_map(|stop| text.find(stop.as_str())).min() {
        text.truncate(at);
        return (std::mem::take(text), true);
    }
    if all {
        return (std::mem::take(text), false);
    }
    let kept = stops.iter().map(|stop| overlap(text, stop)).max().unwrap_or(0);
    let rest = text.split_off(text.len() - kept);
    (std::mem::replace(text, rest), false)
}

/// The length of the longest end of `text` with which `stop` begins.
fn overlap(text: &str, stop: &str) -> usize {
    (1..stop.len().min(text.len() + 1))
        .rev()
        .find(|&length| stop.is_char_boundary(length) && text.as_bytes().ends_with(&stop.as_bytes()[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn stream(stops: &[&str], parts: &[&str]) -> (String, Option<String>) {
        let stops: Vec<_> = stops.iter().map(|&stop| stop.to_owned()).collect();
        let mut cutter = StopCutter::new(&stops);
        let (mut text, mut finish) = (String::new(), None);
        let mut chunks: Vec<_> =
            parts.iter().map(|part| json!({"index": 0, "delta": {"content": part}, "finish_reason": null})).collect();
        chunks.push(json!({"index": 0, "delta": {}, "finish_reason": "length"}));
        for choice in chunks {
            let mut chunk = json!({ "choices": [choice] });
            if !cutter.cut_chunk(&mut chunk) {
                continue;
            }
            text.push_str(chunk.pointer("/choices/0/delta/content").and_then(Value::as_str).unwrap_or_default());
            if let Some(reason) = chunk.pointer("/choices/0/finish_reason").and_then(Value::as_str) {
                assert_eq!(finish.replace(reason.to_owned()), None, "a choice finishes once");
            }
        }
        (text, finish)
    }

    #[test]
    fn a_stop_string_over_three_chunks_is_cut_whole() {
        let (text, finish) = stream(&["<END>"], &["one <", "EN", "D> two", " three"]);
        assert_eq!((text.as_str(), finish.as_deref()), ("one ", Some("stop")));
    }

    #[test]
    fn what_only_resembled_a_stop_string_is_sent() {
        let (text, finish) = stream(&["<END>", "停止"], &["a <EN", "C 停", "车 <E"]);
        assert_eq!((text.as_str(), finish.as_deref()), ("a <ENC 停车 <E", Some("length")));
    }

    #[test]
    fn a_whole_answer_is_cut_at_the_first_of_them() {
        let mut answer =
            json!({"choices": [{"index": 0, "message": {"content": "a B c D"}, "finish_reason": "length"}]});
        StopCutter::new(&["D".into(), "B".into(), String::new()]).cut_answer(&mut answer);
        assert_eq!(answer["choices"][0]["message"]["content"], "a ");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    }

    proptest! {
        #[test]
        fn any_split_gives_the_text_before_the_first_stop(
            parts in prop::collection::vec("[ab停]{0,4}", 0..12), stop in "[ab停]{1,4}",
        ) {
            let whole: String = parts.concat();
            let expected = whole.split(stop.as_str()).next().unwrap_or_default();
            let parts: Vec<_> = parts.iter().map(String::as_str).collect();
            let (text, finish) = stream(&[&stop], &parts);
            prop_assert_eq!(text.as_str(), expected);
            prop_assert_eq!(finish.as_deref(), Some(if expected.len() < whole.len() { "stop" } else { "length" }));
        }
    }
}
