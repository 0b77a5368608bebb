//! Verdicts for the audit: each kind of case once, with everything that is needed to judge it again.
//!
//! Rules: a case is an account, its facts, the policies in force and the verdict; it is offered when it is met first and
//! never waited for; what the queue did not take is offered again at the next request like it. Memory is bounded: when it is
//! full it begins anew, so a case may be written twice and none is left out.

use super::{BorderCheck, answer};
use crate::lock::lock;
use banjia_border::facts::{Fact, Facts};
use banjia_store::{AuditWriter, NewAudit};
use banjia_types::hash::hash_parts;
use banjia_types::{Place, VerdictKind};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cases remembered at once.
const CASES_LEN_MAX: usize = 65_536;

/// What was written already.
#[derive(Debug)]
pub(crate) struct Evidence {
    writer: AuditWriter,
    seen: Mutex<HashSet<u64>>,
    /// Offers that the queue did not take.
    refused: AtomicU64,
}

impl Evidence {
    pub(crate) fn new(writer: AuditWriter) -> Self {
        Self { writer, seen: Mutex::default(), refused: AtomicU64::new(0) }
    }

    /// Waits until what was offered so far is written.
    pub(crate) async fn flush(&self) {
        self.writer.flush().await;
    }

    /// Offers a check to the audit if it is a new case.
    pub(crate) fn record(&self, check: &BorderCheck) {
        let Some((rule, verdict)) = check.ruling() else { return };
        // A brownout by requests differs from request to request; its draw is part of the case only where it refused.
        let facts = &check.facts;
        let place = facts.network.as_ref().map(|fact| (fact.place.to_string(), fact.asn.unwrap_or(0)));
        let (place, asn) = place.unwrap_or_default();
        let account = facts.account.as_ref().map_or("", |account| account.id.as_str());
        let name = answer::rule_name(&check.rules, rule, verdict);
        let parts = [account, &place, rule.policy.label(), verdict.kind.as_str(), &name].map(str::as_bytes);
        let case = hash_parts(&parts) ^ u64::from(asn).rotate_left(17) ^ record(facts).rotate_left(31);
        if !lock(&self.seen).insert(case) {
            return;
        }
        let granted: Vec<_> = check.rules.exemptions.iter().filter(|e| e.account.as_str() == account).collect();
        let body = json!({
            "policy": rule.policy.id(),
            "version": rule.policy.version(),
            "hash": banjia_border::audit::Hash(rule.policy.hash()).to_string(),
            "facts": facts,
            "granted": granted,
            "at": check.at,
            "draw": check.draw,
            "paused": rule.is_paused,
            "verdict": verdict.kind,
            "rule": name,
        });
        let offered = self.writer.offer(NewAudit {
            at: check.at,
            actor: "gateway".to_owned(),
            kind: "verdict",
            subject: account.to_owned(),
            rule_set: rule.policy.set().as_str().to_owned(),
            body,
        });
        let mut seen = lock(&self.seen);
        if !offered {
            seen.remove(&case);
            if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!("the audit's queue is full; verdicts are offered again with the next requests");
            }
        } else if seen.len() > CASES_LEN_MAX {
            seen.clear();
        }
        if verdict.kind == VerdictKind::Block {
            tracing::debug!(account, rule = %name, "a caller is blocked by the border");
        }
    }
}

/// A digest of what an account's record says: another record is another case, also where the same rule decides.
fn record(facts: &Facts) -> u64 {
    let Some(account) = &facts.account else { return 0 };
    let place = |fact: &Option<Fact<Place>>| {
        fact.as_ref().map_or(0, |fact| {
            let at = fact.as_of.0.to_be_bytes();
            hash_parts(&[fact.value.to_string().as_bytes(), fact.source.as_bytes(), &at])
        })
    };
    let owners = account.owners.as_ref().map_or_else(String::new, |owners| json!(owners).to_string());
    let (residence, billing) = (place(&account.residence).to_be_bytes(), place(&account.billing).to_be_bytes());
    hash_parts(&[&residence, &billing, owners.as_bytes()])
}
