//! Campaigns against a real file and a real mail server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod dkim;
mod long_look;
mod mail_tls;
mod move_faults;
mod moves;
mod seal;
mod unsubscribed;
mod webhooks;

use banjia_border::campaign::{NoticeState, Step};
use banjia_border::policy::Policy;
use banjia_border::registry::embedded;
use banjia_control::mail::{MailTls, SmtpConfig};
use banjia_control::sink::{Mood, Sink};
use banjia_control::{Done, Mailer, Runner, Templates};
use banjia_store::{Actor, Campaign, Intent, Location, Recipient, Store};
use banjia_types::Timestamp;
use banjia_types::calendar;
use serde_json::json;
use std::time::Duration;

const BY: Actor<'static> = Actor { actor: "kim", at: Timestamp(1) };

fn policy() -> Policy {
    Policy::parse(include_str!("../../../../core/border/policies/openai-2024.toml"), embedded()).unwrap()
}

fn day(text: &str) -> Timestamp {
    calendar::moment(calendar::read(text).unwrap(), policy().zone())
}

fn config(sink: &Sink) -> SmtpConfig {
    SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: Some(sink.addr.port()),
        tls: MailTls::None,
        roots: None,
        user: None,
        password: None,
        from: "Example AI <notice@example.com>".to_owned(),
        reply_to: Some("appeals@example.com".to_owned()),
        unsubscribe: Some("https://example.com/unsubscribe".to_owned()),
        dkim: None,
        per_minute_max: 600_000,
        timeout_ms: 5_000,
    }
}

struct Rig {
    sink: Sink,
    store: Store,
    runner: Option<Runner>,
}

fn recipients(accounts: &[(&str, &str)]) -> Vec<Recipient> {
    let one = |(account, email): &(&str, &str)| Recipient {
        account: (*account).into(),
        email: (*email).to_owned(),
        language: if account.starts_with("zh") { "zh" } else { "en" }.to_owned(),
        evidence: json!([{ "key": "k", "place": "Hong Kong", "requests": 9, "first": "a", "last": "b", "sample": "req_1" }]),
    };
    accounts.iter().map(one).collect()
}

impl Rig {
    async fn new(accounts: &[(&str, &str)]) -> Self {
        Self::of(accounts, None).await
    }

    async fn of(accounts: &[(&str, &str)], mandatory: Option<&str>) -> Self {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let recipients = recipients(accounts);
        assert!(store.create_campaign("july", "openai-2024", mandatory, &recipients, BY).await.unwrap());
        let sink = Sink::start().await.unwrap();
        let runner = Some(runner(&store, &sink, "one").await);
        Self { sink, store, runner }
    }

    async fn campaign(&self) -> Campaign {
        self.store.campaigns().await.unwrap().remove(0)
    }

    async fn tick(&mut self, when: &str) -> Done {
        let campaign = self.campaign().await;
        self.runner.as_mut().unwrap().tick(&campaign, &policy(), day(when)).await.unwrap()
    }

    async fn states(&self) -> Vec<(String, Step, NoticeState)> {
        let mut notices = self.store.notices("july").await.unwrap();
        notices.sort_by(|a, b| (a.round, a.step, &a.account).cmp(&(b.round, b.step, &b.account)));
        notices.into_iter().map(|notice| (notice.account.to_string(), notice.step, notice.state)).collect()
    }
}

async fn runner(store: &Store, sink: &Sink, name: &str) -> Runner {
    let (mailer, templates) = (Mailer::new(config(sink)).unwrap(), Templates::new("Example AI", None).unwrap());
    Runner::start(store.clone(), mailer, templates, name.to_owned(), Timestamp(1)).await.unwrap()
}

const TWO: [(&str, &str); 2] = [("acme", "ops@acme.example"), ("zh-shop", "ops@shop.example")];

