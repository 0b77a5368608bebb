//! Rules on request parameters: the closed list of verbs, each under an optional condition, each
//! with its loss.

use super::{Cite, Pattern};
use banjia_types::{LossLevel, Operation};
use serde_json::Value;
use std::collections::BTreeMap;

/// One rule on one parameter. Its verbs are applied in the order of the fields below.
#[derive(Clone, Debug)]
pub struct ParamRule {
    /// The parameter, as the client names it.
    pub name: String,
    /// The operation whose requests it is about.
    pub operation: Operation,
    /// When it holds.
    pub when: When,
    /// Refuse the request with these words. Ignored when unconfirmed.
    pub refuse: Option<String>,
    /// Done by the gateway instead.
    pub emulate: Option<Emulation>,
    /// A small named fix.
    pub quirk: Option<crate::quirks::Quirk>,
    /// One value for another; the keys are values written as text.
    pub map: BTreeMap<String, Value>,
    /// Numbers are brought into a range. Ignored when unconfirmed.
    pub clamp: Option<Clamp>,
    /// Items of a list beyond this many are cut off.
    pub max_items: Option<usize>,
    /// With `max_items` and an emulation: items longer than this are the gateway's too.
    pub max_chars: Option<usize>,
    /// Another name for the same thing.
    pub rename: Option<String>,
    /// Not sent.
    pub drop: bool,
    /// Values that ask for nothing: dropping one of these loses nothing.
    pub neutral: Vec<Value>,
    /// What is left of it passes: no further rule on this parameter is asked, a base profile's
    /// included.
    pub keep: bool,
    /// Sent when the client says nothing.
    pub default: Option<Value>,
    /// What a change by this rule loses; `None` takes the verb's own level.
    pub loss: Option<LossLevel>,
    /// Said to people beside the change.
    pub why: Option<String>,
    /// Where this is known from.
    pub cite: Cite,
}

impl ParamRule {
    /// The level of a loss by this rule; an unconfirmed fact never weighs more than `degraded`.
    pub fn level(&self, of_verb: LossLevel) -> LossLevel {
        let level = self.loss.unwrap_or(of_verb);
        if self.cite.unconfirmed { level.min(LossLevel::Degraded) } else { level }
    }
}

/// The condition of a rule. What is not set does not matter.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// The vendor's model is one of these.
    pub models: Vec<Pattern>,
    /// The value is of this type.
    pub value_type: Option<ValueType>,
    /// Whether the model will think, as far as the profile knows.
    pub thinking: Option<bool>,
    /// Whether the client asked for a stream.
    pub stream: Option<bool>,
}

/// A JSON type, or the `type` that an object names itself (`json_schema`, `function`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType(pub String);

impl ValueType {
    /// Whether `value` is of this type.
    pub fn matches(&self, value: &Value) -> bool {
        let json_type = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        self.0 == json_type || value.get("type").and_then(Value::as_str) == Some(&self.0)
    }
}

/// The range of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clamp {
    /// The least value.
    pub min: Option<f64>,
    /// The greatest value.
    pub max: Option<f64>,
    /// Digits kept after the point.
    pub decimals: Option<u8>,
    /// The greatest value is the model's longest answer, when the profile knows it.
    #[serde(default)]
    pub to_output_max: bool,
}

/// What the gateway does in a vendor's place. The list is closed: each is code in the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emulation {
    /// `n` choices from `n` requests.
    FanOut,
    /// Stop strings are looked for in the answer.
    StopInGateway,
    /// The schema is put into words, the answer is checked and mended once.
    SchemaByInstruction,
    /// A JSON object is asked for in words and checked.
    JsonByInstruction,
    /// A tool call is asked for in words and checked.
    ForcedToolByInstruction,
    /// Floats become base64.
    Base64InGateway,
}
