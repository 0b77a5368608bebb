//! Callers and where they are: accounts, keys, the border's settings, and whom a vendor serves.

use super::{Check, Key};
use crate::border::serves;
use crate::config::{AccountConfig, BorderConfig, Config, KeyConfig, VendorConfig};
use crate::keys::KeyHash;
use crate::problem::near;
use banjia_border::facts::{AccountFacts, Agreement, Fact, Facts, NetworkFact};
use banjia_border::policy::{Policy, Unknown};
use banjia_border::{country, owners, registry};
use banjia_types::calendar;
use banjia_types::{AccountId, Place, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// Returns whether a vendor with this list serves all of these accounts, calling from where they
/// reside. None when no account is refused and of one the residence is unknown, or when there is
/// none.
pub(super) fn serves_all<'a>(
    list: &Policy,
    accounts: impl Iterator<Item = &'a Arc<AccountFacts>>,
    at: Timestamp,
) -> Option<bool> {
    let mut verdict = None;
    for account in accounts {
        let served = serves_at_home(list, account, at);
        verdict = match (verdict, served) {
            (_, Some(false)) => return Some(false),
            (None, served) => Some(served),
            (Some(so_far), served) => Some(so_far.and(served)),
        };
    }
    verdict.flatten()
}

/// Returns whether a vendor with this list serves an account that calls from where it resides.
/// `None` if its record does not say where.
pub(super) fn serves_at_home(list: &Policy, account: &Arc<AccountFacts>, at: Timestamp) -> Option<bool> {
    let residence = account.residence.as_ref()?;
    let network = NetworkFact {
        place: residence.value,
        agreement: Agreement::Alone,
        asn: None,
        source: "the account's residence".into(),
        as_of: residence.as_of,
    };
    Some(serves(list, &Facts { network: Some(network), account: Some(account.clone()) }, at))
}

impl Check {
    /// The list that says whom a vendor serves.
    pub(super) fn serves(&mut self, i: usize, config: &VendorConfig, profile: &str) -> Option<Policy> {
        let unknown = if config.serves_unknown { Unknown::Allow } else { Unknown::Block };
        let known = registry::embedded();
        let list = match config.serves.as_deref() {
            Some("none") => None,
            None => known.iter().find(|registry| registry.provider == profile).and_then(registry::Registry::newest),
            Some(id) => {
                let list = registry::find(known, id).filter(|list| list.is_complete);
                if list.is_none() {
                    let ids = known.iter().flat_map(|registry| &registry.lists).map(|list| list.id.as_str());
                    let hint = near(id, ids).map_or_else(
                        || "`banjia region list` shows all; `none` means that no list is known".to_owned(),
                        |near| format!("did you mean {near}?"),
                    );
                    self.problem(format!("vendors[{i}].serves"), format!("there is no whole list {id:?}"), hint);
                }
                list
            }
        };
        list.map(|list| Policy::of_list(list.clone(), unknown))
    }

    pub(super) fn border(&mut self, border: &BorderConfig) {
        let needs = [
            (border.proxy_protocol, "proxy_protocol"),
            (border.check, "check"),
            (border.check_account, "check_account"),
            (border.peer.header.name().is_some(), "peer.header"),
        ];
        for (_, key) in needs.iter().filter(|(is_on, _)| *is_on && border.peer.trusted.is_empty()) {
            let hint = "say border.peer.trusted = [\"10.0.0.0/8\"] with the networks of your own proxies";
            self.problem(format!("border.{key}"), "no proxy is trusted, so this would never be used", hint);
        }
        if border.check_account && !border.check {
            let hint = "say border.check = true as well, or take it out";
            self.problem("border.check_account", "nobody may ask, so no account is ever named", hint);
        }
        self.place("border.home", border.home);
    }

    fn place(&mut self, path: &str, place: Option<Place>) {
        if let Some(place) = place.filter(|place| !country::is_known(*place)) {
            self.problem(path, format!("there is no country or territory {place}"), "see ISO 3166-1, for example HK");
        }
    }

