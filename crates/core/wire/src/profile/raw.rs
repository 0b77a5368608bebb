//! The shape of a profile's file, as serde reads it. What the sections mean is said at the compiled
//! types.

use super::Emulation;
use super::param::Clamp;
use super::stream::UsagePlacement;
use super::thinking::ThinkingHabit;
use crate::operation::{READ_NAMES, SERVED_NAMES};
use banjia_types::{Currency, ErrorClass, LossLevel, Operation};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Without a header name, keys go out as `Authorization: Bearer`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuth {
    pub(super) header: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHost {
    pub(super) base: String,
    pub(super) residency: Option<String>,
    #[serde(default)]
    pub(super) default: bool,
    pub(super) source: Option<String>,
    pub(super) as_of: Option<String>,
    #[serde(default)]
    pub(super) unconfirmed: bool,
}

/// The paths of the vendor, each under the name of a served operation.
#[derive(Clone, Debug, Default)]
pub(super) struct RawEndpoints(pub(super) BTreeMap<Operation, String>);

impl<'de> Deserialize<'de> for RawEndpoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let paths = BTreeMap::<ServedOperation, String>::deserialize(deserializer)?;
        Ok(Self(paths.into_iter().map(|(key, path)| (key.0, path)).collect()))
    }
}

/// A key of `[endpoint]`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ServedOperation(Operation);

impl<'de> Deserialize<'de> for ServedOperation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let operation = among(&SERVED_NAMES, &name).map(Self);
        operation.ok_or_else(|| D::Error::unknown_field(&name, &SERVED_NAMES))
    }
}

/// The operation that a rule on a parameter is about: chat, unless the rule says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawOperation(pub(super) Operation);

impl Default for RawOperation {
    fn default() -> Self {
        Self(Operation::ChatCompletions)
    }
}

impl<'de> Deserialize<'de> for RawOperation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let operation = among(&READ_NAMES, &name).map(Self);
        operation.ok_or_else(|| D::Error::unknown_variant(&name, &READ_NAMES))
    }
}

/// The operation of this name, if the name is one of `allowed`.
fn among(allowed: &[&str], name: &str) -> Option<Operation> {
    name.parse().ok().filter(|_| allowed.contains(&name))
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWhen {
    #[serde(default)]
    pub(super) models: Vec<String>,
    pub(super) value_type: Option<String>,
    pub(super) thinking: Option<bool>,
    pub(super) stream: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawParam {
    pub(super) name: String,
    #[serde(default)]
    pub(super) endpoint: RawOperation,
    #[serde(default)]
    pub(super) when: RawWhen,
    pub(super) refuse: Option<String>,
    pub(super) emulate: Option<Emulation>,
    pub(super) quirk: Option<String>,
    #[serde(default)]
    pub(super) map: BTreeMap<String, Value>,
    pub(super) clamp: Option<Clamp>,
    pub(super) max_items: Option<usize>,
    pub(super) max_chars: Option<usize>,
    pub(super) rename: Option<String>,
    #[serde(default)]
    pub(super) drop: bool,
    #[serde(default)]
    pub(super) keep: bool,
    #[serde(default)]
    pub(super) neutral: Vec<Value>,
    pub(super) default: Option<Value>,
    pub(super) loss: Option<LossLevel>,
    pub(super) why: Option<String>,
    pub(super) source: Option<String>,
    pub(super) as_of: Option<String>,
    #[serde(default)]
    pub(super) unconfirmed: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawQuirk {
    Always(String),
    For(RawQuirkFor),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuirkFor {
    pub(super) name: String,
    pub(super) models: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMessages {
    #[serde(default)]
    pub(super) roles: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) quirks: Vec<RawQuirk>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawThinking {
    pub(super) models: Vec<String>,
    pub(super) habit: ThinkingHabit,
    #[serde(default)]
    pub(super) off: Map<String, Value>,
    #[serde(default)]
    pub(super) on: Map<String, Value>,
    #[serde(default)]
    pub(super) own: Vec<String>,
    #[serde(default)]
    pub(super) effort: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) replay: bool,
    pub(super) off_loss: Option<LossLevel>,
    pub(super) source: Option<String>,
    pub(super) as_of: Option<String>,
    #[serde(default)]
    pub(super) unconfirmed: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClients {
    #[serde(default)]
    pub(super) reasoning: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStream {
    pub(super) usage: Option<UsagePlacement>,
    #[serde(default)]
    pub(super) finish: BTreeMap<String, String>,
    pub(super) blocked_flag_min: Option<u64>,
    pub(super) reasoning_member: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawError {
    #[serde(default)]
    pub(super) code: Vec<String>,
    #[serde(default, rename = "type")]
    pub(super) kind: Vec<String>,
    #[serde(default)]
    pub(super) status: Vec<u16>,
    #[serde(default)]
    pub(super) message: Vec<String>,
    pub(super) class: ErrorClass,
    pub(super) source: Option<String>,
    pub(super) as_of: Option<String>,
    #[serde(default)]
    pub(super) unconfirmed: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrice {
    pub(super) currency: Currency,
    pub(super) tiers: Vec<RawTier>,
}

/// Prices are written in whole units per million tokens, as vendors print them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTier {
    pub(super) input_below: Option<u64>,
    pub(super) output_below: Option<u64>,
    pub(super) input: f64,
    #[serde(default)]
    pub(super) output: f64,
    pub(super) cached: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEmbedding {
    #[serde(default)]
    pub(super) dimensions: Vec<u32>,
    #[serde(default)]
    pub(super) takes_dimensions: bool,
    pub(super) texts_max: Option<usize>,
    pub(super) text_tokens_max: Option<usize>,
    pub(super) call_tokens_max: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    pub(super) name: String,
    pub(super) context: Option<u64>,
    pub(super) output_max: Option<u64>,
    pub(super) price: Option<RawPrice>,
    pub(super) price_abroad: Option<RawPrice>,
    pub(super) shutdown_date: Option<String>,
    pub(super) successor: Option<String>,
    pub(super) warning: Option<String>,
    pub(super) images: Option<bool>,
    pub(super) embedding: Option<RawEmbedding>,
    pub(super) source: Option<String>,
    pub(super) as_of: Option<String>,
    #[serde(default)]
    pub(super) unconfirmed: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) tools_max: Option<usize>,
    pub(super) answer_seconds_max: Option<u64>,
}
