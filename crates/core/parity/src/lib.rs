//! Whether one answer is what was asked for.
//!
//! Pure: no network (a schema's references stay inside it), no clock, no dice.
//!
//! - [`checks`]: JSON, schema, tool call and language of one answer

#![warn(missing_docs)]

pub mod checks;

pub use checks::{Language, Schema, Why, json_object, language, tool_call};
