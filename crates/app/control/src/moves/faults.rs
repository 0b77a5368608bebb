//! Looks at moves that fail again and again: people are called.
//!
//! Rules:
//! - One failed look calls nobody; [`FAILED_LOOKS_MAX`] in a row do, and again each hour while it
//!   lasts.
//! - When a look succeeds after people were called, they get a notice.
//! - A webhook event holds names and numbers only. It is kept until it is stored, because it goes
//!   through the database that may be the cause of the fault.

use banjia_movement::stage::{Page, Urgency};
use banjia_types::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// With a look every two seconds this is ten seconds: longer than a lock that is held for a moment.
const FAILED_LOOKS_MAX: u32 = 5;
const CALL_AGAIN_AFTER: Duration = Duration::from_hours(1);
/// The most webhook events that wait for a database which can be written.
const UNTOLD_MAX: usize = 256;
/// The longest reason that people are shown.
const WHY_CHARS_MAX: usize = 500;
/// In place of a move's id, when no move can be looked at.
pub(super) const ALL_MOVES: &str = "all moves";

/// Counts failed looks.
#[derive(Debug, Default)]
pub(super) struct Faults {
    failing: BTreeMap<String, Failing>,
    recovered: Vec<(String, u32)>,
    untold: VecDeque<(Timestamp, Value)>,
}

#[derive(Debug, Default)]
struct Failing {
    looks: u32,
    why: String,
    called_at: Option<Timestamp>,
}

impl Faults {
    /// A look at a move failed. Returns whether it is news, for the log.
    pub(super) fn failed(&mut self, id: &str, why: String) -> bool {
        let failing = self.failing.entry(id.to_owned()).or_default();
        failing.looks = failing.looks.saturating_add(1);
        let is_news = failing.why != why;
        failing.why = why;
        is_news
    }

    /// A look at a move succeeded.
    pub(super) fn succeeded(&mut self, id: &str) {
        let Some(failing) = self.failing.remove(id) else { return };
        if failing.called_at.is_some() {
            self.recovered.push((id.to_owned(), failing.looks));
        }
    }

    /// Forgets all failures: another process looks at the moves and counts its own.
    pub(super) fn forget(&mut self) {
        self.failing.clear();
    }

    /// Returns the calls that are due, each with the id of its move.
    pub(super) fn calls(&mut self, now: Timestamp) -> Vec<(String, Page)> {
        let mut calls = Vec::new();
        for (id, failing) in &mut self.failing {
            // A clock that was set back does not silence anybody for longer than it was set back.
            let is_due = failing.called_at.is_none_or(|at| now < at || now.since(at) >= CALL_AGAIN_AFTER);
            if failing.looks < FAILED_LOOKS_MAX || !is_due {
                continue;
            }
            failing.called_at = Some(now);
            let why: String = failing.why.chars().take(WHY_CHARS_MAX).collect();
            let why = format!("the last {} looks at it failed: {why}", failing.looks);
            self.untold.push_back((now, told(id, Urgency::Urgent, "look_failed", failing.looks)));
            calls.push((id.clone(), Page { number: 0, urgency: Urgency::Urgent, why }));
        }
        for (id, looks) in std::mem::take(&mut self.recovered) {
            let why = format!("it can be looked at again, after {looks} looks that failed");
            self.untold.push_back((now, told(&id, Urgency::Notice, "look_recovered", looks)));
            calls.push((id, Page { number: 0, urgency: Urgency::Notice, why }));
        }
        while self.untold.len() > UNTOLD_MAX {
            self.untold.pop_front();
        }
        calls
    }

    /// Returns the oldest webhook event that is not stored yet.
    pub(super) fn untold(&self) -> Option<&(Timestamp, Value)> {
        self.untold.front()
    }

    /// Removes the oldest webhook event, which was stored.
    pub(super) fn told(&mut self) {
        self.untold.pop_front();
    }
}

/// The data of the webhook event for a call.
fn told(id: &str, urgency: Urgency, what: &str, looks: u32) -> Value {
    let id = Some(id).filter(|id| *id != ALL_MOVES);
    json!({ "move": id, "page": 0, "urgency": urgency, "what": what, "failed_looks": looks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Timestamp {
        Timestamp(0) + Duration::from_mins(minutes)
    }

    fn urgencies(calls: &[(String, Page)]) -> Vec<(&str, Urgency)> {
        calls.iter().map(|(id, page)| (id.as_str(), page.urgency)).collect()
    }

    #[test]
    fn five_failures_call_people_and_again_each_hour() {
        let mut faults = Faults::default();
        let mut called = Vec::new();
        for look in 0..180 {
            faults.failed("a", "broken".to_owned());
            if !faults.calls(at(look)).is_empty() {
                called.push(look);
            }
        }
        assert_eq!(called, [4, 64, 124]);
        faults.succeeded("a");
        assert_eq!(urgencies(&faults.calls(at(200))), [("a", Urgency::Notice)]);
        assert_eq!(faults.calls(at(201)).len(), 0, "once");
    }

    #[test]
    fn a_fault_that_passes_calls_nobody() {
        let mut faults = Faults::default();
        for look in 0..100 {
            for _ in 0..4 {
                faults.failed("a", "locked".to_owned());
            }
            faults.succeeded("a");
            assert!(faults.calls(at(look)).is_empty());
        }
    }

    #[test]
    fn each_move_is_counted_by_itself() {
        let mut faults = Faults::default();
        for _ in 0..5 {
            faults.failed("a", "broken".to_owned());
            faults.succeeded("b");
        }
        faults.failed("b", "broken".to_owned());
        assert_eq!(urgencies(&faults.calls(at(0))), [("a", Urgency::Urgent)]);
    }

    #[test]
    fn events_that_wait_are_bounded() {
        let mut faults = Faults::default();
        for hour in 0..1_000 {
            for _ in 0..5 {
                faults.failed("a", "broken".to_owned());
            }
            faults.calls(at(hour * 60));
        }
        assert_eq!(faults.untold.len(), UNTOLD_MAX);
    }
}
