//! One compiled JSON Schema.

use super::bounds::{self, Bounds};
use super::{FINDINGS_MAX, Why};
use jsonschema::PatternOptions;
use serde_json::Value;

/// Steps back that a pattern may take on one text; an honest pattern takes a few per letter.
const PATTERN_STEPS_MAX: usize = 20_000;
/// Memory that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// A schema that is ready to check answers.
#[derive(Debug)]
pub struct Schema {
    validator: jsonschema::Validator,
    bounds: Bounds,
}

impl Schema {
    /// Compiles `schema` (the draft that `$schema` names, else 2020-12).
    ///
    /// # Errors
    /// The first thing that is wrong: not a schema, a reference that leaves it or leads nowhere, a pattern that cannot be
    /// compiled, or more nodes, depth or work than the bounds allow.
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

    /// Everything in `answer` that does not fit, at most [`FINDINGS_MAX`] findings; empty when it fits.
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
