//! One compiled JSON Schema.

use super::bounds::{self, Bounds};
use super::{FINDINGS_MAX, Why};
use jsonschema::PatternOptions;
use serde_json::Value;

/// Maximum number of backtracking steps of a pattern on one text. An ordinary pattern takes a few
/// per letter.
const PATTERN_STEPS_MAX: usize = 20_000;
/// Maximum memory of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    validator: jsonschema::Validator,
    bounds: Bounds,
}

impl Schema {
    /// Compiles `schema` (the draft in `$schema`, else 2020-12).
    ///
    /// # Errors
    /// The first problem: not a schema, a reference that leaves it or leads nowhere, a pattern that
    /// cannot be compiled, or more nodes, depth or work than the bounds allow.
    pub fn compile(schema: &Value) -> Result<Self, Why> {
        let bounds = bounds::measure(schema)?;
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(
                PatternOptions::fancy_regex().backtrack_limit(PATTERN_STEPS_MAX).size_limit(PATTERN_BYTES_MAX),
            )
            .build(schema)
            .map_err(|error| {
                Why::new(error.instance_path().as_str(), format!("not a valid JSON Schema: {}", error.masked()))
            })?;
        Ok(Self { validator, bounds })
    }

    /// Every problem of `answer`, at most [`FINDINGS_MAX`]. Empty if it matches.
    pub fn check(&self, answer: &Value) -> Vec<Why> {
        if let Err(why) = self.bounds.allow(answer) {
            return vec![why];
        }
        self.validator
            .iter_errors(answer)
            .take(FINDINGS_MAX)
            .map(|error| Why::new(error.instance_path().as_str(), error.masked().to_string()))
            .collect()
    }
}
