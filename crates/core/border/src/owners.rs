//! Shares along chains of owners.
//!
//! # Rules
//! - Arithmetic is exact: millionths, multiplied along a chain, never rounded.
//! - An owner in a place that counts is counted whole. Its own owners are not counted again.
//! - Depth and number are bounded, so a record from outside cannot make a verdict slow.
//! - `more than half` and `half or more` are different rules, and both can be written. One
//!   provider's terms of 2025 use "more than 50 %", the sanctions practice of the United States 50
//!   % or more.

use banjia_types::Place;
use serde::{Deserialize, Serialize};

/// Maximum length of a chain of owners.
pub const DEPTH_MAX: usize = 6;
/// Maximum number of owners in one record.
pub const COUNT_MAX: usize = 256;
const WHOLE: u128 = 1_000_000;

/// A share in millionths: 500 000 is half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(u32);

impl Share {
    /// The share of this many millionths. `None` above the whole.
    pub const fn from_millionths(millionths: u32) -> Option<Self> {
        if millionths as u128 <= WHOLE { Some(Self(millionths)) } else { None }
    }

    /// The share in millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        let millionths = (share * WHOLE as f64).round();
        if !(0.0..=WHOLE as f64).contains(&millionths) {
            return Err(format!("a share is a number from 0 to 1, for example 0.5 for half; found {share}"));
        }
        Ok(Self(millionths as u32))
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        Self::from(share.0) / WHOLE as Self
    }
}

/// An owner of a part of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The owner's name.
    pub name: String,
    /// The owner's seat or, for a person, nationality.
    pub place: Place,
    /// The share that it owns.
    pub share: Share,
    /// Its own owners.
    #[serde(default)]
    pub owners: Vec<Owner>,
}

/// The problems of a record of owners. The path of each shows its place, for example
/// `owners[0].owners[2]`.
pub fn problems(owners: &[Owner]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut count = 0;
    check(owners, "owners", 1, &mut count, &mut found);
    if count > COUNT_MAX {
        found.push(("owners".to_owned(), format!("{count} owners are more than the {COUNT_MAX} that are looked at")));
    }
    found
}

fn check(owners: &[Owner], path: &str, depth: usize, count: &mut usize, found: &mut Vec<(String, String)>) {
    *count += owners.len();
    if depth > DEPTH_MAX {
        if !owners.is_empty() {
            found.push((path.to_owned(), format!("a chain of owners is at most {DEPTH_MAX} long")));
        }
        return;
    }
    let sum: u128 = owners.iter().map(|owner| u128::from(owner.share.0)).sum();
    if sum > WHOLE {
        found.push((path.to_owned(), format!("the shares add up to {} %, more than the whole", sum as f64 / 1e4)));
    }
    for (i, owner) in owners.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if owner.share.0 == 0 {
            found.push((path.clone(), format!("{:?} owns nothing", owner.name)));
        }
        if !crate::country::is_known(owner.place) {
            found.push((path.clone(), format!("there is no country or territory {}", owner.place)));
        }
        check(&owner.owners, &format!("{path}.owners"), depth + 1, count, found);
    }
}

/// An exact part of a whole, in millionths to the power of [`DEPTH_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnedPart(u128);

/// One whole.
const UNIT: u128 = WHOLE.pow(DEPTH_MAX as u32);

impl OwnedPart {
    /// Whether the part is more than `share`.
    pub const fn is_over(self, share: Share) -> bool {
        self.0 > share.0 as u128 * (UNIT / WHOLE)
    }

    /// Whether the part is `share` or more.
    pub const fn is_at_least(self, share: Share) -> bool {
        self.0 >= share.0 as u128 * (UNIT / WHOLE)
    }

    /// The part in per cent, for people.
    pub fn percent(self) -> f64 {
        self.0 as f64 / UNIT as f64 * 100.0
    }
}

/// The part of an account that belongs to owners in places that `counts` accepts, directly or
/// through others.
pub fn attributable(owners: &[Owner], counts: &dyn Fn(Place) -> bool) -> OwnedPart {
    OwnedPart(part_of(owners, UNIT, 1, counts).min(UNIT))
}

fn part_of(owners: &[Owner], whole: u128, depth: usize, counts: &dyn Fn(Place) -> bool) -> u128 {
    if depth > DEPTH_MAX {
        return 0;
    }
    let mut sum: u128 = 0;
    for owner in owners.iter().take(COUNT_MAX) {
        // Exact: at depth n the whole is a multiple of a million to the power of what is left.
        let part = whole / WHOLE * u128::from(owner.share.0);
        sum = sum.saturating_add(if counts(owner.place) {
            part
        } else {
            part_of(&owner.owners, part, depth + 1, counts)
        });
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(place: &str, share: f64, owners: Vec<Owner>) -> Owner {
        Owner { name: "o".into(), place: place.parse().unwrap(), share: share.try_into().unwrap(), owners }
    }

    fn in_china(owners: &[Owner]) -> OwnedPart {
        attributable(owners, &|place| place.country.as_str() == "CN")
    }

    #[test]
    fn half_is_not_more_than_half() {
        let half = Share::from_millionths(500_000).unwrap();
        let exactly = in_china(&[owner("CN", 0.3, vec![]), owner("CN", 0.2, vec![]), owner("DE", 0.5, vec![])]);
        assert!(!exactly.is_over(half) && exactly.is_at_least(half));
        let more = in_china(&[owner("CN", 0.500_001, vec![])]);
        assert!(more.is_over(half));
    }

    #[test]
    fn chains_multiply_and_branches_add() {
        // 80 % of 60 % through Singapore, and 3 % directly: 51 %.
        let owners = [
            owner("SG", 0.6, vec![owner("CN", 0.8, vec![owner("CN", 1.0, vec![])])]),
            owner("CN", 0.03, vec![]),
            owner("US", 0.37, vec![]),
        ];
        let part = in_china(&owners);
        assert!((part.percent() - 51.0).abs() < 1e-9);
        assert!(part.is_at_least(Share::from_millionths(510_000).unwrap()));
        assert!(!part.is_over(Share::from_millionths(510_000).unwrap()));
    }

    #[test]
    fn a_chain_of_the_longest_kind_stays_exact() {
        let mut chain = owner("CN", 0.999_999, vec![]);
        for _ in 1..DEPTH_MAX {
            chain = owner("SG", 0.999_999, vec![chain]);
        }
        let part = in_china(&[chain.clone()]);
        assert_eq!(part.0, 999_999_u128.pow(DEPTH_MAX as u32));
        assert_eq!(
            in_china(&[owner("SG", 1.0, vec![chain])]),
            OwnedPart(0),
            "too deep to be seen, and `problems` says so"
        );
    }

    #[test]
    fn bad_records_are_told_and_never_panic() {
        let messages =
            |owners: &[Owner]| problems(owners).into_iter().map(|(p, m)| format!("{p}: {m}")).collect::<Vec<_>>();
        assert_eq!(messages(&[owner("DE", 0.6, vec![]), owner("FR", 0.4, vec![])]), Vec::<String>::new());
        assert!(messages(&[owner("DE", 0.6, vec![]), owner("FR", 0.5, vec![])])[0].contains("110 %"));
        assert!(messages(&[owner("DE", 0.0, vec![])])[0].contains("owns nothing"));
        assert!(messages(&[owner("QQ", 0.1, vec![])])[0].contains("QQ"));
        assert!(Share::try_from(1.5).is_err() && Share::try_from(-0.1).is_err() && Share::try_from(f64::NAN).is_err());
    }
}
