//! Events on their way to a real receiver on loopback.

use banjia_control::webhooks::{Heard, Listeners, StoreAlerts, secret};
use banjia_control::{WebhookConfig, WebhookDispatcher};
use banjia_store::{Actor, DeliveryState, Location, PolicyRow, PolicyState, Store, WriterConfig};
use banjia_types::{Secret, Timestamp};
use banjia_upstream::Upstream;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const NOW: Timestamp = Timestamp(1_720_483_200_000);
const BY: Actor<'static> = Actor { actor: "kim", at: NOW };

/// What arrived: the head in small letters, and the body.
type Seen = (String, String);

/// Answers each request with the next status; 0 is silence for ever.
async fn receiver(statuses: Vec<u16>) -> (SocketAddr, mpsc::UnboundedReceiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            let request = loop {
                let mut part = [0; 4096];
                let count = stream.read(&mut part).await.unwrap();
                text.push_str(std::str::from_utf8(&part[..count]).unwrap());
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let head = head.to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().to_owned();
                if body.len() >= length.parse().unwrap() {
                    break (head, body.to_owned());
                }
            };
            tell.send(request).unwrap();
            if status == 0 {
                silent.push(stream);
                continue;
            }
            let answer = format!(
                "HTTP/1.1 {status} x\r\nlocation: http://{addr}/elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (addr, seen)
}

fn config(name: &str, addr: SocketAddr, events: &[&str]) -> WebhookConfig {
    WebhookConfig {
        name: name.to_owned(),
        url: Secret::new(format!("http://{addr}/hook?token=t")),
        secret: secret(&[7; 32]),
        events: events.iter().map(|&event| event.to_owned()).collect(),
        allow_http: false,
    }
}

async fn store(names: &[&str]) -> Store {
    let store = Store::open(&Location::Temporary).await.unwrap();
    store.know_webhooks(names, NOW).await.unwrap();
    store
}

async fn something_happens(store: &Store) {
    store.open_appeal(&"acme".into(), "PRIVATE words of a client", BY).await.unwrap();
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

#[tokio::test]
async fn an_event_is_signed_and_holds_names_only() {
    let store = store(&["ops"]).await;
    let (addr, mut seen) = receiver(vec![204, 204]).await;
    let mut courier = WebhookDispatcher::new(store.clone(), &[config("ops", addr, &["*"])]).unwrap();
    something_happens(&store).await;
    store.record_cut(&"openai".into(), NOW, &"SAID by a vendor".into()).await.unwrap();
    assert_eq!(courier.tick(NOW).await.unwrap(), Heard { delivered: 2, ..Heard::default() });
    let (head, body) = seen.recv().await.unwrap();
    assert!(head.starts_with("post /hook?token=t http/1.1"), "{head}");
    assert_eq!(header(&head, "webhook-timestamp"), "1720483200");
    assert!(header(&head, "webhook-id").starts_with("msg_"));
    assert!(header(&head, "webhook-signature").starts_with("v1,"), "{head}");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&body).unwrap(),
        serde_json::json!({ "type": "appeal.opened", "timestamp": NOW.to_string(), "data": { "account": "acme", "appeal": 1 } })
    );
    let (_, body) = seen.recv().await.unwrap();
    assert!(body.contains("vendor.cut") && !body.contains("SAID"), "{body}");
    assert_eq!(courier.tick(NOW + Duration::from_hours(1)).await.unwrap(), Heard::default(), "each once");
}

#[tokio::test]
async fn an_unrecorded_delivery_keeps_its_id() {
    let store = store(&["ops"]).await;
    let (addr, mut seen) = receiver(vec![0, 200]).await;
    let configs = [config("ops", addr, &["*"])];
    something_happens(&store).await;
    let mut courier = WebhookDispatcher::new(store.clone(), &configs).unwrap();
    let first = {
        // The process ends after the receiver has the event and before it is written down.
        let sending = courier.tick(NOW);
        tokio::pin!(sending);
        tokio::select! {
            done = &mut sending => panic!("a silent receiver ended a look: {done:?}"),
            seen = seen.recv() => seen.unwrap(),
        }
    };
    drop(courier);
    let mut courier = WebhookDispatcher::new(store.clone(), &configs).unwrap();
    assert_eq!(courier.tick(NOW).await.unwrap().delivered, 1);
    let second = seen.recv().await.unwrap();
    assert_eq!(header(&first.0, "webhook-id"), header(&second.0, "webhook-id"));
    assert_eq!(first.1, second.1);
}

#[tokio::test]
async fn a_clock_set_back_lengthens_no_pause() {
    let store = store(&["ops"]).await;
    let (addr, _seen) = receiver(vec![500, 500, 200]).await;
    let mut courier = WebhookDispatcher::new(store.clone(), &[config("ops", addr, &["*"])]).unwrap();
    something_happens(&store).await;
    let back = NOW - Duration::from_hours(1);
    assert_eq!(courier.tick(NOW).await.unwrap().later, 1);
    assert_eq!(courier.tick(back).await.unwrap().later, 1, "the pause began before the step");
    assert_eq!(courier.tick(back).await.unwrap(), Heard::default(), "the next one is kept");
    assert_eq!(courier.tick(back + Duration::from_mins(6)).await.unwrap().delivered, 1);
}

