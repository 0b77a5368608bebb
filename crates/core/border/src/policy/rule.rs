//! An exception of a policy.

use crate::facts::{FactKind, Facts};
use crate::owners::{Share, attributable};
use crate::registry::{List, PlaceSet, Served};
use banjia_types::{AccountId, Timestamp, VerdictKind};

/// One exception: for which callers, with which verdict, and when.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name of the exception.
    pub id: String,
    /// The reason. May be empty.
    pub reason: String,
    /// Which callers it applies to.
    pub when: When,
    /// The verdict. `None` for the one that the timetable has for callers who are not served.
    pub verdict: Option<VerdictKind>,
    /// When it begins.
    pub from: Option<Timestamp>,
    /// When it ends, exclusive.
    pub until: Option<Timestamp>,
    /// The legal demand behind it. A block with one is answered with 451 (RFC 7725) instead of 403.
    pub demand: Option<Demand>,
}

/// A recorded legal demand.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The party that demands it.
    pub by: String,
    /// The party that blocks, as a link: `Link: <...>; rel="blocked-by"`.
    pub link: String,
}

/// Conditions. All of them must hold. An unknown fact fulfils none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    pub(crate) network: Option<PlaceSet>,
    pub(crate) residence: Option<PlaceSet>,
    pub(crate) billing: Option<PlaceSet>,
    pub(crate) asn: Vec<u32>,
    pub(crate) account: Vec<AccountId>,
    pub(crate) owners: Option<OwnersTest>,
    /// Nothing at all is known of the caller.
    pub(crate) unknown: bool,
}

impl When {
    /// The part of an account's record that the condition is about. `None` if it is about the
    /// network, or about no fact.
    pub(crate) fn by_record(&self) -> Option<FactKind> {
        if self.network.is_some() || !self.asn.is_empty() {
            return None;
        }
        let parts = [
            (self.residence.is_some(), FactKind::Residence),
            (self.billing.is_some(), FactKind::Billing),
            (self.owners.is_some(), FactKind::Owners),
        ];
        parts.into_iter().find(|(is_asked, _)| *is_asked).map(|(_, kind)| kind)
    }
}

/// A condition on the owners of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnersTest {
    /// More than this share.
    pub(crate) over: Option<Share>,
    /// This share or more.
    pub(crate) at_least: Option<Share>,
    /// In these places; none: in places that the policy's list does not serve.
    pub(crate) places: Option<PlaceSet>,
}

impl OwnersTest {
    /// Returns whether the record shows so much; none when there is no record.
    pub(crate) fn holds(&self, facts: &Facts, list: &List) -> Option<bool> {
        let owners = &facts.account.as_ref()?.owners.as_ref()?.value;
        let part = match &self.places {
            Some(places) => attributable(owners, &|place| places.has(place)),
            None => attributable(owners, &|place| list.serves(place) != Served::Yes),
        };
        Some(
            self.over.is_some_and(|share| part.is_over(share))
                || self.at_least.is_some_and(|share| part.is_at_least(share)),
        )
    }
}

impl When {
    pub(crate) fn holds(&self, facts: &Facts, list: &List) -> bool {
        let place = |set: &Option<PlaceSet>, kind| {
            set.as_ref().is_none_or(|set| facts.place(kind).is_some_and(|place| set.has(place)))
        };
        let asn = || facts.network.as_ref().and_then(|fact| fact.asn);
        let account = || facts.account.as_ref().is_some_and(|account| self.account.contains(&account.id));
        place(&self.network, FactKind::Network)
            && place(&self.residence, FactKind::Residence)
            && place(&self.billing, FactKind::Billing)
            && (self.asn.is_empty() || asn().is_some_and(|asn| self.asn.contains(&asn)))
            && (self.account.is_empty() || account())
            && self.owners.as_ref().is_none_or(|test| test.holds(facts, list) == Some(true))
            && (!self.unknown || FactKind::ALL.iter().all(|kind| facts.provenance(*kind).is_none()))
    }

    /// Returns whether every caller that `other` means is meant by this one too, as far as the text
    /// alone can tell.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        fn wider<T: PartialEq>(mine: &T, theirs: &T, is_open: bool) -> bool {
            is_open || mine == theirs
        }
        wider(&self.network, &other.network, self.network.is_none())
            && wider(&self.residence, &other.residence, self.residence.is_none())
            && wider(&self.billing, &other.billing, self.billing.is_none())
            && wider(&self.asn, &other.asn, self.asn.is_empty())
            && wider(&self.account, &other.account, self.account.is_empty())
            && wider(&self.owners, &other.owners, self.owners.is_none())
            && wider(&self.unknown, &other.unknown, !self.unknown)
    }
}

impl Rule {
    /// Returns whether it is in force.
    pub(crate) fn is_on(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }
}
