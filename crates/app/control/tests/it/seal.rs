//! The end of a move on a real database: what stands in the way, and one report whoever asks.

use banjia_control::moves::seal::{Asked, Obstacle, Sealing, SourceKeys, public_key, seal};
use banjia_control::moves::{self, Loaded};
use banjia_control::report::plan::Lang;
use banjia_control::report::seal::{html, markdown};
use banjia_movement::seal::{LastCaller, SignedReport, Unmet, verify};
use banjia_movement::stage::{self, LiveBy, Order};
use banjia_store::{Actor, LedgerWriter, Location, ReportKey, Row, Store, WriterConfig};
use banjia_types::{Outcome, RequestId, Stage, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

const TEXT: &str = r#"
id = "spring"
deadline = "2099-01-01T00:00"

[[routes]]
route = "gpt-4o"
source = "openai/gpt-4o"
destination = "zhipu/glm-4.7"
"#;

/// A move that a person made live ten minutes ago.
struct Rig {
    store: Store,
    ledger: LedgerWriter,
    key: ReportKey,
    now: Timestamp,
}

impl Rig {
    async fn new() -> Self {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
        let key = ReportKey::beside(store.path()).unwrap();
        let rig = Self { store, ledger, key, now: Timestamp::from(chrono::Utc::now()) };
        moves::make(&rig.store, TEXT, Actor { actor: "kim", at: rig.ago(30) }).await.unwrap();
        rig
    }

    fn ago(&self, minutes: u64) -> Timestamp {
        self.now - Duration::from_mins(minutes)
    }

    async fn go_live(&self) {
        let order = Order { by: "kim", reason: "a test", at: self.ago(10) };
        moves::order(&self.store, "spring", |of| stage::override_to(of, Stage::Live, None, order)).await.unwrap();
    }

    /// A request of `account` that a target ended.
    fn request(&self, account: &str, target: &str, minutes_ago: u64, outcome: Outcome) {
        let mut slot = self.ledger.try_reserve().unwrap();
        let at = self.ago(minutes_ago);
        slot.accept(at);
        let mut row = Row::new(RequestId(Uuid::now_v7()), at, at + Duration::from_millis(200), outcome);
        (row.account, row.key) = (Some(account.into()), Some(format!("{account}-key").as_str().into()));
        (row.route, row.target) = (Some("gpt-4o".into()), Some(target.parse().unwrap()));
        slot.fill(row);
    }

    async fn seal(&self, held: &[&str]) -> Sealing {
        self.seal_at(held, self.now, "kim").await
    }

    async fn seal_at(&self, held: &[&str], at: Timestamp, by: &str) -> Sealing {
        let held: Vec<_> = held.iter().map(ToString::to_string).collect();
        let keys = SourceKeys { held, gone: vec!["openai".to_owned()] };
        let borders = BTreeMap::from([("openai-2".into(), "openai".into())]);
        let asked = Asked { order: Order { by, reason: "it is done", at }, keys: &keys, borders: &borders };
        seal(&self.store, "spring", &asked, &self.key).await.unwrap()
    }

    async fn open(&self, held: &[&str]) -> Vec<Obstacle> {
        match self.seal(held).await {
            Sealing::Open(obstacles) => obstacles,
            Sealing::Sealed { report, .. } => panic!("it was sealed: {}", report.text),
        }
    }

    async fn loaded(&self) -> Loaded {
        moves::load(&self.store, "spring").await.unwrap()
    }
}

#[track_caller]
fn sealed(found: Sealing) -> (SignedReport, bool) {
    match found {
        Sealing::Sealed { report, is_new } => (report, is_new),
        Sealing::Open(obstacles) => panic!("{obstacles:?}"),
    }
}

#[tokio::test]
async fn all_obstacles_of_a_seal_are_said_at_once() {
    let rig = Rig::new().await;
    rig.ledger.close().await.unwrap();
    let said: Vec<_> = rig.open(&["openai", "openai-2"]).await.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("\"openai\"") && said[1].contains("\"openai-2\""), "{said:?}");
    assert!(said[2].contains("only a live move is sealed") && said.len() == 3, "{said:?}");
    let only = rig.open(&[]).await;
    assert_eq!(only, [Obstacle::Unmet(Unmet::NotLive(Stage::Record))]);
    assert!(!only[0].may_pass());
    assert_eq!(rig.loaded().await.events.len(), 1, "only that it was made");
}

