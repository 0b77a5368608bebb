//! The accounts that a policy affects, with evidence.
//!
//! # Rules
//! - An account is affected by its record (residence, billing, owners), or by its traffic: if a
//!   share, a count and some days of it come from places that the policy will not serve.
//! - One stray address is no evidence. At the best published accuracy of a country table, 99.8 %,
//!   two requests in a thousand are misplaced.
//! - The evidence shows what was counted: the key, the place, the number, the first and last time,
//!   and a sample request.

use crate::decide::{Question, RuleRef, decide};
use crate::facts::{AccountFacts, Agreement, Fact, FactKind, Facts, NetworkFact};
use crate::policy::{Exemption, Policy};
use banjia_types::{AccountId, Country, KeyId, Place, Timestamp, VerdictKind};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Recorded requests of one key from one place on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyTraffic {
    /// The account. `None` for requests without one.
    pub account: Option<AccountId>,
    /// The key.
    pub key: Option<KeyId>,
    /// The place of the network. `None` if unknown.
    pub network: Option<Place>,
    /// Country from the second geo table, if it disagrees.
    pub differs: Option<Country>,
    /// The autonomous system.
    pub asn: Option<u32>,
    /// The start of the day.
    pub day: Timestamp,
    /// Number of requests.
    pub requests: u64,
    /// The time of the first one.
    pub first: Timestamp,
    /// The time of the last one.
    pub last: Timestamp,
    /// The id of one of them.
    pub sample: String,
}

/// The thresholds above which traffic is evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Minimum share of the account's requests.
    pub share_min: f64,
    /// Minimum number of requests.
    pub requests_min: u64,
    /// Minimum number of days.
    pub days_min: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { share_min: 0.05, requests_min: 20, days_min: 3 }
    }
}

/// One line of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The key's public id.
    pub key: Option<KeyId>,
    /// The place.
    pub network: Option<Place>,
    /// The autonomous system.
    pub asn: Option<u32>,
    /// The part of the account's record that decided, with its place. `None` if the network did.
    pub record: Option<(FactKind, Option<Place>)>,
    /// Number of requests.
    pub requests: u64,
    /// The time of the first one.
    pub first: Timestamp,
    /// The time of the last one.
    pub last: Timestamp,
    /// The id of one of them.
    pub sample: String,
}

/// An account that a policy affects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Affected {
    /// The account. `None` represents all callers without one.
    pub account: Option<AccountId>,
    /// Whether its record alone is the reason.
    pub by_record: bool,
    /// Number of its requests.
    pub requests: u64,
    /// Number of these that would be refused.
    pub refused: u64,
    /// Number of days with such requests.
    pub days: usize,
    /// Names of the rules that would refuse.
    pub rules: BTreeSet<String>,
    /// The places of the refused requests, the most frequent first.
    pub evidence: Vec<Evidence>,
}

impl Affected {
    /// The refused share of its requests.
    pub fn share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.refused as f64 / self.requests as f64 }
    }
}

/// The question to ask about recorded requests.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Exemptions in addition to those in its text.
    pub granted: &'a [Exemption],
    /// The moment to decide for, usually the start of the block.
    pub at: Timestamp,
}

impl Inquiry<'_> {
    /// The policy's verdict on recorded requests.
    pub fn verdict(&self, seen: &DailyTraffic, account: Option<&Arc<AccountFacts>>) -> (VerdictKind, RuleRef) {
        let fact = |place| NetworkFact {
            place,
            agreement: seen.differs.map_or(Agreement::Alone, Agreement::Differ),
            asn: seen.asn,
            source: "ledger".into(),
            as_of: seen.last,
        };
        let facts = Facts { network: seen.network.map(fact), account: account.cloned() };
        let question = Question { granted: self.granted, ..Question::of(&facts, self.at) };
        let verdict = decide(self.policy, &question);
        (verdict.kind, verdict.rule)
    }
}

/// Every account that the policy would refuse, with all that was counted. The caller applies the
/// thresholds ([`is_evidence`]). `account` finds an account's record.
pub fn affected(
    inquiry: Inquiry<'_>,
    seen: &[DailyTraffic],
    account: &dyn Fn(&AccountId) -> Option<Arc<AccountFacts>>,
) -> Vec<Affected> {
    let mut found: BTreeMap<Option<AccountId>, (Affected, BTreeSet<Timestamp>)> = BTreeMap::new();
    for seen in seen {
        let record =
            seen.account.as_ref().map(|id| account(id).unwrap_or_else(|| Arc::new(AccountFacts::of(id.clone()))));
        let (kind, rule) = inquiry.verdict(seen, record.as_ref());
        let empty = || Affected {
            account: seen.account.clone(),
            by_record: false,
            requests: 0,
            refused: 0,
            days: 0,
            rules: BTreeSet::new(),
            evidence: Vec::new(),
        };
        let (entry, days) = found.entry(seen.account.clone()).or_insert_with(|| (empty(), BTreeSet::new()));
        entry.requests = entry.requests.saturating_add(seen.requests);
        if !kind.refuses() {
            continue;
        }
        entry.refused = entry.refused.saturating_add(seen.requests);
        entry.by_record |= matches!(rule, RuleRef::List(FactKind::Residence | FactKind::Billing | FactKind::Owners));
        entry.rules.insert(rule.name(inquiry.policy, inquiry.granted).into_owned());
        days.insert(seen.day);
        entry.days = days.len();
        let by_record = record.as_ref().and_then(|record| record_that_decided(inquiry.policy, rule, record));
        add(&mut entry.evidence, seen, by_record);
    }
    let mut affected: Vec<_> = found.into_values().map(|(entry, _)| entry).filter(|entry| entry.refused > 0).collect();
    for entry in &mut affected {
        entry.evidence.sort_by_key(|line| std::cmp::Reverse(line.requests));
    }
    affected.sort_by_key(|entry| std::cmp::Reverse(entry.refused));
    affected
}

