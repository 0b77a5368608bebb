//! Proof that a missing body was erased by retention.
//!
//! Rules:
//! - Only verdicts are erased, and only an `audit.forget` entry of their rule set that comes later
//!   in the chain proves it.
//! - It proves the erasure of verdicts from before its moment `before`, and between its numbers
//!   `first` and `last`. Entries of older versions do not have these numbers.
//! - One erasure takes every verdict that it may take. So a verdict without a body belongs to the
//!   first such entry after it, and the number that this entry states must be exact.

use super::{Entry, FaultKind};
use banjia_types::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Kind of the entries whose bodies retention erases.
pub const VERDICT: &str = "verdict";
/// Kind of the entries that prove an erasure.
pub const FORGET: &str = "audit.forget";

/// The body of an `audit.forget` entry.
#[derive(Debug, Deserialize)]
struct Forget {
    /// As text. Bodies of older versions have nothing else.
    before: String,
    before_ms: Option<i64>,
    erased: u64,
    first: Option<u64>,
    last: Option<u64>,
}

impl Forget {
    fn before(&self) -> Option<Timestamp> {
        self.before_ms.map(Timestamp).or_else(|| read_moment(&self.before))
    }

    fn covers(&self, seq: u64) -> bool {
        self.first.is_none_or(|first| first <= seq) && self.last.is_none_or(|last| seq <= last)
    }
}

/// Reads what [`Timestamp`] writes.
fn read_moment(text: &str) -> Option<Timestamp> {
    if let Some(ms) = text.strip_suffix(" ms") {
        return ms.parse().ok().map(Timestamp);
    }
    let moment = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.3fZ").ok()?;
    Some(Timestamp(moment.and_utc().timestamp_millis()))
}

/// Verdicts without a body, until an entry proves that they were erased.
#[derive(Clone, Debug, Default)]
pub(super) struct Erasures {
    unproven: BTreeMap<String, Vec<(u64, Timestamp)>>,
    proven: u64,
}

impl Erasures {
    /// Takes an entry without a body. Returns what is wrong with that at once.
    pub(super) fn take_missing(&mut self, entry: &Entry) -> Option<FaultKind> {
        if entry.kind != VERDICT {
            return Some(FaultKind::BodyMissing);
        }
        self.unproven.entry(entry.rule_set.clone()).or_default().push((entry.seq, entry.at));
        None
    }

    /// Takes an `audit.forget` entry that is known to be as it was written.
    pub(super) fn take_forget(&mut self, entry: &Entry, body: &str) -> Option<FaultKind> {
        let Ok(forget) = serde_json::from_str::<Forget>(body) else { return Some(FaultKind::ForgetUnreadable) };
        let Some(before) = forget.before() else { return Some(FaultKind::ForgetUnreadable) };
        let unproven = self.unproven.entry(entry.rule_set.clone()).or_default();
        let erased: Vec<_> = unproven.extract_if(.., |(seq, at)| *at < before && forget.covers(*seq)).collect();
        let found = erased.len() as u64;
        self.proven += found;
        let is_exact = |stated: Option<u64>, found: Option<&(u64, Timestamp)>| {
            stated.is_none_or(|stated| found.is_some_and(|(seq, _)| *seq == stated))
        };
        if found != forget.erased || !is_exact(forget.first, erased.first()) || !is_exact(forget.last, erased.last()) {
            return Some(FaultKind::ForgetDiffers { stated: forget.erased, found });
        }
        None
    }

    /// How many erasures were proven.
    pub(super) const fn proven(&self) -> u64 {
        self.proven
    }

    /// The verdicts whose erasure nothing proves.
    pub(super) fn unproven(self) -> impl Iterator<Item = u64> {
        self.unproven.into_values().flatten().map(|(seq, _)| seq)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Hash, Verifier, seal};
    use super::*;
    use serde_json::{Value, json};

    /// A chain in the making: entries with their bodies.
    #[derive(Default)]
    struct Chain(Vec<(Entry, Option<String>)>);

    impl Chain {
        /// Adds an entry of a rule set, written at a moment.
        fn add(&mut self, kind: &str, rule_set: &str, at: i64, body: &Value) -> &mut Self {
            let (body, seq) = (body.to_string(), self.0.len() as u64 + 1);
            let (kind, rule_set) = (kind.to_owned(), rule_set.to_owned());
            let (actor, subject, body_hash) = ("kim".to_owned(), "x".to_owned(), Hash::of(&body));
            self.0.push((Entry { seq, at: Timestamp(at), actor, kind, subject, rule_set, body_hash }, Some(body)));
            self
        }

        fn verdict(&mut self, rule_set: &str, at: i64) -> &mut Self {
            self.add(VERDICT, rule_set, at, &json!({ "n": at }))
        }

        fn forget(&mut self, body: &Value) -> &mut Self {
            self.add(FORGET, "policy", 100, body)
        }

        /// Takes bodies away.
        fn erase(&mut self, seqs: &[u64]) -> &mut Self {
            self.0.iter_mut().filter(|(entry, _)| seqs.contains(&entry.seq)).for_each(|(_, body)| *body = None);
            self
        }

