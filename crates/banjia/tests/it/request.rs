//! Reports of single requests: a line of the log for each, and `banjia request`.

use crate::process::{Got, Running, ask, banjia, chat, run, sandbox};
use crate::serve::{config, serve};
use std::path::Path;

const KEY: &str = "bj-test";

/// A gateway whose first target has a wrong key, and a sandbox.
fn start(folder: &Path, serve_table: &str) -> (Running, Running, String) {
    let (vendor_process, vendors) = sandbox(folder, &[]);
    let text = config(&vendors, &[("one", &["openai/gpt-4o", "zhipu/glm-4.7"])]);
    let key = banjia_sandbox::key_of("openai").unwrap();
    let text = text.replace(&format!("credential = \"{key}\""), "credential = \"sk-wrong\"");
    std::fs::write(folder.join("banjia.toml"), format!("[serve]\n{serve_table}\n{text}")).unwrap();
    let (gateway, address) = serve(folder);
    (vendor_process, gateway, address)
}

async fn answered(address: &str) -> Got {
    let got = ask(address, "/v1/chat/completions", KEY, Some(chat("one"))).await;
    assert_eq!((got.status, got.target.as_deref()), (200, Some("zhipu/glm-4.7")), "{}", got.text);
    got
}

#[tokio::test]
async fn a_request_is_explained_hop_by_hop() {
    let folder = tempfile::tempdir().unwrap();
    let (_vendors, mut gateway, address) = start(folder.path(), "access_log = true");
    answered(&address).await;
    let line = gateway.wait_for("vendor_target=zhipu/glm-4.7");
    let id = line.split_whitespace().find_map(|part| part.strip_prefix("request=")).unwrap().to_owned();
    gateway.signal("TERM");
    gateway.wait_for("drained");
    let (status, said, _) = run(banjia(folder.path()).args(["request", &id]));
    assert!(status.success(), "{said}");
    for part in [
        &format!("request    {id}"),
        "asked by   a with the key k",
        "asked for  one (chat)",
        "tried      openai/gpt-4o failed: auth",
        "ended      answered by zhipu/glm-4.7; the client saw 200, 2 requests sent",
        "tokens     ",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn each_request_is_one_line_of_the_access_log() {
    let folder = tempfile::tempdir().unwrap();
    let (_vendors, mut gateway, address) = start(folder.path(), "access_log = true");
    answered(&address).await;
    let line = gateway.wait_for("vendor_target=zhipu/glm-4.7");
    for part in ["account=\"a\"", "key=\"k\"", "operation=\"chat\"", "route=\"one\"", "status=200", "attempts=2"] {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
    assert!(line.contains("prompt_tokens=") && line.contains("total_ms="), "{line}");
    assert!(!line.contains("first_content_ms=None"), "what is not known is left out: {line}");
    ask(&address, "/v1/chat/completions", KEY, Some(chat("two"))).await;
    gateway.wait_for("outcome=\"refused\"");
}

#[tokio::test]
async fn there_is_no_access_log_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let (_vendors, mut gateway, address) = start(folder.path(), "");
    answered(&address).await;
    gateway.signal("TERM");
    gateway.wait_for("drained");
    assert!(!gateway.has_said("vendor_target="));
}

#[test]
fn an_unknown_request_is_an_error_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("banjia.toml"), "").unwrap();
    let (status, _, said) = run(banjia(folder.path()).args(["request", "req_7"]));
    assert!(!status.success());
    assert!(said.contains("no request id"), "{said}");
}