    pub(super) fn accounts(&mut self, configs: &[AccountConfig]) -> HashMap<AccountId, Arc<AccountFacts>> {
        let mut accounts = HashMap::with_capacity(configs.len());
        for (i, account) in configs.iter().enumerate() {
            if accounts.insert(account.id.clone(), Arc::new(self.facts(i, account))).is_some() {
                self.problem(format!("accounts[{i}].id"), format!("{:?} is there twice", account.id.as_str()), "");
            }
        }
        accounts
    }

    /// What the record says of an account.
    fn facts(&mut self, i: usize, account: &AccountConfig) -> AccountFacts {
        let path = |key: &str| format!("accounts[{i}].{key}");
        self.place(&path("residence"), account.residence);
        self.place(&path("billing"), account.billing);
        for (place, message) in owners::problems(&account.owners) {
            self.problem(
                path(&place),
                message,
                "shares are numbers from 0 to 1 of the thing that they are listed under",
            );
        }
        if let Some(contact) = account.contact.as_ref().filter(|contact| !is_address(&contact.email)) {
            self.problem(path("contact.email"), format!("{:?} is no e-mail address", contact.email), "");
        }
        let as_of = match account.facts_as_of.as_deref().map(calendar::read) {
            Some(Err(message)) => {
                self.problem(path("facts_as_of"), message, "");
                Timestamp::default()
            }
            Some(Ok(date)) => Timestamp::from(date.and_utc()),
            None => Timestamp::default(),
        };
        let source = account.facts_source.clone().unwrap_or_else(|| "configuration".to_owned());
        let place = |value: Option<Place>| value.map(|value| Fact { value, source: source.clone(), as_of });
        let owners = Some(account.owners.clone()).filter(|owners| !owners.is_empty());
        AccountFacts {
            id: account.id.clone(),
            residence: place(account.residence),
            billing: place(account.billing),
            owners: owners.map(|value| Fact { value, source: source.clone(), as_of }),
        }
    }

    pub(super) fn keys(
        &mut self,
        config: &Config,
        accounts: &HashMap<AccountId, Arc<AccountFacts>>,
    ) -> HashMap<KeyHash, Arc<Key>> {
        let mut keys = HashMap::with_capacity(config.keys.len());
        for (i, key) in config.keys.iter().enumerate() {
            if config.keys[..i].iter().any(|other| other.id == key.id) {
                self.problem(format!("keys[{i}].id"), format!("{:?} is there twice", key.id.as_str()), "");
            }
            let Some((hash, key)) = self.key(i, key, config, accounts) else { continue };
            if keys.insert(hash, Arc::new(key)).is_some() {
                self.problem(format!("keys[{i}].hash"), "two keys have the same secret", "make a new key");
            }
        }
        keys
    }

    fn key(
        &mut self,
        i: usize,
        key: &KeyConfig,
        config: &Config,
        accounts: &HashMap<AccountId, Arc<AccountFacts>>,
    ) -> Option<(KeyHash, Key)> {
        let hash = KeyHash::parse(&key.hash, config.serve.pepper.is_some())
            .map_err(|message| self.problem(format!("keys[{i}].hash"), message, "make one with `banjia key new`"))
            .ok();
        let Some(account) = config.accounts.iter().find(|account| account.id == key.account) else {
            let message = format!("there is no account {:?}", key.account.as_str());
            self.problem(format!("keys[{i}].account"), message, "add it under `accounts`");
            return None;
        };
        let (id, account_limits) = (key.id.clone(), account.limits);
        let facts = accounts.get(&account.id)?.clone();
        Some((hash?, Key { id, account: account.id.clone(), facts, limits: key.limits, account_limits }))
    }
}

/// Returns whether a text looks like an address that mail can go to. The mail's own library has the
/// last word.
fn is_address(text: &str) -> bool {
    let is_clean = !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;".contains(c));
    is_clean && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}
