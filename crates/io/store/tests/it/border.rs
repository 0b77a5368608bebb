//! Policies, exemptions, the audit and traffic by place.

use super::{open, row};
use banjia_border::audit::{FaultKind, Verifier};
use banjia_border::policy::Exemption;
use banjia_store::{
    Actor, BorderNote, Changed, Location, NewAudit, Period, PolicyRow, PolicyState, Store, WriterConfig,
};
use banjia_types::{Outcome, Timestamp, VerdictKind};
use serde_json::json;
use sqlx::Connection as _;
use std::path::Path;

const BY: Actor<'static> = Actor { actor: "kim", at: Timestamp(7) };

fn policy(version: u32, text: &str) -> PolicyRow {
    PolicyRow {
        id: "p".to_owned(),
        version,
        hash: banjia_border::audit::Hash::of(text).to_string(),
        rule_set: "policy".to_owned(),
        text: text.to_owned(),
        state: PolicyState::Retired,
        changed_at: Timestamp(0),
    }
}

/// Faults of the whole chain, against its own noted head.
async fn faults(store: &Store) -> Vec<(u64, FaultKind)> {
    let mut verifier = Verifier::new(Some(store.audit_head().await.unwrap()));
    let mut after = 0;
    loop {
        let page = store.audit_page(after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.entry.seq;
        for row in &page {
            verifier.take(&row.entry, row.body.as_deref(), &row.hash);
        }
    }
    verifier.end().0.into_iter().map(|fault| (fault.seq, fault.kind)).collect()
}

fn verdict(n: i64) -> NewAudit {
    NewAudit {
        at: Timestamp(n),
        actor: "gateway".to_owned(),
        kind: "verdict",
        subject: format!("account-{n}"),
        rule_set: if n % 2 == 0 { "policy" } else { "sanctions" }.to_owned(),
        body: json!({ "n": n }),
    }
}

#[tokio::test]
async fn new_dates_need_the_version_that_was_seen() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    for (version, text) in [(1, "one"), (5, "five")] {
        assert_eq!(store.activate_policy(&policy(version, text), BY).await.unwrap(), Changed::Done);
    }
    assert_eq!(store.redate_policy(&policy(2, "one later"), 1, BY).await.unwrap(), Changed::Overtaken);
    assert_eq!(store.policies_in_force().await.unwrap()[0].version, 5);
    assert_eq!(store.redate_policy(&policy(6, "five later"), 5, BY).await.unwrap(), Changed::Done);
    assert_eq!(store.redate_policy(&policy(6, "five later"), 5, BY).await.unwrap(), Changed::Already);
    assert_eq!(store.policies_in_force().await.unwrap()[0].version, 6);
}

#[tokio::test]
async fn one_version_of_a_policy_is_in_force_and_every_change_is_audited() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    assert_eq!(store.activate_policy(&policy(1, "one"), BY).await.unwrap(), Changed::Done);
    assert_eq!(store.activate_policy(&policy(1, "one"), BY).await.unwrap(), Changed::Already);
    assert_eq!(store.activate_policy(&policy(1, "other"), BY).await.unwrap(), Changed::OtherText);
    assert_eq!(store.activate_policy(&policy(2, "two"), BY).await.unwrap(), Changed::Done);
    let force = store.policies_in_force().await.unwrap();
    assert_eq!(force.iter().map(|row| (row.version, row.state)).collect::<Vec<_>>(), [(2, PolicyState::Active)]);
    assert_eq!(store.set_policy_state("p", PolicyState::Paused, BY).await.unwrap(), Changed::Done);
    assert_eq!(store.set_policy_state("p", PolicyState::Paused, BY).await.unwrap(), Changed::Already);
    assert_eq!(store.set_policy_state("q", PolicyState::Paused, BY).await.unwrap(), Changed::Missing);
    assert_eq!(store.policies_in_force().await.unwrap()[0].state, PolicyState::Paused);
    assert_eq!(store.border_version().await.unwrap(), 3);
    let kinds: Vec<_> = store.audit_page(0, 9).await.unwrap().into_iter().map(|row| row.entry.kind).collect();
    assert_eq!(kinds, ["policy.activate", "policy.activate", "policy.pause"]);
    assert_eq!(faults(&store).await, []);
}

