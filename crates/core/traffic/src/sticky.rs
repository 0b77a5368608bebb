//! Session affinity: which target each conversation is pinned to.
//!
//! # How a conversation is recognised
//! By the first of these that a request has. The order goes from explicit to merely likely:
//!
//! 1. our own header
//! 2. `prompt_cache_key`
//! 3. `previous_response_id`
//! 4. `user`
//! 5. a hash of the opening messages
//!
//! The account is part of the key, so conversations of two customers never share one.
//!
//! # Why the target is stored and not computed from the key
//! A conversation that failed over must stay at the target that answered, even when the first
//! target is healthy again.
//!
//! # Memory
//! Memory is bounded by two generations. When the young generation is full it becomes the old one,
//! and the old one is dropped. A conversation that is still active is written to the young
//! generation again.

use banjia_types::Moment;
use banjia_types::hash::{FNV_START, fnv1a, spread};
use std::collections::HashMap;
use std::time::Duration;

/// What a request shows about its conversation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// Our own header.
    pub header: Option<&'a str>,
    /// The body's `prompt_cache_key`.
    pub prompt_cache_key: Option<&'a str>,
    /// The body's `previous_response_id`.
    pub previous_response_id: Option<&'a str>,
    /// The body's `user`.
    pub user: Option<&'a str>,
    /// A stable hash of the opening messages.
    pub opening: Option<u64>,
}

/// The key of a conversation. Equal hints give equal keys on every machine and in every version, so
/// that replicas may share pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StickyKey(pub u64);

impl StickyKey {
    /// The key of a conversation of `account` on `route`. `None` if no hint identifies it. Empty
    /// texts are no hints.
    pub fn of(account: &str, route: &str, hints: &Hints<'_>) -> Option<Self> {
        let texts = [
            ("header", hints.header),
            ("prompt_cache_key", hints.prompt_cache_key),
            ("previous_response_id", hints.previous_response_id),
            ("user", hints.user),
        ];
        let explicit = texts.into_iter().find_map(|(kind, text)| Some((kind, text.filter(|text| !text.is_empty())?)));
        let start = fold(fold(FNV_START, account.as_bytes()), route.as_bytes());
        match (explicit, hints.opening) {
            (Some((kind, text)), _) => Some(Self(spread(fold(fold(start, kind.as_bytes()), text.as_bytes())))),
            (None, Some(opening)) => Some(Self(spread(fold(fold(start, b"opening"), &opening.to_le_bytes())))),
            (None, None) => None,
        }
    }
}

/// Adds one part and its length to the hash, so that `ab` + `c` and `a` + `bc` differ.
fn fold(start: u64, part: &[u8]) -> u64 {
    let length = (part.len() as u64).to_le_bytes();
    fnv1a(fnv1a(start, part), &length)
}

/// The targets that conversations are pinned to. `T` names a target.
#[derive(Clone, Debug)]
pub struct SessionAffinity<T> {
    young: HashMap<StickyKey, (T, Moment)>,
    old: HashMap<StickyKey, (T, Moment)>,
    generation_len_max: usize,
    kept_for: Duration,
}

