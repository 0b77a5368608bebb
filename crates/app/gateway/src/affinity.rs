//! Conversations that are pinned to another target than their route's order gives them.

use crate::lock::lock;
use banjia_traffic::{SessionAffinity, StickyKey};
use banjia_types::{Moment, Target};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Maximum number of conversations that are remembered.
const CONVERSATIONS_MAX: usize = 65_536;
/// A conversation without a request for this long is forgotten.
const REMEMBERED_FOR: Duration = Duration::from_hours(24);

/// The pinned conversations of this process.
pub(crate) struct Affinity {
    pinned: Mutex<SessionAffinity<Target>>,
    /// Set once a conversation was pinned. Until then no request takes the lock.
    is_used: AtomicBool,
}

impl Default for Affinity {
    fn default() -> Self {
        let pinned = Mutex::new(SessionAffinity::new(CONVERSATIONS_MAX, REMEMBERED_FOR));
        Self { pinned, is_used: AtomicBool::new(false) }
    }
}

impl Affinity {
    /// The target that a conversation is pinned to.
    pub(crate) fn pinned_to(&self, conversation: StickyKey, now: Moment) -> Option<Target> {
        if !self.is_used.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.pinned).pinned_to(conversation, now).cloned()
    }

    /// Pins a conversation to a target.
    pub(crate) fn pin(&self, conversation: StickyKey, target: &Target, now: Moment) {
        lock(&self.pinned).pin(conversation, target.clone(), now);
        self.is_used.store(true, Ordering::Release);
    }

    /// Forgets the conversations that are pinned to such targets.
    pub(crate) fn forget(&self, is_gone: impl Fn(&Target) -> bool) {
        lock(&self.pinned).unpin_where(is_gone);
    }
}