#[tokio::test]
async fn exemptions_end_and_appeals_are_answered_once() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let exemption = Exemption {
        id: "7".to_owned(),
        account: "acme".into(),
        owner: "kim".to_owned(),
        reason: "moved".to_owned(),
        from: Timestamp(0),
        until: Timestamp(100),
    };
    assert_eq!(store.grant_exemption(&exemption, BY).await.unwrap(), Changed::Done);
    assert_eq!(store.grant_exemption(&exemption, BY).await.unwrap(), Changed::Already);
    assert_eq!(store.exemptions().await.unwrap(), [exemption]);
    assert_eq!(store.end_exemption("7", BY).await.unwrap(), Changed::Done);
    assert_eq!(store.end_exemption("7", BY).await.unwrap(), Changed::Missing);
    assert_eq!(store.exemptions().await.unwrap()[0].until, BY.at);
    let appeal = store.open_appeal(&"acme".into(), "we sit in Singapore", BY).await.unwrap();
    assert_eq!(store.answer_appeal(appeal, true, "so you do", BY).await.unwrap(), Changed::Done);
    assert_eq!(store.answer_appeal(appeal, false, "no", BY).await.unwrap(), Changed::Missing);
    assert_eq!(store.appeals().await.unwrap()[0].answer, Some((true, "so you do".to_owned(), BY.at)));
    assert_eq!(store.audit_head().await.unwrap().0, 4);
    assert_eq!(faults(&store).await, []);
}

