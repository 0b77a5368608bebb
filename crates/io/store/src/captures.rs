//! A capture: one recorded exchange, and its open form, a line of JSON.
//!
//! Rules: a capture holds the request as the client said it and the answer whole, both in OpenAI's
//! words, so that any target can be asked again and any two answers compared; legs of the same
//! request share its id; what redaction took out is counted. Lines are read as strictly as they are
//! written, and a bad line is told with its number.

mod binding;
mod newest;
mod table;
#[cfg(test)]
mod tests;

pub use table::{CaptureCursor, CaptureFilter, CaptureMark, CapturePage, CaptureSum};

use crate::StoreError;
use banjia_types::{AccountId, ErrorClass, Money, Outcome, RouteName, Target, Timestamp, TrafficKind, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::BufRead;

/// One recorded exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// The request: the gateway's id of the caller's request, shared by all legs of it; for
    /// imported logs any text that is the same for the same request.
    pub id: String,
    /// Who asked.
    pub leg: TrafficKind,
    /// Which of several of this leg, from 0 on.
    #[serde(default)]
    pub number: u32,
    /// When the request was accepted.
    pub at: Timestamp,
    /// Whose request it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The route asked for.
    pub route: RouteName,
    /// Who answered.
    pub target: Target,
    /// `chat` or `embeddings`.
    pub endpoint: String,
    /// True if a stream was asked for. The answer is whole here in any case.
    #[serde(default)]
    pub stream: bool,
    /// The client's program, from its `user-agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The request as the client said it.
    pub request: Value,
    /// The answer in OpenAI's form; none when there was none.
    #[serde(default)]
    pub answer: Option<Value>,
    /// How the exchange ended.
    pub outcome: Outcome,
    /// The class of the error that it ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ErrorClass>,
    /// Tokens, as the vendor said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// From sending to the first content, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_content_ms: Option<u32>,
    /// From sending to the end, in milliseconds.
    #[serde(default)]
    pub total_ms: u32,
    /// How many places were redacted.
    #[serde(default)]
    pub redactions: u32,
}

impl Capture {
    /// Usage that no request can have had is unknown, and so is the cost that was made of it.
    fn believed(self) -> Self {
        match self.usage {
            Some(usage) if !usage.is_plausible() => Self { usage: None, cost: None, ..self },
            _ => self,
        }
    }

    /// The line of this capture, with its end.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("texts, numbers and JSON values are always JSON");
        line.push('\n');
        line
    }

    /// Reads lines one after the other; empty ones are passed over.
    ///
    /// # Errors
    /// For each line that cannot be used: its number and what is wrong. The lines after it can
    /// still be read.
    pub fn read_lines(from: impl BufRead) -> impl Iterator<Item = Result<Self, StoreError>> {
        from.lines().enumerate().filter_map(|(number, line)| match line {
            Err(error) => {
                let said = error.to_string();
                Some(Err(StoreError::Line { number: number + 1, what: "a line of text", said }))
            }
            Ok(line) if line.trim().is_empty() => None,
            Ok(line) => Some(serde_json::from_str(&line).map(Self::believed).map_err(|error| StoreError::Line {
                number: number + 1,
                what: "a capture",
                said: error.to_string(),
            })),
        })
    }
}
