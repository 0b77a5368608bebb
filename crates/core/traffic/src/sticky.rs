//! Which conversation sits at which target.
//!
//! A conversation is recognised by the first of these that a request shows: our explicit header, `prompt_cache_key`,
//! `previous_response_id`, `user`, and last a hash of its opening turns. The order goes from what was said on purpose to
//! what is only likely. The account is part of the key, so two customers' conversations never meet.
//!
//! The place is remembered and not computed from the key: a conversation that failed over must stay where it was answered,
//! also when the first target is well again. Memory is bounded by two generations: when the young one is full it becomes
//! the old one and the old one is forgotten. A conversation that is still spoken is copied to the young one in time.

use banjia_types::Moment;
use banjia_types::hash::{FNV_START, fnv1a, spread};
use std::collections::HashMap;
use std::time::Duration;

/// What a request shows of its conversation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// Our explicit header.
    pub header: Option<&'a str>,
    /// The body's `prompt_cache_key`.
    pub prompt_cache_key: Option<&'a str>,
    /// The body's `previous_response_id`.
    pub previous_response_id: Option<&'a str>,
    /// The body's `user`.
    pub user: Option<&'a str>,
    /// A stable hash of the opening turns.
    pub opening: Option<u64>,
}

/// A conversation's key. Equal for equal hints on every machine and in every version, so that replicas may share places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StickyKey(pub u64);

impl StickyKey {
    /// The key of a conversation of `account` on `route`; `None` when nothing tells conversations apart. Empty texts are
    /// no hints.
    pub fn of(account: &str, route: &str, hints: &Hints<'_>) -> Option<Self> {
        let texts = [
            ("header", hints.header),
            ("prompt_cache_key", hints.prompt_cache_key),
            ("previous_response_id", hints.previous_response_id),
            ("user", hints.user),
        ];
        let said = texts.into_iter().find_map(|(kind, text)| Some((kind, text.filter(|text| !text.is_empty())?)));
        let start = fold(fold(FNV_START, account.as_bytes()), route.as_bytes());
        match (said, hints.opening) {
            (Some((kind, text)), _) => Some(Self(spread(fold(fold(start, kind.as_bytes()), text.as_bytes())))),
            (None, Some(opening)) => Some(Self(spread(fold(fold(start, b"opening"), &opening.to_le_bytes())))),
            (None, None) => None,
        }
    }
}

/// Folds one part and its length in, so that `ab` + `c` and `a` + `bc` differ.
fn fold(start: u64, part: &[u8]) -> u64 {
    let length = (part.len() as u64).to_le_bytes();
    fnv1a(fnv1a(start, part), &length)
}

/// Where conversations sit. `T` names a target.
#[derive(Clone, Debug)]
pub struct SessionAffinity<T> {
    young: HashMap<StickyKey, (T, Moment)>,
    old: HashMap<StickyKey, (T, Moment)>,
    generation_len_max: usize,
    kept_for: Duration,
}

impl<T: Clone> SessionAffinity<T> {
    /// Remembers at most `len_max` conversations (at least 2), each for `kept_for` after it was last spoken.
    pub fn new(len_max: usize, kept_for: Duration) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation_len_max: (len_max / 2).max(1), kept_for }
    }

    /// Where the conversation sits.
    pub fn at(&self, key: StickyKey, now: Moment) -> Option<&T> {
        let (place, spoken) = self.young.get(&key).or_else(|| self.old.get(&key))?;
        (now.since(*spoken) < self.kept_for).then_some(place)
    }

    /// The conversation was answered there.
    pub fn put(&mut self, key: StickyKey, place: T, now: Moment) {
        if self.young.len() >= self.generation_len_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, (place, now));
    }

    /// Forgets everyone who sits at a place for which `gone` holds (its vendor was cut).
    pub fn leave(&mut self, gone: impl Fn(&T) -> bool) {
        self.young.retain(|_, (place, _)| !gone(place));
        self.old.retain(|_, (place, _)| !gone(place));
    }

    /// Conversations remembered, those twice remembered counted twice.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is remembered.
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
    fn what_was_said_on_purpose_comes_before_what_is_likely() {
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
    fn accounts_routes_and_kinds_of_hint_do_not_meet() {
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
    fn a_conversation_stays_until_it_has_been_silent_too_long() {
        let mut places = SessionAffinity::new(10, HOUR);
        places.put(StickyKey(1), "zhipu", NOW);
        assert_eq!(places.at(StickyKey(1), NOW + HOUR / 2), Some(&"zhipu"));
        assert_eq!(places.at(StickyKey(1), NOW + HOUR), None);
        places.put(StickyKey(1), "baidu", NOW + HOUR);
        assert_eq!(places.at(StickyKey(1), NOW + HOUR), Some(&"baidu"));
        places.leave(|place| *place == "baidu");
        assert_eq!(places.at(StickyKey(1), NOW + HOUR), None);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_the_latest_is_never_forgotten(
            keys in prop::collection::vec(0_u64..50, 1..300), len_max in 0_usize..12,
        ) {
            let mut places = SessionAffinity::new(len_max, HOUR);
            for (step, &key) in keys.iter().enumerate() {
                places.put(StickyKey(key), step, NOW);
                prop_assert_eq!(places.at(StickyKey(key), NOW), Some(&step));
                prop_assert!(places.len() <= len_max.max(2));
            }
            let recent = (len_max / 2).max(1);
            for (step, &key) in keys.iter().enumerate().rev().take(recent) {
                let last = keys.iter().rposition(|&other| other == key).unwrap_or(step);
                prop_assert_eq!(places.at(StickyKey(key), NOW), Some(&last));
            }
        }
    }
}
