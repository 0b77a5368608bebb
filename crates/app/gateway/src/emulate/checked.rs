//! Answers whose form was promised: a schema, a JSON object, a tool call. Asked for in words by `encode`, checked here, mended
//! once by telling the model what is wrong.
//!
//! Rules: an answer that was cut off or filtered is passed on as it is (its finish reason says so, as it would from OpenAI); a
//! code fence around JSON is taken off without asking; a schema that cannot be compiled is the client's error.

use banjia_parity::checks::{self, Schema};
use banjia_wire::{ForcedTool, Notes};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What an answer must be.
#[derive(Debug)]
pub(crate) struct Checks {
    schema: Option<Schema>,
    json_object: bool,
    forced_tool: Option<ForcedTool>,
    tools: Value,
}

/// A schema that cannot be used, in words for the client.
#[derive(Debug)]
pub(crate) struct BadSchema(pub(crate) String);

impl Checks {
    /// What the notes ask for; none when they ask for nothing. `tools` gives the client's tools when they are needed.
    pub(crate) fn of(notes: &Notes, tools: impl FnOnce() -> Value) -> Result<Option<Self>, BadSchema> {
        if notes.schema.is_none() && notes.forced_tool.is_none() && !notes.json_object {
            return Ok(None);
        }
        let schema = notes
            .schema
            .as_ref()
            .map(|wanted| Schema::compile(&wanted.schema))
            .transpose()
            .map_err(|why| BadSchema(format!("Invalid schema for response_format: {why}")))?;
        let forced_tool = notes.forced_tool.clone();
        let tools = if forced_tool.is_some() { tools() } else { Value::Null };
        Ok(Some(Self { schema, json_object: notes.json_object, forced_tool, tools }))
    }

    /// What is wrong with the answer, in sentences for the model; nothing when it is right. Takes off a code fence.
    pub(crate) fn findings(&self, said: &mut Said) -> Vec<String> {
        if said.was_cut() {
            return Vec::new();
        }
        let mut found = Vec::new();
        if let Some(forced) = &self.forced_tool {
            self.check_tools(forced, said, &mut found);
        }
        // A model that calls a tool first will give its object after the tool's result.
        if said.calls.is_empty() && !said.refused && (self.schema.is_some() || self.json_object) {
            said.take_off_fence();
            match &self.schema {
                Some(schema) => match serde_json::from_str::<Value>(&said.text) {
                    Ok(value) => found.extend(schema.check(&value).iter().map(ToString::to_string)),
                    Err(error) => found.push(format!("the answer is not valid JSON: {error}")),
                },
                None => found.extend(checks::json_object(&said.text).err().map(|why| why.to_string())),
            }
        }
        found
    }

    fn check_tools(&self, forced: &ForcedTool, said: &Said, found: &mut Vec<String>) {
        if said.calls.is_empty() {
            found.push(match forced {
                ForcedTool::Any => "no tool was called; call one of the tools".to_owned(),
                ForcedTool::Named(name) => format!("the tool `{name}` was not called; call it"),
            });
        }
        for (name, arguments) in &said.calls {
            if let ForcedTool::Named(wanted) = forced
                && wanted != name
            {
                found.push(format!("the tool `{name}` was called; call `{wanted}` and no other"));
                continue;
            }
            found.extend(
                checks::tool_call(&self.tools, name, arguments).iter().map(|why| format!("tool `{name}`: {why}")),
            );
        }
    }
}

/// The first choice of an answer, as far as checks look at it.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// Name and arguments.
    pub(crate) calls: Vec<(String, String)>,
    finish: Option<String>,
    refused: bool,
    changed: bool,
}

impl Said {
    pub(crate) fn of_answer(answer: &Value) -> Self {
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let calls = answer.pointer("/choices/0/message/tool_calls").and_then(Value::as_array);
        Self {
            text: text("/choices/0/message/content").unwrap_or_default(),
            calls: calls.into_iter().flatten().map(call).collect(),
            finish: text("/choices/0/finish_reason"),
            refused: text("/choices/0/message/refusal").is_some(),
            changed: false,
        }
    }