#[tokio::test]
async fn only_410_ends_the_delivery_of_events() {
    let store = store(&["ops"]).await;
    let (addr, mut seen) = receiver(vec![500, 302, 410, 200, 200]).await;
    let mut courier = WebhookDispatcher::new(store.clone(), &[config("ops", addr, &["*"])]).unwrap();
    something_happens(&store).await;
    let mut now = NOW;
    for (what, heard) in [
        ("500", Heard { later: 1, ..Heard::default() }),
        ("302", Heard { later: 1, ..Heard::default() }),
        ("410", Heard { given_up: 1, ..Heard::default() }),
    ] {
        assert_eq!(courier.tick(now).await.unwrap(), heard, "{what}");
        assert_eq!(courier.tick(now).await.unwrap(), Heard::default(), "{what}: not before its time");
        now = now + Duration::from_hours(1);
    }
    something_happens(&store).await;
    assert_eq!(courier.tick(now).await.unwrap(), Heard::default(), "nothing is sent to who is gone");
    assert!(store.webhooks().await.unwrap()[0].gone_at.is_some());
    assert_eq!(store.retry_webhook("ops", now).await.unwrap(), Some(1));
    assert_eq!(courier.tick(now).await.unwrap(), Heard { delivered: 2, ..Heard::default() }, "the one before it, too");
    let paths: Vec<_> = std::iter::from_fn(|| seen.try_recv().ok()).map(|(head, _)| head).collect();
    assert_eq!(paths.len(), 5);
    assert!(paths.iter().all(|head| head.starts_with("post /hook?")), "a redirect is not followed");
    assert_eq!(store.count_deliveries("ops", DeliveryState::Delivered).await.unwrap(), 2);
}

#[tokio::test]
async fn a_failing_receiver_delays_no_other() {
    let store = store(&["all", "policies"]).await;
    let (bad, _bad) = receiver(vec![500]).await;
    let (good, mut seen) = receiver(vec![200, 200]).await;
    let configs = [config("all", bad, &["*"]), config("policies", good, &["policy.*"])];
    let mut courier = WebhookDispatcher::new(store.clone(), &configs).unwrap();
    let row = PolicyRow {
        id: "p".to_owned(),
        version: 1,
        hash: "h".to_owned(),
        rule_set: "policy".to_owned(),
        text: "TEXT".to_owned(),
        state: PolicyState::Active,
        changed_at: NOW,
    };
    store.activate_policy(&row, BY).await.unwrap();
    something_happens(&store).await;
    store.redate_policy(&PolicyRow { version: 2, hash: "i".to_owned(), ..row }, 1, BY).await.unwrap();
    assert_eq!(courier.tick(NOW).await.unwrap(), Heard { delivered: 2, later: 1, given_up: 0 });
    let kinds = [seen.recv().await.unwrap().1, seen.recv().await.unwrap().1];
    assert!(kinds[0].contains("policy.activated") && kinds[1].contains("policy.redated"), "{kinds:?}");
    assert!(kinds.iter().all(|body| !body.contains("TEXT")));
}

#[tokio::test]
async fn only_one_process_delivers_events() {
    let store = store(&[]).await;
    something_happens(&store).await;
    let (addr, _seen) = receiver(vec![]).await;
    let configs = [config("late", addr, &["*"])];
    let mut one = WebhookDispatcher::new(store.clone(), &configs).unwrap();
    assert_eq!(one.tick(NOW).await.unwrap(), Heard::default(), "what happened before it listened is not its own");
    something_happens(&store).await;
    let mut two = WebhookDispatcher::new(store.clone(), &configs).unwrap();
    assert_eq!(two.tick(NOW).await.unwrap(), Heard::default(), "the other one holds the lock");
    assert_eq!(store.deliveries("late", 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_failing_database_is_reported_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("banjia.db");
    let store = Store::open(&Location::File(path.clone())).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    let (addr, mut seen) = receiver(vec![503, 204, 204]).await;
    let clock = || Timestamp::from(chrono::Utc::now());
    let listeners = Listeners::new(&[config("ops", addr, &["store.*"])]).unwrap();
    let upstream = Upstream::new(&banjia_upstream::Config::default()).unwrap();
    let working = tokio::spawn(StoreAlerts::with(&store, upstream, listeners, clock).run());
    let away = folder.path().join("away");
    std::fs::rename(&path, &away).unwrap();
    let (first, body) = seen.recv().await.unwrap();
    assert!(body.contains("\"type\":\"store.failing\"") && body.contains("deleted"), "{body}");
    assert!(!body.contains(path.to_str().unwrap()), "no path leaves: {body}");
    let (again, _) = seen.recv().await.unwrap();
    assert_eq!(header(&again, "webhook-id"), header(&first, "webhook-id"), "what was not taken comes again");
    std::fs::rename(&away, &path).unwrap();
    let (_, body) = seen.recv().await.unwrap();
    assert!(body.contains("\"type\":\"store.recovered\""), "{body}");
    working.abort();
    ledger.close().await.unwrap();
}
