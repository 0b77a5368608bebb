//! What happens while a look is under way: a server that wants none of our mails, and people who change their minds.

use crate::{BY, Rig, TWO, config, day, policy};
use banjia_border::campaign::{NoticeState, Step};
use banjia_control::mail::SmtpConfig;
use banjia_control::sink::Mood;
use banjia_control::{Done, Mailer, Runner, Templates};
use banjia_store::{PolicyRow, PolicyState};
use std::time::Duration;

const MORNING: &str = "2024-06-25T10:00";
const CUT_SHORT: Done = Done { sent: 0, later: 0, refused: 0, unknown: 0, unsubscribed: 0, is_cut_short: true };

#[tokio::test]
async fn a_refused_sender_refuses_no_receiver() {
    let mut rig = Rig::new(&TWO).await;
    rig.sink.set(Mood::NoSender);
    let campaign = rig.campaign().await;
    // More looks than a notice has attempts: none of them costs one.
    for _ in 0..6 {
        let error =
            rig.runner.as_mut().unwrap().tick(&campaign, &policy(), day(MORNING)).await.unwrap_err().to_string();
        assert!(error.contains("127.0.0.1") && error.contains("530") && error.contains("mail.user"), "{error}");
    }
    assert_eq!(rig.states().await, [], "nothing was begun");
    rig.sink.set(Mood::Willing);
    assert_eq!(rig.tick(MORNING).await.sent, 2);
}

#[tokio::test]
async fn a_pause_ends_a_look_that_has_begun() {
    let mut rig = Rig::new(&TWO).await;
    let seen = rig.campaign().await;
    rig.store.set_campaign("july", false, BY).await.unwrap();
    assert_eq!(rig.runner.as_mut().unwrap().tick(&seen, &policy(), day(MORNING)).await.unwrap(), CUT_SHORT);
    assert_eq!((rig.states().await, rig.sink.taken().len()), (vec![], 0));
    rig.store.set_campaign("july", true, BY).await.unwrap();
    assert_eq!(rig.tick(MORNING).await.sent, 2);
}

#[tokio::test]
async fn a_pause_holds_back_the_next_attempt_as_well() {
    let mut rig = Rig::new(&TWO[..1]).await;
    rig.sink.set(Mood::Later);
    assert_eq!(rig.tick(MORNING).await.later, 1);
    rig.sink.set(Mood::Willing);
    let seen = rig.campaign().await;
    rig.store.set_campaign("july", false, BY).await.unwrap();
    let later = day("2024-06-25T10:05");
    assert_eq!(rig.runner.as_mut().unwrap().tick(&seen, &policy(), later).await.unwrap(), CUT_SHORT);
    assert_eq!(rig.states().await[0].2, NoticeState::Retrying);
}

#[tokio::test]
async fn another_round_or_date_ends_a_look_that_has_begun() {
    let mut rig = Rig::new(&TWO).await;
    let policy = policy();
    let row = PolicyRow {
        id: policy.id().to_owned(),
        version: policy.version(),
        hash: "h".to_owned(),
        rule_set: "policy".to_owned(),
        text: policy.text().to_string(),
        state: PolicyState::Active,
        changed_at: BY.at,
    };
    rig.store.activate_policy(&row, BY).await.unwrap();
    let seen = rig.campaign().await;
    rig.store.next_round("july", BY).await.unwrap();
    assert_eq!(rig.runner.as_mut().unwrap().tick(&seen, &policy, day(MORNING)).await.unwrap(), CUT_SHORT);
    let redated = PolicyRow { version: row.version + 1, hash: "i".to_owned(), ..row };
    rig.store.redate_policy(&redated, redated.version - 1, BY).await.unwrap();
    assert_eq!(rig.tick(MORNING).await, CUT_SHORT, "these dates hold no longer");
    assert_eq!((rig.states().await, rig.sink.taken().len()), (vec![], 0));
}

#[tokio::test]
async fn an_unsubscription_during_the_run_is_kept() {
    let mut rig = Rig::new(&TWO).await;
    // A second between two mails, in which the second account changes its mind.
    let slow = SmtpConfig { per_minute_max: 60, ..config(&rig.sink) };
    let (mailer, templates) = (Mailer::new(slow).unwrap(), Templates::new("Example AI", None).unwrap());
    rig.runner = None;
    let mut runner = Runner::start(rig.store.clone(), mailer, templates, "slow".to_owned(), BY.at).await.unwrap();
    let (campaign, policy) = (rig.campaign().await, policy());
    let look = runner.tick(&campaign, &policy, day(MORNING));
    let wish = async {
        let first = async {
            while rig.sink.taken().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), first).await.unwrap();
        rig.store.unsubscribe(&"zh-shop".into(), "by mail", BY).await.unwrap();
    };
    let (done, ()) = tokio::join!(look, wish);
    assert_eq!(done.unwrap(), Done { sent: 1, unsubscribed: 1, ..Done::default() });
    assert_eq!(rig.sink.taken().len(), 1);
    assert_eq!(rig.states().await[1], ("zh-shop".to_owned(), Step::TwoWeeks, NoticeState::Unsubscribed));
}

#[tokio::test]
async fn a_notice_that_cannot_be_written_stops_no_other() {
    let mut rig = Rig::new(&TWO).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notice.en.txt"), "{{ a_name_that_is_not_there }} {{ unsubscribe }}").unwrap();
    let templates = Templates::new("Example AI", Some(folder.path())).unwrap();
    rig.runner = None;
    let (mailer, name) = (Mailer::new(config(&rig.sink)).unwrap(), "two".to_owned());
    let mut runner = Runner::start(rig.store.clone(), mailer, templates, name, day(MORNING)).await.unwrap();
    for _ in 0..2 {
        let error = runner.tick(&rig.campaign().await, &policy(), day(MORNING)).await.unwrap_err().to_string();
        assert!(error.contains("the template is wrong"), "{error}");
    }
    let states = rig.states().await;
    assert_eq!(states, [("zh-shop".to_owned(), Step::TwoWeeks, NoticeState::Sent)], "and the other one is still due");
    assert_eq!(rig.sink.taken().len(), 1);
}
