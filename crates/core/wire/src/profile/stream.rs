//! How a vendor's answers and streams differ from OpenAI's.

use banjia_types::ErrorClass;
use std::collections::BTreeMap;

/// Where a stream shows its usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsagePlacement {
    /// In a chunk of its own with empty `choices`, when asked by `stream_options.include_usage`.
    #[default]
    OwnChunk,
    /// On the chunk that carries the finish reason, asked or not.
    OnFinishChunk,
}

/// What a finish reason that OpenAI does not have stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishMeaning {
    /// Another word for one of OpenAI's finish reasons.
    Reason(String),
    /// A failure that the vendor hid in a finish reason.
    Error(ErrorClass),
}

/// The vendor's habits in answers and streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamHabits {
    /// Where usage stands.
    pub usage: UsagePlacement,
    /// Finish reasons with another name or another meaning.
    pub finish: BTreeMap<String, FinishMeaning>,
    /// The answer may be marked as withdrawn or blocked by a number in `choices[].flag`: from this
    /// value on it is.
    pub blocked_flag_min: Option<u64>,
    /// The member that holds reasoning text where it is not `reasoning_content`.
    pub reasoning_member: Option<String>,
}
