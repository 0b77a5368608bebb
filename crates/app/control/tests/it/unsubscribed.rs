//! Accounts that want no more notices, and campaigns that tell them all the same.

use crate::{BY, Rig, TWO, config, day};
use banjia_border::campaign::{NoticeState, Step};
use banjia_control::Done;
use banjia_control::mail::{Mailer, SmtpConfig};
use banjia_control::sink::Mood;
use banjia_store::Changed;

#[tokio::test]
async fn an_unsubscribed_account_gets_no_mail() {
    let mut rig = Rig::new(&TWO).await;
    let acme = "acme".into();
    assert_eq!(rig.store.unsubscribe(&acme, "by mail to appeals@", BY).await.unwrap(), Changed::Done);
    assert_eq!(rig.store.unsubscribe(&acme, "again", BY).await.unwrap(), Changed::Already);
    let told = Done { sent: 1, unsubscribed: 1, ..Done::default() };
    assert_eq!(rig.tick("2024-06-25T10:00").await, told);
    assert_eq!(rig.tick("2024-06-25T11:00").await, Done::default(), "once");
    let states = rig.states().await;
    assert_eq!(states[0], ("acme".to_owned(), Step::TwoWeeks, NoticeState::Unsubscribed));
    let notice = rig.store.notices("july").await.unwrap().into_iter().find(|notice| notice.account == acme).unwrap();
    assert!(notice.said.contains("by mail to appeals@") && notice.attempts == 0, "{notice:?}");
    // Each step is listed, and who wants mails again gets the next.
    assert_eq!(rig.tick("2024-07-02T10:00").await, told);
    assert_eq!(rig.store.subscribe(&acme, BY).await.unwrap(), Changed::Done);
    assert_eq!(rig.store.subscribe(&acme, BY).await.unwrap(), Changed::Missing);
    assert_eq!(rig.tick("2024-07-08T10:00").await.sent, 2);
    assert_eq!(rig.sink.taken().iter().filter(|mail| mail.to == "ops@acme.example").count(), 1);
    let kinds: Vec<_> = rig.store.audit_page(0, 99).await.unwrap().into_iter().map(|row| row.entry.kind).collect();
    assert!(kinds.contains(&"account.unsubscribe".to_owned()) && kinds.contains(&"account.subscribe".to_owned()));
}

#[tokio::test]
async fn an_unsubscription_ends_the_attempts() {
    let mut rig = Rig::new(&TWO[..1]).await;
    rig.sink.set(Mood::Later);
    assert_eq!(rig.tick("2024-06-25T10:00").await.later, 1);
    rig.sink.set(Mood::Willing);
    rig.store.unsubscribe(&"acme".into(), "by mail", BY).await.unwrap();
    assert_eq!(rig.tick("2024-06-25T10:05").await.unsubscribed, 1);
    assert_eq!(rig.sink.taken().len(), 0);
}

#[tokio::test]
async fn a_mandatory_campaign_tells_everybody() {
    let mut rig = Rig::of(&TWO, Some("section 9 of our terms")).await;
    rig.store.unsubscribe(&"acme".into(), "by mail", BY).await.unwrap();
    assert_eq!(rig.tick("2024-06-25T10:00").await.sent, 2);
    for mail in rig.sink.taken() {
        assert_eq!(mail.header("list-unsubscribe"), None);
    }
    assert!(rig.sink.taken()[0].text.contains("section 9 of our terms"));
}

#[tokio::test]
async fn a_mail_names_where_to_unsubscribe() {
    let said = |unsubscribe: Option<&str>, account: &str| {
        let json = r#"{"host":"h","from":"Example AI <notice@example.com>","reply_to":"appeals+1@example.com"}"#;
        let config = SmtpConfig {
            unsubscribe: unsubscribe.map(str::to_owned),
            ..serde_json::from_str::<SmtpConfig>(json).unwrap()
        };
        Mailer::new(config).map(|mailer| mailer.unsubscribe(&account.into())).map_err(|error| error.to_string())
    };
    assert_eq!(said(Some("https://example.com/no"), "acme").unwrap(), "https://example.com/no");
    let mailto = "mailto:no-more@example.com?subject=unsubscribe%20acme";
    assert_eq!(said(Some("no-more@example.com"), "acme").unwrap(), mailto);
    assert_eq!(
        said(None, "a>\r\nBcc: x & 搬").unwrap(),
        "mailto:appeals%2B1@example.com?subject=unsubscribe%20a%3E%0D%0ABcc%3A%20x%20%26%20%E6%90%AC"
    );
    for bad in
        ["https://example.com/a b", "https://example.com/>", "javascript:alert(1)", "", "no page\r\nBcc: x@y.example"]
    {
        assert!(said(Some(bad), "acme").unwrap_err().contains("unsubscribe"), "{bad:?}");
    }
}

#[tokio::test]
async fn the_longest_account_makes_a_readable_header() {
    let long = "account-".repeat(30);
    let mut rig = Rig::new(&[(&long, "ops@x.example")]).await;
    rig.runner = None;
    let by_mail = SmtpConfig { unsubscribe: None, ..config(&rig.sink) };
    let templates = banjia_control::Templates::new("Example AI", None).unwrap();
    let mailer = Mailer::new(by_mail).unwrap();
    let runner = banjia_control::Runner::start(rig.store.clone(), mailer, templates, "two".to_owned(), BY.at).await;
    let campaign = rig.campaign().await;
    let done = runner.unwrap().tick(&campaign, &crate::policy(), day("2024-06-25T10:00")).await.unwrap();
    assert_eq!(done.sent, 1);
    let header = format!("<mailto:appeals@example.com?subject=unsubscribe%20{long}>");
    assert!(rig.sink.taken()[0].text.contains(&header), "{}", rig.sink.taken()[0].text);
}
