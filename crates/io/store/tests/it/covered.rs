//! The tables that the audit covers, compared with its entries.

use super::open;
use banjia_border::audit::replay::{AuditReplay, Difference};
use banjia_border::policy::Exemption;
use banjia_store::{Actor, Location, NewMove, PolicyRow, PolicyState, Recipient, Store};
use banjia_types::Timestamp;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _};
use std::path::Path;

fn by(at: i64) -> Actor<'static> {
    Actor { actor: "kim", at: Timestamp(at) }
}

fn policy(id: &str, version: u32) -> PolicyRow {
    let text = format!("text of {id} {version}");
    PolicyRow {
        id: id.to_owned(),
        version,
        hash: banjia_border::audit::Hash::of(&text).to_string(),
        rule_set: "policy".to_owned(),
        text,
        state: PolicyState::Retired,
        changed_at: Timestamp(0),
    }
}

fn exemption(id: &str) -> Exemption {
    Exemption {
        id: id.to_owned(),
        account: "acme".into(),
        owner: "kim".to_owned(),
        reason: "moved".to_owned(),
        from: Timestamp(0),
        until: Timestamp(1000),
    }
}

/// Makes every change that writes an entry of a covered table.
async fn fill(store: &Store) {
    for (row, at) in [(policy("p", 1), 1), (policy("p", 2), 2), (policy("q", 1), 3)] {
        store.activate_policy(&row, by(at)).await.unwrap();
    }
    for state in [PolicyState::Paused, PolicyState::Active, PolicyState::Paused] {
        store.set_policy_state("p", state, by(4)).await.unwrap();
    }
    store.redate_policy(&policy("p", 1), 2, by(5)).await.unwrap();
    store.set_policy_state("q", PolicyState::Retired, by(6)).await.unwrap();
    for id in ["one", "two"] {
        store.grant_exemption(&exemption(id), by(7)).await.unwrap();
    }
    store.end_exemption("two", by(8)).await.unwrap();
    let acme = "acme".into();
    let appeal = store.open_appeal(&acme, "we sit in Singapore", by(9)).await.unwrap();
    store.answer_appeal(appeal, true, "so you do", by(10)).await.unwrap();
    store.open_appeal(&acme, "still", by(11)).await.unwrap();
    store.unsubscribe(&acme, "by mail", by(12)).await.unwrap();
    store.unsubscribe(&"zeta".into(), "by mail", by(13)).await.unwrap();
    store.subscribe(&"zeta".into(), by(14)).await.unwrap();
    let recipient = |account: &str| Recipient {
        account: account.into(),
        email: format!("{account}@example.org"),
        language: "en".to_owned(),
        evidence: json!({ "share": 0.25 }),
    };
    let recipients = [recipient("acme"), recipient("zeta")];
    store.create_campaign("july", "p", Some("the law"), &recipients, by(15)).await.unwrap();
    store.create_campaign("june", "p", None, &[], by(15)).await.unwrap();
    store.set_campaign("july", false, by(16)).await.unwrap();
    store.set_campaign("july", true, by(17)).await.unwrap();
    store.next_round("july", by(18)).await.unwrap();
    let first = json!({ "kind": "made", "share": 0.1 });
    let new =
        NewMove { id: "spring", text: "text = 1", first: &first, checked_at: store.moves_version().await.unwrap() };
    store.create_move(new, by(19)).await.unwrap();
    store.append_move_event("spring", 1, &json!({ "kind": "next" }), None, by(20)).await.unwrap();
}

async fn differences(store: &Store) -> Vec<Difference> {
    let mut reader = store.audit_reader().await.unwrap();
    let mut replay = AuditReplay::default();
    for row in reader.page(0, 1000).await.unwrap() {
        replay.take(&row.entry, &row.body.unwrap());
    }
    replay.differences(&reader.covered_rows().await.unwrap())
}

async fn execute(path: &Path, statement: &str) -> u64 {
    let url = format!("sqlite://{}", path.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for first in ["PRAGMA foreign_keys = OFF", "DROP TRIGGER move_event_keeps", "DROP TRIGGER move_event_stays"] {
        sqlx::query(first).execute(&mut connection).await.unwrap();
    }
    let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    done.rows_affected()
}

#[tokio::test]
async fn the_audit_alone_gives_every_covered_row() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    fill(&store).await;
    assert_eq!(differences(&store).await, []);
}

