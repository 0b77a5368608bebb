//! Axes on which the source is the measure: how far the destination agrees with it, compared with
//! how far it agrees with itself.

use super::{Fraction, Missing, Scored, single};
use crate::checks::{Language, equal, language};
use crate::expect::ToolExpect;
use crate::pair::{Answer, Call, Pair};
use crate::similarity::{chrf, cosine};
use serde_json::Value;

/// Compares views of responses: every response of the destination with every one of the source, and
/// the source's with each other.
fn agreement<V>(
    pair: &Pair,
    view: impl Fn(&Answer) -> Option<V>,
    agree: impl Fn(&V, &V) -> Option<Fraction>,
) -> Result<Scored, Missing> {
    let source: Vec<V> = pair.sources().filter_map(&view).collect();
    let destination: Vec<V> = pair.destinations().filter_map(&view).collect();
    if source.is_empty() || destination.is_empty() {
        return Err(Missing::Answer);
    }
    let own =
        source.iter().enumerate().flat_map(|(place, one)| source.iter().skip(place + 1).map(move |other| (one, other)));
    let own = Fraction::mean(own.filter_map(|(one, other)| agree(one, other)));
    let across = destination.iter().flat_map(|one| source.iter().map(move |other| (one, other)));
    let across = Fraction::mean(across.filter_map(|(one, other)| agree(one, other)));
    let across = across.ok_or(Missing::Answer)?;
    let own = own.ok_or(if source.len() < 2 { Missing::Repeats } else { Missing::Answer })?;
    Ok(Scored { source: own, destination: across, noise: Some(1.0 - own.score()) })
}

/// Compares responses with one that a person wrote down.
fn against<V>(
    pair: &Pair,
    view: impl Fn(&Answer) -> Option<V>,
    agree: impl Fn(&V) -> Option<Fraction>,
) -> Result<Scored, Missing> {
    let source: Vec<Fraction> = pair.sources().filter_map(&view).filter_map(|seen| agree(&seen)).collect();
    let destination = Fraction::mean(pair.destinations().filter_map(&view).filter_map(|seen| agree(&seen)));
    let source = Fraction::mean(source.into_iter()).ok_or(Missing::Answer)?;
    Ok(Scored { source, destination: destination.ok_or(Missing::Answer)?, noise: None })
}

/// The text of an answer that has one.
fn text(answer: &Answer) -> Option<String> {
    let text = answer.text();
    (answer.is_answered() && !text.is_empty()).then_some(text)
}

fn language_of(answer: &Answer) -> Option<Language> {
    text(answer).map(|text| language(&text))
}

fn in_language(pair: &Pair, wanted: Language) -> Result<Scored, Missing> {
    single::each(pair, |answer| language_of(answer).map(|found| found == wanted), Missing::Answer)
}

/// Scores the language: by the expected one, else by the source's own responses, or by the prompt's
/// language if there is only one of them.
pub(super) fn spoken(pair: &Pair) -> Result<Scored, Missing> {
    if let Some(wanted) = pair.expectations.iter().find_map(|expectation| expectation.language()) {
        return in_language(pair, wanted);
    }
    let known = |answer: &Answer| language_of(answer).filter(|found| *found != Language::Other);
    let same = |one: &Language, other: &Language| Some(Fraction::of(f64::from(u8::from(one == other))));
    match agreement(pair, known, same) {
        Err(Missing::Repeats) => match language(&pair.prompt()) {
            Language::Other => Err(Missing::Repeats),
            wanted => in_language(pair, wanted),
        },
        other => other,
    }
}

pub(super) fn length(pair: &Pair, factor: f64) -> Result<Scored, Missing> {
    // A few letters more make a word of a number; they change no length.
    let long = |answer: &Answer| text(answer).map(|text| text.chars().count() as f64 + 20.0);
    let alike =
        |one: &f64, other: &f64| Some(Fraction::of(f64::from(u8::from(one.max(*other) <= factor * one.min(*other)))));
    agreement(pair, long, alike)
}

pub(super) fn meaning(pair: &Pair) -> Result<Scored, Missing> {
    let any = pair.sources().chain(pair.destinations()).any(|answer| answer.vector.is_some());
    if !any {
        return Err(Missing::Input);
    }
    agreement(pair, |answer| answer.vector.clone(), |one, other| cosine(one, other).map(Fraction::of))
}

