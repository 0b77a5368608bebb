//! What is known about a caller, with source and age.
//!
//! # Rules
//! - Facts are kept apart and never merged into one country. Each has its source and date.
//! - A missing fact stays missing. It is never guessed from another.
//! - The facts of an account are shared between its requests. The network fact is new for each.

use crate::owners::Owner;
use banjia_types::{AccountId, Country, Place, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Everything that a policy may consider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The place of the request's address. `None` if the address or its country is unknown.
    pub network: Option<NetworkFact>,
    /// The account's record. `None` for a caller without an account.
    pub account: Option<Arc<AccountFacts>>,
}

/// A table's record of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFact {
    /// The country, or a part of it if the table has parts.
    pub place: Place,
    /// Whether a second source agrees.
    pub agreement: Agreement,
    /// The autonomous system, if a table has it.
    pub asn: Option<u32>,
    /// The name of the table, for example `DB-IP Lite` or that of the operator's file.
    pub source: Cow<'static, str>,
    /// When that table was built.
    pub as_of: Timestamp,
}

/// Whether a second source agrees about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// There is no second source.
    Alone,
    /// It has the same country.
    Agree,
    /// It has another country: the one where the address block was registered, which is often the
    /// operator's seat.
    Differ(Country),
}

/// The record of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFacts {
    /// The account.
    pub id: AccountId,
    /// Its residence.
    #[serde(default)]
    pub residence: Option<Fact<Place>>,
    /// Its billing address.
    #[serde(default)]
    pub billing: Option<Fact<Place>>,
    /// Its owners.
    #[serde(default)]
    pub owners: Option<Fact<Vec<Owner>>>,
}

impl AccountFacts {
    /// An empty record.
    pub const fn of(id: AccountId) -> Self {
        Self { id, residence: None, billing: None, owners: None }
    }
}

/// A fact with its provenance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact<T> {
    /// The value.
    pub value: T,
    /// Its source.
    pub source: String,
    /// The date of the fact.
    pub as_of: Timestamp,
}

/// The kinds of facts, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// The place of the request's address.
    Network,
    /// The account's residence.
    Residence,
    /// The account's billing address.
    Billing,
    /// The account's owners.
    Owners,
}

impl FactKind {
    /// Every kind.
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
    /// The source and date of a fact. `None` if it is unknown.
    pub fn provenance(&self, kind: FactKind) -> Option<(&str, Timestamp)> {
        let account = self.account.as_deref();
        match kind {
            FactKind::Network => self.network.as_ref().map(|fact| (fact.source.as_ref(), fact.as_of)),
            FactKind::Residence => account?.residence.as_ref().map(|fact| (fact.source.as_str(), fact.as_of)),
            FactKind::Billing => account?.billing.as_ref().map(|fact| (fact.source.as_str(), fact.as_of)),
            FactKind::Owners => account?.owners.as_ref().map(|fact| (fact.source.as_str(), fact.as_of)),
        }
    }

    /// The place of a fact. `None` for owners, which have several.
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
