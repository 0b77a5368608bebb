//! The hash chain of the audit.
//!
//! # Rules
//! - The hash of each entry covers the previous one. So no entry can be changed, removed or moved
//!   without a mismatch in every later hash.
//! - The body is covered by its own hash. So retention may erase a body and the chain still holds.
//! - A missing body is a fault unless a later entry proves its erasure (`erasure`).
//! - The chain alone cannot show that its last entries are gone. For that its head (number and
//!   hash) is compared with one that was recorded elsewhere.

mod erasure;
pub mod replay;

pub use erasure::{FORGET, VERDICT};

use banjia_types::Timestamp;
use erasure::Erasures;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// Begins every hashed entry: the form of the encoding.
const FORM: &[u8] = b"banjia audit 1";

/// A SHA-256, written as 64 small hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Hash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a hash is 64 hexadecimal digits; found {text:?}");
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return Err(wrong());
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// One entry, without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The number of the entry, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// The kind of action: `policy.activate`, `verdict`, `exemption.grant`, ...
    pub kind: String,
    /// The object of the action: an account, a policy, ...
    pub subject: String,
    /// The set of rules it belongs to, which decides its retention.
    pub rule_set: String,
    /// The hash of its body.
    #[serde(skip)]
    pub body_hash: Hash,
}

/// The hash of an entry that follows `before` (all zeros for the first).
pub fn seal(before: &Hash, entry: &Entry) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(FORM);
    hasher.update(before.0);
    hasher.update(entry.seq.to_le_bytes());
    hasher.update(entry.at.0.to_le_bytes());
    for text in [&entry.actor, &entry.kind, &entry.subject, &entry.rule_set] {
        // With its length first, no two lists of texts look the same.
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(entry.body_hash.0);
    Hash(hasher.finalize().into())
}

/// A fault in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The entry that shows it.
    pub seq: u64,
    /// The kind of fault.
    pub kind: FaultKind,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The entry or its hash is not what was written.
    Changed,
    /// The body does not match the hash in the entry.
    BodyChanged,
    /// The body is gone, and no entry proves that retention erased it.
    BodyMissing,
    /// The body of an erasure does not state what was erased.
    ForgetUnreadable,
    /// An erasure states another number or another range of verdicts than those whose bodies are
    /// gone.
    ForgetDiffers {
        /// Number of verdicts that the entry states.
        stated: u64,
        /// Number of missing bodies that it may have erased.
        found: u64,
    },
    /// Entries before this one are missing.
    Removed,
    /// The entry is not in the place where it was written.
    Reordered,
    /// The chain ends before the recorded head.
    Truncated,
    /// The chain has another entry in the place of the recorded head, so it was written anew.
    Rewritten,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let description = match self.kind {
            FaultKind::Changed => "was changed",
            FaultKind::BodyChanged => "has another body than it was written with",
            FaultKind::BodyMissing => "has no body, and no entry proves that retention erased it",
            FaultKind::ForgetUnreadable => "erased verdicts, and its body does not say which",
            FaultKind::ForgetDiffers { stated, found } => {
                let seq = self.seq;
                return write!(
                    f,
                    "entry {seq} states that it erased {stated} verdicts, and {found} of those that it may erase have no body"
                );
            }
            FaultKind::Removed => "follows a gap: entries before it were removed",
            FaultKind::Reordered => "does not stand where it was written",
            FaultKind::Truncated => "was noted as the last one and is gone",
            FaultKind::Rewritten => "is not the entry that was noted: the chain was written anew",
        };
        write!(f, "entry {} {description}", self.seq)
    }
}

/// Reads a chain from its beginning, entry by entry.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    last: u64,
    hash: Hash,
    head: Option<(u64, Hash)>,
    has_met_head: bool,
    erasures: Erasures,
    faults: Vec<Fault>,
}

impl Verifier {
    /// A verifier that knows the chain's head from elsewhere, if there is one.
    pub fn new(head: Option<(u64, Hash)>) -> Self {
        Self { head, ..Self::default() }
    }

