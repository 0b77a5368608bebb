//! Axes on which each response is right or wrong by itself.

use super::{Fraction, Missing, Scored};
use crate::checks::{Schema, json_object, refuses, tool_call};
use crate::pair::{Answer, Pair};
use banjia_types::ErrorClass;
use serde_json::Value;

/// Scores every response with `passes`, which returns `None` for a response that it does not apply
/// to.
pub(super) fn each(
    pair: &Pair,
    passes: impl Fn(&Answer) -> Option<bool>,
    otherwise: Missing,
) -> Result<Scored, Missing> {
    let value = |answer: &Answer| passes(answer).map(|passed| f64::from(u8::from(passed)));
    let source: Vec<f64> = pair.sources().filter_map(value).collect();
    let destination = Fraction::mean(pair.destinations().filter_map(value).map(Fraction::of)).ok_or(otherwise)?;
    let noise = apart(&source);
    let source = Fraction::mean(source.into_iter().map(Fraction::of)).ok_or(otherwise)?;
    Ok(Scored { source, destination, noise })
}

/// The part of the pairs of responses that differ, if there are two or more.
fn apart(scores: &[f64]) -> Option<f64> {
    let n = scores.len() as f64;
    let passed: f64 = scores.iter().sum();
    (scores.len() > 1).then(|| 2.0 * passed * (n - passed) / (n * (n - 1.0)))
}

/// `response_format.type` of the request.
fn format(pair: &Pair) -> Option<&str> {
    pair.request.get("response_format")?.get("type")?.as_str()
}

/// The text of a response that was written to be read: no failure, and not one that only calls
/// tools.
fn written(answer: &Answer) -> Option<String> {
    let text = answer.text();
    (answer.is_answered() && (!text.is_empty() || answer.calls().is_empty())).then_some(text)
}

pub(super) fn json(pair: &Pair) -> Result<Scored, Missing> {
    if !matches!(format(pair), Some("json_object" | "json_schema")) {
        return Err(Missing::NotAsked);
    }
    each(pair, |answer| written(answer).map(|text| json_object(&text).is_ok()), Missing::Answer)
}

pub(super) fn schema(pair: &Pair) -> Result<Scored, Missing> {
    let schema = pair.request.get("response_format").and_then(|format| format.get("json_schema")?.get("schema"));
    let schema = schema.and_then(|schema| Schema::compile(schema).ok());
    let tools = pair.request.get("tools").filter(|tools| tools.as_array().is_some_and(|tools| !tools.is_empty()));
    if schema.is_none() && tools.is_none() {
        return Err(Missing::NotAsked);
    }
    let fits = |answer: &Answer| {
        let calls = answer.calls();
        match tools {
            Some(tools) if !calls.is_empty() => {
                Some(calls.iter().all(|call| tool_call(tools, &call.name, &call.arguments).is_empty()))
            }
            _ => {
                let text = written(answer)?;
                let schema = schema.as_ref()?;
                Some(serde_json::from_str::<Value>(&text).is_ok_and(|value| schema.check(&value).is_empty()))
            }
        }
    };
    each(pair, fits, Missing::Answer)
}

pub(super) fn refusal(pair: &Pair) -> Result<Scored, Missing> {
    let wanted = pair.expectations.iter().find_map(|expectation| expectation.refusal()).unwrap_or(false);
    let refused = |answer: &Answer| {
        let is_blocked = answer.class == Some(ErrorClass::Content) || answer.finish() == Some("content_filter");
        answer.is_answered().then(|| (is_blocked || answer.refusal().is_some() || refuses(&answer.text())) == wanted)
    };
    each(pair, refused, Missing::Answer)
}

pub(super) fn assertions(pair: &Pair) -> Result<Scored, Missing> {
    let holds = |answer: &Answer| {
        let text = answer.is_answered().then(|| answer.text())?;
        let results: Vec<bool> = pair.expectations.iter().filter_map(|expectation| expectation.holds(&text)).collect();
        (!results.is_empty()).then(|| results.iter().all(|holds| *holds))
    };
    let is_asked = pair.expectations.iter().any(|expectation| expectation.holds("").is_some());
    each(pair, holds, if is_asked { Missing::Answer } else { Missing::Input })
}

/// Scores a judge's preferences. The source against itself would win half of the comparisons, so
/// its score is a half.
pub(super) fn judge(pair: &Pair) -> Result<Scored, Missing> {
    let scores = pair.preferences.iter().map(|preference| Fraction::of(preference.score()));
    let destination = Fraction::mean(scores).ok_or(Missing::Input)?;
    Ok(Scored { source: Fraction::of(0.5), destination, noise: None })
}
