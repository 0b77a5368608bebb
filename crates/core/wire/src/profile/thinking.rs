//! How a vendor's models think, and how a request says whether they should.

use super::{Cite, Pattern};
use banjia_types::LossLevel;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Whether a model thinks when nobody says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingHabit {
    /// It cannot.
    Never,
    /// Only when asked.
    OffByDefault,
    /// Unless told not to.
    OnByDefault,
    /// Whatever it is told.
    Always,
}

/// What one value of `reasoning_effort` becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Thinking is switched off, and no effort is sent.
    Off,
    /// Thinking is switched on, and no effort is sent.
    On,
    /// This effort is sent.
    Value(String),
}

/// Models that are switched in the same way.
#[derive(Clone, Debug)]
pub struct ThinkingGroup {
    /// Whom this is about.
    pub models: Vec<Pattern>,
    /// What they do unasked.
    pub habit: ThinkingHabit,
    /// Members that switch it off, or to the least there is.
    pub off: Map<String, Value>,
    /// Members that switch it on.
    pub on: Map<String, Value>,
    /// Other members by which a client speaks of thinking in the vendor's own words. Where one
    /// stands, nothing is added.
    pub own: Vec<String>,
    /// What each effort of OpenAI's becomes. An effort that is not listed is dropped.
    pub effort: BTreeMap<String, Effort>,
    /// Whether the vendor wants the reasoning beside a tool call sent back with the call's result.
    pub replay: bool,
    /// What a client loses who wanted no thinking.
    pub off_loss: LossLevel,
    /// Where this is known from.
    pub cite: Cite,
}
