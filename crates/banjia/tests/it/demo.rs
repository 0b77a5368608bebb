//! The whole story, short.

use crate::process::{Running, ask, banjia, chat, run};

#[test]
fn a_short_demo_holds_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (status, said, noted) = run(banjia(folder.path()).args(["demo", "--seconds", "4", "--rate", "15"]));
    assert!(status.success(), "{said}\n{noted}");
    for wanted in
        ["abandoned: exact", "as in the ledger", "The reflex", "<- openai blocks", "CNY", "The business ran on"]
    {
        assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
    }
    assert!(!said.contains("Errors that clients saw"), "{said}");
}

#[tokio::test]
async fn a_demo_that_stays_up_gives_a_line_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(banjia(folder.path()).args(["demo", "--seconds", "3", "--at-once", "--serve"]));
    let line = demo.wait_for("curl");
    let (_, rest) = line.split_once("http://").unwrap();
    let (address, _) = rest.split_once('/').unwrap();
    let (_, rest) = line.split_once("Bearer ").unwrap();
    let (key, _) = rest.split_once('\'').unwrap();
    demo.wait_for("Ctrl-C ends it");
    let got = ask(address, "/v1/chat/completions", key, Some(chat("gpt-4o"))).await;
    assert_eq!((got.status, got.target.as_deref()), (200, Some("zhipu/glm-4.7")), "{}", got.text);
    demo.signal("INT");
    let ended = demo.end();
    assert!(ended.success(), "{ended}");
}

#[test]
fn the_demo_of_the_move_leaves_a_folder_alone_that_holds_something() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "mine").unwrap();
    let dir = folder.path().to_str().unwrap();
    let (status, _, noted) = run(banjia(folder.path()).args(["demo", "move", "--dir", dir]));
    assert!(!status.success() && noted.contains("is not empty"), "{noted}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
