//! Captures as lines of JSON.

use crate::open;
use banjia_store::{
    Capture, CaptureCursor, CaptureFilter, CapturePage, EncryptionKey, Location, Period, Store, StoreError,
};
use banjia_types::{Currency, ErrorClass, Money, Outcome, Timestamp, TrafficKind, Usage};
use serde_json::json;

const COST: Money = Money { micros: 7, currency: Currency::Cny };

fn capture(id: &str) -> Capture {
    Capture {
        id: id.to_owned(),
        leg: TrafficKind::Live,
        number: 0,
        at: Timestamp(1_719_273_600_000),
        account: Some("shop".into()),
        route: "gpt-4o".into(),
        target: "openai/gpt-4o".parse().unwrap(),
        endpoint: "chat".to_owned(),
        stream: true,
        client: None,
        request: json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "你好" }] }),
        answer: Some(json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hi" } }] })),
        outcome: Outcome::Answered,
        class: None,
        usage: None,
        cost: None,
        first_content_ms: Some(12),
        total_ms: 30,
        redactions: 0,
    }
}

#[test]
fn a_line_gives_back_what_was_written_and_a_bad_one_is_told_with_its_number() {
    let (first, last) = (capture("a"), capture("b"));
    let text = format!("{}\n{{\"id\": 7}}\n{}", first.to_line(), last.to_line());
    let read: Vec<_> = Capture::read_lines(text.as_bytes()).collect();
    assert_eq!(read.len(), 3);
    assert_eq!(read[0].as_ref().unwrap(), &first);
    assert_eq!(read[2].as_ref().unwrap(), &last);
    let error = read[1].as_ref().unwrap_err();
    assert!(matches!(error, StoreError::Line { number: 3, .. }), "{error}");
    assert!(error.to_string().starts_with("line 3 is not a capture: "), "{error}");
}

fn filter() -> CaptureFilter {
    CaptureFilter::default()
}

#[tokio::test]
async fn texts_are_sealed_in_the_file_and_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("banjia.db");
    let store = open(&path).await;
    let key = EncryptionKey::beside(&path).unwrap();
    let mut whole = capture("req_1");
    whole.request["messages"][0]["content"] = json!("what is the launch code of the moon");
    whole.answer = Some(json!({ "choices": [{ "message": { "content": "nobody launches the moon" } }] }));
    whole.usage = Some(Usage { prompt: 7, completion: 5, cached: 1, reasoning: 2 });
    whole.cost = Some(Money { micros: 12, currency: Currency::Cny });
    whole.class = Some(ErrorClass::Server);
    whole.client = Some("curl/8".to_owned());
    whole.redactions = 3;
    let failed = Capture { answer: None, outcome: Outcome::Failed, ..capture("req_2") };
    assert_eq!(store.write_captures(&[whole.clone(), failed.clone()], &key).await.unwrap(), 2);
    let page = store.captures(&filter(), CaptureCursor::default(), 10, &key).await.unwrap();
    assert_eq!(page, CapturePage { captures: vec![whole, failed], next: None });
    store.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in ["launch code", "launches the moon", "\"messages\""] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret:?} can be read");
        }
    }
    let again = open(&path).await;
    let key = EncryptionKey::beside(&path).unwrap();
    assert_eq!(again.captures(&filter(), CaptureCursor::default(), 10, &key).await.unwrap().captures.len(), 2);
}

#[tokio::test]
async fn a_leg_is_recorded_once_and_a_bad_batch_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("banjia.db")).await;
    let key = EncryptionKey::random();
    let (first, mut changed) = (capture("a"), capture("a"));
    changed.request = json!("another text");
    let target = "zhipu/glm-4.7".parse().unwrap();
    let elsewhere = Capture { leg: TrafficKind::Replay, target, cost: Some(COST), ..capture("a") };
    let legs = [first.clone(), changed, elsewhere.clone(), Capture { leg: TrafficKind::Repeat, ..capture("a") }];
    assert_eq!(store.write_captures(&legs, &key).await.unwrap(), 3);
    assert_eq!(store.write_captures(&legs, &key).await.unwrap(), 0);
    let of_target = CaptureFilter { target: Some("zhipu/glm-4.7".parse().unwrap()), ..filter() };
    let found = store.captures(&of_target, CaptureCursor::default(), 10, &key).await.unwrap().captures;
    assert_eq!(found, [elsewhere]);
    let marks = store.capture_marks(&CaptureFilter { ids: vec!["a".to_owned()], ..filter() }).await.unwrap();
    let marks: Vec<_> = marks.iter().map(|mark| (mark.leg, mark.target.to_string(), mark.cost)).collect();
    let own = |leg| (leg, "openai/gpt-4o".to_owned(), None);
    assert_eq!(
        marks,
        [
            own(TrafficKind::Live),
            (TrafficKind::Replay, "zhipu/glm-4.7".to_owned(), Some(COST)),
            own(TrafficKind::Repeat)
        ]
    );
    let lives = CaptureFilter { legs: vec![TrafficKind::Live], ..filter() };
    assert_eq!(store.captures(&lives, CaptureCursor::default(), 10, &key).await.unwrap().captures, [first]);
}

#[tokio::test]
async fn another_key_is_refused_before_it_writes_or_reads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("banjia.db")).await;
    let (key, other) = (EncryptionKey::random(), EncryptionKey::random());
    store.check_seal(&key).await.unwrap();
    store.check_seal(&key).await.unwrap();
    for error in
        [store.check_seal(&other).await.unwrap_err(), store.write_captures(&[capture("a")], &other).await.unwrap_err()]
    {
        assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
        assert!(error.to_string().contains("sealed with another key"), "{error}");
    }
    assert_eq!(store.count_captures(&filter()).await.unwrap(), 0);
    store.write_captures(&[capture("a")], &key).await.unwrap();
    let error = store.captures(&filter(), CaptureCursor::default(), 10, &other).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed { what: "request", .. }), "{error}");
}

