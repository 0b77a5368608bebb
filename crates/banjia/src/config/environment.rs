//! What `banjia serve` does without a configuration file: everything from the environment.
//!
//! - Each vendor with a key in one of its variables (`<NAME>_API_KEY` and those of its documents)
//!   is used.
//! - Each model that its profile knows is a route of the same name. Families of models
//!   (`qwen3-max*`) are routes too, so that dated and newer names pass.
//! - The key that clients use is `BANJIA_KEY`. Without it one is made for this run and shown once.
//! - Nothing is guessed beyond that: a business that moves needs routes with a destination, and
//!   those need a file.

use super::vendor_names::key_variables;
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

/// Builds a configuration from `profiles` and the environment `lookup`; `make_key` gives a new
/// key's text.
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
        let mut with_key = key_variables(name).filter_map(|variable| Some((found(&variable)?, variable)));
        let Some((credential, variable)) = with_key.next() else { continue };
        used.push(format!("{name} ({variable})"));
        config.vendors.push(VendorConfig {
            credential: Some(Secret::new(credential.trim())),
            ..VendorConfig::new(name.as_str())
        });
        for facts in profile.models() {
            let (model, is_exact) = (facts.name.text(), facts.name.is_exact());
            if !is_exact {
                targets.entry(format!("{model}*")).or_default().push(format!("{name}/*"));
            }
            if is_exact || is_whole(model) {
                let target = format!("{name}/{model}");
                let route = targets.entry(model.to_owned()).or_default();
                if !route.contains(&target) {
                    route.push(target);
                }
            }
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

/// Returns whether the beginning of a family's names is a model's name by itself: `qwen3-max`, not
/// `doubao-seed-`.
fn is_whole(start: &str) -> bool {
    start.ends_with(|last: char| last.is_alphanumeric())
}
