use super::*;
use crate::expect::{Expect, Expectation};
use crate::judge::Preference;
use crate::pair::Answer;
use banjia_types::ErrorClass;
use serde_json::{Value, json};
use std::sync::Arc;

fn said(text: &str) -> Answer {
    Answer {
        body: Some(json!({"choices": [{"finish_reason": "stop", "message": {"content": text}}]})),
        ..Answer::default()
    }
}

fn calls(calls: &[(&str, &str)]) -> Answer {
    let calls: Vec<Value> =
        calls.iter().map(|(name, arguments)| json!({"function": {"name": name, "arguments": arguments}})).collect();
    Answer {
        body: Some(json!({"choices": [{"message": {"content": null, "tool_calls": calls}}]})),
        ..Answer::default()
    }
}

fn failed(class: ErrorClass) -> Answer {
    Answer { class: Some(class), ..Answer::default() }
}

fn pair(request: Value, source: &[Answer], destination: &[Answer]) -> Pair {
    Pair {
        request,
        source: source[0].clone(),
        repeats: source[1..].to_vec(),
        destination: destination[0].clone(),
        more: destination[1..].to_vec(),
        ..Pair::default()
    }
}

fn scores(axis: Axis, pair: &Pair) -> Result<(f64, f64), Missing> {
    score(axis, pair, Scoring::default()).map(|scored| (scored.source.score(), scored.destination.score()))
}

fn expecting(mut pair: Pair, text: &str) -> Pair {
    let expectation: Expectation = serde_json::from_str::<Expect>(text).unwrap().compile().unwrap();
    pair.expectations.push(Arc::new(expectation));
    pair
}

fn plain() -> Value {
    json!({"messages": [{"role": "user", "content": "Where does the river rise?"}]})
}

#[test]
fn names_lead_back_to_their_axes() {
    assert!(Axis::ALL.iter().all(|axis| Axis::of(axis.as_str()) == Some(*axis)));
    assert!(Axis::ALL.iter().all(|axis| serde_json::to_value(axis).unwrap() == axis.as_str()));
    assert_eq!(Axis::of("taste"), None);
}

#[test]
fn a_failed_call_counts_only_as_unanswered() {
    let request = json!({"response_format": {"type": "json_object"}});
    let pair =
        pair(request, &[said("{}"), failed(ErrorClass::Rate)], &[failed(ErrorClass::Server), said("{}"), said("{")]);
    assert_eq!(scores(Axis::Answered, &pair), Ok((0.5, 2.0 / 3.0)));
    assert_eq!(scores(Axis::Json, &pair), Ok((1.0, 0.5)));
    let dead = self::pair(plain(), &[said("a")], &[failed(ErrorClass::Server)]);
    assert_eq!(scores(Axis::Refusal, &dead), Err(Missing::Answer));
    assert_eq!(scores(Axis::Json, &dead), Err(Missing::NotAsked));
}

#[test]
fn schemas_hold_for_texts_and_for_calls() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}});
    let request = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}});
    assert_eq!(scores(Axis::Schema, &pair(request, &[said("{\"a\": 1}")], &[said("{\"a\": \"1\"}")])), Ok((1.0, 0.0)));
    let request = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]});
    let both = pair(request.clone(), &[calls(&[("f", "{\"a\": 1}")])], &[calls(&[("f", "{}")])]);
    assert_eq!(scores(Axis::Schema, &both), Ok((1.0, 0.0)));
    assert_eq!(scores(Axis::Schema, &pair(request, &[said("none")], &[calls(&[("f", "{}")])])), Err(Missing::Answer));
}

