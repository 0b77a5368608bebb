//! Moves on a real database: what a look brings forward, and that two who look do it once.

use banjia_control::moves::{self, MoveError, MoveReconciler};
use banjia_movement::gate::ParityVerdict;
use banjia_movement::stage::{self, Order};
use banjia_parity::{Axis, Finding};
use banjia_store::{Actor, Capture, EncryptionKey, Location, Row, Store, WriterConfig};
use banjia_types::{Outcome, RequestId, Stage, Target, Timestamp, TrafficKind};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// 1 January 2027, noon in Shanghai.
const START: Timestamp = Timestamp(1_798_776_000_000);

const TEXT: &str = r#"
id = "spring"
zone = "Asia/Shanghai"
deadline = "2027-01-15T00:00"

[[routes]]
route = "gpt-4o"
source = "openai/gpt-4o"
destination = "zhipu/glm-4.7"
second = "alibaba/qwen3-max"

[record]
captures_min = 40

[gates]
requests_min = 10
[gates.parity]
answered = 0.2
json = 0.2
"#;

fn after(minutes: u64) -> Timestamp {
    START + Duration::from_mins(minutes)
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn capture(n: u128, leg: TrafficKind, by: &str, text: &str) -> Capture {
    let message = json!({ "role": "assistant", "content": text });
    Capture {
        id: RequestId(Uuid::from_u128(n)).to_string(),
        leg,
        number: 0,
        at: START,
        account: None,
        route: "gpt-4o".into(),
        target: target(by),
        endpoint: "chat".to_owned(),
        stream: false,
        client: None,
        request: json!({
            "model": "gpt-4o",
            "messages": [{ "role": "user", "content": "An order as JSON, please." }],
            "response_format": { "type": "json_object" },
        }),
        answer: Some(json!({ "choices": [{ "index": 0, "finish_reason": "stop", "message": message }] })),
        outcome: Outcome::Answered,
        class: None,
        usage: None,
        cost: None,
        first_content_ms: Some(100),
        total_ms: 200,
        redactions: 0,
    }
}

/// A database in which the source answered forty requests, recorded, and the destination's copies say `copy`.
async fn recorded(copy: Option<&str>) -> (Store, EncryptionKey) {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    let key = EncryptionKey::random();
    let mut captures = Vec::new();
    for n in 0..40 {
        let mut slot = ledger.try_reserve().unwrap();
        slot.accept(START);
        let mut row =
            Row::new(RequestId(Uuid::from_u128(n)), START, START + Duration::from_millis(200), Outcome::Answered);
        (row.route, row.target, row.first_content_ms) =
            (Some("gpt-4o".into()), Some(target("openai/gpt-4o")), Some(100));
        slot.fill(row);
        captures.push(capture(n, TrafficKind::Live, "openai/gpt-4o", r#"{"id": 7}"#));
        captures.extend(copy.map(|text| capture(n, TrafficKind::Shadow, "zhipu/glm-4.7", text)));
    }
    ledger.close().await.unwrap();
    store.write_captures(&captures, &key).await.unwrap();
    (store, key)
}

type Pages = Arc<Mutex<Vec<String>>>;

fn mover(store: &Store, key: &EncryptionKey, holder: &str) -> (MoveReconciler, Pages) {
    let pages = Pages::default();
    let told = pages.clone();
    let on_page = Box::new(move |id: &str, page: &stage::Page| {
        told.lock().unwrap().push(format!("{id}: {}", page.why));
    });
    (MoveReconciler::new(store.clone(), holder.to_owned(), Some(key.clone()), on_page), pages)
}

async fn stage_of(store: &Store) -> Stage {
    moves::load(store, "spring").await.unwrap().of.stage()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_route_is_never_in_two_moves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("banjia.db");
    let mut making = Vec::new();
    for number in 0..8 {
        let store = Store::open(&Location::File(path.clone())).await.unwrap();
        let text = TEXT.replace("spring", &format!("move-{number}"));
        making.push(tokio::spawn(async move { moves::make(&store, &text, Actor { actor: "kim", at: START }).await }));
    }
    let mut made = 0;
    for result in futures_util::future::join_all(making).await {
        match result.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, MoveError::Moving { .. }), "{error}"),
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn gates_advance_a_move_one_stage_at_a_time() {
    let (store, key) = recorded(Some(r#"{"id": 7}"#)).await;
    moves::make(&store, TEXT, Actor { actor: "kim", at: START }).await.unwrap();
    let again = moves::make(&store, TEXT, Actor { actor: "kim", at: START }).await.unwrap_err();
    assert!(matches!(again, MoveError::Taken(_)), "{again}");
    let ((mut one, _), (mut other, _)) = (mover(&store, &key, "one"), mover(&store, &key, "other"));
    // The copies are there already, so both steps are due at once; each is an event of its own.
    assert_eq!(one.tick(after(1)).await.unwrap().events, 2);
    assert_eq!(stage_of(&store).await, Stage::Canary);
    let log = moves::load(&store, "spring").await.unwrap().events;
    let kinds: Vec<_> = log.iter().map(|event| serde_json::to_value(event).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["created", "advanced", "advanced"]);
    assert!(!other.tick(after(1)).await.unwrap().is_ours, "the lease is the first one's");
    one.leave().await.unwrap();
    assert!(other.tick(after(2)).await.unwrap().is_ours);
    let route_move = &moves::route_moves(&store).await.unwrap()["gpt-4o"];
    assert_eq!((route_move.stage, route_move.share.ten_thousandths()), (Stage::Canary, 100));
    // With the same evidence there is nothing more to do before the share was watched for its time.
    assert_eq!(other.tick(after(2)).await.unwrap().events, 0);
}

#[tokio::test]
async fn a_worse_destination_stays_in_the_shadow() {
    let (store, key) = recorded(Some("Of course! Here is your order.")).await;
    moves::make(&store, TEXT, Actor { actor: "kim", at: START }).await.unwrap();
    let (mut mover, _) = mover(&store, &key, "one");
    for minute in 1..6 {
        mover.tick(after(minute)).await.unwrap();
    }
    assert_eq!(stage_of(&store).await, Stage::Shadow);
}

#[tokio::test]
async fn a_report_on_a_destination_is_what_its_gates_read() {
    let (store, key) = recorded(Some("Of course! Here is your order.")).await;
    let made = moves::make(&store, TEXT, Actor { actor: "kim", at: START }).await.unwrap();
    let moved = made.of.spec().routes[0].clone();
    let report = moves::parity(&store, &key, &made, &moved, &moved.destination).await.unwrap();
    let about = (report.about.source.as_str(), report.about.destination.as_str(), report.about.route.as_deref());
    assert_eq!((about, report.pairs), (("openai/gpt-4o", "zhipu/glm-4.7", Some("gpt-4o")), 40));
    let json = report.axes.iter().find(|axis| axis.axis == Axis::Json).unwrap();
    assert_eq!((json.verdict, json.margin, json.destination), (Finding::Worse, Some(0.2), 0.0));
    let (mut mover, _) = mover(&store, &key, "one");
    let evidence = mover.evidence(&made, after(1)).await;
    let read = &evidence.routes["gpt-4o"].targets[&moved.destination].parity["json"];
    assert_eq!((read.verdict, read.pairs), (ParityVerdict::Worse, 40));
}

#[tokio::test]
async fn new_copies_make_a_new_verdict() {
    let (store, key) = recorded(Some(r#"{"id": 7}"#)).await;
    let made = moves::make(&store, TEXT, Actor { actor: "kim", at: START }).await.unwrap();
    let (mut mover, _) = mover(&store, &key, "one");
    for (minute, more, judged_at, pairs) in [
        (1, None, 1, 40),
        (9, Some(capture(90, TrafficKind::Live, "openai/gpt-4o", r#"{"id": 7}"#)), 1, 40),
        (20, Some(capture(90, TrafficKind::Shadow, "zhipu/glm-4.7", r#"{"id": 7}"#)), 20, 41),
    ] {
        store.write_captures(more.as_slice(), &key).await.unwrap();
        let evidence = mover.evidence(&made, after(minute)).await;
        let read = &evidence.routes["gpt-4o"].targets[&target("zhipu/glm-4.7")].parity["json"];
        assert_eq!((read.at, read.pairs), (after(judged_at), pairs), "minute {minute}");
    }
}

#[tokio::test]
async fn a_source_that_refuses_is_left_at_once() {
    let (store, key) = recorded(None).await;
    moves::make(&store, TEXT, Actor { actor: "kim", at: START }).await.unwrap();
    store.record_cut(&"openai".into(), after(3), &json!({ "said": "not here" })).await.unwrap();
    let (mut mover, pages) = mover(&store, &key, "one");
    let ticked = mover.tick(after(4)).await.unwrap();
    assert_eq!((stage_of(&store).await, ticked.pages), (Stage::Live, 1));
    assert_eq!(mover.tick(after(5)).await.unwrap().pages, 0, "a page is handed on once");
    assert!(pages.lock().unwrap()[0].starts_with("spring: "));
    let route_move = &moves::route_moves(&store).await.unwrap()["gpt-4o"];
    assert!(!route_move.may_ask_source(after(5)));
}

#[tokio::test]
async fn a_command_is_logged_with_its_reason() {
    let (store, key) = recorded(Some(r#"{"id": 7}"#)).await;
    moves::make(&store, TEXT, Actor { actor: "kim", at: START }).await.unwrap();
    let said = |reason| Order { by: "lee", reason, at: after(1) };
    moves::order(&store, "spring", |of| stage::pause(of, said("a holiday"))).await.unwrap();
    let (mut mover, _) = mover(&store, &key, "one");
    mover.tick(after(2)).await.unwrap();
    assert_eq!(stage_of(&store).await, Stage::Record, "a paused move does not go forward");
    let refused = moves::order(&store, "spring", |of| stage::pause(of, said("again"))).await.unwrap_err();
    assert!(matches!(refused, MoveError::Refused(_)), "{refused}");
    let missing = moves::order(&store, "autumn", |of| stage::pause(of, said("why not"))).await.unwrap_err();
    assert!(missing.to_string().contains("banjia move list"), "{missing}");
    let loaded = moves::load(&store, "spring").await.unwrap();
    let last = serde_json::to_value(loaded.events.last().unwrap()).unwrap();
    assert_eq!((&last["kind"], &last["by"], &last["reason"]), (&json!("paused"), &json!("lee"), &json!("a holiday")));
    assert_ne!(last["at"], Value::Null);
}

#[tokio::test]
async fn changes_of_other_processes_are_seen() {
    let (store, key) = recorded(Some(r#"{"id": 7}"#)).await;
    let (mut mover, _) = mover(&store, &key, "one");
    assert!(mover.route_moves().await.unwrap().is_empty());
    moves::make(&store, TEXT, Actor { actor: "kim", at: START }).await.unwrap();
    mover.tick(after(1)).await.unwrap();
    assert_eq!(mover.route_moves().await.unwrap(), moves::route_moves(&store).await.unwrap());
    let said = Order { by: "lee", reason: "a test", at: after(2) };
    moves::order(&store, "spring", |of| stage::override_to(of, Stage::Live, None, said)).await.unwrap();
    let route_moves = mover.route_moves().await.unwrap();
    assert_eq!(route_moves["gpt-4o"].stage, Stage::Live);
    assert_eq!(route_moves, moves::route_moves(&store).await.unwrap());
    let other = TEXT.replace("spring", "summer").replace("gpt-4o\"", "gpt-4\"");
    moves::make(&store, &other, Actor { actor: "kim", at: after(3) }).await.unwrap();
    mover.tick(after(3)).await.unwrap();
    assert_eq!(mover.route_moves().await.unwrap().len(), 2);
    assert_eq!(mover.route_moves().await.unwrap(), moves::route_moves(&store).await.unwrap());
}

#[tokio::test]
async fn a_page_is_sent_once_to_every_listener() {
    let (store, key) = recorded(None).await;
    store.know_webhooks(&["ops"], START).await.unwrap();
    moves::make(&store, TEXT, Actor { actor: "kim", at: START }).await.unwrap();
    store.record_cut(&"openai".into(), after(3), &json!({ "said": "not here, sk-1" })).await.unwrap();
    let (mut mover, pages) = mover(&store, &key, "one");
    mover.tick(after(4)).await.unwrap();
    mover.tick(after(5)).await.unwrap();
    assert!(pages.lock().unwrap()[0].contains("sk-1"), "the log keeps what the source said");
    store.give_out("ops", |kind| kind == "move.page", after(6)).await.unwrap();
    let told = store.due_deliveries("ops", after(6), 10).await.unwrap();
    let data = json!({
        "move": "spring", "page": 2, "urgency": "urgent", "what": "source_died", "stage": "live", "share": 10_000,
    });
    assert_eq!(told.iter().map(|one| (one.at, one.data.clone())).collect::<Vec<_>>(), [(after(4), data)]);
    // A person's order that people are called for is told too; another one is not.
    let said = |reason| Order { by: "lee", reason, at: after(7) };
    moves::order(&store, "spring", |of| stage::pause(of, said("a holiday"))).await.unwrap();
    store.give_out("ops", |kind| kind == "move.page", after(8)).await.unwrap();
    assert_eq!(store.due_deliveries("ops", after(8), 10).await.unwrap().len(), 1);
    let second =
        |of: &stage::Move| stage::switch(of, &"gpt-4o".into(), stage::ActiveDestination::Second, said("it is better"));
    moves::order(&store, "spring", second).await.unwrap();
    store.give_out("ops", |kind| kind == "move.page", after(8)).await.unwrap();
    let told = store.due_deliveries("ops", after(8), 10).await.unwrap();
    assert_eq!(
        (told.len(), &told[1].data["what"], &told[1].data["urgency"]),
        (2, &json!("switched"), &json!("notice"))
    );
}

#[tokio::test]
async fn a_route_is_moved_by_one_move_at_a_time() {
    let (store, _) = recorded(None).await;
    let by = Actor { actor: "kim", at: START };
    moves::make(&store, TEXT, by).await.unwrap();
    let second = TEXT.replace("\"spring\"", "\"summer\"");
    let refused = moves::make(&store, &second, by).await.unwrap_err();
    assert!(matches!(&refused, MoveError::Moving { by, .. } if by == "spring"), "{refused}");
    assert!(
        refused.to_string().contains("gpt-4o") && refused.to_string().contains("seal that move first"),
        "{refused}"
    );
    let other = second.replace("route = \"gpt-4o\"", "route = \"other\"");
    moves::make(&store, &other, by).await.unwrap();
    assert_eq!(moves::route_moves(&store).await.unwrap().len(), 2);
}