/// A statement of somebody with other tools, and what the difference must say.
const TAMPERING: [(&str, &str); 34] = [
    ("UPDATE policy SET state = 'retired' WHERE state = 'active'", "policy \"p@1\""),
    ("UPDATE policy SET state = 'active' WHERE id = 'q'", "policy \"q@1\""),
    ("UPDATE policy SET text = 'served: all' WHERE id = 'p' AND version = 1", "policy \"p@1\""),
    ("UPDATE policy SET hash = '00' WHERE id = 'p' AND version = 2", "policy \"p@2\""),
    ("UPDATE policy SET rule_set = 'sanctions' WHERE id = 'q'", "policy \"q@1\""),
    ("UPDATE policy SET changed_at = 3 WHERE id = 'p'", "policy \"p@1\""),
    ("UPDATE policy SET version = 9 WHERE id = 'q'", "policy \"q@9\""),
    ("DELETE FROM policy WHERE id = 'q'", "policy \"q@1\""),
    ("INSERT INTO policy VALUES ('r', 1, '00', 'policy', '', 'active', 1)", "policy \"r@1\" is in the database"),
    ("UPDATE exemption SET account = 'zeta' WHERE id = 'one'", "exemption \"one\" has \"zeta\" as `account`"),
    ("UPDATE exemption SET owner = 'lee' WHERE id = 'one'", "`owner`"),
    ("UPDATE exemption SET reason = '' WHERE id = 'one'", "`reason`"),
    ("UPDATE exemption SET from_at = 5 WHERE id = 'one'", "`from_at`"),
    ("UPDATE exemption SET until_at = 1001 WHERE id = 'one'", "1970-01-01T00:00:01.001Z as `until_at`"),
    ("UPDATE exemption SET granted_at = 1001 WHERE id = 'one'", "`granted_at`"),
    ("UPDATE exemption SET ended_at = NULL WHERE id = 'two'", "nothing as `ended_at`"),
    ("UPDATE exemption SET ended_at = 'never' WHERE id = 'two'", "\"never\" as `ended_at`"),
    ("DELETE FROM exemption WHERE id = 'two'", "is gone from the database"),
    (
        "INSERT INTO exemption SELECT 'three', account, owner, reason, from_at, until_at, 7, NULL FROM exemption LIMIT 1",
        "three",
    ),
    ("UPDATE appeal SET granted = 0 WHERE id = 1", "appeal \"1\""),
    ("UPDATE appeal SET said = x'ff' WHERE id = 2", "appeal \"2\""),
    ("DELETE FROM appeal WHERE id = 2", "appeal \"2\""),
    ("DELETE FROM unsubscribed", "unsubscribed \"acme\""),
    ("INSERT INTO unsubscribed VALUES ('zeta', 'by mail', 13)", "unsubscribed \"zeta\""),
    ("UPDATE unsubscribed SET said = 'x'", "unsubscribed \"acme\""),
    ("UPDATE campaign SET mandatory = NULL", "`mandatory`"),
    ("UPDATE campaign SET mandatory = 'x' WHERE id = 'june'", "`mandatory`"),
    ("UPDATE campaign SET round = 1, state = 'paused'", "campaign \"july\""),
    ("DELETE FROM recipient WHERE account = 'zeta'", "`recipients`"),
    ("UPDATE recipient SET email = 'other@example.org' WHERE account = 'zeta'", "`recipients_hash`"),
    ("UPDATE move SET text = 'text = 2'", "move \"spring\""),
    ("UPDATE move_event SET body = '{}' WHERE seq = 2", "move_event \"spring@2\""),
    ("UPDATE move_event SET actor = 'lee', at = 1 WHERE seq = 1", "move_event \"spring@1\""),
    ("DELETE FROM move_event WHERE seq = 1", "move_event \"spring@1\""),
];

#[tokio::test]
async fn every_change_by_hand_of_a_covered_row_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made.db");
    let store = open(&made).await;
    fill(&store).await;
    store.close().await;
    for (number, (statement, wanted)) in TAMPERING.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        std::fs::copy(&made, &path).unwrap();
        assert!(execute(&path, statement).await > 0, "{statement}");
        let store = open(&path).await;
        let told: Vec<_> = differences(&store).await.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains(wanted)), "{statement}: {told:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_campaign_of_an_older_version_is_compared() {
    let store = Store::open(&Location::Temporary).await.unwrap();
    fill(&store).await;
    let mut reader = store.audit_reader().await.unwrap();
    let mut replay = AuditReplay::default();
    for row in reader.page(0, 1000).await.unwrap() {
        let mut body: serde_json::Value = serde_json::from_str(&row.body.unwrap()).unwrap();
        if row.entry.kind == "campaign.create" {
            for member in ["mandatory", "recipients_hash"] {
                body.as_object_mut().unwrap().remove(member).unwrap();
            }
        }
        replay.take(&row.entry, &body.to_string());
    }
    assert_eq!(replay.differences(&reader.covered_rows().await.unwrap()), []);
}

#[tokio::test]
async fn a_reader_of_the_audit_sees_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("banjia.db")).await;
    fill(&store).await;
    let mut reader = store.audit_reader().await.unwrap();
    let head = reader.head().await.unwrap();
    store.end_exemption("one", by(30)).await.unwrap();
    let rows = reader.covered_rows().await.unwrap();
    let ended = rows.iter().filter(|(row, columns)| row.table == "exemption" && columns["ended_at"].is_some()).count();
    assert_eq!((reader.head().await.unwrap(), ended), (head, 1));
    drop(reader);
    assert_eq!(store.audit_head().await.unwrap().0, head.0 + 1);
    store.close().await;
}