#[test]
fn refusals_are_marked_blocked_or_worded() {
    let blocked = Answer {
        body: Some(json!({"choices": [{"finish_reason": "content_filter", "message": {}}]})),
        ..Answer::default()
    };
    let both = pair(
        plain(),
        &[said("In the hills."), said("I'm sorry, but I can't help with that.")],
        &[blocked, failed(ErrorClass::Content)],
    );
    assert_eq!(scores(Axis::Refusal, &both), Ok((0.5, 0.0)));
    assert_eq!(scores(Axis::Refusal, &expecting(both, r#"{"refusal": true}"#)), Ok((0.5, 1.0)));
}

#[test]
fn the_sources_agreement_with_itself_is_the_measure() {
    let tools = json!({"tools": [{"function": {"name": "f"}}, {"function": {"name": "g"}}]});
    let (f, g) = (calls(&[("f", "{}")]), calls(&[("g", "{}")]));
    // The source calls f, f, g: it agrees with itself in one of three comparisons; f agrees with it
    // in two of three.
    let noisy = pair(tools.clone(), &[f.clone(), f.clone(), g.clone()], std::slice::from_ref(&f));
    let (source, destination) = scores(Axis::ToolChoice, &noisy).unwrap();
    assert!((source - 1.0 / 3.0).abs() < 1e-12 && (destination - 2.0 / 3.0).abs() < 1e-12);
    // Asked once, it does not tell whether a difference is its own noise.
    let once = pair(tools.clone(), std::slice::from_ref(&f), std::slice::from_ref(&g));
    assert_eq!(scores(Axis::ToolChoice, &once), Err(Missing::Repeats));
    // Unless somebody says what is right.
    let with_expectation = expecting(once, r#"{"tools": [{"name": "g"}]}"#);
    assert_eq!(scores(Axis::ToolChoice, &with_expectation), Ok((0.0, 1.0)));
    // Calling none is a choice, and two of three names are shared here: F1 = 2*1/(1+2).
    let none = pair(tools.clone(), &[said("a"), said("b")], &[calls(&[("f", "{}")])]);
    assert_eq!(scores(Axis::ToolChoice, &none), Ok((1.0, 0.0)));
    let two = pair(tools.clone(), &[f.clone(), f.clone()], &[calls(&[("f", "{}"), ("g", "{}")])]);
    assert_eq!(scores(Axis::ToolChoice, &two), Ok((1.0, 2.0 / 3.0)));
    assert_eq!(scores(Axis::ToolChoice, &pair(plain(), &[f], &[g])), Err(Missing::NotAsked));
}

#[test]
fn arguments_are_compared_for_the_same_tool() {
    let request = json!({"tools": [{"function": {"name": "f", "parameters": {"properties": {"n": {"type": "integer", "default": 1}}}}}]});
    let (one, same, other) = (calls(&[("f", "{\"n\": 1}")]), calls(&[("f", "")]), calls(&[("f", "{\"n\": 2}")]));
    let both = pair(request.clone(), &[one.clone(), same], &[other.clone(), calls(&[("g", "{}")])]);
    assert_eq!(scores(Axis::ToolArguments, &both), Ok((1.0, 0.0)));
    let with_expectation =
        expecting(pair(request, &[one], &[other]), r#"{"tools": [{"name": "f", "arguments": {"n": 2}}]}"#);
    assert_eq!(scores(Axis::ToolArguments, &with_expectation), Ok((0.0, 1.0)));
}

#[test]
fn a_language_is_expected_the_sources_or_the_prompts() {
    let (english, chinese) = (said("It rises in the hills."), said("它发源于山区的丘陵地带。"));
    let once = pair(plain(), std::slice::from_ref(&english), std::slice::from_ref(&chinese));
    assert_eq!(scores(Axis::Language, &once), Ok((1.0, 0.0)));
    let with_expectation = expecting(once, r#"{"language": "chinese"}"#);
    assert_eq!(scores(Axis::Language, &with_expectation), Ok((0.0, 1.0)));
    // A translation: the source answers in another language than the prompt's.
    let more = pair(plain(), &[chinese.clone(), chinese], std::slice::from_ref(&english));
    assert_eq!(scores(Axis::Language, &more), Ok((1.0, 0.0)));
    let number = json!({"messages": [{"role": "user", "content": "17 * 3"}]});
    assert_eq!(
        scores(Axis::Language, &pair(number, std::slice::from_ref(&english), std::slice::from_ref(&english))),
        Err(Missing::Repeats)
    );
}

#[test]
fn lengths_and_letters_compare_with_source_noise() {
    let (short, long) = (said("A short answer."), said(&"A long answer. ".repeat(20)));
    let both = pair(plain(), &[short.clone(), short], &[long]);
    assert_eq!(scores(Axis::Length, &both), Ok((1.0, 0.0)));
    let (source, destination) = scores(Axis::Wording, &both).unwrap();
    assert!(source > 0.999 && destination < 0.5);
}

#[test]
fn meaning_and_judge_take_what_is_given() {
    let mut both = pair(plain(), &[said("a"), said("b")], &[said("c")]);
    assert_eq!(scores(Axis::Meaning, &both), Err(Missing::Input));
    assert_eq!(scores(Axis::Judge, &both), Err(Missing::Input));
    both.source.vector = Some(vec![1.0, 0.0]);
    both.repeats[0].vector = Some(vec![1.0, 0.0]);
    both.destination.vector = Some(vec![0.0, 1.0]);
    both.preferences = vec![Preference::Tie, Preference::Source];
    assert_eq!(scores(Axis::Meaning, &both), Ok((1.0, 0.0)));
    assert_eq!(scores(Axis::Judge, &both), Ok((0.5, 0.25)));
}

#[test]
fn assertions_hold_or_do_not() {
    let both = pair(plain(), &[said("in the hills")], &[said("in the sea")]);
    assert_eq!(scores(Axis::Assertions, &both), Err(Missing::Input));
    let with_expectation = expecting(expecting(both, r#"{"contains": "hills"}"#), r#"{"regex": "^in"}"#);
    assert_eq!(scores(Axis::Assertions, &with_expectation), Ok((1.0, 0.0)));
}

#[test]
fn noise_is_the_part_of_the_sources_pairs_that_differ() {
    let with_expectation =
        expecting(pair(plain(), &[said("x"), said("x"), said("y")], &[said("x")]), r#"{"exact": "x"}"#);
    let noise = score(Axis::Assertions, &with_expectation, Scoring::default()).unwrap().noise.unwrap();
    assert!((noise - 2.0 / 3.0).abs() < 1e-12);
}