/// Runs a statement on the file as somebody with other tools would.
async fn tamper(path: &Path, statements: &[&'static str]) {
    let url = format!("sqlite://{}", path.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for statement in ["DROP TRIGGER audit_keeps", "DROP TRIGGER audit_stays"].iter().chain(statements) {
        sqlx::query(*statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// Statements, and what they leave in the chain.
type Case = (&'static [&'static str], &'static [(u64, FaultKind)]);

#[tokio::test]
async fn the_audit_shows_every_kind_of_tampering() {
    use FaultKind::{BodyChanged, BodyMissing, Changed as WasChanged, Removed, Truncated};
    let cases: [Case; 8] = [
        (&[], &[]),
        (&["UPDATE audit SET body = NULL WHERE seq = 5"], &[(5, BodyMissing)]),
        (&["UPDATE audit SET body = NULL WHERE seq > 6"], &[(7, BodyMissing), (8, BodyMissing)]),
        (&["UPDATE audit SET actor = 'nobody' WHERE seq = 4"], &[(4, WasChanged)]),
        (&["UPDATE audit SET body = '{}' WHERE seq = 5"], &[(5, BodyChanged)]),
        (&["DELETE FROM audit WHERE seq = 3"], &[(4, Removed)]),
        (&["DELETE FROM audit WHERE seq > 6"], &[(8, Truncated)]),
        (
            &[
                "UPDATE audit SET seq = 99 WHERE seq = 3",
                "UPDATE audit SET seq = 3 WHERE seq = 4",
                "UPDATE audit SET seq = 4 WHERE seq = 99",
            ],
            &[(3, WasChanged), (4, WasChanged), (5, WasChanged)],
        ),
    ];
    for (statements, wanted) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("banjia.db");
        let store = open(&path).await;
        for n in 1..=8 {
            store.append_audit(&verdict(n)).await.unwrap();
        }
        store.close().await;
        tamper(&path, statements).await;
        let store = open(&path).await;
        assert_eq!(faults(&store).await, wanted, "{statements:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_the_past() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("banjia.db");
    let store = open(&path).await;
    store.append_audit(&verdict(1)).await.unwrap();
    let url = format!("sqlite://{}", path.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for statement in ["DELETE FROM audit", "UPDATE audit SET actor = 'nobody'", "UPDATE audit SET body = '{}'"] {
        let error = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{statement}: {error}");
    }
    connection.close().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_rule_sets_bodies_are_erased_by_its_own_retention_and_the_chain_holds() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    for n in 1..=8 {
        store.append_audit(&verdict(n)).await.unwrap();
    }
    assert_eq!(store.forget_verdicts("policy", Timestamp(7), Timestamp(9), "kim").await.unwrap(), 3);
    let rows = store.audit_page(0, 99).await.unwrap();
    let erased: Vec<_> = rows.iter().filter(|row| row.body.is_none()).map(|row| row.entry.seq).collect();
    assert_eq!(erased, [2, 4, 6]);
    let forget = rows.last().unwrap();
    assert_eq!(forget.entry.kind, "audit.forget");
    let body: serde_json::Value = serde_json::from_str(forget.body.as_deref().unwrap()).unwrap();
    let before = "1970-01-01T00:00:00.007Z";
    let whole = json!({ "rule_set": "policy", "before": before, "before_ms": 7, "erased": 3, "first": 2, "last": 6 });
    assert_eq!(body, whole);
    assert_eq!(faults(&store).await, []);
}

#[tokio::test]
async fn offered_verdicts_are_written_in_order_and_a_full_queue_says_so() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let writer = store.audit_writer();
    let taken = (1..=5000).filter(|n| writer.offer(verdict(*n))).count() as u64;
    assert!((1..5000).contains(&taken), "the queue is bounded: {taken} taken");
    writer.close().await;
    assert_eq!(store.audit_head().await.unwrap().0, taken);
    assert_eq!(faults(&store).await, []);
}

#[tokio::test]
async fn two_writers_make_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("banjia.db");
    let (one, two) = (open(&path).await, open(&path).await);
    let write = async |store: &Store, from: i64| {
        for n in from..from + 40 {
            store.append_audit(&verdict(n)).await.unwrap();
        }
    };
    tokio::join!(write(&one, 0), write(&two, 100));
    assert_eq!(one.audit_head().await.unwrap().0, 80);
    assert_eq!(faults(&one).await, []);
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn traffic_is_added_up_by_account_place_and_day() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    let day = 86_400_000;
    for (n, (at, account, place, kind)) in [
        (day, "acme", Some("HK"), VerdictKind::Notice),
        (day + 5, "acme", Some("HK"), VerdictKind::Block),
        (2 * day, "acme", Some("HK"), VerdictKind::Notice),
        (day, "acme", Some("US"), VerdictKind::Allow),
        (day, "zeta", None, VerdictKind::Allow),
    ]
    .into_iter()
    .enumerate()
    {
        let mut row = row(n as u128, at, Outcome::Refused);
        row.account = Some(account.into());
        let note = BorderNote {
            network: place.map(|place| place.parse().unwrap()),
            network_differs: Some("CN".parse().unwrap()),
            asn: Some(45_102),
            address: Some("47.75.0.0/24".into()),
            verdict: kind,
            rule: "list.network".into(),
            policy: Some("p@1".into()),
        };
        row.border = Some(Box::new(note));
        let mut slot = ledger.try_reserve().unwrap();
        slot.accept(row.accepted_at);
        slot.fill(row);
    }
    ledger.close().await.unwrap();
    let last = store.last_rows(9).await.unwrap();
    let note = last.iter().find(|row| row.accepted_at == Timestamp(2 * day)).unwrap().border.as_deref().unwrap();
    assert_eq!((note.rule.as_ref(), note.policy.as_deref(), note.asn), ("list.network", Some("p@1"), Some(45_102)));
    for row in &last {
        let (id, place) = (row.request_id.to_string(), row.border.as_deref().unwrap().network);
        assert_eq!(store.network_of(row.accepted_at, &id).await.unwrap(), place);
        assert_eq!(store.network_of(Timestamp(row.accepted_at.0 + 1), &id).await.unwrap(), None, "no such row");
    }
    assert_eq!(store.network_of(Timestamp(1), "imported").await.unwrap(), None);
    let traffic = store.traffic(Period::ALWAYS).await.unwrap();
    let seen: Vec<_> = traffic
        .iter()
        .map(|row| {
            let network = row.network.map_or_else(|| "-".to_owned(), |place| place.to_string());
            (row.day.0 / day, row.account.as_ref().unwrap().to_string(), network, row.requests, row.refused)
        })
        .collect();
    let said = |day, account: &str, place: &str, requests, refused| {
        (day, account.to_owned(), place.to_owned(), requests, refused)
    };
    assert_eq!(
        seen,
        [
            said(1, "acme", "HK", 2, 1),
            said(1, "acme", "US", 1, 0),
            said(1, "zeta", "-", 1, 0),
            said(2, "acme", "HK", 1, 0)
        ]
    );
}
