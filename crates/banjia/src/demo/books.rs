//! Two books of the same requests: the ledger's, and what the clients saw.

use super::client::{End, Observed};
use banjia_types::Tally;
use std::collections::BTreeMap;

/// Minutes of a ledger together.
pub(super) fn sum<T>(minutes: &[(T, Tally)]) -> Tally {
    minutes.iter().fold(Tally::default(), |sum, (_, minute)| Tally {
        accepted: sum.accepted + minute.accepted,
        answered: sum.answered + minute.answered,
        refused: sum.refused + minute.refused,
        failed: sum.failed + minute.failed,
        abandoned: sum.abandoned + minute.abandoned,
    })
}

/// Whether the ledger has what the clients sent, and the ends agree. A client that leaves in the moment in which its answer is
/// complete may stand as answered, so those two are compared as a sum.
pub(super) fn agree(tally: Tally, sent: u64, observed: &[Observed]) -> bool {
    let answered = seen(observed, |end| *end == End::Answered);
    let left = seen(observed, |end| *end == End::Left);
    tally.accepted == sent
        && observed.len() as u64 == sent
        && tally.answered >= answered
        && tally.answered + tally.abandoned == answered + left
}

/// How many clients saw such an end.
pub(super) fn seen(observed: &[Observed], is: impl Fn(&End) -> bool) -> u64 {
    observed.iter().filter(|seen| is(&seen.end)).count() as u64
}

pub(super) fn is_error(end: &End) -> bool {
    matches!(end, End::Refused(_) | End::Broken(_))
}

/// Errors that clients saw, with their number.
pub(super) fn errors(observed: &[Observed]) -> BTreeMap<String, u64> {
    let mut errors = BTreeMap::new();
    for seen in observed {
        let text = match &seen.end {
            End::Refused(text) => format!("before content: {text}"),
            End::Broken(text) => format!("after content: {text}"),
            End::Answered | End::Left => continue,
        };
        *errors.entry(format!("{:?} {text}", seen.kind)).or_default() += 1;
    }
    errors
}
