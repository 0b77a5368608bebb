//! Faults of one move, of stored rows and of the database: no deadline, no page and no other move
//! waits for them.

use banjia_control::moves::{self, KnownMoves, MoveReconciler};
use banjia_movement::stage::{self, Order, Page, Urgency};
use banjia_store::{Actor, EncryptionKey, Location, MoveCreation, NewMove, Store};
use banjia_types::{Share, Stage, Timestamp};
use serde_json::{Value, json};
use sqlx::SqlitePool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 1 January 2027, noon in Shanghai.
const START: Timestamp = Timestamp(1_798_776_000_000);
const BY: Actor<'static> = Actor { actor: "kim", at: START };

const TEXT: &str = r#"
id = "spring"
zone = "Asia/Shanghai"
deadline = "2027-01-15T00:00"

[[routes]]
route = "chat"
source = "openai/gpt-4o"
destination = "zhipu/glm-4.7"
second = "alibaba/qwen3-max"

[shadow]
spend_max = "100 CNY"

[gates]
spend_max_total = "1000 CNY"
"#;

/// Rows as an older version stored them: a destination that reports 2^63 - 1 tokens, and values
/// that no version knows.
const HOSTILE: [&str; 4] = [
    "INSERT INTO ledger_kind (id, route, vendor, model, endpoint, stream, outcome, status, attempts, currency, reason) VALUES \
     (1001, 'chat', 'zhipu', 'glm-4.7', 'chat', 0, 'answered', 200, 1, 'CNY', 'rehearsal'), \
     (1002, 'chat', 'zhipu', 'glm-4.7', 'chat', 0, 'exploded', 200, 1, 'GOLD', 'rehearsal')",
    "INSERT INTO ledger_entry (accepted_at, request_id, ended_at, kind, prompt_tokens, completion_tokens, cost_micros, losses) VALUES \
     (1798776060000, 'req_00000000000000000000000000000001', 1798776060100, 1001, 9223372036854775807, 9223372036854775807, 9223372036854775807, NULL), \
     (1798776060001, 'req_00000000000000000000000000000002', 1798776060100, 1001, 9223372036854775807, 9223372036854775807, 9223372036854775807, '{'), \
     (1798776060002, 'no request', 1798776060100, 1002, 1, 1, 9223372036854775807, '[7]')",
    "INSERT INTO capture (id, leg, number, accepted_at, route, vendor, model, endpoint, stream, outcome, prompt_tokens, completion_tokens, \
     cost_micros, currency, total_ms, redactions, request_bytes, answer_bytes, request) VALUES \
     ('a', 'shadow', 0, 1798776060000, 'chat', 'zhipu', 'glm-4.7', 'chat', 0, 'exploded', 9223372036854775807, 1, \
     9223372036854775807, 'CNY', 9223372036854775807, 0, 1, 1, x'00'), \
     ('a', 'live', 0, 1798776060000, 'chat', 'openai', 'gpt-4o', 'chat', 0, 'answered', 1, 1, 1, 'GOLD', 1, 0, 1, 1, x'00')",
    "INSERT INTO cut (vendor, cut_at, evidence) VALUES ('nobody', 1, '{not json')",
];

fn after(minutes: u64) -> Timestamp {
    START + Duration::from_mins(minutes)
}

/// Two weeks and a day after the start the deadline has passed.
fn late() -> Timestamp {
    after(15 * 24 * 60)
}

type Called = Arc<Mutex<Vec<(String, Page)>>>;

/// A database with a move, and a way to damage it.
struct Rig {
    store: Store,
    raw: SqlitePool,
    mover: MoveReconciler,
    called: Called,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("banjia.db");
        let store = Store::open(&Location::File(path.clone())).await.unwrap();
        let raw = SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        store.know_webhooks(&["ops"], START).await.unwrap();
        moves::make(&store, TEXT, BY).await.unwrap();
        let (mover, called) = mover(&store, "one");
        Self { store, raw, mover, called, _folder: folder }
    }

    /// The move is in canary, nine of ten conversations go to the destination.
    async fn in_canary(self) -> Self {
        let order = Order { by: "lee", reason: "a test", at: after(1) };
        let to = |of: &stage::Move| stage::override_to(of, Stage::Canary, Some(Share::of(9_000)), order);
        moves::order(&self.store, "spring", to).await.unwrap();
        self
    }

    /// A move whose text no version can read.
    async fn create_broken_move(&self) {
        let checked_at = self.store.moves_version().await.unwrap();
        let new = NewMove { id: "broken", text: "no = \"move\"", first: &json!({}), checked_at };
        assert_eq!(self.store.create_move(new, BY).await.unwrap(), MoveCreation::Created);
    }

    async fn run(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.raw).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn tick(&mut self, at: Timestamp) {
        self.mover.tick(at).await.unwrap();
    }

    async fn stage(&self) -> Stage {
        moves::load(&self.store, "spring").await.unwrap().of.stage()
    }

    /// The calls without an event since the last time.
    fn calls(&self) -> Vec<(String, Urgency)> {
        let called = std::mem::take(&mut *self.called.lock().unwrap());
        called.into_iter().filter(|(_, page)| page.number == 0).map(|(id, page)| (id, page.urgency)).collect()
    }

    /// The webhook events of such calls.
    async fn told(&self, now: Timestamp) -> Vec<Value> {
        self.store.give_out("ops", |_| true, now).await.unwrap();
        let due = self.store.due_deliveries("ops", now, 100).await.unwrap();
        due.into_iter().map(|one| one.data).filter(|data| data["page"] == 0).collect()
    }
}

