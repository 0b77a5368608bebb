//! The border by its commands: a policy tried, put in force on a running gateway, explained, paused, told and audited.

use crate::process::{banjia, run, sandbox};
use crate::serve::{config, serve, status_of};
use std::path::Path;

const EXAMPLE: &str = include_str!("../../../core/border/policies/openai-2024.toml");

/// The example with a block that is over, and no brownouts.
pub(crate) fn policy(folder: &Path, version: u32) {
    let (head, rest) = EXAMPLE.split_once("brownouts = [").unwrap();
    let rest = rest.split_once("\n]\n").unwrap().1;
    let text = format!("{head}{rest}").replace("version = 1", &format!("version = {version}"));
    std::fs::write(folder.join("policy.toml"), text).unwrap();
}

/// A folder with a configuration whose callers all stand in Hong Kong.
pub(crate) fn settings(folder: &Path, vendors: &str, mail_port: u16) {
    let routes = [("one", &["zhipu/glm-4.7"] as &[&str])];
    let text = config(vendors, &routes).replacen(
        "[[accounts]]",
        "[border]\nhome = \"HK\"\n\n[[accounts]]\ncontact = { email = \"ops@x.example\", language = \"zh\" }",
        1,
    );
    let mail =
        format!("\n[mail]\nhost = \"127.0.0.1\"\nport = {mail_port}\ntls = \"none\"\nfrom = \"notice@example.com\"\n");
    std::fs::write(folder.join("banjia.toml"), format!("{text}{mail}")).unwrap();
}

/// What a command says; it must succeed.
pub(crate) fn says(folder: &Path, arguments: &[&str]) -> String {
    let (status, said, errors) = run(banjia(folder).args(arguments));
    assert!(status.success(), "{arguments:?}: {said}{errors}");
    said
}

/// What a command complains of; it must fail.
pub(crate) fn complains(folder: &Path, arguments: &[&str]) -> String {
    let (status, said, errors) = run(banjia(folder).args(arguments));
    assert!(!status.success(), "{arguments:?}: {said}");
    format!("{said}{errors}")
}

#[tokio::test]
async fn a_policy_is_tried_put_in_force_paused_and_audited_while_the_gateway_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_sandbox, vendors) = sandbox(folder, &[]);
    settings(folder, &vendors, 9);
    policy(folder, 1);
    let (mut gateway, address) = serve(folder);
    assert_eq!(status_of(&address, "one").await.0, 200);

    gateway.signal("HUP");
    gateway.wait_for("the new settings are in force");
    let tried = loop {
        // The ledger's rows are written in batches a moment after the answer.
        let said = says(folder, &["border", "try", "--policy", "policy.toml"]);
        if !said.contains("refuses 0 of 0") {
            break said;
        }
    };
    assert!(tried.contains("refuses 1 of 1 recorded requests (100.0 %), of 1 accounts"), "{tried}");
    let said = complains(folder, &["border", "activate", "policy.toml"]);
    assert!(said.contains("would refuse 1 of 1 requests") && said.contains("--yes"), "{said}");
    let said = says(folder, &["border", "activate", "policy.toml", "--yes", "--by", "kim"]);
    assert!(said.contains("In force. openai-2024@1"), "{said}");
    gateway.wait_for("the border has changed");
    assert_eq!(status_of(&address, "one").await.0, 403);

    let said = says(folder, &["border", "pause", "openai-2024"]);
    assert!(said.contains("paused"), "{said}");
    gateway.wait_for("the border has changed");
    assert_eq!(status_of(&address, "one").await.0, 200);
    says(folder, &["border", "resume", "openai-2024"]);
    gateway.wait_for("the border has changed");
    assert_eq!(status_of(&address, "one").await.0, 403);
    says(folder, &["border", "redate", "openai-2024", "--block", "2199-01-01"]);
    gateway.wait_for("the border has changed");
    assert_eq!(status_of(&address, "one").await.0, 200, "told, and served");

    let said = complains(folder, &["border", "redate", "openai-2024", "--block", "2001-01-01"]);
    assert!(said.contains("not after the notice"), "{said}");
    gateway.signal("TERM");
    assert!(gateway.end().success());
    let said = says(folder, &["audit", "verify"]);
    assert!(said.contains("0 faults") && said.contains("head "), "{said}");
    let head = said.lines().find_map(|line| line.strip_prefix("head ")).unwrap();
    says(folder, &["audit", "verify", "--head", head]);
    let (number, hash) = head.split_once(':').unwrap();
    let later = format!("{}:{hash}", number.parse::<u64>().unwrap() + 1);
    assert!(complains(folder, &["audit", "verify", "--head", &later]).contains("is gone"));
    assert!(says(folder, &["audit", "list"]).contains("policy.activate"));
    assert_eq!(says(folder, &["audit", "export"]).lines().count().to_string(), number);
}

