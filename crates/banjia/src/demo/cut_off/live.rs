//! What is known while the demo runs, for the screen.

use super::stage::Cut;
use crate::demo::client::{End, Observed};
use banjia_types::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shares of targets are shown over this many of the last answers.
const RECENT_LEN_MAX: usize = 60;

/// Shared by the load and the screen.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) begun_at: Timestamp,
    /// The vendor that will leave.
    pub(super) source: String,
    state: Mutex<State>,
}

/// Counters of one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) refused: u64,
    pub(super) broken: u64,
    pub(super) left: u64,
    /// When the source began to refuse.
    pub(super) blocked_at: Option<Timestamp>,
    /// When the gateway cut it.
    pub(super) cut: Option<Cut>,
    recent: VecDeque<String>,
}

impl State {
    /// Requests without an end.
    pub(super) const fn open(&self) -> u64 {
        self.sent - self.answered - self.refused - self.broken - self.left
    }

    /// Vendors of the last answers with their share in percent, by name.
    pub(super) fn shares(&self) -> Vec<(String, u32)> {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for vendor in &self.recent {
            *counts.entry(vendor).or_default() += 1;
        }
        let all = u32::try_from(self.recent.len()).unwrap_or(u32::MAX).max(1);
        counts.into_iter().map(|(vendor, count)| (vendor.to_owned(), (count * 100 + all / 2) / all)).collect()
    }
}

impl Live {
    pub(super) fn new(begun_at: Timestamp, source: String) -> Self {
        Self { begun_at, source, state: Mutex::default() }
    }

    pub(super) fn now(&self) -> State {
        self.state().clone()
    }

    pub(super) fn sent(&self) {
        self.state().sent += 1;
    }

    pub(super) fn blocked(&self, at: Timestamp) {
        self.state().blocked_at = Some(at);
    }

    pub(super) fn cut(&self, cut: Cut) {
        self.state().cut.get_or_insert(cut);
    }

    pub(super) fn ended(&self, seen: &Observed) {
        let mut state = self.state();
        match seen.end {
            End::Answered => state.answered += 1,
            End::Refused(_) => state.refused += 1,
            End::Broken(_) => state.broken += 1,
            End::Left => state.left += 1,
        }
        if let Some(vendor) = seen.vendor() {
            let vendor = vendor.to_owned();
            state.recent.push_back(vendor);
            if state.recent.len() > RECENT_LEN_MAX {
                state.recent.pop_front();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters cannot be left half written by a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