impl<T: Clone> SessionAffinity<T> {
    /// Stores at most `len_max` conversations (at least 2), each for `kept_for` after its last
    /// request.
    pub fn new(len_max: usize, kept_for: Duration) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation_len_max: (len_max / 2).max(1), kept_for }
    }

    /// The target that the conversation is pinned to.
    pub fn pinned_to(&self, key: StickyKey, now: Moment) -> Option<&T> {
        let (target, last_request) = self.young.get(&key).or_else(|| self.old.get(&key))?;
        (now.since(*last_request) < self.kept_for).then_some(target)
    }

    /// Pins the conversation to the target that answered it.
    pub fn pin(&mut self, key: StickyKey, target: T, now: Moment) {
        if self.young.len() >= self.generation_len_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, (target, now));
    }

    /// Removes the pins to every target for which `matches` holds, for example because its vendor
    /// was blocked.
    pub fn unpin_where(&mut self, matches: impl Fn(&T) -> bool) {
        self.young.retain(|_, (target, _)| !matches(target));
        self.old.retain(|_, (target, _)| !matches(target));
    }

    /// Number of stored pins. A conversation that is in both generations counts twice.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether no pin is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_hours(1);
    const NOW: Moment = Moment(86_400_000);

    #[test]
    fn explicit_hints_come_before_likely_ones() {
        let all = Hints {
            header: Some("h"),
            prompt_cache_key: Some("c"),
            previous_response_id: Some("p"),
            user: Some("u"),
            opening: Some(7),
        };
        let key = |hints: Hints<'_>| StickyKey::of("acme", "gpt-4o", &hints);
        let steps = [
            all,
            Hints { header: None, ..all },
            Hints { header: None, prompt_cache_key: Some(""), ..all },
            Hints { header: None, prompt_cache_key: None, previous_response_id: None, ..all },
            Hints { opening: Some(7), ..Hints::default() },
        ];
        let only = [
            Hints { header: Some("h"), ..Hints::default() },
            Hints { prompt_cache_key: Some("c"), ..Hints::default() },
            Hints { previous_response_id: Some("p"), ..Hints::default() },
            Hints { user: Some("u"), ..Hints::default() },
            Hints { opening: Some(7), ..Hints::default() },
        ];
        for (full, alone) in steps.into_iter().zip(only) {
            assert_eq!(key(full), key(alone));
        }
        assert_eq!(key(Hints::default()), None);
    }

    #[test]
    fn accounts_routes_and_hint_kinds_have_own_keys() {
        let user = Hints { user: Some("7"), ..Hints::default() };
        let header = Hints { header: Some("7"), ..Hints::default() };
        let keys = [
            StickyKey::of("a", "bc", &user),
            StickyKey::of("ab", "c", &user),
            StickyKey::of("a", "bd", &user),
            StickyKey::of("a", "bc", &header),
        ];
        for (place, key) in keys.iter().enumerate() {
            assert!(!keys[..place].contains(key), "{keys:?}");
        }
    }

    #[test]
    fn a_key_is_the_same_in_every_version() {
        let hints = Hints { user: Some("user-1"), ..Hints::default() };
        // Computed by another program from the published constants.
        assert_eq!(StickyKey::of("acme", "gpt-4o", &hints), Some(StickyKey(11_994_081_790_137_616_724)));
    }

    #[test]
    fn a_pin_expires_after_silence() {
        let mut pins = SessionAffinity::new(10, HOUR);
        pins.pin(StickyKey(1), "zhipu", NOW);
        assert_eq!(pins.pinned_to(StickyKey(1), NOW + HOUR / 2), Some(&"zhipu"));
        assert_eq!(pins.pinned_to(StickyKey(1), NOW + HOUR), None);
        pins.pin(StickyKey(1), "baidu", NOW + HOUR);
        assert_eq!(pins.pinned_to(StickyKey(1), NOW + HOUR), Some(&"baidu"));
        pins.unpin_where(|target| *target == "baidu");
        assert_eq!(pins.pinned_to(StickyKey(1), NOW + HOUR), None);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_recent_pins_stay(
            keys in prop::collection::vec(0_u64..50, 1..300), len_max in 0_usize..12,
        ) {
            let mut pins = SessionAffinity::new(len_max, HOUR);
            for (step, &key) in keys.iter().enumerate() {
                pins.pin(StickyKey(key), step, NOW);
                prop_assert_eq!(pins.pinned_to(StickyKey(key), NOW), Some(&step));
                prop_assert!(pins.len() <= len_max.max(2));
            }
            let recent = (len_max / 2).max(1);
            for (step, &key) in keys.iter().enumerate().rev().take(recent) {
                let last = keys.iter().rposition(|&other| other == key).unwrap_or(step);
                prop_assert_eq!(pins.pinned_to(StickyKey(key), NOW), Some(&last));
            }
        }
    }
}
