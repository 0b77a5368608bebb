//! One budget in bytes for all request bodies and whole answers that are in memory.
//!
//! Rules:
//! - Bytes are set aside before they are read: at once where their number is announced, in steps
//!   where it is not.
//! - A reservation lives exactly as long as its bytes: [`Hold::cover`] puts both into one
//!   [`Bytes`].
//! - Bytes that the gateway makes of held ones (a request in a vendor's form, an answer put
//!   together of parts) are counted and never refused: giving the request up would waste the
//!   vendor's work. They keep others out until they are gone.

mod memory;

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The least that is set aside for the second part of a body whose length is not announced. Each
/// further step doubles it.
const STEP_BYTES: usize = 16 * 1024;
/// The budget is at least this, unless the configuration says less.
const DEFAULT_MIN: usize = 64 * 1024 * 1024;
/// The part of the memory that is the budget unless the configuration says otherwise.
const DEFAULT_DIVISOR: usize = 4;

/// The budget unless the configuration says otherwise: a quarter of the memory that this process
/// may use.
pub(crate) fn default_bytes_max() -> usize {
    memory::bytes_available().map_or(DEFAULT_MIN, |bytes| (bytes / DEFAULT_DIVISOR).max(DEFAULT_MIN))
}

/// The budget of a process. See the module's text.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    bytes: AtomicUsize,
    bytes_max: AtomicUsize,
}

impl HeldBytes {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), bytes_max: AtomicUsize::new(bytes_max) })
    }

    /// From now on the budget is this. What is held stays held.
    pub(crate) fn set_max(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// True if there is room for copies that no client waits for: they may take the first half only.
    pub(crate) fn has_room_for_copies(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.bytes_max.load(Ordering::Relaxed) / 2
    }

    /// Bytes that are held now.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts bytes that are there already.
    pub(crate) fn count(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let mut hold = Hold::new(self);
        hold.force(bytes.len());
        hold.cover(bytes)
    }
}

/// A part of the budget. Given back on drop.
#[derive(Debug)]
pub(crate) struct Hold {
    budget: Arc<HeldBytes>,
    bytes: usize,
}

impl Hold {
    /// A hold of nothing.
    pub(crate) fn new(budget: &Arc<HeldBytes>) -> Self {
        Self { budget: budget.clone(), bytes: 0 }
    }

    /// Sets aside what is missing to `total` bytes. Returns whether there was room for it.
    #[must_use]
    pub(crate) fn reach(&mut self, total: usize) -> bool {
        let Some(more) = total.checked_sub(self.bytes).filter(|more| *more > 0) else { return true };
        let held = self.budget.bytes.fetch_add(more, Ordering::Relaxed);
        if held.saturating_add(more) > self.budget.bytes_max.load(Ordering::Relaxed) {
            self.budget.bytes.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.bytes = total;
        true
    }

    /// As [`Self::reach`], for bytes of which it is not known how many come: from the second call
    /// on it sets aside more than is needed, so that not every part costs a step. Takes only what
    /// is needed if there is no room for more.
    #[must_use]
    pub(crate) fn grow_to(&mut self, total: usize) -> bool {
        if self.bytes == 0 {
            return self.reach(total);
        }
        total <= self.bytes || self.reach(total.max(self.bytes * 2).max(STEP_BYTES)) || self.reach(total)
    }

    /// Counts further bytes, also beyond the budget.
    pub(crate) fn force(&mut self, more: usize) {
        self.budget.bytes.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        self.budget.bytes.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }

    /// Takes over what another one holds.
    pub(crate) fn join(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Ties the hold to these bytes: what was set aside beyond them is given back now, the rest
    /// when the last clone of them is dropped.
    pub(crate) fn cover(mut self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        if let Some(over) = self.bytes.checked_sub(bytes.len()) {
            self.budget.bytes.fetch_sub(over, Ordering::Relaxed);
            self.bytes = bytes.len();
        }
        Bytes::from_owner(Covered { bytes, _hold: self })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Covered {
    bytes: Bytes,
    _hold: Hold,
}

impl AsRef<[u8]> for Covered {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_held_until_their_last_clone_is_dropped() {
        let budget = HeldBytes::new(100);
        let mut hold = Hold::new(&budget);
        assert!(hold.reach(60) && budget.bytes() == 60);
        let body = hold.cover(Bytes::from_static(b"0123456789"));
        let part = body.slice(2..4);
        drop(body);
        assert_eq!((budget.bytes(), &*part), (10, &b"23"[..]));
        drop(part);
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn beyond_the_budget_nothing_is_set_aside() {
        let budget = HeldBytes::new(100);
        let (mut first, mut second) = (Hold::new(&budget), Hold::new(&budget));
        assert!(budget.has_room_for_copies() && first.reach(60) && !budget.has_room_for_copies());
        assert!(!second.reach(41) && second.reach(40) && !second.reach(41));
        drop(first);
        assert!(second.reach(100));
        drop(second);
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn an_unknown_length_is_set_aside_in_steps() {
        let budget = HeldBytes::new(STEP_BYTES * 3);
        let mut hold = Hold::new(&budget);
        assert!(hold.grow_to(1));
        assert_eq!(budget.bytes(), 1);
        assert!(hold.grow_to(2));
        assert_eq!(budget.bytes(), STEP_BYTES);
        assert!(hold.grow_to(STEP_BYTES + 1));
        assert_eq!(budget.bytes(), STEP_BYTES * 2);
        assert!(hold.grow_to(STEP_BYTES * 2 + 1), "the last step takes what is left");
        assert!(!hold.grow_to(STEP_BYTES * 3 + 1));
    }

    #[test]
    fn forced_bytes_are_counted_and_never_refused() {
        let budget = HeldBytes::new(10);
        let made = budget.count(Bytes::from_static(b"0123456789abcdef"));
        assert_eq!(budget.bytes(), 16);
        assert!(!Hold::new(&budget).reach(1));
        drop(made);
        assert!(Hold::new(&budget).reach(10));
    }
}