/// The part of an account's record that a rule decided by. `None` if it decided by the network.
fn record_that_decided(policy: &Policy, rule: RuleRef, record: &AccountFacts) -> Option<(FactKind, Option<Place>)> {
    let kind = match rule {
        RuleRef::List(kind) => kind,
        RuleRef::Rule(index) => policy.rules().get(index)?.when.by_record()?,
        _ => return None,
    };
    let place = |fact: &Option<Fact<Place>>| fact.as_ref().map(|fact| fact.value);
    match kind {
        FactKind::Network => None,
        FactKind::Residence => Some((kind, place(&record.residence))),
        FactKind::Billing => Some((kind, place(&record.billing))),
        FactKind::Owners => Some((kind, None)),
    }
}

/// Adds requests to the evidence. If the record decided, from where they came does not matter.
fn add(evidence: &mut Vec<Evidence>, seen: &DailyTraffic, record: Option<(FactKind, Option<Place>)>) {
    let (network, asn) = if record.is_some() { (None, None) } else { (seen.network, seen.asn) };
    let same = |line: &&mut Evidence| {
        line.key == seen.key && line.record == record && line.network == network && line.asn == asn
    };
    if let Some(line) = evidence.iter_mut().find(same) {
        line.requests = line.requests.saturating_add(seen.requests);
        line.first = line.first.min(seen.first);
        if seen.last > line.last {
            (line.last, line.sample) = (seen.last, seen.sample.clone());
        }
        return;
    }
    evidence.push(Evidence {
        key: seen.key.clone(),
        network,
        asn,
        record,
        requests: seen.requests,
        first: seen.first,
        last: seen.last,
        sample: seen.sample.clone(),
    });
}

/// Whether there is enough to write to an account.
pub fn is_evidence(affected: &Affected, thresholds: &Thresholds) -> bool {
    affected.by_record
        || affected.share() >= thresholds.share_min
            && affected.refused >= thresholds.requests_min
            && affected.days >= thresholds.days_min
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::embedded;

    const DAY: i64 = 86_400_000;

    fn seen(account: &str, place: &str, day: i64, requests: u64) -> DailyTraffic {
        DailyTraffic {
            account: Some(account.into()),
            key: Some("k".into()),
            network: Some(place.parse().unwrap()),
            differs: None,
            asn: None,
            day: Timestamp(day * DAY),
            requests,
            first: Timestamp(day * DAY + 1),
            last: Timestamp(day * DAY + 9),
            sample: format!("req_{day}"),
        }
    }

    #[test]
    fn one_stray_address_is_no_evidence_and_a_record_is() {
        let policy = Policy::parse(include_str!("../policies/openai-2024.toml"), embedded()).unwrap();
        let inquiry = Inquiry { policy: &policy, granted: &[], at: policy.phases().block.unwrap() };
        let mut all = vec![seen("stray", "CN", 1, 1), seen("short", "HK", 1, 500), seen("fine", "US", 1, 100)];
        for day in 1..=4 {
            all.extend([seen("mostly-hk", "HK", day, 30), seen("mostly-hk", "US", day, 10)]);
            all.extend([
                seen("stray", "US", day, 900),
                seen("on-record", "US", day, 1),
                seen("traveller", "HK", day, 10),
            ]);
            all.push(seen("traveller", "US", day, 990));
        }
        let record = |id: &AccountId| {
            let fact = Fact { value: "CN".parse().unwrap(), source: "form".to_owned(), as_of: Timestamp(0) };
            (id.as_str() == "on-record")
                .then(|| Arc::new(AccountFacts { billing: Some(fact), ..AccountFacts::of(id.clone()) }))
        };
        let found = affected(inquiry, &all, &record);
        let rows: Vec<_> = found
            .iter()
            .map(|entry| {
                (
                    entry.account.as_ref().unwrap().as_str(),
                    entry.refused,
                    entry.days,
                    is_evidence(entry, &Thresholds::default()),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("short", 500, 1, false),
                ("mostly-hk", 120, 4, true),
                ("traveller", 40, 4, false),
                ("on-record", 4, 4, true),
                ("stray", 1, 1, false)
            ]
        );
        let line = &found[1].evidence[0];
        assert_eq!(
            (line.requests, line.first, line.last, line.sample.as_str()),
            (120, Timestamp(DAY + 1), Timestamp(4 * DAY + 9), "req_4")
        );
        assert_eq!(found[3].rules.first().map(String::as_str), Some("list.billing"));
        assert_eq!((line.network, line.record), (Some("HK".parse().unwrap()), None));
        // Its requests came from places that are served: the record is the evidence.
        let line = &found[3].evidence[0];
        let billing = (FactKind::Billing, Some("CN".parse().unwrap()));
        assert_eq!((line.network, line.asn, line.record), (None, None, Some(billing)));
    }
}
