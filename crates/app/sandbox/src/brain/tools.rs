//! Which tools are called, and with what.
//!
//! Rules: after a tool's result the answer is text, unless the client forces a call; a forced call is always made; else a
//! tool is called when the user's turn speaks of it. Instructions in the prompt that say a tool must be called count as
//! force, since some vendors know no other kind.

use super::facts::Prompt;
use super::tokens::wide;
use super::{Choice, ModelRequest, Tool, ToolCall, shape};
use std::collections::BTreeSet;

/// The most calls in one answer.
const CALLS_MAX: usize = 8;
/// Words that say nothing about a tool.
const IDLE: [&str; 40] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "for", "from", "function", "get", "given", "has",
    "have", "how", "i", "in", "is", "it", "me", "my", "of", "on", "or", "return", "returns", "that", "the", "this",
    "to", "tool", "use", "value", "what", "which", "with", "you",
];
/// Phrases by which a prompt demands a call.
const DEMANDS: [&str; 11] = [
    "answer by calling",
    "must call",
    "you must use",
    "call the function",
    "call exactly one",
    "call one of",
    "must be a tool call",
    "必须调用",
    "请调用",
    "use the tool",
    "call the tool",
];

pub(super) fn choose(ask: &ModelRequest, prompt: &Prompt) -> Vec<ToolCall> {
    if ask.tools.is_empty() || ask.choice == Choice::None {
        return Vec::new();
    }
    let scores: Vec<usize> = ask.tools.iter().map(|tool| score(tool, prompt)).collect();
    let best = |tools: &dyn Fn(&Tool) -> bool| {
        let fitting = ask.tools.iter().zip(&scores).filter(|(tool, _)| tools(tool));
        fitting.rev().max_by_key(|(_, score)| **score).map(|(tool, score)| (tool, *score))
    };
    let fresh = |tool: &Tool| !prompt.called.contains(&tool.name);
    let demanded = demands(&prompt.user) || demands(&prompt.system);
    let picked = match &ask.choice {
        Choice::Named(name) => best(&|tool: &Tool| tool.name == *name),
        Choice::Any => best(&fresh).or_else(|| best(&|_: &Tool| true)),
        _ if !prompt.results.is_empty() => best(&fresh).filter(|_| demands(&prompt.system)),
        _ => best(&|tool: &Tool| names(&prompt.system, tool))
            .filter(|_| demands(&prompt.system))
            .or_else(|| best(&|_: &Tool| true).filter(|(_, score)| demanded || *score > 0)),
    };
    let Some((tool, top)) = picked else { return Vec::new() };
    let mut calls = for_each_name(ask, prompt, tool);
    if ask.parallel
        && calls.len() == 1
        && matches!(ask.choice, Choice::Auto | Choice::Any)
        && speaks_of_both(&prompt.user)
    {
        let others = ask
            .tools
            .iter()
            .zip(&scores)
            .filter(|(other, score)| other.name != tool.name && **score > 0 && **score * 2 >= top);
        calls.extend(others.map(|(other, _)| call(other, prompt, None)));
    }
    calls.truncate(CALLS_MAX);
    calls
}

/// One call, or one for each name when several are asked for and the tool takes a text.
fn for_each_name(ask: &ModelRequest, prompt: &Prompt, tool: &Tool) -> Vec<ToolCall> {
    let properties = tool.parameters.get("properties").and_then(|properties| properties.as_object());
    let takes_one_name = properties.is_some_and(|properties| {
        let texts = properties.values().filter(|property| {
            property.get("type").and_then(|kind| kind.as_str()) == Some("string") && property.get("enum").is_none()
        });
        texts.count() == 1
            && !properties.values().any(|property| property.get("type").and_then(|kind| kind.as_str()) == Some("array"))
    });
    if ask.parallel && takes_one_name && prompt.several() && prompt.quoted.is_empty() && ask.choice == Choice::Auto {
        return prompt.names.iter().map(|name| call(tool, prompt, Some(name))).collect();
    }
    vec![call(tool, prompt, None)]
}

fn call(tool: &Tool, prompt: &Prompt, focus: Option<&str>) -> ToolCall {
    let has_members = tool.parameters.get("properties").is_some() || tool.parameters.get("$ref").is_some();
    let arguments =
        if has_members { shape::instance(&tool.parameters, prompt, focus).to_string() } else { "{}".to_owned() };
    ToolCall { name: tool.name.clone(), arguments }
}

fn demands(text: &str) -> bool {
    let text = text.to_lowercase();
    DEMANDS.iter().any(|phrase| text.contains(phrase))
}

/// Whether a text names a tool as code is named, between back-quotes.
fn names(text: &str, tool: &Tool) -> bool {
    text.contains(&format!("`{}`", tool.name))
}

fn speaks_of_both(text: &str) -> bool {
    [" and ", "和", "以及", "both", "also"].iter().any(|mark| text.contains(mark))
}

/// How much the user's turn speaks of a tool: shared words, those of the name twice, the whole name most.
fn score(tool: &Tool, prompt: &Prompt) -> usize {
    let user = words(&prompt.user);
    let named = usize::from(prompt.user.contains(&tool.name)) * 10;
    let by_name = words(&tool.name).intersection(&user).count() * 2;
    let by_description = words(&tool.description).intersection(&user).count();
    named + by_name + by_description
}

/// The telling words of a text in lower case, without the plural's s; pairs of Chinese characters.
fn words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut word = String::new();
    let mut last = None;
    for letter in text.chars().take(20_000).chain(std::iter::once(' ')) {
        let hump = letter.is_uppercase() && last.is_some_and(char::is_lowercase);
        if hump || !letter.is_alphanumeric() || wide(letter) {
            let whole = std::mem::take(&mut word).to_lowercase();
            let stem = whole.strip_suffix('s').filter(|stem| stem.len() > 2).unwrap_or(&whole);
            if stem.len() > 1 && !IDLE.contains(&stem) && !IDLE.contains(&whole.as_str()) {
                found.insert(stem.to_owned());
            }
        }
        if wide(letter) {
            if let Some(before) = last.filter(|before| wide(*before)) {
                found.insert([before, letter].iter().collect());
            }
        } else if letter.is_alphanumeric() {
            word.push(letter);
        }
        last = Some(letter);
    }
    for idle in ["现在", "的天", "如何", "怎么", "什么", "多少", "请问", "可以", "一个"] {
        found.remove(idle);
    }
    found
}
