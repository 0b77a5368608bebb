//! Accepted requests against their ends, minute by minute across a cut.
//!
//! Rules: acceptances are counted when they happen and ends when they come, in two books; a minute
//! is exact when every request accepted in it has one end. A request without an end is missing.
//! What a killed process had open is a known loss: it explains missing ends in the minutes of that
//! process's life, up to the number that was open, and is shown as lost, never as an end. An end
//! too many is never explained. A process that ended while its writes failed may have accepted
//! requests that no book has, so nothing explains that time.

use banjia_types::{Tally, Timestamp};
use serde::{Deserialize, Serialize};

/// One minute by the time of acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// Its first moment.
    pub at: Timestamp,
    /// What was accepted in it, and how that ended.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A process that was killed with requests open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When that process began.
    pub from: Timestamp,
    /// When the next one found it gone.
    pub until: Timestamp,
    /// What was open.
    pub open: u64,
    /// Since when it could not write its books: what it accepted from then on is in none. `None` if
    /// it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_failed_at: Option<Timestamp>,
}

/// The books of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Its minutes, in order; minutes without a request may be left out.
    pub minutes: Vec<Minute>,
    /// Processes that were killed in it.
    pub lost: Vec<Lost>,
}

/// A minute that is not exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which.
    pub at: Timestamp,
    /// Requests without an end; negative: ends without a request.
    pub missing: i64,
    /// How many of them a killed process explains.
    pub explained: u64,
}

/// What the books say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// All minutes together.
    pub total: Tally,
    /// Minutes that are not exact.
    pub missing: Vec<Missing>,
    /// Ends that are missing and not explained, and ends too many.
    pub unexplained: u64,
    /// Ends that are missing and explained by a killed process.
    pub lost: u64,
}

impl Balance {
    /// Books of a period. Minutes are put in order; a minute that is given twice is added up.
    pub fn new(minutes: impl IntoIterator<Item = (Timestamp, Tally)>, mut lost: Vec<Lost>) -> Self {
        let mut made: Vec<Minute> = minutes.into_iter().map(|(at, tally)| Minute { at, tally }).collect();
        made.sort_by_key(|minute| minute.at);
        made.dedup_by(|later, kept| {
            let is_same = later.at == kept.at;
            if is_same {
                kept.tally = add(kept.tally, later.tally);
            }
            is_same
        });
        lost.sort_by_key(|lost| (lost.until, lost.from));
        Self { minutes: made, lost }
    }

    /// Adds the books up.
    pub fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        let mut left: Vec<u64> = self.lost.iter().map(|lost| lost.open).collect();
        for minute in &self.minutes {
            sum.total = add(sum.total, minute.tally);
            let missing = missing(minute.tally);
            if missing == 0 {
                continue;
            }
            let mut open = u64::try_from(missing).unwrap_or(0);
            for (lost, left) in self.lost.iter().zip(&mut left) {
                // The minute in which the process began counts: its first requests may lie in it.
                if minute.at.0 > lost.from.0.saturating_sub(60_000) && minute.at <= lost.until {
                    let taken = open.min(*left);
                    (*left, open) = (*left - taken, open - taken);
                }
            }
            let explained = u64::try_from(missing).map_or(0, |all| all - open);
            sum.missing.push(Missing { at: minute.at, missing, explained });
            sum.lost = sum.lost.saturating_add(explained);
            sum.unexplained = sum.unexplained.saturating_add(missing.unsigned_abs() - explained);
        }
        sum
    }
}

impl Sum {
    /// Whether every accepted request has one end, minute by minute.
    pub const fn is_exact(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether what has no end is explained.
    pub const fn is_accounted_for(&self) -> bool {
        self.unexplained == 0
    }
}

/// Like [`Tally::missing`], for numbers that somebody else wrote.
fn missing(of: Tally) -> i64 {
    let ends = [of.answered, of.refused, of.failed, of.abandoned].iter().map(|count| i128::from(*count)).sum::<i128>();
    let missing = i128::from(of.accepted) - ends;
    i64::try_from(missing).unwrap_or(if missing < 0 { i64::MIN } else { i64::MAX })
}

fn add(one: Tally, other: Tally) -> Tally {
    Tally {
        accepted: one.accepted.saturating_add(other.accepted),
        answered: one.answered.saturating_add(other.answered),
        refused: one.refused.saturating_add(other.refused),
        failed: one.failed.saturating_add(other.failed),
        abandoned: one.abandoned.saturating_add(other.abandoned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(at: i64, accepted: u64, answered: u64) -> (Timestamp, Tally) {
        (Timestamp(at * 60_000), Tally { accepted, answered, ..Tally::default() })
    }

    #[test]
    fn minutes_that_cancel_out_are_not_exact() {
        let sum = Balance::new([minute(1, 5, 4), minute(2, 5, 6)], Vec::new()).sum();
        assert_eq!(
            (sum.total.missing(), sum.is_exact(), sum.is_accounted_for(), sum.unexplained),
            (0, false, false, 2)
        );
        assert_eq!(sum.missing[1], Missing { at: Timestamp(120_000), missing: -1, explained: 0 });
        let exact = Balance::new([minute(2, 3, 3), minute(1, 5, 3), minute(1, 0, 2)], Vec::new());
        assert_eq!(exact.minutes.len(), 2);
        assert!(exact.sum().is_exact());
    }

    #[test]
    fn a_killed_process_explains_what_it_had_open_and_no_more() {
        let lost =
            |open| vec![Lost { from: Timestamp(90_000), until: Timestamp(240_000), open, writes_failed_at: None }];
        let minutes = [minute(1, 5, 4), minute(3, 9, 7), minute(4, 2, 2)];
        let sum = Balance::new(minutes, lost(3)).sum();
        assert_eq!((sum.lost, sum.unexplained, sum.is_exact(), sum.is_accounted_for()), (3, 0, false, true));
        let sum = Balance::new(minutes, lost(2)).sum();
        assert_eq!((sum.lost, sum.unexplained), (2, 1));
        let before = Balance::new([minute(0, 1, 0)], lost(9)).sum();
        assert_eq!((before.lost, before.unexplained), (0, 1), "it was not alive then");
        let wild = Balance::new([minute(1, u64::MAX, 0), minute(2, 0, u64::MAX)], Vec::new()).sum();
        assert!(!wild.is_accounted_for());
    }
}