#[tokio::test]
async fn each_step_is_sent_once_on_its_day() {
    let mut rig = Rig::new(&TWO).await;
    assert_eq!(rig.tick("2024-06-25T09:00").await, Done::default(), "before the hour");
    assert_eq!(rig.tick("2024-06-25T10:00").await.sent, 2);
    assert_eq!(rig.tick("2024-06-26").await, Done::default(), "again changes nothing");
    assert_eq!(rig.tick("2024-07-02T10:00").await.sent, 2);
    assert_eq!(rig.tick("2024-07-09").await.sent, 2, "T-1 was missed, and only the newest step goes out");
    let taken = rig.sink.taken();
    assert_eq!(taken.len(), 6);
    let ids: std::collections::BTreeSet<_> =
        taken.iter().map(|mail| mail.header("message-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 6, "each mail has an id of its own");
    let first = &taken[0];
    assert_eq!((first.to.as_str(), first.header("reply-to")), ("ops@acme.example", Some("appeals@example.com")));
    assert_eq!(first.header("auto-submitted"), Some("auto-generated"));
    assert_eq!(first.header("list-unsubscribe"), Some("<https://example.com/unsubscribe>"));
    assert!(taken[1].header("subject").unwrap().contains("=?utf-8?b?"), "Chinese subjects are encoded");
    assert!(rig.states().await.iter().all(|(_, _, state)| *state == NoticeState::Sent));
}

#[tokio::test]
async fn clock_steps_send_no_step_twice() {
    let mut rig = Rig::new(&TWO).await;
    for when in
        ["2024-06-25T10:00", "2024-07-02T10:00", "2024-06-25T12:00", "2024-07-02T10:00", "2024-06-24", "2024-07-09"]
    {
        rig.tick(when).await;
    }
    let states = rig.states().await;
    assert_eq!((states.len(), rig.sink.taken().len()), (6, 6), "T-14, T-7 and T to both: {states:?}");
    // Nor does one that steps back while a mail waits for its next attempt.
    rig.sink.set(Mood::Later);
    rig.store.next_round("july", BY).await.unwrap();
    assert_eq!(rig.tick("2024-07-09T10:00").await.later, 2);
    rig.sink.set(Mood::Willing);
    assert_eq!(rig.tick("2024-07-09T09:00").await.sent, 2, "its pause is not made an hour longer");
    assert_eq!(rig.tick("2024-07-09T10:05").await, Done::default());
}

#[tokio::test]
async fn a_new_date_begins_a_round_of_mails() {
    let mut rig = Rig::new(&TWO).await;
    rig.store.set_campaign("july", false, BY).await.unwrap();
    assert_eq!(rig.tick("2024-06-25T10:00").await, Done::default());
    rig.store.set_campaign("july", true, BY).await.unwrap();
    assert_eq!(rig.tick("2024-06-25T10:00").await.sent, 2);
    assert!(rig.store.next_round("july", BY).await.unwrap());
    assert_eq!(rig.tick("2024-06-25T11:00").await.sent, 2, "everybody is told again");
    assert_eq!(rig.campaign().await.round, 2);
}

#[tokio::test]
async fn the_servers_answer_decides_about_a_retry() {
    let mut rig = Rig::new(&TWO[..1]).await;
    rig.sink.set(Mood::Later);
    assert_eq!(rig.tick("2024-06-25T10:00").await.later, 1);
    assert_eq!(rig.tick("2024-06-25T10:01").await, Done::default(), "not before its time");
    rig.sink.set(Mood::LaterAfterData);
    assert_eq!(rig.tick("2024-06-25T10:05").await.later, 1);
    rig.sink.set(Mood::Willing);
    assert_eq!(rig.tick("2024-06-25T12:00").await.sent, 1);
    assert_eq!(rig.store.notices("july").await.unwrap()[0].attempts, 3);
    rig.sink.set(Mood::Never);
    assert_eq!(rig.tick("2024-07-02T10:00").await.refused, 1);
    rig.sink.set(Mood::Willing);
    assert_eq!(rig.tick("2024-07-02T23:00").await, Done::default(), "a refusal is an end");
    assert_eq!(rig.sink.taken().len(), 1);
}

#[tokio::test]
async fn a_mail_without_a_result_is_not_sent_again() {
    let mut rig = Rig::new(&TWO[..1]).await;
    rig.sink.set(Mood::Lost);
    assert_eq!(rig.tick("2024-06-25T10:00").await.unknown, 1);
    rig.sink.set(Mood::Willing);
    assert_eq!(rig.tick("2024-06-25T22:00").await, Done::default());
    assert_eq!(rig.store.resend_unknown("july", Actor { at: day("2024-06-25T23:00"), ..BY }).await.unwrap(), 1);
    assert_eq!(rig.tick("2024-06-25T23:00").await.sent, 1, "a person said so");
}

#[tokio::test]
async fn what_an_ended_process_had_begun_is_unknown() {
    let mut rig = Rig::new(&TWO[..1]).await;
    rig.runner = None;
    let account = "acme".into();
    let which = banjia_store::NoticeRef { campaign: "july", account: &account, round: 1, step: Step::TwoWeeks };
    let intend = async |runner| rig.store.intend(which, 1, "1@example.com", runner, day("2024-06-25T10:00")).await;
    assert_eq!(intend("one").await.unwrap(), Intent::Ours);
    assert_eq!(intend("two").await.unwrap(), Intent::Others, "it is taken");
    let mut second = runner(&rig.store, &rig.sink, "two").await;
    let done = second.tick(&rig.campaign().await, &policy(), day("2024-06-25T10:00")).await.unwrap();
    assert_eq!((done, rig.sink.taken().len()), (Done::default(), 0));
    assert_eq!(rig.states().await, [("acme".to_owned(), Step::TwoWeeks, NoticeState::Unknown)]);
}

#[tokio::test]
async fn an_absent_mail_server_begins_no_mail() {
    let mut rig = Rig::new(&TWO).await;
    let gone = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let mut wrong = config(&rig.sink);
    wrong.port = Some(gone.port());
    let templates = Templates::new("Example AI", None).unwrap();
    let mailer = Mailer::new(wrong).unwrap();
    rig.runner = None;
    let mut runner = Runner::start(rig.store.clone(), mailer, templates, "two".to_owned(), Timestamp(1)).await.unwrap();
    let error = runner.tick(&rig.campaign().await, &policy(), day("2024-06-25T10:00")).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    assert_eq!(rig.states().await, []);
    drop(runner);
    rig.runner = Some(self::runner(&rig.store, &rig.sink, "three").await);
    assert_eq!(rig.tick("2024-06-25T10:00").await.sent, 2);
}

#[tokio::test]
async fn an_invalid_address_stops_no_other_mail() {
    let forged = "ops@acme.example\r\nBcc: victim@example.com";
    let mut rig = Rig::new(&[("a", forged), ("b", "not an address"), ("c", "ops@c.example")]).await;
    let done = rig.tick("2024-06-25T10:00").await;
    assert_eq!((done.sent, done.refused), (1, 2));
    assert_eq!(rig.sink.taken()[0].to, "ops@c.example");
}

#[tokio::test]
async fn an_accounts_name_adds_no_header() {
    let mut rig = Rig::new(&[("x\r\nBcc: victim@example.com", "ops@x.example")]).await;
    assert_eq!(rig.tick("2024-06-25T10:00").await.sent, 1);
    assert_eq!(rig.sink.taken()[0].header("bcc"), None);
}

#[tokio::test]
async fn two_campaigns_tell_an_account_once() {
    let mut rig = Rig::new(&TWO).await;
    let three = [TWO[0], TWO[1], ("late", "ops@late.example")];
    assert!(rig.store.create_campaign("june", "openai-2024", None, &recipients(&three), BY).await.unwrap());
    assert!(rig.store.create_campaign("x", "other", None, &recipients(&TWO), BY).await.unwrap());
    assert_eq!(rig.tick("2024-06-25T10:00").await.sent, 2);
    let june = rig.store.campaigns().await.unwrap().into_iter().find(|one| one.id == "june").unwrap();
    for (when, sent) in [("2024-06-25T10:00", 1), ("2024-06-25T11:00", 0), ("2024-07-02T10:00", 3)] {
        let done = rig.runner.as_mut().unwrap().tick(&june, &policy(), day(when)).await.unwrap();
        assert_eq!(done.sent, sent, "{when}");
    }
    assert_eq!(rig.tick("2024-07-02T10:00").await.sent, 0, "june told them of this step");
    assert_eq!(rig.sink.taken().len(), 6);
}

#[tokio::test]
async fn a_refused_notice_is_left_to_the_other_campaign() {
    let mut rig = Rig::new(&[("a", "not an address")]).await;
    assert!(
        rig.store
            .create_campaign("june", "openai-2024", None, &recipients(&[("a", "ops@a.example")]), BY)
            .await
            .unwrap()
    );
    assert_eq!(rig.tick("2024-06-25T10:00").await.refused, 1);
    let june = rig.store.campaigns().await.unwrap().into_iter().find(|one| one.id == "june").unwrap();
    let done = rig.runner.as_mut().unwrap().tick(&june, &policy(), day("2024-06-25T10:00")).await.unwrap();
    assert_eq!(done.sent, 1);
}

#[tokio::test]
async fn one_process_at_a_time_sends() {
    let rig = Rig::new(&TWO[..1]).await;
    let (mailer, templates) = (Mailer::new(config(&rig.sink)).unwrap(), Templates::new("x", None).unwrap());
    let second = Runner::start(rig.store.clone(), mailer, templates, "two".to_owned(), Timestamp(1)).await;
    assert!(second.unwrap_err().to_string().contains("one process sends its notices"));
}

#[tokio::test]
async fn a_bounce_is_recorded_on_its_notice() {
    let mut rig = Rig::new(&TWO[..1]).await;
    rig.tick("2024-06-25T10:00").await;
    let id = rig.store.notices("july").await.unwrap()[0].message_id.clone();
    assert!(rig.store.bounce(&id, "5.1.1", BY.at).await.unwrap());
    assert!(!rig.store.bounce("other@example.com", "5.1.1", BY.at).await.unwrap());
    assert_eq!(rig.states().await[0].2, NoticeState::Bounced);
}

#[tokio::test]
async fn the_rate_is_kept() {
    let mut rig = Rig::new(&[("a", "a@x.example"), ("b", "b@x.example"), ("c", "c@x.example")]).await;
    let slow = SmtpConfig { per_minute_max: 600, ..config(&rig.sink) };
    let templates = Templates::new("Example AI", None).unwrap();
    rig.runner = None;
    rig.runner = Some(
        Runner::start(rig.store.clone(), Mailer::new(slow).unwrap(), templates, "slow".to_owned(), Timestamp(1))
            .await
            .unwrap(),
    );
    let began = tokio::time::Instant::now();
    rig.tick("2024-06-25T10:00").await;
    assert!(began.elapsed() >= Duration::from_millis(200), "three mails at ten a second: {:?}", began.elapsed());
}
