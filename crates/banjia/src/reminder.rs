//! Decides when a lasting state is logged again.

use std::time::Duration;
use tokio::time::Instant;

/// Limits how often a lasting state is logged.
#[derive(Debug)]
pub(crate) struct Reminder {
    every: Duration,
    last: Option<Instant>,
}

impl Reminder {
    /// Due at once, and then again after each `every`.
    pub(crate) const fn every(every: Duration) -> Self {
        Self { every, last: None }
    }

    /// Returns true if the state should be logged now.
    pub(crate) fn is_due(&mut self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&mut self, now: Instant) -> bool {
        let is_due = self.last.is_none_or(|last| now.duration_since(last) >= self.every);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }

    /// Ends the state. Returns true if it was logged.
    pub(crate) fn reset(&mut self) -> bool {
        self.last.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_state_is_due_once_a_minute() {
        let mut reminder = Reminder::every(Duration::from_mins(1));
        let began = Instant::now();
        let mut due_after = |seconds| reminder.is_due_at(began + Duration::from_secs(seconds));
        assert_eq!([0, 0, 59, 60, 61, 120].map(&mut due_after), [true, false, false, true, false, true]);
        assert!(reminder.reset() && !reminder.reset());
        assert!(reminder.is_due_at(began), "a new state is logged at once");
    }
}
