//! A policy as its author writes it, before any check.

use super::{Differ, Policy, RuleSet, Title, Unknown, rule::Demand};
use crate::registry::Registry;
use banjia_types::{Problem, VerdictKind};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeTable;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub(super) id: Spanned<String>,
    pub(super) version: Spanned<u32>,
    #[serde(default)]
    pub(super) kind: RuleSet,
    #[serde(default)]
    pub(super) title: Title,
    pub(super) zone: Spanned<String>,
    pub(super) list: Spanned<String>,
    /// The operator's own list, in place of one of the registry: then `list` only names it.
    pub(super) places: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) except: Vec<Spanned<String>>,
    pub(super) notice: Option<Spanned<String>>,
    pub(super) block: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) brownouts: Vec<Spanned<RawBrownout>>,
    #[serde(default)]
    pub(super) unknown: Unknown,
    #[serde(default)]
    pub(super) differ: Differ,
    pub(super) fact_age_days_max: Option<u32>,
    pub(super) owners: Option<Spanned<RawOwners>>,
    pub(super) streams: Option<Spanned<String>>,
    pub(super) legal_demand: Option<Demand>,
    pub(super) appeal: Option<Spanned<String>>,
    pub(super) link: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBrownout {
    pub(super) from: Spanned<String>,
    pub(super) until: Spanned<String>,
    pub(super) share_of_requests: Option<f64>,
    pub(super) share_of_time: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOwners {
    pub(super) over: Option<f64>,
    pub(super) at_least: Option<f64>,
    pub(super) places: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) id: Spanned<String>,
    #[serde(default)]
    pub(super) reason: String,
    pub(super) when: Spanned<RawWhen>,
    pub(super) verdict: Option<VerdictKind>,
    pub(super) from: Option<Spanned<String>>,
    pub(super) until: Option<Spanned<String>>,
    pub(super) legal_demand: Option<Demand>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWhen {
    pub(super) network: Option<Vec<Spanned<String>>>,
    pub(super) residence: Option<Vec<Spanned<String>>>,
    pub(super) billing: Option<Vec<Spanned<String>>>,
    pub(super) asn: Vec<u32>,
    pub(super) account: Vec<String>,
    pub(super) owners: Option<Spanned<RawOwners>>,
    pub(super) unknown: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExemption {
    pub(super) id: Spanned<String>,
    pub(super) account: String,
    pub(super) owner: Spanned<String>,
    #[serde(default)]
    pub(super) reason: String,
    pub(super) from: Option<Spanned<String>>,
    pub(super) until: Spanned<String>,
}

/// Writes new dates and the next version into a policy's text; comments and everything else stay as
/// they are.
pub(super) fn redated(
    policy: &Policy,
    dates: &[(&str, &str)],
    registries: &[Registry],
) -> Result<String, Vec<Problem>> {
    let text = policy.text();
    let table = DeTable::parse(text)
        .map_err(|error| vec![Problem::from_parser(text, error.span(), error.message())])?
        .into_inner();
    let mut changes = BTreeMap::new();
    let mut added = String::new();
    let next = (policy.version() + 1).to_string();
    for (key, value) in dates.iter().copied().map(|(key, date)| (key, format!("{date:?}"))).chain([("version", next)]) {
        match table.get(key) {
            Some(found) => {
                changes.insert(found.span().start, (found.span(), value));
            }
            None => added.extend([key, " = ", &value, "\n"]),
        }
    }
    let mut redated_text = added;
    let mut from = 0;
    for (span, value) in changes.into_values() {
        redated_text.push_str(text.get(from..span.start).unwrap_or_default());
        redated_text.push_str(&value);
        from = span.end;
    }
    redated_text.push_str(text.get(from..).unwrap_or_default());
    Policy::parse(&redated_text, registries).map(|_| redated_text)
}
