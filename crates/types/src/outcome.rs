//! How an accepted request ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The terminal state of an accepted request. Each request ends in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Complete.
    Answered,
    /// An error answer, from us or passed on, before any content.
    Refused,
    /// Broken after content began, and the client was told by an error event.
    Failed,
    /// The client left.
    Abandoned,
}

impl Outcome {
    /// Every outcome, in the order in which reports show them.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Refused, Self::Failed, Self::Abandoned];

    /// The name used in the ledger, metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Counts of requests by outcome beside the count of accepted ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests that were accepted.
    pub accepted: u64,
    /// Ended as [`Outcome::Answered`].
    pub answered: u64,
    /// Ended as [`Outcome::Refused`].
    pub refused: u64,
    /// Ended as [`Outcome::Failed`].
    pub failed: u64,
    /// Ended as [`Outcome::Abandoned`].
    pub abandoned: u64,
}

impl Tally {
    /// Counts one end.
    pub const fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Answered => self.answered += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Abandoned => self.abandoned += 1,
        }
    }

    /// Accepted requests that have no end. Zero when the balance holds; negative means an end was counted twice.
    pub const fn missing(&self) -> i64 {
        self.accepted.cast_signed() - (self.answered + self.refused + self.failed + self.abandoned).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_is_zero_only_when_every_request_has_one_end() {
        let mut tally = Tally { accepted: 4, ..Tally::default() };
        for outcome in Outcome::ALL {
            tally.count(outcome);
        }
        assert_eq!(tally.missing(), 0);
        tally.count(Outcome::Answered);
        assert_eq!(tally.missing(), -1);
    }
}