fn mover(store: &Store, holder: &str) -> (MoveReconciler, Called) {
    let called = Called::default();
    let calls = called.clone();
    let on_page = Box::new(move |id: &str, page: &Page| calls.lock().unwrap().push((id.to_owned(), page.clone())));
    (MoveReconciler::new(store.clone(), holder.to_owned(), Some(EncryptionKey::random()), on_page), called)
}

fn call(id: &str, urgency: Urgency) -> (String, Urgency) {
    (id.to_owned(), urgency)
}

#[tokio::test]
async fn hostile_numbers_hold_up_no_deadline() {
    let mut rig = Rig::new().await.in_canary().await;
    for sql in HOSTILE {
        rig.run(sql).await;
    }
    let loaded = moves::load(&rig.store, "spring").await.unwrap();
    let evidence = rig.mover.evidence(&loaded, after(2)).await;
    assert_eq!(evidence.missing, Vec::<String>::new());
    assert!(evidence.spend_total.iter().all(|sum| sum.micros == 0), "{:?}", evidence.spend_total);
    rig.tick(late()).await;
    assert_eq!(rig.stage().await, Stage::Live);
    assert_eq!(rig.mover.route_moves().await.unwrap()["chat"].stage, Stage::Live);
    assert_eq!(rig.calls(), []);
}

#[tokio::test]
async fn missing_evidence_holds_up_no_deadline() {
    let mut rig = Rig::new().await.in_canary().await;
    rig.run("ALTER TABLE capture RENAME TO capture_away").await;
    rig.run("ALTER TABLE cut RENAME TO cut_away").await;
    rig.tick(late()).await;
    let loaded = moves::load(&rig.store, "spring").await.unwrap();
    assert_eq!(loaded.of.stage(), Stage::Live);
    let cut = loaded.events.iter().find(|event| event.what.kind() == "cut").unwrap();
    assert!(cut.reason.contains("evidence is missing: the cuts: "), "{}", cut.reason);
    let route_move = &rig.mover.route_moves().await.unwrap()["chat"];
    assert_eq!((route_move.stage, route_move.may_ask_source(late())), (Stage::Live, false));
}

#[tokio::test]
async fn a_cut_source_is_left_although_costs_are_missing() {
    let mut rig = Rig::new().await.in_canary().await;
    rig.run("ALTER TABLE capture RENAME TO capture_away").await;
    rig.store.record_cut(&"openai".into(), after(2), &json!({ "said": "not here" })).await.unwrap();
    rig.tick(after(3)).await;
    assert_eq!(rig.stage().await, Stage::Live);
}

#[tokio::test]
async fn an_unreadable_move_stops_no_other_move() {
    let mut rig = Rig::new().await.in_canary().await;
    rig.create_broken_move().await;
    let summer = TEXT.replace("spring", "summer").replace("route = \"chat\"", "route = \"other\"");
    moves::make(&rig.store, &summer, BY).await.unwrap();
    rig.store.append_move_event("summer", 1, &json!({ "kind": "unheard_of" }), None, BY).await.unwrap();
    rig.tick(late()).await;
    assert_eq!(rig.stage().await, Stage::Live);
    let route_moves = rig.mover.route_moves().await.unwrap();
    assert_eq!((route_moves["chat"].stage, route_moves["other"].stage), (Stage::Live, Stage::Record));
    let all = moves::all(&rig.store).await.unwrap();
    let seen: Vec<_> = all.iter().map(|one| (one.id.as_str(), one.loaded.is_some(), one.error.is_some())).collect();
    assert_eq!(seen, [("broken", false, true), ("spring", true, false), ("summer", true, true)]);
    let winter = TEXT.replace("spring", "winter").replace("route = \"chat\"", "route = \"third\"");
    moves::make(&rig.store, &winter, BY).await.unwrap();
    let taken = moves::make(&rig.store, &summer.replace("summer", "autumn"), BY).await.unwrap_err();
    assert!(taken.to_string().contains("moved by \"summer\""), "a damaged move keeps its routes: {taken}");
}

