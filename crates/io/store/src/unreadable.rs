//! Stored rows that cannot be read: left out, counted and logged.
//!
//! One row that was damaged, or that another version wrote, must not take away all the others. A
//! list of rows is therefore read row by row; only where a single row was asked for by name is it
//! an error.

use crate::StoreError;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Rows of one kind are logged at most this often: moves are looked at every two seconds.
const LOG_EVERY: Duration = Duration::from_mins(1);

static TOTAL: AtomicU64 = AtomicU64::new(0);
static LOGGED_AT: Mutex<Option<HashMap<&'static str, Instant>>> = Mutex::new(None);

/// The number of times that a stored row was left out because it cannot be read, since this process
/// began.
pub fn unreadable_rows() -> u64 {
    TOTAL.load(Ordering::Relaxed)
}

/// The rows that can be read. `what` names their kind.
pub(crate) fn readable<T>(what: &'static str, rows: impl IntoIterator<Item = Result<T, StoreError>>) -> Vec<T> {
    let mut left_out = LeftOut::default();
    let readable = rows.into_iter().filter_map(|row| row.map_err(|error| left_out.add(error)).ok()).collect();
    left_out.note(what);
    readable
}

/// Counts rows that are left out of one list.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    rows: u64,
    first: Option<StoreError>,
}

impl LeftOut {
    pub(crate) fn add(&mut self, error: StoreError) {
        self.rows = self.rows.saturating_add(1);
        self.first.get_or_insert(error);
    }

    /// Counts and logs them; returns how many there are.
    pub(crate) fn note(self, what: &'static str) -> u64 {
        let Some(error) = self.first else { return 0 };
        TOTAL.fetch_add(self.rows, Ordering::Relaxed);
        if is_due(what, Instant::now()) {
            tracing::error!(rows = self.rows, %error, "{what} that cannot be read are left out");
        }
        self.rows
    }
}

fn is_due(what: &'static str, now: Instant) -> bool {
    let mut logged_at = LOGGED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    let last = logged_at.get_or_insert_default().insert(what, now);
    let is_due = last.is_none_or(|last| now.duration_since(last) >= LOG_EVERY);
    if let (false, Some(last), Some(all)) = (is_due, last, logged_at.as_mut()) {
        all.insert(what, last);
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_of_rows_is_logged_once_a_minute() {
        let begun = Instant::now();
        let due = |what, seconds| is_due(what, begun + Duration::from_secs(seconds));
        assert_eq!((due("a", 0), due("a", 59), due("b", 59), due("a", 60)), (true, false, true, true));
    }
}
