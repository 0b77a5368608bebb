//! The command line itself: help, completions, pages, names of files, keys and the status.

use crate::border::{complains, policy, says};
use crate::process::{banjia, run};
use crate::serve::config;
use std::path::Path;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let routes = [("one", &["openai/gpt-4o", "zhipu/glm-4.7"] as &[&str])];
    std::fs::write(folder.path().join("other.toml"), config("127.0.0.1:9", &routes)).unwrap();
    folder
}

fn database(folder: &Path) {
    std::fs::copy(folder.join("other.toml"), folder.join("banjia.toml")).unwrap();
    says(folder, &["move", "list"]);
}

#[test]
fn help_is_a_command_too() {
    let folder = folder();
    assert!(says(folder.path(), &["help"]).contains("banjia demo"));
    assert_eq!(says(folder.path(), &["help", "key", "new"]), says(folder.path(), &["key", "new", "--help"]));
}

#[test]
fn shells_get_their_completions() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = says(folder.path(), &["completions", shell]);
        assert!(said.contains("rehearse") && said.contains("fail-on"), "{shell}");
    }
}

#[test]
fn each_command_has_a_page() {
    let folder = folder();
    assert!(says(folder.path(), &["man"]).starts_with(".ie"));
    says(folder.path(), &["man", "--dir", "pages/1"]);
    for page in ["banjia.1", "banjia-move-override.1", "banjia-key-list.1"] {
        let text = std::fs::read_to_string(folder.path().join("pages/1").join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
}

#[test]
fn every_command_takes_its_file_by_c() {
    let folder = folder();
    let folder = folder.path();
    for command in [
        &["check", "-c", "other.toml"] as &[&str],
        &["key", "list", "-c", "other.toml"],
        &["key", "new", "--account", "b", "-c", "other.toml"],
        &["move", "list", "-c", "other.toml"],
        &["border", "-c", "other.toml", "show"],
        &["status", "-c", "other.toml"],
        &["audit", "list", "-c", "other.toml"],
        &["captures", "list", "-c", "other.toml"],
        &["cuts", "list", "-c", "other.toml"],
    ] {
        says(folder, command);
    }
    let (status, said, _) = run(banjia(folder).arg("check").env("BANJIA_CONFIG", "other.toml"));
    assert!(status.success() && said.contains("other.toml: good"), "{said}");
}

#[test]
fn a_key_has_the_id_that_is_asked_for() {
    let folder = folder();
    let said = says(folder.path(), &["key", "new", "--account", "a", "--id", "ci-2", "-c", "other.toml"]);
    assert!(said.contains("id = \"ci-2\""), "{said}");
    let said = complains(folder.path(), &["key", "new", "--account", "a", "--id", "k", "-c", "other.toml"]);
    assert!(said.contains("there is a key \"k\" already"), "{said}");
    let said = complains(folder.path(), &["key", "new", "--account", "a", "--id", "a b", "-c", "other.toml"]);
    assert!(said.contains("a key's id is made of letters"), "{said}");
}

#[test]
fn keys_are_listed_without_their_hashes() {
    let folder = folder();
    let said = says(folder.path(), &["key", "list", "-c", "other.toml"]);
    assert!(said.contains("requests a minute") && !said.contains("sha256"), "{said}");
    assert!(said.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == ["k", "a", "none", "none", "none"]));
}

#[test]
fn the_status_says_where_everything_stands() {
    let folder = folder();
    let folder = folder.path();
    let said = says(folder, &["status", "-c", "other.toml"]);
    assert!(said.contains("1 routes, 1 accounts and 1 keys") && said.contains("no database"), "{said}");
    database(folder);
    policy(folder, 1);
    says(folder, &["border", "activate", "policy.toml", "--yes"]);
    says(folder, &["border", "appeal", "open", "a", "we are in Paris"]);
    let said = says(folder, &["status"]);
    for wanted in [
        "zhipu",
        "may be asked",
        "No request is in the ledger yet",
        "No move is under way",
        "is active, in its phase",
        "1 appeals wait",
    ] {
        assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
    }
}

#[test]
fn an_appeal_is_not_denied_by_forgetting() {
    let folder = folder();
    let folder = folder.path();
    database(folder);
    for _ in 0..2 {
        says(folder, &["border", "appeal", "open", "a", "we are in Paris"]);
    }
    let said = complains(folder, &["border", "appeal", "answer", "1", "yes"]);
    assert!(said.contains("--accepted"), "{said}");
    complains(folder, &["border", "appeal", "answer", "1", "yes", "--accepted", "--denied"]);
    complains(folder, &["border", "appeal", "answer", "1", "yes", "--granted"]);
    assert!(says(folder, &["border", "appeal", "list"]).matches("open").count() >= 2);
    assert!(says(folder, &["border", "appeal", "answer", "1", "yes", "--accepted"]).contains("is accepted"));
    assert!(says(folder, &["border", "appeal", "answer", "2", "no", "--denied"]).contains("is denied"));
    let said = says(folder, &["border", "appeal", "list"]);
    assert!(said.contains("accepted") && said.contains("denied"), "{said}");
}

#[test]
fn who_does_something_is_never_unknown() {
    let folder = folder();
    let folder = folder.path();
    database(folder);
    policy(folder, 1);
    says(folder, &["border", "activate", "policy.toml", "--yes"]);
    let said = says(folder, &["audit", "list"]);
    assert!(said.contains("policy.activate") && !said.contains("unknown"), "{said}");
}

#[test]
fn an_error_of_the_system_is_said_once() {
    let folder = folder();
    for command in [&["move", "check", "nowhere.toml"] as &[&str], &["check", "nowhere.toml"], &["scan", "nowhere"]] {
        let said = complains(folder.path(), command);
        assert_eq!(said.matches("os error 2").count().max(1), 1, "{said}");
    }
}

#[test]
fn a_first_survey_says_how_to_record() {
    let folder = folder();
    let folder = folder.path();
    for (command, wanted) in
        [(&["survey"] as &[&str], "there is no database"), (&["plan", "--deadline", "2099-01-01"], "")]
    {
        let said = complains(folder, command);
        assert!(said.contains(wanted) && said.contains("[capture]\nshare = 1.0"), "{said}");
    }
    database(folder);
    let said = complains(folder, &["survey"]);
    assert!(said.contains("nothing was seen") && said.contains("[capture]\nshare = 1.0"), "{said}");
}