#[tokio::test]
async fn a_move_that_becomes_unreadable_keeps_its_course() {
    let mut rig = Rig::new().await.in_canary().await;
    rig.tick(after(2)).await;
    let before = rig.mover.route_moves().await.unwrap();
    assert_eq!(before["chat"].share, Share::of(9_000));
    rig.run(
        "INSERT INTO move_event (move, seq, at, actor, body) \
         SELECT 'spring', MAX(seq) + 1, 1, 'kim', '{not json' FROM move_event WHERE move = 'spring'",
    )
    .await;
    rig.run("UPDATE move SET version = version + 1 WHERE id = 'spring'").await;
    rig.tick(after(3)).await;
    assert_eq!(rig.mover.route_moves().await.unwrap(), before);
    // A process that begins only now knows everything before the damage.
    assert_eq!(KnownMoves::new(rig.store.clone()).route_moves().await.unwrap(), before);
    rig.run("UPDATE move SET text = 'no = \"move\"' WHERE id = 'spring'").await;
    rig.tick(after(4)).await;
    assert_eq!(rig.mover.route_moves().await.unwrap(), before);
}

#[tokio::test]
async fn costs_that_cannot_be_read_stop_only_copies() {
    let mut rig = Rig::new().await.in_canary().await;
    let whole = rig.mover.route_moves().await.unwrap()["chat"].clone();
    assert!(whole.shadow > Share::NONE && whole.spend_left[0].micros > 0);
    rig.run("ALTER TABLE capture RENAME TO capture_away").await;
    let route_move = &rig.mover.route_moves().await.unwrap()["chat"];
    assert_eq!((route_move.shadow, route_move.repeat, route_move.spend_left[0].micros), (Share::NONE, Share::NONE, 0));
    let same = |route_move: &banjia_types::RouteMove| {
        (route_move.stage, route_move.share, route_move.source_until, route_move.record)
    };
    assert_eq!(same(route_move), same(&whole));
}

#[tokio::test]
async fn people_are_called_for_looks_that_fail() {
    let mut rig = Rig::new().await.in_canary().await;
    rig.run("ALTER TABLE capture RENAME TO capture_away").await;
    for look in 0..4 {
        rig.tick(after(2) + Duration::from_secs(look * 2)).await;
    }
    assert_eq!(rig.calls(), []);
    rig.tick(after(3)).await;
    assert_eq!(rig.calls(), [call("spring", Urgency::Urgent)]);
    let failed = json!({ "move": "spring", "page": 0, "urgency": "urgent", "what": "look_failed", "failed_looks": 5 });
    assert_eq!(rig.told(after(3)).await, [failed], "names and numbers only");
    rig.tick(after(62)).await;
    assert_eq!(rig.calls(), []);
    rig.tick(after(63)).await;
    assert_eq!(rig.calls(), [call("spring", Urgency::Urgent)], "again after an hour");
    rig.run("ALTER TABLE capture_away RENAME TO capture").await;
    rig.tick(after(64)).await;
    rig.tick(after(65)).await;
    assert_eq!(rig.calls(), [call("spring", Urgency::Notice)], "once when it can be looked at again");
    assert_eq!(rig.told(after(65)).await.last().unwrap()["what"], "look_recovered");
}

#[tokio::test]
async fn people_are_called_for_an_unreadable_move() {
    let mut rig = Rig::new().await;
    rig.create_broken_move().await;
    for look in 0..9 {
        rig.tick(after(2) + Duration::from_secs(look * 2)).await;
    }
    assert_eq!(rig.calls(), [call("broken", Urgency::Urgent)]);
}

#[tokio::test]
async fn people_are_called_when_the_database_is_unreadable() {
    let mut rig = Rig::new().await.in_canary().await;
    rig.run("ALTER TABLE move RENAME TO move_away").await;
    rig.run("ALTER TABLE webhook_event RENAME TO webhook_event_away").await;
    for look in 0..9 {
        rig.mover.tick(after(2) + Duration::from_secs(look * 2)).await.unwrap_err();
    }
    assert_eq!(rig.calls(), [call("all moves", Urgency::Urgent)]);
    rig.run("ALTER TABLE webhook_event_away RENAME TO webhook_event").await;
    rig.run("ALTER TABLE move_away RENAME TO move").await;
    rig.tick(late()).await;
    assert_eq!(rig.calls(), [call("all moves", Urgency::Notice)]);
    assert_eq!(rig.stage().await, Stage::Live, "and what was due meanwhile is done");
    let told: Vec<_> = rig.told(late()).await.into_iter().map(|data| data["what"].clone()).collect();
    assert_eq!(told, ["look_failed", "look_recovered"], "what could not be written down is told afterwards");
}

#[tokio::test]
async fn a_step_is_handed_on_before_the_next_look() {
    let mut rig = Rig::new().await.in_canary().await;
    let other = TEXT.replace("\"spring\"", "\"summer\"").replace("\"chat\"", "\"small\"");
    moves::make(&rig.store, &other, BY).await.unwrap();
    let handed: Arc<Mutex<Vec<Vec<Stage>>>> = Arc::default();
    let stages = handed.clone();
    rig.mover.set_on_step(Box::new(move |route_moves| {
        stages.lock().unwrap().push(route_moves.values().map(|route_move| route_move.stage).collect());
    }));
    rig.tick(late()).await;
    let handed = handed.lock().unwrap().clone();
    assert_eq!(handed.len(), 2, "once for each move: {handed:?}");
    assert_eq!(handed[0], [Stage::Live, Stage::Record], "the second move was not looked at yet");
    assert_ne!(handed[1], handed[0]);
}
