//! A rehearsal of the source's block by its command, on a running gateway under traffic.

use crate::process::{Running, banjia, run, sandbox};
use crate::sealing::MOVE;
use crate::serve::{config, serve, status_of};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn rehearse(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let (status, said, errors) = run(banjia(folder).args(["rehearse", "spring"]).args(arguments));
    (status.code(), format!("{said}{errors}"))
}

/// Asks until it is told to stop, and returns who answered, in order.
fn traffic(address: String, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<Vec<Option<String>>> {
    tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        let mut answered = Vec::new();
        while !stop.load(Ordering::Acquire) {
            pace.tick().await;
            let (status, target) = status_of(&address, "gpt-4o").await;
            assert_eq!(status, 200, "no caller sees anything of a rehearsal");
            answered.push(target);
        }
        answered
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rehearsal_proves_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_sandbox, vendors) = sandbox(folder, &[]);
    let targets: [(&str, &[&str]); 1] = [("gpt-4o", &["openai/gpt-4o", "zhipu/glm-4.7"])];
    std::fs::write(folder.join("banjia.toml"), config(&vendors, &targets)).unwrap();
    std::fs::write(folder.join("spring.toml"), MOVE).unwrap();
    assert!(run(banjia(folder).args(["move", "new", "spring.toml"])).0.success());
    let (code, said) = rehearse(folder, &["--for", "3s"]);
    assert!(code == Some(1) && said.contains("start `banjia serve`"), "{said}");
    let (code, said) = rehearse(folder, &["--report"]);
    assert!(code == Some(1) && said.contains("no rehearsal of spring"), "{said}");

    let (mut gateway, address) = serve(folder);
    let stop = Arc::new(AtomicBool::new(false));
    let callers = traffic(address, stop.clone());
    let arguments = ["rehearse", "spring", "--for", "5s", "--share", "100%", "--by", "kim"];
    let said = loop {
        // The gateway takes up the moves of its database within seconds of its start.
        let mut rehearsal = Running::start(banjia(folder).args(arguments));
        let first = rehearsal.wait_for("");
        if !first.contains("no gateway looks") {
            let there = rehearsal.wait_for("There:");
            let back = rehearsal.wait_for("Back:");
            assert!(rehearsal.end().success(), "{there}\n{back}");
            break format!("{first}\n{there}\n{back}");
        }
    };
    stop.store(true, Ordering::Release);
    let answered = callers.await.unwrap();
    assert!(
        said.starts_with("100% of the conversations of spring") && said.matches(": proven.").count() == 2,
        "{said}"
    );
    let names: Vec<_> = answered.iter().map(|target| target.as_deref().unwrap()).collect();
    let mut turns = names.clone();
    turns.dedup();
    assert_eq!(turns, ["openai/gpt-4o", "zhipu/glm-4.7", "openai/gpt-4o"], "there and back, once");

    let (code, said) = rehearse(folder, &["--report"]);
    assert!(code == Some(0) && said.contains("it is over") && said.contains("those that met the block"), "{said}");
    let (_, shown, _) = run(banjia(folder).args(["move", "show", "spring"]));
    assert!(shown.contains(" rehearsal_began ") && shown.contains(" rehearsal_ended "), "{shown}");
    let (code, said) = rehearse(folder, &["--detach", "--for", "2s", "--share", "100%"]);
    assert!(code == Some(0) && said.contains("Ordered."), "{said}");
    let (code, said) = rehearse(folder, &["--report"]);
    assert!(code == Some(1) && said.contains("it is not over"), "{said}");
    gateway.signal("TERM");
    assert!(gateway.end().success());
}
