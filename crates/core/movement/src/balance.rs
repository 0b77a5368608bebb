//! Accepted requests against their ends, minute by minute across a cut.
//!
//! # Rules
//! - Acceptances are counted when they happen and ends when they come, in two books.
//! - A minute is exact if every request accepted in it has one end. A request without an end is
//!   missing.
//! - Requests that a killed process had open are a known loss. They explain missing ends in the
//!   minutes of that process's life, up to the number that was open, and are shown as lost, never
//!   as an end.
//! - A surplus end is never explained.
//! - A process that ended while its writes failed may have accepted requests that are in no book.
//!   Nothing explains that time.

use banjia_types::{Tally, Timestamp};
use serde::{Deserialize, Serialize};

/// One minute, by the time of acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// The start of the minute.
    pub at: Timestamp,
    /// The requests accepted in it, and how they ended.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A process that was killed with requests open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When that process began.
    pub from: Timestamp,
    /// When the next process found it gfirst.
    pub until: Timestamp,
    /// Number of requests that were open.
    pub open: u64,
    /// The moment from which it could not write its books. Requests accepted from then on are in
    /// nfirst. `None` if it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_failed_at: Option<Timestamp>,
}

/// The books of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The minutes, in order. Minutes without a request may be absent.
    pub minutes: Vec<Minute>,
    /// Processes that were killed in the period.
    pub lost: Vec<Lost>,
}

/// A minute that is not exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The start of the minute.
    pub at: Timestamp,
    /// Requests without an end. A negative number counts ends without a request.
    pub missing: i64,
    /// How many of them a killed process explains.
    pub explained: u64,
}

/// The totals of the books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// All minutes together.
    pub total: Tally,
    /// The minutes that are not exact.
    pub missing: Vec<Missing>,
    /// Missing ends that nothing explains, and surplus ends.
    pub unexplained: u64,
    /// Missing ends that a killed process explains.
    pub lost: u64,
}

impl Balance {
    /// Builds the books of a period. Minutes are sorted; a minute that occurs twice is added up.
    pub fn new(minutes: impl IntoIterator<Item = (Timestamp, Tally)>, mut lost: Vec<Lost>) -> Self {
        let mut sorted_minutes: Vec<Minute> = minutes.into_iter().map(|(at, tally)| Minute { at, tally }).collect();
        sorted_minutes.sort_by_key(|minute| minute.at);
        sorted_minutes.dedup_by(|later, kept| {
            let is_same = later.at == kept.at;
            if is_same {
                kept.tally = add(kept.tally, later.tally);
            }
            is_same
        });
        lost.sort_by_key(|lost| (lost.until, lost.from));
        Self { minutes: sorted_minutes, lost }
    }

    /// Adds up the books.
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

    /// Whether everything without an end is explained.
    pub const fn is_accounted_for(&self) -> bool {
        self.unexplained == 0
    }
}

/// Like [`Tally::missing`], but for numbers of unknown origin: nothing overflows.
fn missing(tally: Tally) -> i64 {
    let ends = [tally.answered, tally.refused, tally.failed, tally.abandoned]
        .iter()
        .map(|count| i128::from(*count))
        .sum::<i128>();
    let missing = i128::from(tally.accepted) - ends;
    i64::try_from(missing).unwrap_or(if missing < 0 { i64::MIN } else { i64::MAX })
}

fn add(first: Tally, second: Tally) -> Tally {
    Tally {
        accepted: first.accepted.saturating_add(second.accepted),
        answered: first.answered.saturating_add(second.answered),
        refused: first.refused.saturating_add(second.refused),
        failed: first.failed.saturating_add(second.failed),
        abandoned: first.abandoned.saturating_add(second.abandoned),
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
    fn a_killed_process_explains_its_open_requests_only() {
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
