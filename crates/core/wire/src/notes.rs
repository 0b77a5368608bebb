//! What `encode` did that somebody must undo or finish: the decoder for one answer, the gateway for
//! several.
//!
//! Rules:
//! - Notes hold facts about this one request, never about the vendor: those are in the profile.
//! - Everything but the bounds of its tokens is empty or `false` if the request went out as it came
//!   in.

use crate::decode::TokenBounds;
use serde_json::Value;

/// What must be undone or emulated in the answer.
#[expect(clippy::struct_excessive_bools, reason = "each is a note of its own; they are no states of one thing")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// The client asked for a usage chunk. `encode` may ask the vendor for one anyway; then only
    /// this says who gets it.
    pub include_usage: bool,
    /// Requests to send for `n` choices; 0 and 1 both mean one.
    pub fan_out: u32,
    /// Stop strings that the vendor was not given and the gateway must cut at.
    pub stop: Vec<String>,
    /// The answer must be JSON that fits this schema; the vendor was only told so in words.
    pub schema: Option<SchemaWanted>,
    /// The answer must call a tool; the vendor was only told so in words.
    pub forced_tool: Option<ForcedTool>,
    /// The answer must be one JSON object; the vendor was only told so in words.
    pub json_object: bool,
    /// The client wants embeddings in base64 and the vendor gives floats.
    pub base64_embeddings: bool,
    /// Tools that go by another name at the vendor: (name sent, client's name).
    pub renamed_tools: Vec<(String, String)>,
    /// The vendor wants the reasoning beside a tool call back with the call's result, so it must be
    /// kept by call id.
    pub replay_reasoning: bool,
    /// The most tokens that the vendor can truly count for it.
    pub token_bounds: TokenBounds,
}

impl Notes {
    /// How many requests answer this one: at least 1.
    pub fn requests(&self) -> u32 {
        self.fan_out.max(1)
    }
}

/// A schema that the client asked for and the vendor cannot enforce: ask, validate, repair once.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaWanted {
    /// The client's name for it.
    pub name: String,
    /// The JSON Schema.
    pub schema: Value,
    /// Whether the client asked for strict adherence.
    pub strict: bool,
}

/// A tool call that the client insists on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForcedTool {
    /// Any of the tools (`tool_choice: "required"`).
    Any,
    /// This tool, by the name that the vendor was given.
    Named(String),
}