#[tokio::test]
async fn a_sealed_report_stays_the_same() {
    let rig = Rig::new().await;
    for minutes_ago in [25, 20, 12] {
        rig.request("acme", "openai/gpt-4o", minutes_ago, Outcome::Answered);
    }
    // The same model behind the same border is the source too; what ended without content may never have been sent.
    rig.request("zeta", "openai-2/gpt-4o", 15, Outcome::Failed);
    rig.request("iota", "openai/gpt-4o", 3, Outcome::Refused);
    rig.request("iota", "openai/gpt-4o", 2, Outcome::Abandoned);
    rig.go_live().await;
    rig.request("acme", "zhipu/glm-4.7", 5, Outcome::Answered);
    rig.request("acme", "zhipu/glm-4.7", 4, Outcome::Abandoned);
    rig.ledger.close().await.unwrap();
    assert_eq!(rig.open(&["openai"]).await, [Obstacle::Credential("openai".to_owned())]);
    assert_eq!(rig.loaded().await.events.len(), 2);

    let (report, is_new) = sealed(rig.seal(&[]).await);
    assert!(is_new);
    let found = verify(&report.text).unwrap();
    assert_eq!((&found.key, &found.hash), (&public_key(&rig.key), &report.hash));
    assert_eq!(
        (found.live_by, found.credentials_removed.as_slice()),
        (Some(LiveBy::Override), &["openai".to_owned()][..])
    );
    let total = found.sum.total;
    assert_eq!((total.accepted, total.answered, total.refused, total.failed, total.abandoned), (8, 4, 1, 1, 2));
    assert!(found.sum.is_exact());
    let caller = |account: &str, minutes_ago, requests| LastCaller {
        account: account.to_owned(),
        key: Some(format!("{account}-key")),
        route: "gpt-4o".into(),
        at: rig.ago(minutes_ago),
        requests,
    };
    assert_eq!(found.report.last_callers, [caller("acme", 12, 3), caller("zeta", 15, 1)]);
    let loaded = rig.loaded().await;
    assert_eq!((loaded.of.stage(), loaded.of.state().sealed.as_ref()), (Stage::Sealed, Some(&report.hash)));
    assert_eq!(loaded.events.len(), 4);

    // Asked again, later, by somebody else, with a credential that came back: the same report and no further event.
    let (again, is_new) = sealed(rig.seal_at(&["openai"], rig.now + Duration::from_hours(9), "lee").await);
    assert_eq!((again, is_new), (report, false));
    assert_eq!(rig.loaded().await.events.len(), 4);

    let (english, chinese) = (html(&found, Lang::En), markdown(&found, Lang::Zh));
    assert!(english.contains("acme-key") && english.contains("8 accepted = 4 answered"), "{english}");
    assert!(chinese.contains("受理 8 = 已答 4") && chinese.contains(&found.key), "{chinese}");
}

#[tokio::test]
async fn two_who_seal_at_once_get_one_report() {
    let rig = Rig::new().await;
    rig.go_live().await;
    rig.ledger.close().await.unwrap();
    let (one, other) = tokio::join!(rig.seal_at(&[], rig.now, "kim"), rig.seal_at(&[], rig.now, "lee"));
    let ((one, first), (other, second)) = (sealed(one), sealed(other));
    assert_eq!(one, other);
    assert!(first != second, "one of them sealed it");
    assert_eq!(rig.loaded().await.events.len(), 4);
}

#[tokio::test]
async fn a_seal_waits_for_open_requests() {
    let rig = Rig::new().await;
    rig.request("acme", "openai/gpt-4o", 11, Outcome::Answered);
    rig.go_live().await;
    let mut slot = rig.ledger.try_reserve().unwrap();
    slot.accept(rig.now);
    rig.ledger.flush().await.unwrap();
    // The ledger is written until now, and one request of this minute has no end.
    let obstacles = loop {
        let found = rig.open(&[]).await;
        if !found.iter().any(|one| matches!(one, Obstacle::NotWritten { .. })) {
            break found;
        }
        assert!(found.iter().all(Obstacle::may_pass), "{found:?}");
        tokio::task::yield_now().await;
    };
    let [Obstacle::Unmet(Unmet::OpenAtSource(1)), Obstacle::Unmet(Unmet::Balance(sum))] = obstacles.as_slice() else {
        panic!("{obstacles:?}")
    };
    assert_eq!(sum.unexplained, 1);
    assert!(obstacles.iter().all(Obstacle::may_pass));
    let before = rig.loaded().await;
    assert_eq!(before.events.len(), 3, "that the credentials are gone is true whatever the books say");

    // The process ends without closing, and the next one finds it gone.
    let Rig { store, ledger, key, now } = rig;
    drop(ledger);
    let ledger = loop {
        match store.ledger_writer(&WriterConfig::default()).await {
            Ok(ledger) => break ledger,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    // A killed process gives nothing back: given back before, the request might have been written as open no more.
    drop(slot);
    ledger.close().await.unwrap();
    let rig = Rig { store, ledger, key, now };
    let (report, _) = sealed(rig.seal(&[]).await);
    let found = verify(&report.text).unwrap();
    assert_eq!((found.sum.lost, found.sum.is_exact(), found.report.balance.lost.len()), (1, false, 1));
    assert!(markdown(&found, Lang::En).contains("with 1 requests open"));
}

#[tokio::test]
async fn books_of_a_run_that_could_not_write_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("banjia.db");
    let store = Store::open(&Location::File(path.clone())).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    let key = ReportKey::beside(store.path()).unwrap();
    let rig = Rig { store, ledger, key, now: Timestamp::from(chrono::Utc::now()) };
    moves::make(&rig.store, TEXT, Actor { actor: "kim", at: rig.ago(30) }).await.unwrap();
    rig.go_live().await;
    // The file is away while a request ends, and the process has to end as well.
    let away = folder.path().join("away");
    std::fs::rename(&path, &away).unwrap();
    rig.request("acme", "zhipu/glm-4.7", 1, Outcome::Answered);
    assert!(rig.ledger.close_within(Duration::from_millis(200)).await.is_err());
    let Rig { store, ledger, key, .. } = rig;
    // As a kill: what waits is never written.
    drop(store);
    std::mem::forget(ledger);
    let copy = folder.path().join("copy.db");
    std::fs::copy(&away, &copy).unwrap();
    std::fs::copy(format!("{}-wal", path.display()), format!("{}-wal", copy.display())).unwrap();
    std::fs::copy(format!("{}.state", path.display()), format!("{}.state", copy.display())).unwrap();

    let store = Store::open(&Location::File(copy)).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    ledger.close().await.unwrap();
    let rig = Rig { store, ledger, key, now: Timestamp::from(chrono::Utc::now()) };
    let obstacles = rig.open(&[]).await;
    let is_refused = |one: &Obstacle| matches!(one, Obstacle::Unmet(Unmet::WritesFailed { .. }));
    assert!(obstacles.iter().any(is_refused), "{obstacles:?}");
    assert!(!obstacles.iter().filter(|one| is_refused(one)).any(Obstacle::may_pass), "no waiting helps");
}
