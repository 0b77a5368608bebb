//! A move as its author writes it, before any check.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    pub(super) route: Spanned<String>,
    pub(super) source: Spanned<String>,
    pub(super) destination: Spanned<String>,
    pub(super) second: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGates {
    pub(super) parity: Option<BTreeMap<Spanned<String>, Spanned<f64>>>,
    pub(super) parity_age_max: Option<Spanned<String>>,
    pub(super) error_rate_max: Option<Spanned<f64>>,
    pub(super) window: Option<Spanned<String>>,
    pub(super) requests_min: Option<u64>,
    pub(super) latency_ratio_max: Option<Spanned<f64>>,
    pub(super) spend_max_per_day: Option<Spanned<String>>,
    pub(super) spend_max_total: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCanary {
    pub(super) steps: Option<Spanned<Vec<Spanned<f64>>>>,
    pub(super) hold: Option<Spanned<String>>,
    pub(super) cooldown: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecord {
    pub(super) share: Option<Spanned<f64>>,
    pub(super) repeat: Option<Spanned<f64>>,
    pub(super) captures_min: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawShadow {
    pub(super) share: Option<Spanned<f64>>,
    pub(super) spend_max: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBlackout {
    pub(super) days: Option<Vec<Spanned<String>>>,
    pub(super) from: Spanned<String>,
    pub(super) until: Spanned<String>,
    #[serde(default)]
    pub(super) reason: String,
}
