//! Use cases of the audit: the chain of changes and verdicts, checked and pruned.

use banjia_border::audit::replay::AuditReplay;
use banjia_border::audit::{Hash, VERDICT, Verifier};
use banjia_border::decide::{Question, decide};
use banjia_border::facts::Facts;
use banjia_border::policy::{Exemption, Policy};
use banjia_border::registry::embedded;
use banjia_store::{Actor, AuditReader, AuditRow, Store, StoreError};
use banjia_types::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;
use std::time::Duration;

/// Entries read at once.
const PAGE: u32 = 500;
/// The rule sets whose verdicts can be erased.
const RULE_SETS: [&str; 2] = ["policy", "sanctions"];

/// Why a use case of the audit was not carried out. The text is for people.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such rule set.
    #[error("there is no rule set {0:?}; say policy or sanctions")]
    NoRuleSet(String),
}

/// Hands over every entry of the chain, the oldest first.
///
/// # Errors
/// The database cannot be read or written.
pub async fn each_entry(reader: &mut AuditReader, mut take: impl FnMut(AuditRow)) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = reader.page(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.entry.seq;
        page.into_iter().for_each(&mut take);
    }
}

/// The number and the hash of an entry.
pub type ChainHead = (u64, Hash);

/// Result of [`check`].
#[derive(Debug)]
pub struct Checked {
    /// Entries of the chain.
    pub entries: u64,
    /// Verdicts that were judged again.
    pub verdicts: u64,
    /// Verdicts whose bodies retention has erased, as the chain proves.
    pub erased: u64,
    /// The last entry.
    pub head: ChainHead,
    /// Everything that is wrong, as sentences for people.
    pub faults: Vec<String>,
}

/// Checks the chain against its head, judges every verdict again, and compares the tables with what
/// the chain says of them. Without `head`, the database's own note of the head is used.
///
/// # Errors
/// The database cannot be read or written.
pub async fn check(store: &Store, head: Option<ChainHead>) -> Result<Checked, StoreError> {
    // One state of the database for all of it: a running gateway goes on writing.
    let mut reader = store.audit_reader().await?;
    let head = match head {
        Some(head) => head,
        None => reader.head().await?,
    };
    let mut verifier = Verifier::new(Some(head));
    let (mut replay, mut policies) = (AuditReplay::default(), HashMap::new());
    let (mut entries, mut verdicts) = (0, 0);
    let mut wrong = Vec::new();
    each_entry(&mut reader, |row| {
        verifier.take(&row.entry, row.body.as_deref(), &row.hash);
        entries += 1;
        let Some(body) = &row.body else { return };
        if row.entry.kind == VERDICT {
            verdicts += 1;
            if let Err(why) = judge_again(body, &policies) {
                wrong.push(format!("the verdict of entry {} cannot be reproduced: {why}", row.entry.seq));
            }
            return;
        }
        replay.take(&row.entry, body);
        if let Some((hash, policy)) = activated(&row.entry.kind, body) {
            policies.insert(hash, policy);
        }
    })
    .await?;
    let differences = replay.differences(&reader.covered_rows().await?);
    let erased = verifier.erased();
    let (faults, end) = verifier.end();
    let faults = faults.iter().map(ToString::to_string).chain(wrong);
    let faults = faults.chain(differences.iter().map(ToString::to_string)).collect();
    Ok(Checked { entries, verdicts, erased, head: end, faults })
}

/// Policies by the hash of their text; a text of another version of this program may be unreadable.
type Policies = HashMap<String, Result<Policy, String>>;

/// The policy that an entry puts in force, from the entry and not from a table that may have been
/// changed.
fn activated(kind: &str, body: &str) -> Option<(String, Result<Policy, String>)> {
    #[derive(Deserialize)]
    struct Activated {
        hash: String,
        text: String,
    }
    if !["policy.activate", "policy.redate"].contains(&kind) {
        return None;
    }
    let Activated { hash, text } = serde_json::from_str(body).ok()?;
    let policy = Policy::parse(&text, embedded()).map_err(|problems| {
        let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
        format!("its policy cannot be read: {}", said.join("; "))
    });
    Some((hash, policy))
}

#[derive(Deserialize)]
struct Stored {
    hash: String,
    facts: Facts,
    granted: Vec<Exemption>,
    at: Timestamp,
    draw: u64,
    paused: bool,
    verdict: String,
    rule: String,
}

