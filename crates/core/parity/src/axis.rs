//! The axes on which two sides are compared, and the score of one pair on each.
//!
//! # Rules
//! - An axis scores a pair with one number for each side: the mean over that side's responses.
//!   Higher is better.
//! - If the request or a person says what is right (JSON mode, a schema, an expectation), each
//!   response is scored by itself.
//! - Otherwise the source is the only measure, and it does not fully agree with itself either. The
//!   destination's score is its agreement with the source's responses. The source's score is the
//!   agreement of the source's responses with each other. The difference is what the destination
//!   changes beyond the source's own noise. It needs at least one repeat.
//! - Only responses are compared. A call that failed counts on the axis `answered` and on no other.

mod relative;
mod single;

use crate::pair::Pair;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An axis of comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// A response arrived, without an error.
    Answered,
    /// The response is JSON if JSON was requested.
    Json,
    /// The response matches the requested schema, and tool calls match their tools.
    Schema,
    /// The tools that are called, as F1 over names. Calling none is a choice too.
    ToolChoice,
    /// The arguments of the calls that both sides make, by the types in their schema.
    ToolArguments,
    /// The response is no refusal and was not blocked, or is a refusal if one is expected.
    Refusal,
    /// The language of the response.
    Language,
    /// The length of the response, within a factor.
    Length,
    /// The meaning, by embeddings.
    Meaning,
    /// The preference of a judge.
    Judge,
    /// A person's expectations: exact text, contained text, pattern, JSON path.
    Assertions,
    /// The letters. They measure style and not quality.
    Wording,
    /// The median time to the first content.
    FirstContent,
    /// The median time to the end.
    Latency,
    /// The 95th percentile of the time to the end.
    LatencyTail,
    /// The mean cost of a request.
    Cost,
}

/// What a side's mean measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A part of one: a rate, an agreement, an F1.
    Rate,
    /// Milliseconds.
    Milliseconds,
    /// Millionths of a currency's unit.
    MicroMoney,
}

impl Axis {
    /// Every axis in the order of reports.
    pub const ALL: [Self; 16] = [
        Self::Answered,
        Self::Json,
        Self::Schema,
        Self::ToolChoice,
        Self::ToolArguments,
        Self::Refusal,
        Self::Language,
        Self::Length,
        Self::Meaning,
        Self::Judge,
        Self::Assertions,
        Self::Wording,
        Self::FirstContent,
        Self::Latency,
        Self::LatencyTail,
        Self::Cost,
    ];

    /// The name in rules and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Json => "json",
            Self::Schema => "schema",
            Self::ToolChoice => "tool_choice",
            Self::ToolArguments => "tool_arguments",
            Self::Refusal => "refusal",
            Self::Language => "language",
            Self::Length => "length",
            Self::Meaning => "meaning",
            Self::Judge => "judge",
            Self::Assertions => "assertions",
            Self::Wording => "wording",
            Self::FirstContent => "first_content",
            Self::Latency => "latency",
            Self::LatencyTail => "latency_tail",
            Self::Cost => "cost",
        }
    }

    /// The axis with this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|axis| axis.as_str() == name)
    }

    /// What the axis's means measure.
    pub const fn unit(self) -> Unit {
        match self {
            Self::FirstContent | Self::Latency | Self::LatencyTail => Unit::Milliseconds,
            Self::Cost => Unit::MicroMoney,
            _ => Unit::Rate,
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A part of a whole, so that F1 can be computed over all pairs. On other axes the whole is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fraction {
    /// The part.
    pub part: f64,
    /// The whole.
    pub whole: f64,
}

impl Fraction {
    /// A score between 0 and 1.
    pub const fn of(score: f64) -> Self {
        Self { part: score, whole: 1.0 }
    }

    /// The score by itself.
    pub fn score(self) -> f64 {
        if self.whole > 0.0 { self.part / self.whole } else { 0.0 }
    }

    /// The mean of several, part and whole separately. `None` of none.
    pub(crate) fn mean(parts: impl Iterator<Item = Self>) -> Option<Self> {
        let (mut part, mut whole, mut count) = (0.0, 0.0, 0.0);
        for one in parts {
            part += one.part;
            whole += one.whole;
            count += 1.0;
        }
        (count > 0.0).then(|| Self { part: part / count, whole: whole / count })
    }
}

/// The score of one pair on one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The source's score.
    pub source: Fraction,
    /// The destination's score.
    pub destination: Fraction,
    /// The distance between two of the source's own responses, if it responded more than once.
    pub noise: Option<f64>,
}

/// Why a pair has no score on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The request does not involve this axis.
    NotAsked,
    /// The source's responses are the only measure, and there is only one.
    Repeats,
    /// One side has no response that could be scored.
    Answer,
    /// An external input (vectors, a judge, expectations) was not given.
    Input,
}

/// How responses are scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scoring {
    /// Lengths within this factor of each other count as equal.
    pub length_factor: f64,
}

impl Default for Scoring {
    fn default() -> Self {
        Self { length_factor: 2.0 }
    }
}

/// Scores a pair on an axis of rates. Times and costs are no scores, and are [`Missing::NotAsked`]
/// here.
pub fn score(axis: Axis, pair: &Pair, scoring: Scoring) -> Result<Scored, Missing> {
    match axis {
        Axis::Answered => single::each(pair, |answer| Some(answer.is_answered()), Missing::Answer),
        Axis::Json => single::json(pair),
        Axis::Schema => single::schema(pair),
        Axis::Refusal => single::refusal(pair),
        Axis::Assertions => single::assertions(pair),
        Axis::Language => relative::spoken(pair),
        Axis::ToolChoice => relative::tool_choice(pair),
        Axis::ToolArguments => relative::tool_arguments(pair),
        Axis::Length => relative::length(pair, scoring.length_factor),
        Axis::Meaning => relative::meaning(pair),
        Axis::Wording => relative::wording(pair),
        Axis::Judge => single::judge(pair),
        Axis::FirstContent | Axis::Latency | Axis::LatencyTail | Axis::Cost => Err(Missing::NotAsked),
    }
}

#[cfg(test)]
mod tests;
