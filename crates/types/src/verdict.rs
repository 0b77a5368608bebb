//! A policy's answer for a caller.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A policy's answer for one caller at one time, from the mildest to the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// The caller is served.
    #[default]
    Allow,
    /// The caller is served, with a notice that this will end.
    Notice,
    /// The caller is refused at present, as a rehearsal of the block.
    Brownout,
    /// The caller is refused.
    Block,
}

impl VerdictKind {
    /// The name used in policies, the ledger and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Notice => "notice",
            Self::Brownout => "brownout",
            Self::Block => "block",
        }
    }

    /// Whether the request is refused.
    pub const fn refuses(self) -> bool {
        matches!(self, Self::Brownout | Self::Block)
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
