//! Notices by their commands, to a mail server on this machine: who gets one, who does not, and
//! what comes back.

use crate::border::{complains, policy, says, settings};
use crate::process::sandbox;
use crate::serve::{serve, status_of};
use banjia_control::sink::Sink;
use serde_json::Value;
use std::path::Path;

/// A folder with three requests of one affected account, a policy in force whose block is over, and
/// a mail server.
async fn affected(folder: &Path) -> Sink {
    let sink = Sink::start().await.unwrap();
    let (_sandbox, vendors) = sandbox(folder, &[]);
    settings(folder, &vendors, sink.addr.port());
    policy(folder, 1);
    let (mut gateway, address) = serve(folder);
    for _ in 0..3 {
        assert_eq!(status_of(&address, "one").await.0, 200);
    }
    gateway.signal("TERM");
    assert!(gateway.end().success());
    says(folder, &["border", "activate", "policy.toml", "--yes"]);
    sink
}

fn new(folder: &Path, id: &str, more: &[&str]) -> String {
    let wanted = ["campaign", "new", id, "--policy", "openai-2024", "--requests", "3", "--on-days", "1"];
    says(folder, &[&wanted, more].concat())
}

/// The `Message-ID` of a campaign's newest notice that was sent.
fn sent_id(folder: &Path, campaign: &str) -> String {
    let lines = says(folder, &["campaign", "export", campaign]);
    let notices: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sent = notices.iter().rfind(|notice| notice["state"] == "sent").unwrap_or_else(|| panic!("{lines}"));
    sent["message_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_unsubscribed_is_listed_and_told_only_where_that_is_mandatory() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sink = affected(folder).await;
    says(folder, &["border", "unsubscribe", "add", "a", "--said", "by mail of 3 July", "--by", "kim"]);
    let said = complains(folder, &["border", "unsubscribe", "add", "a", "--said", "again"]);
    assert!(said.contains("has unsubscribed already"), "{said}");
    assert!(says(folder, &["border", "unsubscribe", "list"]).contains("by mail of 3 July"));
    let said = new(folder, "july", &[]);
    assert!(said.contains("1 accounts will be notified"), "{said}");
    assert!(
        says(folder, &["campaign", "preview", "july"]).contains("mailto:notice@example.com?subject=unsubscribe%20a")
    );
    let said = says(folder, &["campaign", "run", "--dry-run"]);
    assert!(said.contains("unsubscribed: by mail of 3 July") && said.contains("1 notices are due now"), "{said}");
    assert!(
        says(folder, &["campaign", "run", "july"]).contains("0 sent, 0 later, 0 refused, 0 unknown, 1 unsubscribed")
    );
    let said = says(folder, &["campaign", "status", "july"]);
    assert!(said.contains("unsubscribed") && said.contains("by mail of 3 July"), "{said}");
    assert_eq!(sink.taken(), []);

    let said = complains(folder, &["campaign", "new", "june", "--policy", "openai-2024", "--mandatory", " "]);
    assert!(said.contains("what demands these notices"), "{said}");
    new(folder, "june", &["--mandatory", "section 9 of the terms"]);
    assert!(says(folder, &["campaign", "preview", "june"]).contains("section 9 of the terms"));
    assert!(says(folder, &["campaign", "run", "june"]).contains("1 sent"));
    assert_eq!(sink.taken()[0].header("list-unsubscribe"), None);

    says(folder, &["border", "unsubscribe", "end", "a", "--by", "kim"]);
    says(folder, &["campaign", "again", "july"]);
    let said = says(folder, &["campaign", "run", "july", "--dry-run"]);
    assert!(said.contains("ops@x.example") && said.contains("would be sent"), "{said}");
    assert_eq!(sink.taken().len(), 1, "nothing was sent");
    assert!(says(folder, &["campaign", "run", "july"]).contains("1 sent"));
    assert!(says(folder, &["campaign", "run", "july", "--dry-run"]).contains("0 notices are due now"));
    let way_out = "<mailto:notice@example.com?subject=unsubscribe%20a>";
    assert_eq!(sink.taken()[1].header("list-unsubscribe"), Some(way_out));
    let audit = says(folder, &["audit", "list"]);
    assert!(audit.contains("account.unsubscribe") && audit.contains("account.subscribe"), "{audit}");
    assert!(says(folder, &["audit", "verify"]).contains("0 faults"));
}

/// A report on a mail (RFC 3464).
fn report(action: &str, status: &str, id: &str) -> String {
    format!(
        "From: postmaster@mail.example\r\nSubject: undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example\r\n\r\n\
         Final-Recipient: rfc822; ops@x.example\r\nAction: {action}\r\nStatus: {status}\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{id}>\r\n\r\n--b--\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_mails_that_came_back_is_recorded_once_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _sink = affected(folder).await;
    new(folder, "july", &[]);
    says(folder, &["campaign", "run", "july"]);
    // One policy and step notifies an account once, so the other campaign is of another policy.
    let text = std::fs::read_to_string(folder.join("policy.toml")).unwrap();
    std::fs::write(folder.join("other.toml"), text.replace("id = \"openai-2024\"", "id = \"other\"")).unwrap();
    says(folder, &["border", "activate", "other.toml", "--yes"]);
    says(folder, &["campaign", "new", "june", "--policy", "other", "--requests", "3", "--on-days", "1"]);
    says(folder, &["campaign", "run", "june"]);
    let (july, june) = (sent_id(folder, "july"), sent_id(folder, "june"));
    let mails = [
        ("new/1", report("failed", "5.1.1", &july)),
        ("new/2", report("failed", "5.1.1", "1.stranger@example.com")),
        ("cur/3:2,S", report("delayed", "4.2.2", &june)),
        ("cur/4:2,S", "Subject: hi\r\n\r\nhello\r\n".to_owned()),
        // What is still being written to a Maildir is nobody's business yet.
        ("tmp/5", report("failed", "5.1.1", &june)),
    ];
    for name in ["new", "cur", "tmp", "cur/inner"] {
        std::fs::create_dir_all(folder.join("mail").join(name)).unwrap();
    }
    for (name, text) in &mails {
        std::fs::write(folder.join("mail").join(name), text).unwrap();
    }
    let read = |name: &str| says(folder, &["campaign", "bounce", "--folder", name]);
    assert_eq!(
        read("mail"),
        "1 mails came back and were recorded; 1 were known or are not ours, 1 are delays only, 1 are no reports.\n"
    );
    assert!(read("mail").starts_with("0 mails came back and were recorded; 2 were known"), "nothing twice");
    let said = says(folder, &["campaign", "status", "july"]);
    assert!(said.contains("bounced") && said.contains("5.1.1"), "{said}");
    assert!(!says(folder, &["campaign", "status", "june"]).contains("bounced"));
    for (name, text) in &mails {
        assert_eq!(&std::fs::read_to_string(folder.join("mail").join(name)).unwrap(), text, "it was changed");
    }
    // A folder that is no Maildir holds mails as files.
    assert!(read("mail/tmp").starts_with("1 mails came back"));
    assert!(says(folder, &["campaign", "status", "june"]).contains("bounced"));
    let said = complains(folder, &["campaign", "bounce", "--folder", "nowhere"]);
    assert!(said.contains("cannot read nowhere"), "{said}");
}