    /// Processes the next entry as it is stored. `body` is `None` if it is gone.
    pub fn take(&mut self, entry: &Entry, body: Option<&str>, stored: &Hash) {
        let mut fault = |kind| self.faults.push(Fault { seq: entry.seq, kind });
        let is_body_changed = body.is_some_and(|body| Hash::of(body) != entry.body_hash);
        if is_body_changed {
            fault(FaultKind::BodyChanged);
        }
        let is_next = entry.seq == self.last + 1;
        let is_sealed = is_next && seal(&self.hash, entry) == *stored;
        let about_erasure = match body {
            None => self.erasures.take_missing(entry),
            // An entry that may be another one than was written proves nothing.
            Some(body) if entry.kind == FORGET && !is_body_changed && is_sealed => {
                self.erasures.take_forget(entry, body)
            }
            Some(_) => None,
        };
        about_erasure.into_iter().for_each(&mut fault);
        if entry.seq <= self.last {
            fault(FaultKind::Reordered);
        } else if !is_next {
            fault(FaultKind::Removed);
        }
        // After a gap the hash before is lost; the chain is taken up again from the stored one.
        if is_next && !is_sealed {
            fault(FaultKind::Changed);
        }
        if let Some((seq, hash)) = self.head.filter(|(seq, _)| *seq == entry.seq) {
            self.has_met_head = true;
            if hash != *stored {
                self.faults.push(Fault { seq, kind: FaultKind::Rewritten });
            }
        }
        (self.last, self.hash) = (entry.seq.max(self.last), *stored);
    }

    /// Number of bodies that retention has erased, as proven by the entries so far.
    pub const fn erased(&self) -> u64 {
        self.erasures.proven()
    }

    /// Every fault in the order of the chain, and the chain's own head.
    pub fn end(mut self) -> (Vec<Fault>, (u64, Hash)) {
        if let Some((seq, _)) = self.head.filter(|(seq, _)| *seq > 0 && !self.has_met_head) {
            self.faults.push(Fault { seq, kind: FaultKind::Truncated });
        }
        let unproven = self.erasures.unproven();
        self.faults.extend(unproven.map(|seq| Fault { seq, kind: FaultKind::BodyMissing }));
        self.faults.sort_by_key(|fault| fault.seq);
        (self.faults, (self.last, self.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Stored = (Entry, String, Hash);

    fn chain(length: u64) -> Vec<Stored> {
        let mut before = Hash::default();
        (1..=length)
            .map(|seq| {
                let body = format!("{{\"n\":{seq}}}");
                let (actor, kind) = ("kim".to_owned(), "verdict".to_owned());
                let (subject, rule_set) = (format!("account-{seq}"), "policy".to_owned());
                let body_hash = Hash::of(&body);
                let entry = Entry { seq, at: Timestamp(seq.cast_signed()), actor, kind, subject, rule_set, body_hash };
                before = seal(&before, &entry);
                (entry, body, before)
            })
            .collect()
    }

    fn faults(chain: &[Stored], head: Option<(u64, Hash)>) -> Vec<Fault> {
        let mut verifier = Verifier::new(head);
        for (entry, body, hash) in chain {
            verifier.take(entry, Some(body), hash);
        }
        verifier.end().0
    }

    #[test]
    fn a_whole_chain_has_no_fault() {
        let whole = chain(9);
        let head = whole.last().map(|(entry, _, hash)| (entry.seq, *hash));
        assert_eq!(faults(&whole, head), []);
        assert_eq!(faults(&[], None), []);
    }

    #[test]
    fn a_chain_written_anew_is_not_the_one_that_was_noted() {
        let noted = chain(9).last().map(|(entry, _, hash)| (entry.seq, *hash));
        let mut other = chain(9);
        other[0].0.actor = "someone".to_owned();
        let mut before = Hash::default();
        for (entry, _, hash) in &mut other {
            *hash = seal(&before, entry);
            before = *hash;
        }
        assert_eq!(faults(&other, None), []);
        assert_eq!(faults(&other, noted), [Fault { seq: 9, kind: FaultKind::Rewritten }]);
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = Hash::of("x");
        assert_eq!(hash.to_string().parse::<Hash>(), Ok(hash));
        for bad in ["", "x", &hash.to_string().replacen(char::is_alphanumeric, "", 1), &hash.to_string().to_uppercase()]
        {
            assert!(bad.parse::<Hash>().is_err());
        }
    }

    proptest! {
        #[test]
        fn every_change_is_found(length in 2_u64..12, at: prop::sample::Index, how in 0..8) {
            let mut stored = chain(length);
            let head = stored.last().map(|(entry, _, hash)| (entry.seq, *hash));
            let at = at.index(stored.len());
            match how {
                0 => stored[at].0.at.0 += 1,
                1 => stored[at].0.actor.push('x'),
                2 => stored[at].0.subject = "another".to_owned(),
                3 => stored[at].1.push(' '),
                4 => stored[at].2.0[0] ^= 1,
                5 => drop(stored.remove(at)),
                6 => stored.swap(at, (at + 1) % length as usize),
                _ => stored[at].0.body_hash.0[3] ^= 1,
            }
            prop_assert!(!faults(&stored, head).is_empty());
        }
    }
}
