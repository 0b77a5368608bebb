//! The scripted mind behind every vendor: tool calls, objects and text made from the request alone.
//!
//! Rules: deterministic (seed and request decide everything); it calls a tool when one fits the last user turn, fills
//! arguments from the tool's JSON Schema with what the prompt names, answers in the prompt's language, honours stop strings
//! and token limits, and counts tokens the same way streamed or not. Why a script and no small model: tests of a gateway
//! need answers that are right by construction, in no time, on any machine.

mod facts;
mod shape;
mod text;
mod tokens;
mod tools;

use crate::answer::{hash, mix};
use serde_json::Value;

pub(crate) use tokens::{count, split};

/// What tool choice the client made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    #[default]
    Auto,
    None,
    Any,
    Named(String),
}

/// What form the text must have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Form {
    #[default]
    Text,
    Object,
    Schema(Value),
}

/// A request, as far as the mind cares.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelRequest {
    pub(crate) messages: Vec<Value>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    pub(crate) parallel: bool,
    pub(crate) form: Form,
    pub(crate) stop: Vec<String>,
    pub(crate) tokens_max: Option<usize>,
    /// Whether the token limit counts the reasoning too.
    pub(crate) limit_counts_thinking: bool,
    pub(crate) thinking: bool,
    /// Which of `n` answers this is.
    pub(crate) variant: u64,
}

/// A function that may be called.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) parameters: Value,
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    /// JSON text.
    pub(crate) arguments: String,
}

/// Why the answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    ToolCalls,
}

impl Finish {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct ModelAnswer {
    pub(crate) reasoning: Vec<String>,
    /// The text in tokens.
    pub(crate) text: Vec<String>,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) finish: Finish,
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
}

impl ModelAnswer {
    pub(crate) fn content(&self) -> String {
        self.text.concat()
    }

    pub(crate) fn thinking(&self) -> String {
        self.reasoning.concat()
    }
}

/// The mind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScriptedModel {
    seed: u64,
    is_careless: bool,
}

impl ScriptedModel {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, is_careless: false }
    }

    /// The same mind when it does not care: see [`crate::Fault::Careless`].
    pub(crate) fn careless(self) -> Self {
        Self { is_careless: true, ..self }
    }

    /// Thinks of an answer.
    pub(crate) fn think(&self, ask: &ModelRequest) -> ModelAnswer {
        let prompt = facts::Prompt::read(&ask.messages);
        let dice = mix(self.seed ^ hash(&prompt.user) ^ mix(ask.variant));
        let mut thought = ModelAnswer {
            reasoning: Vec::new(),
            text: Vec::new(),
            calls: if self.is_careless { Vec::new() } else { tools::choose(ask, &prompt) },
            finish: Finish::Stop,
            prompt_tokens: prompt_tokens(ask),
            completion_tokens: 0,
        };
        if ask.thinking {
            thought.reasoning = split(&text::reasoning(&prompt));
        }
        if thought.calls.is_empty() {
            let text = if self.is_careless { text::answer(&prompt, dice) } else { words(ask, &prompt, dice) };
            thought.text = split(&cut_at_stop(text, &ask.stop));
        } else {
            thought.finish = Finish::ToolCalls;
        }
        limit(&mut thought, ask);
        let called: usize = thought.calls.iter().map(|call| count(&call.name) + count(&call.arguments)).sum();
        thought.completion_tokens = (thought.reasoning.len() + thought.text.len() + called).max(1);
        thought
    }
}

fn words(ask: &ModelRequest, prompt: &facts::Prompt, dice: u64) -> String {
    let schema = match &ask.form {
        Form::Schema(schema) => Some(schema.clone()),
        Form::Object | Form::Text => prompt.schema(),
    };
    if let Some(schema) = schema {
        return shape::instance(&schema, prompt, None).to_string();
    }
    if ask.form == Form::Object {
        let written = prompt.literal_object().or_else(|| prompt.keyed_object());
        return written.unwrap_or_else(|| text::object(prompt, dice)).to_string();
    }
    text::answer(prompt, dice)
}

fn cut_at_stop(text: String, stops: &[String]) -> String {
    let first = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str())).min();
    match first.and_then(|at| text.get(..at)) {
        Some(kept) => kept.to_owned(),
        None => text,
    }
}

fn limit(thought: &mut ModelAnswer, ask: &ModelRequest) {
    let Some(mut left) = ask.tokens_max else { return };
    if ask.limit_counts_thinking {
        if thought.reasoning.len() > left {
            thought.reasoning.truncate(left);
            thought.text.clear();
            thought.calls.clear();
            thought.finish = Finish::Length;
            return;
        }
        left -= thought.reasoning.len();
    }
    if thought.text.len() > left {
        thought.text.truncate(left);
        thought.finish = Finish::Length;
    }
}

/// A simple estimate: the tokens of every text, four for each message, and a quarter of the letters of the tools.
fn prompt_tokens(ask: &ModelRequest) -> usize {
    let messages: usize = ask.messages.iter().map(|message| 4 + count(&facts::text_of(message))).sum();
    let images: usize = ask.messages.iter().map(facts::images_of).sum::<usize>() * 85;
    let tools: usize = ask
        .tools
        .iter()
        .map(|tool| (tool.name.len() + tool.description.len() + tool.parameters.to_string().len()) / 4)
        .sum();
    messages + images + tools + 3
}

/// Reads the tools of a request in OpenAI's shape (with or without the `function` wrapper).
pub(crate) fn read_tools(tools: Option<&Value>) -> Vec<Tool> {
    let list = tools.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|tool| {
            let function = tool.get("function").unwrap_or(tool);
            Some(Tool {
                name: function.get("name")?.as_str()?.to_owned(),
                description: function.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
                parameters: function.get("parameters").cloned().unwrap_or_default(),
            })
        })
        .collect()
}

/// Reads a tool choice in OpenAI's shape.
pub(crate) fn read_choice(choice: Option<&Value>) -> Choice {
    match choice {
        Some(Value::String(text)) if text == "none" => Choice::None,
        Some(Value::String(text)) if text == "required" => Choice::Any,
        Some(Value::Object(members)) => members
            .get("function")
            .and_then(|function| function.get("name"))
            .and_then(Value::as_str)
            .map_or(Choice::Auto, |name| Choice::Named(name.to_owned())),
        _ => Choice::Auto,
    }
}

/// Reads `response_format`.
pub(crate) fn read_form(format: Option<&Value>) -> Form {
    match format.and_then(|format| format.get("type")).and_then(Value::as_str) {
        Some("json_object") => Form::Object,
        Some("json_schema") => {
            let schema = format.and_then(|format| format.get("json_schema")).and_then(|wrapped| wrapped.get("schema"));
            schema.map_or(Form::Object, |schema| Form::Schema(schema.clone()))
        }
        _ => Form::Text,
    }
}

/// Reads `stop`: one string or several.
pub(crate) fn read_stop(stop: Option<&Value>) -> Vec<String> {
    match stop {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
