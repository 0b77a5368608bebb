//! The stage of a move.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The stage of a move, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The source answers, and its responses are recorded.
    Record,
    /// The destination gets copies. No caller sees its responses.
    Shadow,
    /// The destination answers a share of the conversations.
    Canary,
    /// The destination answers all conversations.
    Live,
    /// The source's credentials are removed, and the report is signed.
    Sealed,
}

impl Stage {
    /// The name used in configuration, the ledger and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Live => "live",
            Self::Sealed => "sealed",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