    /// Takes in one chunk of a stream.
    pub(crate) fn add_chunk(&mut self, chunk: &Value) {
        let Some(choice) = chunk.pointer("/choices/0") else { return };
        let text = |pointer: &str| choice.pointer(pointer).and_then(Value::as_str);
        self.text.push_str(text("/delta/content").unwrap_or_default());
        self.refused |= text("/delta/refusal").is_some();
        if let Some(finish) = text("/finish_reason") {
            self.finish = Some(finish.to_owned());
        }
        for delta in choice.pointer("/delta/tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let (name, arguments) = call(delta);
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

    /// The whole text when it was changed by a check, to be put in place of the vendor's.
    pub(crate) fn changed_text(&self) -> Option<&str> {
        self.changed.then_some(self.text.as_str())
    }

    pub(crate) fn put_text(&self, answer: &mut Value) {
        if let (Some(text), Some(content)) = (self.changed_text(), answer.pointer_mut("/choices/0/message/content")) {
            *content = Value::from(text);
        }
    }

    fn was_cut(&self) -> bool {
        matches!(self.finish.as_deref(), Some("length" | "content_filter"))
    }

    fn take_off_fence(&mut self) {
        let inner = self.text.trim().strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
        let Some(inner) = inner else { return };
        // The first line names the language, as in ```json.
        let inner = match inner.split_once('\n') {
            Some((first, rest)) if first.trim().chars().all(char::is_alphanumeric) => rest,
            _ => inner,
        };
        self.text = inner.trim().to_owned();
        self.changed = true;
    }
}

fn call(call: &Value) -> (String, String) {
    let text = |pointer| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/function/name"), text("/function/arguments"))
}

/// The client's request with the failed answer and what is wrong with it at its end.
pub(crate) fn repair(mut request: Value, said: &Said, findings: &[String]) -> Option<Value> {
    let messages = request.get_mut("messages")?.as_array_mut()?;
    let mut answer = said.text.clone();
    for (name, arguments) in &said.calls {
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

    fn schema_notes() -> Notes {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        Notes { schema: Some(banjia_wire::SchemaWanted { name: "n".into(), schema, strict: true }), ..Notes::default() }
    }

    fn said(text: &str, finish: &str) -> Said {
        Said::of_answer(&json!({"choices": [{"message": {"content": text}, "finish_reason": finish}]}))
    }

    #[test]
    fn a_fence_is_taken_off_and_the_schema_checked() {
        let checks = Checks::of(&schema_notes(), || Value::Null).unwrap().unwrap();
        let mut fenced = said("```json\n{\"n\": 1}\n```", "stop");
        assert_eq!(checks.findings(&mut fenced), Vec::<String>::new());
        assert_eq!(fenced.changed_text(), Some("{\"n\": 1}"));
        assert!(!checks.findings(&mut said("{\"n\": \"one\"}", "stop")).is_empty());
        assert!(!checks.findings(&mut said("Sure! n is 1.", "stop")).is_empty());
        assert!(checks.findings(&mut said("{\"n\":", "length")).is_empty(), "a cut answer says so itself");
    }

    #[test]
    fn nothing_promised_means_no_checks_and_a_bad_schema_is_told() {
        assert!(Checks::of(&Notes::default(), || Value::Null).unwrap().is_none());
        let mut notes = schema_notes();
        notes.schema.as_mut().unwrap().schema = json!({"type": 7});
        assert!(Checks::of(&notes, || Value::Null).is_err());
    }

    #[test]
    fn a_forced_tool_must_be_called_with_fitting_arguments() {
        let notes = Notes { forced_tool: Some(ForcedTool::Named("go".into())), ..Notes::default() };
        let tools = json!([{"type": "function", "function": {"name": "go", "parameters":
            {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}}}]);
        let checks = Checks::of(&notes, || tools).unwrap().unwrap();
        let mut streamed = Said::default();
        streamed.add_chunk(&json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "go", "arguments": "{\"to\":"}}]}}]}));
        assert!(!checks.findings(&mut streamed).is_empty());
        streamed.add_chunk(&json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "\"x\"}"}}]}, "finish_reason": "tool_calls"}]}));
        assert!(checks.findings(&mut streamed).is_empty());
        assert!(!checks.findings(&mut said("no", "stop")).is_empty());
    }

    #[test]
    fn a_repair_shows_the_answer_and_the_findings() {
        let request = json!({"messages": [{"role": "user", "content": "hi"}]});
        let repaired = repair(request, &said("bad", "stop"), &["n is missing".into()]).unwrap();
        let messages = repaired["messages"].as_array().unwrap();
        assert_eq!((messages.len(), messages[1]["content"].as_str()), (3, Some("bad")));
        assert!(messages[2]["content"].as_str().unwrap().contains("n is missing"));
    }
}
