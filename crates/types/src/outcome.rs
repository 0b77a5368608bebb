//! How an accepted request ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The terminal state of an accepted request. Each request ends in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The response is complete.
    Answered,
    /// The client got an error before any content: ours, or a vendor's.
    Refused,
    /// The response broke after content began, and the client got an error event.
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
    /// Number of accepted requests.
    pub accepted: u64,
    /// Number that ended as [`Outcome::Answered`].
    pub answered: u64,
    /// Number that ended as [`Outcome::Refused`].
    pub refused: u64,
    /// Number that ended as [`Outcome::Failed`].
    pub failed: u64,
    /// Number that ended as [`Outcome::Abandoned`].
    pub abandoned: u64,
}

impl Tally {
    /// Counts one ended request.
    pub const fn count(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Answered => &mut self.answered,
            Outcome::Refused => &mut self.refused,
            Outcome::Failed => &mut self.failed,
            Outcome::Abandoned => &mut self.abandoned,
        };
        *count = count.saturating_add(1);
    }

    /// Accepted requests without an end. Zero if the books balance; a negative number means that an
    /// end was counted twice.
    pub const fn missing(&self) -> i64 {
        let ends = self.answered as i128 + self.refused as i128 + self.failed as i128 + self.abandoned as i128;
        let missing = self.accepted as i128 - ends;
        if missing > i64::MAX as i128 {
            i64::MAX
        } else if missing < i64::MIN as i128 {
            i64::MIN
        } else {
            missing as i64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_is_zero_if_each_request_has_one_end() {
        let mut tally = Tally { accepted: 4, ..Tally::default() };
        for outcome in Outcome::ALL {
            tally.count(outcome);
        }
        assert_eq!(tally.missing(), 0);
        tally.count(Outcome::Answered);
        assert_eq!(tally.missing(), -1);
        let wild = Tally { accepted: 0, answered: u64::MAX, refused: u64::MAX, failed: u64::MAX, abandoned: u64::MAX };
        assert_eq!(wild.missing(), i64::MIN, "numbers that do not fit end at the nearest one");
    }
}