/// Judges a stored verdict again. An error says why the verdict differs or cannot be judged.
fn judge_again(body: &str, policies: &Policies) -> Result<(), String> {
    let stored: Stored = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let policy = policies.get(&stored.hash).ok_or("no entry before it puts its policy in force")?;
    let policy = policy.as_ref().map_err(Clone::clone)?;
    let question = Question {
        facts: &stored.facts,
        granted: &stored.granted,
        at: stored.at,
        draw: stored.draw,
        is_paused: stored.paused,
    };
    let verdict = decide(policy, &question);
    let rule = verdict.rule.name(policy, &stored.granted);
    if verdict.kind.as_str() != stored.verdict || rule != stored.rule {
        let (kind, rule_before) = (&stored.verdict, &stored.rule);
        return Err(format!("it says {kind} by {rule_before}, and judging again gives {} by {rule}", verdict.kind));
    }
    Ok(())
}

/// Result of [`forget`].
#[derive(Clone, Copy, Debug)]
pub struct Forgotten {
    /// Verdicts whose bodies were erased.
    pub verdicts: u64,
    /// Only older verdicts were erased.
    pub before: Timestamp,
}

/// Erases the bodies of a rule set's verdicts that are older than so many days. Their hashes stay,
/// so the chain still holds.
///
/// # Errors
/// The database, or [`AuditError::NoRuleSet`].
pub async fn forget(store: &Store, rule_set: &str, days: u32, by: Actor<'_>) -> Result<Forgotten, AuditError> {
    if !RULE_SETS.contains(&rule_set) {
        return Err(AuditError::NoRuleSet(rule_set.to_owned()));
    }
    let before = by.at - Duration::from_hours(24) * days;
    let verdicts = store.forget_verdicts(rule_set, before, by.at, by.actor).await?;
    Ok(Forgotten { verdicts, before })
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_store::{Location, NewAudit};
    use serde_json::{Value, json};

    fn entry(kind: &'static str, at: i64, body: Value) -> NewAudit {
        let (actor, subject) = ("kim".to_owned(), "acme".to_owned());
        NewAudit { at: Timestamp(at), actor, kind, subject, rule_set: "policy".to_owned(), body }
    }

    async fn store() -> Store {
        let store = Store::open(&Location::Temporary).await.unwrap();
        store
            .open_appeal(&"acme".into(), "we sit in Singapore", Actor { actor: "kim", at: Timestamp(1) })
            .await
            .unwrap();
        store
    }

    #[tokio::test]
    async fn proven_erasures_are_counted_and_no_faults() {
        let store = store().await;
        for at in [2, 3] {
            store.append_audit(&entry(VERDICT, at, json!({}))).await.unwrap();
        }
        store.forget_verdicts("policy", Timestamp(4), Timestamp(9), "kim").await.unwrap();
        let checked = check(&store, None).await.unwrap();
        assert_eq!(checked.faults, Vec::<String>::new());
        assert_eq!((checked.entries, checked.verdicts, checked.erased), (4, 0, 2));
    }

    #[tokio::test]
    async fn a_row_that_only_the_chain_knows_is_a_fault() {
        let store = store().await;
        let body = json!({ "appeal": 7, "said": "gone" });
        store.append_audit(&entry("appeal.open", 2, body)).await.unwrap();
        store.append_audit(&entry("exemption.grant", 3, json!({ "id": "7" }))).await.unwrap();
        let faults = check(&store, None).await.unwrap().faults;
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("entry 3 does not say what it changed"), "{faults:?}");
        assert!(faults[1].contains("appeal \"7\" was written by entry 2 and is gone"), "{faults:?}");
    }

    #[tokio::test]
    async fn a_verdict_of_an_unknown_policy_is_a_fault() {
        let store = store().await;
        let body = json!({
            "hash": "00", "facts": { "network": null, "account": null }, "granted": [], "at": 1, "draw": 1,
            "paused": false, "verdict": "allow", "rule": "none",
        });
        store.append_audit(&entry(VERDICT, 2, body)).await.unwrap();
        let faults = check(&store, None).await.unwrap().faults;
        assert!(faults.len() == 1 && faults[0].contains("no entry before it puts its policy in force"), "{faults:?}");
    }
}
