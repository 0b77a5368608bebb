//! What `banjia serve` does without a configuration file: everything from the environment.
//!
//! Rules: each vendor whose `<NAME>_API_KEY` is set is used, and each of its models is a route of the same name. The key
//! that clients use is `BANJIA_KEY`; without it one is made for this run and shown once. Nothing is guessed beyond that:
//! a business that moves needs routes with a destination, and those need a file.

use banjia_gateway::config::{AccountConfig, Config, KeyConfig, LimitConfig, RouteConfig, VendorConfig};
use banjia_gateway::{Profiles, keys};
use banjia_types::Secret;
use std::collections::BTreeMap;

/// The account under which a gateway without a file books its requests.
pub(crate) const ACCOUNT: &str = "default";

/// A configuration made from the environment.
pub(crate) struct Made {
    pub(crate) config: Config,
    /// The clients' key, when it was made here and must be shown.
    pub(crate) new_key: Option<Secret>,
    /// Vendors in use and the variables that name their keys.
    pub(crate) used: Vec<String>,
}

/// The variable that holds a vendor's key: `openai-compatible` -> `OPENAI_COMPATIBLE_API_KEY`.
pub(crate) fn variable(vendor: &str) -> String {
    format!("{}_API_KEY", vendor.to_uppercase().replace('-', "_"))
}

/// Builds a configuration from `profiles` and the environment `lookup`; `make_key` gives a new key's text.
pub(crate) fn make(
    profiles: &Profiles,
    lookup: &dyn Fn(&str) -> Option<String>,
    make_key: &dyn Fn() -> Secret,
) -> Made {
    let found = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
    let mut config = Config::default();
    let mut used = Vec::new();
    let mut targets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, profile) in profiles.iter().filter(|(_, profile)| !profile.hosts().is_empty()) {
        let Some(credential) = found(&variable(name)) else { continue };
        used.push(format!("{name} ({})", variable(name)));
        config.vendors.push(VendorConfig {
            credential: Some(Secret::new(credential.trim())),
            ..VendorConfig::new(name.as_str())
        });
        for model in profile.models().filter(|facts| facts.name.is_exact()).map(|facts| facts.name.text()) {
            targets.entry(model.to_owned()).or_default().push(format!("{name}/{model}"));
        }
    }
    config.routes = targets.into_iter().map(|(name, targets)| RouteConfig::new(name.as_str(), targets)).collect();
    let given = found("BANJIA_KEY").map(Secret::new);
    let new_key = if given.is_none() { Some(make_key()) } else { None };
    if let Some(secret) = given.as_ref().or(new_key.as_ref()) {
        let limits = LimitConfig::default();
        config.accounts.push(AccountConfig::new(ACCOUNT));
        let hash = keys::hash(None, secret.expose());
        config.keys.push(KeyConfig { id: "env".into(), hash, account: ACCOUNT.into(), limits });
    }
    Made { config, new_key, used }
}