pub(super) fn wording(pair: &Pair) -> Result<Scored, Missing> {
    agreement(pair, text, |one, other| Some(Fraction::of(chrf(one, other))))
}

/// Whether the request lets the model choose a tool.
fn offers_tools(pair: &Pair) -> bool {
    let offered = pair.request.get("tools").and_then(Value::as_array).is_some_and(|tools| !tools.is_empty());
    offered && pair.request.get("tool_choice").and_then(Value::as_str) != Some("none")
}

fn expected_tools(pair: &Pair) -> Option<&[ToolExpect]> {
    pair.expectations.iter().find_map(|expectation| expectation.tools())
}

/// The names of the tools called, sorted. Calling none is a choice with a name of its own, which no
/// tool can have.
fn names(calls: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = calls.collect();
    if names.is_empty() {
        names.push(String::new());
    }
    names.sort_unstable();
    names
}

/// F1 of two sorted lists of names: twice the shared ones, divided by all.
fn f1(one: &[String], other: &[String]) -> Fraction {
    let (mut shared, mut left, mut right) = (0, 0, 0);
    while let (Some(a), Some(b)) = (one.get(left), other.get(right)) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => left += 1,
            std::cmp::Ordering::Greater => right += 1,
            std::cmp::Ordering::Equal => {
                shared += 1;
                left += 1;
                right += 1;
            }
        }
    }
    Fraction { part: 2.0 * f64::from(shared), whole: (one.len() + other.len()) as f64 }
}

pub(super) fn tool_choice(pair: &Pair) -> Result<Scored, Missing> {
    if !offers_tools(pair) {
        return Err(Missing::NotAsked);
    }
    let called =
        |answer: &Answer| answer.is_answered().then(|| names(answer.calls().into_iter().map(|call| call.name)));
    match expected_tools(pair) {
        Some(tools) => {
            let wanted = names(tools.iter().map(|tool| tool.name.clone()));
            against(pair, called, |seen| Some(f1(seen, &wanted)))
        }
        None => agreement(pair, called, |one, other| Some(f1(one, other))),
    }
}

pub(super) fn tool_arguments(pair: &Pair) -> Result<Scored, Missing> {
    if !offers_tools(pair) {
        return Err(Missing::NotAsked);
    }
    let called = |answer: &Answer| answer.is_answered().then(|| answer.calls()).filter(|calls| !calls.is_empty());
    match expected_tools(pair) {
        Some(tools) => {
            let wanted: Vec<Call> = tools
                .iter()
                .filter_map(|tool| {
                    Some(Call { name: tool.name.clone(), arguments: tool.arguments.as_ref()?.to_string() })
                })
                .collect();
            against(pair, called, |seen| same_arguments(pair, seen, &wanted))
        }
        None => agreement(pair, called, |one, other| same_arguments(pair, one, other)),
    }
}

/// The part of the calls of the same tools, in order, with equal arguments. `None` if no tool is
/// shared.
fn same_arguments(pair: &Pair, one: &[Call], other: &[Call]) -> Option<Fraction> {
    let mut left: Vec<&Call> = other.iter().collect();
    let (mut shared, mut same) = (0.0, 0.0);
    for call in one {
        let Some(place) = left.iter().position(|candidate| candidate.name == call.name) else { continue };
        let found = left.remove(place);
        shared += 1.0;
        if is_same_call(parameters(pair, &call.name), &call.arguments, &found.arguments) {
            same += 1.0;
        }
    }
    (shared > 0.0).then(|| Fraction::of(same / shared))
}

fn is_same_call(schema: Option<&Value>, one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(if text.trim().is_empty() { "{}" } else { text });
    match (read(one), read(other)) {
        (Ok(one), Ok(other)) => equal(schema, &one, &other),
        _ => one == other,
    }
}

fn parameters<'p>(pair: &'p Pair, name: &str) -> Option<&'p Value> {
    let tools = pair.request.get("tools")?.as_array()?;
    let tool = tools
        .iter()
        .filter_map(|tool| tool.get("function"))
        .find(|tool| tool.get("name").and_then(Value::as_str) == Some(name));
    tool?.get("parameters")
}