        /// What a verifier finds, and how many erasures are proven.
        fn check(&self) -> (Vec<(u64, FaultKind)>, u64) {
            let (mut verifier, mut before) = (Verifier::new(None), Hash::default());
            for (entry, body) in &self.0 {
                before = seal(&before, entry);
                verifier.take(entry, body.as_deref(), &before);
            }
            let proven = verifier.erased();
            let faults = verifier.end().0;
            (faults.into_iter().map(|Fault { seq, kind }| (seq, kind)).collect(), proven)
        }
    }

    /// Verdicts 1 to 4 of `policy` at 1 to 4, and 5 of `sanctions` at 2.
    fn verdicts() -> Chain {
        let mut chain = Chain::default();
        for at in 1..=4 {
            chain.verdict("policy", at);
        }
        chain.verdict("sanctions", 2);
        chain
    }

    fn before(ms: i64, erased: u64) -> Value {
        json!({ "before": Timestamp(ms).to_string(), "erased": erased })
    }

    fn whole(ms: i64, erased: u64, first: u64, last: u64) -> Value {
        let before = Timestamp(ms).to_string();
        json!({ "before": before, "before_ms": ms, "erased": erased, "first": first, "last": last })
    }

    #[test]
    fn an_erasure_is_proven_by_its_entry() {
        assert_eq!(verdicts().forget(&whole(4, 3, 1, 3)).erase(&[1, 2, 3]).check(), (vec![], 3));
    }

    #[test]
    fn an_erasure_by_an_older_version_is_proven() {
        assert_eq!(verdicts().forget(&before(4, 3)).erase(&[1, 2, 3]).check(), (vec![], 3));
    }

    #[test]
    fn a_second_erasure_counts_only_its_own() {
        let mut chain = verdicts();
        chain.forget(&whole(3, 2, 1, 2)).verdict("policy", 3).forget(&whole(9, 3, 3, 7)).erase(&[1, 2, 3, 4, 7]);
        assert_eq!(chain.check(), (vec![], 5));
    }

    #[test]
    fn a_missing_body_without_an_erasure_is_a_fault() {
        let missing = FaultKind::BodyMissing;
        assert_eq!(verdicts().erase(&[2]).check(), (vec![(2, missing)], 0));
        let mut chain = verdicts();
        chain.forget(&whole(4, 3, 1, 3));
        // Too young, of another rule set, and after the entry.
        chain.verdict("policy", 1).erase(&[1, 2, 3, 4, 5, 7]);
        assert_eq!(chain.check(), (vec![(4, missing), (5, missing), (7, missing)], 3));
    }

    #[test]
    fn a_missing_body_of_another_kind_is_a_fault() {
        let mut chain = verdicts();
        chain
            .add("policy.activate", "policy", 1, &json!({ "text": "" }))
            .forget(&whole(4, 3, 1, 3))
            .erase(&[1, 2, 3, 6]);
        assert_eq!(chain.check(), (vec![(6, FaultKind::BodyMissing)], 3));
    }

    #[test]
    fn an_erasure_without_its_own_body_proves_nothing() {
        let mut chain = verdicts();
        chain.forget(&whole(4, 3, 1, 3)).erase(&[1, 2, 3, 6]);
        assert_eq!(chain.check(), ([1, 2, 3, 6].map(|seq| (seq, FaultKind::BodyMissing)).to_vec(), 0));
    }

    #[test]
    fn an_erasure_with_another_body_proves_nothing() {
        let mut chain = verdicts();
        chain.forget(&whole(4, 3, 1, 3)).erase(&[1, 2, 3, 4]);
        chain.0[5].1 = Some(whole(5, 4, 1, 4).to_string());
        let mut faults = [1, 2, 3, 4].map(|seq| (seq, FaultKind::BodyMissing)).to_vec();
        faults.push((6, FaultKind::BodyChanged));
        assert_eq!(chain.check(), (faults, 0));
    }

    #[test]
    fn an_erasure_of_another_count_is_a_fault() {
        for erased in [&[1_u64, 3][..], &[1, 2, 3, 4], &[]] {
            let mut chain = verdicts();
            let found = erased.iter().filter(|seq| **seq < 4).count() as u64;
            let stated = if found == 3 { 4 } else { 3 };
            let faults = chain.forget(&before(4, stated)).erase(erased).check().0;
            assert!(faults.contains(&(6, FaultKind::ForgetDiffers { stated, found })), "{erased:?}: {faults:?}");
        }
    }

    #[test]
    fn an_erasure_of_another_range_is_a_fault() {
        let faults = verdicts().forget(&whole(4, 3, 1, 4)).erase(&[1, 2, 3]).check().0;
        assert_eq!(faults, [(6, FaultKind::ForgetDiffers { stated: 3, found: 3 })]);
    }

    #[test]
    fn an_erasure_that_cannot_be_read_is_a_fault() {
        for body in [json!({}), json!({ "before": "yesterday", "erased": 0 }), json!({ "before": 7, "erased": 0 })] {
            assert_eq!(verdicts().forget(&body).check().0, [(6, FaultKind::ForgetUnreadable)], "{body}");
        }
    }

    #[test]
    fn a_moment_is_read_as_it_is_written() {
        for ms in [0, -1, 1_720_483_200_123, -62_135_596_800_001, i64::MIN, i64::MAX, 253_402_300_800_000] {
            assert_eq!(read_moment(&Timestamp(ms).to_string()), Some(Timestamp(ms)), "{}", Timestamp(ms));
        }
    }
}
