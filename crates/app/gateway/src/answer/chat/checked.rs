//! Answers whose form was promised: a schema, a JSON object, a tool call. `encode` asks for it in
//! words, the answer is checked here, and the model gets one chance to correct it.
//!
//! Rules:
//! - An answer that was cut off or filtered is passed on as it is: its finish reason says so, as
//!   OpenAI's would.
//! - A code fence around JSON is taken off.
//! - A schema that cannot be compiled is the client's error.

use banjia_parity::checks::{self, Schema};
use banjia_wire::chat::FirstChoice;
use banjia_wire::{ForcedTool, Notes};
use serde_json::Value;

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
    /// The checks that the notes ask for; `None` if they ask for none. `tools` gives the client's
    /// tools if they are needed.
    ///
    /// # Errors
    /// The client's schema cannot be compiled.
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

    /// What is wrong with the answer, in sentences for the model; empty if it is right. Takes off a
    /// code fence.
    pub(crate) fn findings(&self, choice: &mut FirstChoice) -> Vec<String> {
        if choice.was_cut() {
            return Vec::new();
        }
        let mut found = Vec::new();
        if let Some(forced) = &self.forced_tool {
            self.check_tools(forced, choice, &mut found);
        }
        // A model that calls a tool first will give its object after the tool's result.
        if choice.is_text() && (self.schema.is_some() || self.json_object) {
            choice.take_off_fence();
            match &self.schema {
                Some(schema) => match serde_json::from_str::<Value>(&choice.text) {
                    Ok(value) => found.extend(schema.check(&value).iter().map(ToString::to_string)),
                    Err(error) => found.push(format!("the answer is not valid JSON: {error}")),
                },
                None => found.extend(checks::json_object(&choice.text).err().map(|why| why.to_string())),
            }
        }
        found
    }

    fn check_tools(&self, forced: &ForcedTool, choice: &FirstChoice, found: &mut Vec<String>) {
        if choice.calls.is_empty() {
            found.push(match forced {
                ForcedTool::Any => "no tool was called; call one of the tools".to_owned(),
                ForcedTool::Named(name) => format!("the tool `{name}` was not called; call it"),
            });
        }
        for (name, arguments) in &choice.calls {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema_notes() -> Notes {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        Notes { schema: Some(banjia_wire::SchemaWanted { name: "n".into(), schema, strict: true }), ..Notes::default() }
    }

    fn choice(text: &str, finish: &str) -> FirstChoice {
        FirstChoice::of_answer(&json!({"choices": [{"message": {"content": text}, "finish_reason": finish}]}))
    }

    #[test]
    fn a_fence_is_taken_off_and_the_schema_checked() {
        let checks = Checks::of(&schema_notes(), || Value::Null).unwrap().unwrap();
        let mut fenced = choice("```json\n{\"n\": 1}\n```", "stop");
        assert_eq!(checks.findings(&mut fenced), Vec::<String>::new());
        assert_eq!(fenced.changed_text(), Some("{\"n\": 1}"));
        assert!(!checks.findings(&mut choice("{\"n\": \"one\"}", "stop")).is_empty());
        assert!(!checks.findings(&mut choice("Sure! n is 1.", "stop")).is_empty());
        assert!(checks.findings(&mut choice("{\"n\":", "length")).is_empty(), "a cut answer says so itself");
    }

    #[test]
    fn a_bad_schema_is_the_clients_error() {
        assert!(Checks::of(&Notes::default(), || Value::Null).unwrap().is_none());
        let mut notes = schema_notes();
        notes.schema.as_mut().unwrap().schema = json!({"type": 7});
        assert!(Checks::of(&notes, || Value::Null).is_err());
    }

    #[test]
    fn a_forced_tool_must_get_fitting_arguments() {
        let notes = Notes { forced_tool: Some(ForcedTool::Named("go".into())), ..Notes::default() };
        let tools = json!([{"type": "function", "function": {"name": "go", "parameters":
            {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}}}]);
        let checks = Checks::of(&notes, || tools).unwrap().unwrap();
        let mut streamed = FirstChoice::default();
        streamed.add_chunk(&json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "go", "arguments": "{\"to\":"}}]}}]}));
        assert!(!checks.findings(&mut streamed).is_empty());
        streamed.add_chunk(&json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "\"x\"}"}}]}, "finish_reason": "tool_calls"}]}));
        assert!(checks.findings(&mut streamed).is_empty());
        assert!(!checks.findings(&mut choice("no", "stop")).is_empty());
    }
}