#[tokio::test]
async fn a_campaign_tells_whom_the_evidence_names_and_begins_nothing_without_a_mail_server() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_sandbox, vendors) = sandbox(folder, &[]);
    settings(folder, &vendors, 9);
    policy(folder, 1);
    let (mut gateway, address) = serve(folder);
    for _ in 0..3 {
        assert_eq!(status_of(&address, "one").await.0, 200);
    }
    gateway.signal("TERM");
    assert!(gateway.end().success());
    says(folder, &["border", "activate", "policy.toml", "--yes"]);
    let found = says(folder, &["border", "affected", "--requests", "3", "--days", "1"]);
    assert!(found.contains("affected") && found.contains("3 of 3") && found.contains("HK 3"), "{found}");
    assert!(says(folder, &["border", "affected"]).contains("too little"));
    assert!(says(folder, &["region", "affected", "--list", "openai-2026-08"]).contains("HK 3"));
    let said =
        says(folder, &["campaign", "new", "july", "--policy", "openai-2024", "--requests", "3", "--on-days", "1"]);
    assert!(said.contains("1 accounts will be notified") && said.contains("2024-07-02 10:00 CST"), "{said}");
    let mail = says(folder, &["campaign", "preview", "july"]);
    assert!(mail.contains("香港") && mail.contains("2024-07-09 00:00 CST"), "{mail}");
    let said = complains(folder, &["campaign", "run"]);
    assert!(said.contains("the mail server 127.0.0.1 cannot be used"), "{said}");
    assert_eq!(says(folder, &["campaign", "export", "july"]), "", "nothing was begun");
    says(folder, &["campaign", "pause", "july"]);
    assert!(says(folder, &["campaign", "status"]).contains("paused"));
    assert!(says(folder, &["campaign", "callers", "july"]).contains("1 of 1 recipients still call"));
    assert!(complains(folder, &["campaign", "pause", "june"]).contains("no campaign \"june\""));
}

#[test]
fn lists_and_places_are_looked_up_and_what_does_not_exist_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(says(folder, &["region", "list"]).contains("161 places were reported"));
    assert!(says(folder, &["region", "diff", "openai-2023", "openai-2024"]).contains("gain service (25)"));
    assert!(says(folder, &["region", "lookup", "47.75.0.1"]).contains("is in HK Hong Kong"));
    assert!(says(folder, &["region", "lookup", "UA-43"]).contains("excepted"));
    assert!(complains(folder, &["region", "lookup", "MI"]).contains("no country or territory MI"));
    assert!(complains(folder, &["region", "diff", "openai-2023", "openai-2042"]).contains("known are: openai-2023"));
    policy(folder, 1);
    assert!(says(folder, &["border", "check", "policy.toml"]).contains("good"));
    let said =
        says(folder, &["border", "explain", "--policy", "policy.toml", "--address", "47.75.0.1", "--at", "2024-07-01"]);
    assert!(said.contains("with notice until 2024-07-09 00:00 CST") && said.contains("请求来自香港"), "{said}");
    std::fs::write(
        folder.join("bad.toml"),
        "id = \"x\"\nversion = 1\nzone = \"Asia/Shangai\"\nlist = \"openai-2024\"\n",
    )
    .unwrap();
    let said = complains(folder, &["border", "check", "bad.toml"]);
    assert!(said.contains("bad.toml:3:8") && said.contains("Asia/Shanghai") && said.contains("2 problems"), "{said}");
}

#[test]
fn a_broken_table_of_addresses_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("own.mmdb"), "no database").unwrap();
    std::fs::write(folder.join("banjia.toml"), "[serve]\nbind = \"127.0.0.1:0\"\n[geo]\nmmdb = \"own.mmdb\"\n")
        .unwrap();
    let said = complains(folder, &["serve"]);
    assert!(said.contains("own.mmdb cannot be used"), "{said}");
}

#[test]
fn the_demo_of_the_border_holds() {
    let folder = tempfile::tempdir().unwrap();
    let said = says(folder.path(), &["demo", "border"]);
    assert!(said.contains("24 mails arrived") && said.contains("Everything was as it must be."), "{said}");
}
