//! The tokens of one request.

use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign};

/// Token counts of one request, or a sum of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens, including cached ones.
    pub prompt: u64,
    /// Response tokens, including reasoning.
    pub completion: u64,
    /// Number of prompt tokens from the vendor's cache.
    pub cached: u64,
    /// Number of response tokens spent on reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// No count of one answer is believed above this. The largest context that a vendor has
    /// announced holds 10 million tokens (2026-09); twice that leaves room.
    pub const ANSWER_TOKENS_MAX: u64 = 20_000_000;
    /// The same for one request, which may be answered by 128 choices, each asked for twice. 1.8
    /// billion requests of this size still add up in 63 bits.
    pub const REQUEST_TOKENS_MAX: u64 = Self::ANSWER_TOKENS_MAX * 128 * 2;

    /// Whether one request can have used this much.
    pub const fn is_plausible(&self) -> bool {
        let max = Self::REQUEST_TOKENS_MAX;
        self.prompt <= max && self.completion <= max && self.cached <= max && self.reasoning <= max
    }

    /// Prompt and response tokens together.
    pub const fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.saturating_add(other.prompt),
            completion: self.completion.saturating_add(other.completion),
            cached: self.cached.saturating_add(other.cached),
            reasoning: self.reasoning.saturating_add(other.reasoning),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
