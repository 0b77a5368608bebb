//! Whether a tool call is one that was offered, with arguments that its schema accepts.

use super::{Schema, Why, kind};
use serde_json::Value;

/// Checks one call against the request's `tools` array (OpenAI's form:
/// `{"type":"function","function":{"name", "parameters"}}`). `arguments` is the text that the model
/// wrote. Empty if the call is right. If a tool's own schema cannot be compiled, the call is
/// checked only by its name and by its arguments being an object: the fault is then the client's
/// and not the response's.
pub fn tool_call(tools: &Value, name: &str, arguments: &str) -> Vec<Why> {
    let offered: Vec<&Value> = tools.as_array().into_iter().flatten().filter_map(|tool| tool.get("function")).collect();
    let Some(tool) = offered.iter().find(|tool| tool.get("name").and_then(Value::as_str) == Some(name)) else {
        let names: Vec<&str> = offered.iter().filter_map(|tool| tool.get("name")?.as_str()).collect();
        return vec![Why::new("", format!("there is no tool {name:?}; the tools are: {}", names.join(", ")))];
    };
    // Vendors write nothing at all for a tool without parameters, and the SDKs read that as no
    // arguments.
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    let value: Value = match serde_json::from_str(arguments) {
        Ok(value) => value,
        Err(error) => return vec![Why::new("", format!("the arguments of {name:?} are not valid JSON: {error}"))],
    };
    if !value.is_object() {
        return vec![Why::new(
            "",
            format!("the arguments of {name:?} must be a JSON object, but they are {}", kind(&value)),
        )];
    }
    match tool.get("parameters").map(Schema::compile) {
        Some(Ok(schema)) => schema.check(&value),
        Some(Err(_)) | None => Vec::new(),
    }
}
