//! Checks of one response: is it JSON, does it match the schema, is the tool call one that was
//! offered, is it a refusal?
//!
//! # Rules
//! - A problem ([`Why`]) is a sentence with a path that can be sent back to a model to correct its
//!   response. It does not repeat the response's own values, which may be long or private.
//! - Schemas come from clients and responses from vendors, so both may be hostile. Size, depth,
//!   references and the work of a check are bounded ([`Schema::compile`]), and patterns run in
//!   linear time.
//! - No reference leaves the schema, so nothing is ever fetched.

mod arguments;
mod bounds;
mod language;
mod refusal;
mod schema;
#[cfg(test)]
mod tests;
mod tool;

pub use arguments::equal;
pub use language::{Language, language};
pub use refusal::refuses;
pub use schema::Schema;
pub use tool::tool_call;

use serde_json::Value;
use std::fmt;

/// Maximum number of problems that one check reports. A model cannot correct more at once, and a
/// client would not read them.
pub const FINDINGS_MAX: usize = 16;

/// One problem of a response or a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Its place as a JSON pointer. Empty for the whole.
    pub path: String,
    /// What is wrong and, if known, what would be right.
    pub message: String,
}

impl Why {
    /// A problem with the value at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "at {}: {}", self.path, self.message) }
    }
}

/// Reads a response that must be one JSON object, as JSON mode promises, with only white space
/// around it.
///
/// # Errors
/// Text that is not JSON (with line and column), or JSON that is not an object.
pub fn json_object(text: &str) -> Result<Value, Why> {
    let value: Value = serde_json::from_str(text).map_err(|error| Why::new("", not_json(text, &error)))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Why::new("", format!("the answer must be a JSON object, but it is {}", kind(&value))))
    }
}

/// The error of the JSON parser, and the habit of models that most often causes it.
fn not_json(text: &str, error: &serde_json::Error) -> String {
    if text.trim().is_empty() {
        return "the answer is empty; it must be a JSON object".into();
    }
    let habit = if text.trim_start().starts_with("```") {
        "; it stands in a code fence, which must be left out"
    } else if error.is_eof() {
        "; it seems to be cut off"
    } else {
        ""
    };
    format!("the answer is not valid JSON: {error}{habit}")
}

/// The kind of a value, for people.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
