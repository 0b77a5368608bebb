//! The words that a message may always show: names of keys and values that the program itself
//! defines.

use crate::config::{AuditConfig, CampaignsConfig, GeoConfig, LogConfig, ProfilesConfig, StoreConfig};
use banjia_border::owners::Owner;
use banjia_border::peer::PeerRules;
use banjia_control::mail::DkimConfig;
use banjia_control::{SmtpConfig, WebhookConfig};
use banjia_gateway::config as gateway;
use banjia_types::LossPolicy;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::sync::LazyLock;
use toml::de::{DeTable, DeValue};

/// The names of tables, and values that are words of the format.
const VALUES: &[&str] = &[
    "accounts",
    "allow_shrink",
    "audit",
    "border",
    "campaigns",
    "capture",
    "debug",
    "degraded",
    "dropped",
    "emulated",
    "en",
    "error",
    "exact",
    "false",
    "forwarded",
    "geo",
    "info",
    "json",
    "keys",
    "log",
    "mail",
    "none",
    "off",
    "profiles",
    "refused",
    "routes",
    "serve",
    "starttls",
    "store",
    "text",
    "tls",
    "trace",
    "true",
    "vendors",
    "warn",
    "webhooks",
    "x-forwarded-for",
    "zh",
];

/// Keys of a move's text and of a policy's, whose raw forms are private to their crates.
const OTHER_TEXTS: &str = "account appeal asn at_least billing blackout block brownouts canary captures_min cooldown days \
     deadline destination differ error_rate_max except exemptions fact_age_days_max from gates hold id kind \
     latency_ratio_max legal_demand link list network notice on_deadline over owner owners parity parity_age_max places \
     reason record repeat requests_min residence route rules second shadow share share_of_requests share_of_time source \
     source_until spend_max spend_max_per_day spend_max_total steps streams title unknown until verdict version when window \
     zone";

/// The words of the configuration, and the names and keys of the built-in profiles.
static WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut words: HashSet<String> = VALUES.iter().map(|word| (*word).to_owned()).collect();
    let tables = [
        keys_of::<gateway::ServeConfig>(),
        keys_of::<gateway::BorderConfig>(),
        keys_of::<gateway::CaptureConfig>(),
        keys_of::<gateway::RedactConfig>(),
        keys_of::<gateway::PatternConfig>(),
        keys_of::<gateway::VendorConfig>(),
        keys_of::<gateway::RouteConfig>(),
        keys_of::<gateway::TimeoutConfig>(),
        keys_of::<gateway::AccountConfig>(),
        keys_of::<gateway::ContactConfig>(),
        keys_of::<gateway::KeyConfig>(),
        keys_of::<gateway::LimitConfig>(),
        keys_of::<LossPolicy>(),
        keys_of::<Owner>(),
        keys_of::<PeerRules>(),
        keys_of::<StoreConfig>(),
        keys_of::<LogConfig>(),
        keys_of::<ProfilesConfig>(),
        keys_of::<GeoConfig>(),
        keys_of::<CampaignsConfig>(),
        keys_of::<AuditConfig>(),
        keys_of::<SmtpConfig>(),
        keys_of::<DkimConfig>(),
        keys_of::<WebhookConfig>(),
    ];
    words.extend(tables.into_iter().flatten());
    words.extend(OTHER_TEXTS.split_whitespace().map(str::to_owned));
    for (name, text) in banjia_wire::embedded_profiles() {
        words.insert((*name).to_owned());
        add_keys(DeTable::parse_recoverable(text).0.get_ref(), &mut words);
    }
    words
});

/// The keys of a table: serde's derive is the only list of them, and names all when it meets
/// another one.
fn keys_of<T: DeserializeOwned>() -> Vec<String> {
    let said = toml::from_str::<T>("\"?\" = 0").err().map(|error| error.message().to_owned()).unwrap_or_default();
    let keys = said.split_once(", expected ").map_or("", |(_, keys)| keys);
    keys.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn add_keys(table: &DeTable<'_>, words: &mut HashSet<String>) {
    for (key, value) in table {
        words.insert(key.get_ref().to_string());
        add_keys_of_value(value.get_ref(), words);
    }
}

fn add_keys_of_value(value: &DeValue<'_>, words: &mut HashSet<String>) {
    match value {
        DeValue::Table(table) => add_keys(table, words),
        DeValue::Array(array) => array.iter().for_each(|element| add_keys_of_value(element.get_ref(), words)),
        _ => {}
    }
}

/// Returns true for a word that the program defines.
pub(super) fn is_known(word: &str) -> bool {
    WORDS.contains(word)
}

/// Returns true for a key that a message may repeat, known or misspelt: small letters, no digits.
pub(super) fn is_like_a_key(word: &str) -> bool {
    const CHARS_MAX: usize = 32;
    is_known(word)
        || ((1..=CHARS_MAX).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-".contains(&byte))
            && super::plain::is_plain(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_an_example_policy_is_known() {
        let text = include_str!("../../../../core/border/policies/openai-2024.toml");
        let mut keys = HashSet::new();
        add_keys(DeTable::parse(text).unwrap().get_ref(), &mut keys);
        let unknown: Vec<_> = keys.into_iter().filter(|key| !is_known(key)).collect();
        assert_eq!(unknown, Vec::<String>::new());
    }

    #[test]
    fn every_key_of_the_whole_file_is_known() {
        let text = include_str!("../golden/whole/banjia.toml");
        let mut keys = HashSet::new();
        add_keys(DeTable::parse(text).unwrap().get_ref(), &mut keys);
        // The name of a route, which people choose.
        assert!(keys.remove("one") && keys.len() > 90);
        let unknown: Vec<_> = keys.into_iter().filter(|key| !is_known(key)).collect();
        assert_eq!(unknown, Vec::<String>::new());
    }
}
