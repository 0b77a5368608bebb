//! Other names of vendors (`qwen`, `kimi`), and the variables that hold their keys.
//!
//! - The data stands in `vendor_names.toml`: no vendor's name is in the code.
//! - A profile that is called like another name goes first: an operator's own file is meant.

use banjia_gateway::Profiles;
use banjia_gateway::config::VendorConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Entry {
    names: Vec<String>,
    variables: Vec<String>,
}

static ENTRIES: LazyLock<BTreeMap<String, Entry>> =
    LazyLock::new(|| toml::from_str(include_str!("vendor_names.toml")).expect("a test reads vendor_names.toml"));

/// The profile that `name` means: its own name, or that of which it is another name, in any case.
/// `None` if no profile is called so.
pub(crate) fn profile_of<'a>(name: &str, profiles: &'a Profiles) -> Option<&'a str> {
    let key = |wanted: &str| profiles.get_key_value(wanted).map(|(key, _)| key.as_str());
    let lower = name.to_lowercase();
    key(name).or_else(|| key(&lower)).or_else(|| {
        let (profile, _) = ENTRIES.iter().find(|(_, entry)| entry.names.contains(&lower))?;
        key(profile)
    })
}

/// The profile whose name or other name is nearest to `name`. `None` if none is near.
pub(crate) fn nearest_profile<'a>(name: &str, profiles: &'a Profiles) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let own = profiles.keys().map(String::as_str);
    let others = ENTRIES.values().flat_map(|entry| &entry.names).map(String::as_str);
    let near = super::nearest(&lower, own.chain(others))?;
    profile_of(near, profiles)
}

/// Gives vendors without a profile of their name the profile that the name means.
pub(crate) fn resolve(vendors: &mut [VendorConfig], profiles: &Profiles) {
    for vendor in vendors {
        let wanted = vendor.profile.as_deref().unwrap_or(vendor.name.as_str());
        let found = profile_of(wanted, profiles).filter(|found| *found != wanted);
        if let Some(found) = found.map(ToOwned::to_owned) {
            vendor.profile = Some(found);
        }
    }
}

/// The variables that may hold a vendor's key, that of its own name first:
/// `openai-compatible` -> `OPENAI_COMPATIBLE_API_KEY`.
pub(crate) fn key_variables(vendor: &str) -> impl Iterator<Item = String> {
    let own = format!("{}_API_KEY", vendor.to_uppercase().replace('-', "_"));
    let others = ENTRIES.get(vendor).map(|entry| entry.variables.as_slice()).unwrap_or_default();
    std::iter::once(own).chain(others.iter().cloned())
}

/// The names of a profile that people also write.
pub(crate) fn other_names(vendor: &str) -> &[String] {
    ENTRIES.get(vendor).map(|entry| entry.names.as_slice()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::embedded_profiles;
    use crate::config::report::Findings;

    fn profiles() -> Profiles {
        embedded_profiles().into_map(&mut Findings::new("", ""), None)
    }

    #[test]
    fn other_names_find_their_vendor() {
        let profiles = profiles();
        for (name, profile) in [
            ("qwen", "alibaba"),
            ("dashscope", "alibaba"),
            ("glm", "zhipu"),
            ("kimi", "moonshot"),
            ("doubao", "volcengine"),
            ("ernie", "baidu"),
            ("Qwen", "alibaba"),
            ("OpenAI", "openai"),
            ("openai-compatible", "openai-compatible"),
        ] {
            assert_eq!(profile_of(name, &profiles), Some(profile), "{name}");
        }
        assert_eq!(profile_of("acme", &profiles), None);
        assert_eq!(nearest_profile("dashcope", &profiles), Some("alibaba"));
    }

    #[test]
    fn every_entry_belongs_to_a_profile() {
        let profiles = profiles();
        let mut seen = std::collections::BTreeSet::new();
        for (vendor, entry) in ENTRIES.iter() {
            assert!(profiles.contains_key(vendor), "{vendor}");
            for name in entry.names.iter().chain(&entry.variables) {
                assert!(seen.insert(name), "{name} is there twice");
                assert!(!profiles.contains_key(name), "{name} is a profile");
            }
        }
    }
}