#[tokio::test]
async fn pages_follow_each_other_and_are_bounded_in_bytes_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("banjia.db")).await;
    let key = EncryptionKey::random();
    let large = |n: usize| Capture { request: json!("x".repeat(2_500_000)), ..capture(&format!("large {n}")) };
    let all: Vec<_> = (0..5).map(|n| capture(&format!("small {n}"))).chain((0..3).map(large)).collect();
    store.write_captures(&all, &key).await.unwrap();
    let (mut seen, mut sizes, mut after) = (Vec::new(), Vec::new(), CaptureCursor::default());
    loop {
        let page = store.captures(&filter(), after, 4, &key).await.unwrap();
        sizes.push(page.captures.len());
        seen.extend(page.captures.into_iter().map(|capture| capture.id));
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!(sizes, [4, 3, 1], "two large ones are a page's bytes");
    assert_eq!(seen, all.iter().map(|capture| capture.id.as_str()).collect::<Vec<_>>());
}

#[tokio::test]
async fn captures_are_counted_by_leg_and_forgotten_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("banjia.db")).await;
    let key = EncryptionKey::random();
    let at = |id: &str, at: i64| Capture { at: Timestamp(at), ..capture(id) };
    let shadow =
        Capture { leg: TrafficKind::Shadow, redactions: 2, target: "zhipu/glm-4.7".parse().unwrap(), ..at("a", 10) };
    let other = Capture { route: "gpt-4o-mini".into(), answer: None, ..at("c", 30) };
    store.write_captures(&[at("a", 10), shadow, at("b", 20), other], &key).await.unwrap();
    let sums = store.capture_sums(&filter()).await.unwrap();
    let counts: Vec<_> = sums.iter().map(|sum| (sum.route.as_str(), sum.leg, sum.captures, sum.answered)).collect();
    let expected = [
        ("gpt-4o", TrafficKind::Live, 2, 2),
        ("gpt-4o", TrafficKind::Shadow, 1, 1),
        ("gpt-4o-mini", TrafficKind::Live, 1, 0),
    ];
    assert_eq!(counts, expected);
    assert_eq!((sums[0].first, sums[0].last, sums[1].redactions), (Timestamp(10), Timestamp(20), 2));
    assert!(sums.iter().all(|sum| sum.bytes > 50), "{sums:?}");
    let of = |ids: &[&str]| CaptureFilter { ids: ids.iter().map(|&id| id.to_owned()).collect(), ..filter() };
    assert_eq!(store.count_captures(&of(&["a", "c", "x"])).await.unwrap(), 3);
    let early = CaptureFilter { period: Period { from: Timestamp(0), to: Timestamp(20) }, ..filter() };
    assert_eq!(store.count_captures(&early).await.unwrap(), 2);
    assert_eq!(store.count_captures(&CaptureFilter { routes: vec!["gpt-4o".into()], ..filter() }).await.unwrap(), 3);
    assert_eq!(store.delete_captures_before(Timestamp(20)).await.unwrap(), 2);
    assert_eq!(store.count_captures(&filter()).await.unwrap(), 2);
}

#[test]
fn the_key_beside_a_database_is_made_once_and_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("banjia.db");
    assert!(EncryptionKey::beside(&folder.path().join("no folder/banjia.db")).is_err());
    EncryptionKey::beside(&database).unwrap();
    let file = folder.path().join("banjia.db.key");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    EncryptionKey::beside(&database).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert_eq!((text.len(), std::fs::read_dir(folder.path()).unwrap().count()), (65, 1));
    std::fs::write(&file, "not a key").unwrap();
    let error = EncryptionKey::beside(&database).err().unwrap().to_string();
    assert!(error.contains("banjia.db.key holds no key") && !error.contains("not a key\""), "{error}");
}

#[tokio::test]
async fn the_requests_that_were_copied_last_come_first_and_each_once() {
    let (store, key) = (Store::open(&Location::Temporary).await.unwrap(), EncryptionKey::random());
    let (source, there) = ("openai/gpt-4o".parse().unwrap(), "zhipu/glm-4.7".parse().unwrap());
    let copy = |id: &str, number: u32| Capture { leg: TrafficKind::Shadow, number, ..capture(id) };
    let at = |target: &str, id: &str| Capture { target: target.parse().unwrap(), ..copy(id, 0) };
    let written = [
        capture("never copied"),
        copy("a", 0),
        at("zhipu/glm-4.7", "b"),
        copy("a", 1),
        at("alibaba/qwen-plus", "at another target"),
        Capture { at: Timestamp(5), ..copy("too old", 0) },
        Capture { route: "gpt-4".into(), ..copy("elsewhere", 0) },
        Capture { leg: TrafficKind::Replay, ..copy("on another leg", 0) },
        at("zhipu/glm-4.7", "c"),
    ];
    store.write_captures(&written, &key).await.unwrap();
    for (requests_max, expected) in [(10, vec!["c", "a", "b"]), (2, vec!["c", "a"]), (0, vec![])] {
        let place = (&"gpt-4o".into(), TrafficKind::Shadow);
        let last = store.copied_last(place, [&source, &there], Timestamp(6), requests_max).await.unwrap();
        assert_eq!(last, expected);
    }
}
