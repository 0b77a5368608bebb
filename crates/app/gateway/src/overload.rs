//! Counts requests and connections that are turned away because there are too many. The log shows
//! the first at once and the numbers each minute.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Why something was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The ledger had no place for the request, also after a wait.
    Ledger,
    /// There was no room in memory for a request's body or for an answer.
    Memory,
    /// A client address has as many connections as it may have.
    Connections,
}

#[derive(Debug, Default)]
pub(crate) struct Overload {
    ledger: AtomicU64,
    memory: AtomicU64,
    connections: AtomicU64,
    /// Set while the log has a line about it.
    is_logged: AtomicBool,
}

/// Numbers of each cause since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) ledger: u64,
    pub(crate) memory: u64,
    pub(crate) connections: u64,
}

impl Overload {
    /// Counts one. The first is logged at once, the others each minute.
    pub(crate) fn count(&self, cause: Cause) {
        let counter = match cause {
            Cause::Ledger => &self.ledger,
            Cause::Memory => &self.memory,
            Cause::Connections => &self.connections,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if !self.is_logged.load(Ordering::Relaxed) && !self.is_logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(?cause, "the gateway is overloaded and turns requests or connections away");
        }
    }

    /// Once a minute: logs what was turned away since the last time.
    pub(crate) fn report(&self) {
        if let Some(Counts { ledger, memory, connections }) = self.take() {
            tracing::warn!(
                requests_without_ledger_place = ledger,
                requests_without_memory = memory,
                connections_beyond_their_address = connections,
                "turned away in the last minute because of overload"
            );
        }
    }

    /// Takes the numbers since the last time; `None` if all are 0. Then the next one is logged at
    /// once again.
    fn take(&self) -> Option<Counts> {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let counts =
            Counts { ledger: take(&self.ledger), memory: take(&self.memory), connections: take(&self.connections) };
        if counts == Counts::default() {
            self.is_logged.store(false, Ordering::Relaxed);
            return None;
        }
        Some(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_report_has_the_counts_since_the_last() {
        let overload = Overload::default();
        assert_eq!(overload.take(), None);
        overload.count(Cause::Ledger);
        overload.count(Cause::Ledger);
        overload.count(Cause::Memory);
        overload.count(Cause::Connections);
        assert_eq!(overload.take(), Some(Counts { ledger: 2, memory: 1, connections: 1 }));
        assert!(overload.is_logged.load(Ordering::Relaxed));
        assert_eq!(overload.take(), None);
        assert!(!overload.is_logged.load(Ordering::Relaxed), "the next one is logged at once");
    }
}
