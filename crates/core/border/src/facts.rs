//! What is known of a caller, from where, how old.
//!
//! Rules: facts are kept apart and never merged into one country; each says who told it and when; a fact that is missing is
//! missing and not guessed from another. The account's facts are shared between its requests, the network's are new for each.

use crate::owners::Owner;
use banjia_types::{AccountId, Country, Place, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Everything that a policy may look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Where the request's address is; none when the address or its country is unknown.
    pub network: Option<NetworkFact>,
    /// The account's record; none for a caller without an account.
    pub account: Option<Arc<AccountFacts>>,
}

/// What a table says of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFact {
    /// The country, or a part of it where the table knows parts.
    pub place: Place,
    /// What a second source says.
    pub agreement: Agreement,
    /// The autonomous system, where a table knows it.
    pub asn: Option<u32>,
    /// Which table: `DB-IP Lite`, the name of the operator's file, ...
    pub source: Cow<'static, str>,
    /// When that table was built.
    pub as_of: Timestamp,
}

/// What a second source says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// There is none.
    Alone,
    /// The same.
    Agree,
    /// Another country. It is where the address block was registered, which is often the operator's seat.
    Differ(Country),
}

/// What an account's record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFacts {
    /// Whose record it is.
    pub id: AccountId,
    /// Where it resides.
    #[serde(default)]
    pub residence: Option<Fact<Place>>,
    /// Where its bills go.
    #[serde(default)]
    pub billing: Option<Fact<Place>>,
    /// Who owns it.
    #[serde(default)]
    pub owners: Option<Fact<Vec<Owner>>>,
}

impl AccountFacts {
    /// A record that says nothing yet.
    pub const fn of(id: AccountId) -> Self {
        Self { id, residence: None, billing: None, owners: None }
    }
}

/// A fact with its provenance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact<T> {
    /// What is known.
    pub value: T,
    /// Who said it.
    pub source: String,
    /// When it was so.
    pub as_of: Timestamp,
}

/// The kinds of facts, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// The request's address.
    Network,
    /// Where the account resides.
    Residence,
    /// Where its bills go.
    Billing,
    /// Who owns it.
    Owners,
}

impl FactKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Network, Self::Residence, Self::Billing, Self::Owners];

    /// The name used in policies and explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Residence => "residence",
            Self::Billing => "billing",
            Self::Owners => "owners",
        }
    }
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Facts {
    /// Who told a fact and when; none when it is not known.
    pub fn provenance(&self, kind: FactKind) -> Option<(&str, Timestamp)> {
        let account = self.account.as_deref();
        match kind {
            FactKind::Network => self.network.as_ref().map(|fact| (fact.source.as_ref(), fact.as_of)),
            FactKind::Residence => account?.residence.as_ref().map(|fact| (fact.source.as_str(), fact.as_of)),
            FactKind::Billing => account?.billing.as_ref().map(|fact| (fact.source.as_str(), fact.as_of)),
            FactKind::Owners => account?.owners.as_ref().map(|fact| (fact.source.as_str(), fact.as_of)),
        }
    }

    /// The place that a fact names; none for owners, who have many.
    pub fn place(&self, kind: FactKind) -> Option<Place> {
        let account = self.account.as_deref();
        match kind {
            FactKind::Network => self.network.as_ref().map(|fact| fact.place),
            FactKind::Residence => account?.residence.as_ref().map(|fact| fact.value),
            FactKind::Billing => account?.billing.as_ref().map(|fact| fact.value),
            FactKind::Owners => None,
        }
    }
}
