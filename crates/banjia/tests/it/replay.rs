//! Recorded requests asked again: of another target, of the source itself, and not of a source that was left.

use crate::process::{Running, ask, banjia, run, sandbox};
use crate::serve::{config, serve, status_of};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitStatus;

const ROUTES: [(&str, &[&str]); 1] = [("one", &["openai/gpt-4o", "zhipu/glm-4.7"])];

fn replay(folder: &Path, more: &[&str]) -> (ExitStatus, String, String) {
    run(banjia(folder).args(["replay", "--route", "one"]).args(more))
}

/// How many requests each vendor got.
async fn asked(vendors: &str) -> [u64; 2] {
    let counts: Value = ask(vendors, "/_counts", "none", None).await.json();
    ["openai", "zhipu"].map(|vendor| counts[vendor]["requests"].as_u64().unwrap_or(0))
}

#[tokio::test]
async fn recorded_requests_are_asked_again_once_each_and_never_of_a_source_that_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_sandbox, vendors) = sandbox(folder, &[]);
    let text = format!("{}\n[capture]\nshare = 1.0\n", config(&vendors, &ROUTES));
    std::fs::write(folder.join("banjia.toml"), text).unwrap();
    let (status, _, said) = replay(folder, &["--target", "zhipu/glm-4.7"]);
    assert!(!status.success() && said.contains("no request of the route one is recorded"), "{said}");
    let (mut gateway, address) = serve(folder);
    for _ in 0..3 {
        assert_eq!(status_of(&address, "one").await.0, 200);
    }
    gateway.signal("TERM");
    assert!(gateway.end().success());
    assert_eq!(asked(&vendors).await, [3, 0]);

    let (status, said, _) = replay(folder, &["--target", "zhipu/glm-4.7", "--dry-run"]);
    assert!(status.success() && said.contains("To be asked: 3 of zhipu/glm-4.7."), "{said}");
    assert!(said.contains("Cost, with as many tokens as were recorded: 0.") && said.contains("CNY"), "{said}");
    let (status, said, _) = replay(folder, &["--target", "zhipu/glm-4.7", "--spend-max", "0.000000 CNY"]);
    assert!(status.code() == Some(1) && said.contains("Skipped: 3, the money"), "{said}");
    assert_eq!(asked(&vendors).await, [3, 0], "neither of them asks");

    let (status, said, _) = replay(folder, &["--target", "zhipu/glm-4.7", "--limit", "2"]);
    assert!(status.success() && said.contains("2 questions: 0 recorded before, 2 asked, 0 skipped."), "{said}");
    let both = ["--target", "zhipu/glm-4.7", "--repeats", "2", "--concurrency", "3"];
    let (status, said, _) = replay(folder, &both);
    assert!(status.success() && said.contains("9 questions: 2 recorded before, 7 asked, 0 skipped."), "{said}");
    assert_eq!(asked(&vendors).await, [9, 3]);
    let (status, said, _) = replay(folder, &both);
    assert!(status.success() && said.contains("9 questions: 9 recorded before, 0 asked, 0 skipped."), "{said}");
    assert_eq!(asked(&vendors).await, [9, 3]);
    let (_, lines, _) = run(banjia(folder).args(["captures", "export"]));
    let legs = |leg: &str| lines.lines().filter(|line| line.contains(&format!("\"leg\":\"{leg}\""))).count();
    assert_eq!(["live", "replay", "repeat"].map(legs), [3, 3, 6]);
    std::fs::write(folder.join("set.jsonl"), lines).unwrap();
    let (status, said, wrong) = run(banjia(folder).args(["parity", "set.jsonl"]));
    assert!(status.code() != Some(2), "the lines can be compared without naming sides: {said}{wrong}");

    let left = "id = \"m\"\ndeadline = \"2026-01-01T00:00\"\n[[routes]]\nroute = \"one\"\nsource = \"openai/gpt-4o\"\n\
                destination = \"zhipu/glm-4.7\"\n";
    std::fs::write(folder.join("m.toml"), left).unwrap();
    let (status, _, said) = run(banjia(folder).args(["move", "new", "m.toml"]));
    assert!(status.success(), "{said}");
    let (status, said, _) = replay(folder, &["--repeats", "3"]);
    assert!(status.code() == Some(1) && said.contains("Skipped: 3, openai/gpt-4o has been left"), "{said}");
    assert_eq!(asked(&vendors).await, [9, 3]);

    let (status, _, said) = replay(folder, &["--target", "zhipu/glm-9"]);
    assert!(!status.success() && said.contains("zhipu/glm-9 is not among the targets"), "{said}");
    let (status, _, said) = replay(folder, &[]);
    assert!(status.code() == Some(2) && said.contains("--target"), "{said}");
}

#[tokio::test]
async fn a_request_from_where_a_vendor_does_not_serve_is_not_replayed_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_sandbox, vendors) = sandbox(folder, &[]);
    let routes: [(&str, &[&str]); 1] = [("one", &["zhipu/glm-4.7", "openai/gpt-4o"])];
    let openai = "name = \"openai\"\n";
    let text = config(&vendors, &routes).replace(openai, &format!("{openai}serves = \"openai-2024\"\n"));
    // The account has no residence; its end users call from the operator's own network, which stands in Hong Kong.
    let text = format!("{text}\n[capture]\nshare = 1.0\n\n[border]\nhome = \"HK\"\n");
    std::fs::write(folder.join("banjia.toml"), text).unwrap();
    let (mut gateway, address) = serve(folder);
    for _ in 0..2 {
        assert_eq!(status_of(&address, "one").await, (200, Some("zhipu/glm-4.7".to_owned())));
    }
    gateway.signal("TERM");
    assert!(gateway.end().success());
    let (_, lines, _) = run(banjia(folder).args(["captures", "export"]));

    let (status, said, _) = replay(folder, &["--target", "openai/gpt-4o"]);
    let why = "Skipped: 2, the vendor of openai/gpt-4o does not serve this caller";
    assert!(status.code() == Some(1) && said.contains(why), "{said}");
    assert_eq!(asked(&vendors).await, [0, 2]);

    // Elsewhere the ledger does not have these requests, so the account alone is judged.
    std::fs::write(folder.join("set.jsonl"), lines).unwrap();
    let file = std::fs::read_to_string(folder.join("banjia.toml")).unwrap();
    std::fs::write(folder.join("banjia.toml"), file.replace("ledger.db", "other.db")).unwrap();
    assert!(run(banjia(folder).args(["captures", "import", "set.jsonl"])).0.success());
    let (status, said, _) = replay(folder, &["--target", "openai/gpt-4o"]);
    assert!(status.success() && said.contains("2 asked, 0 skipped."), "{said}");
    assert_eq!(asked(&vendors).await, [2, 2]);
}

/// Requests that the source answered, as an export tells them.
fn recorded(count: u64) -> String {
    let line = |number: u64| {
        let message = json!({ "role": "user", "content": format!("Say {number}.") });
        let capture = json!({ "id": number.to_string(), "leg": "live", "at": 1_790_000_000_000_u64 + number, "route": "one",
            "target": "openai/gpt-4o", "endpoint": "chat", "outcome": "answered",
            "request": { "model": "one", "messages": [message], "max_tokens": 9 }, "answer": { "choices": [] } });
        format!("{capture}\n")
    };
    (0..count).map(line).collect()
}

#[tokio::test]
async fn an_interrupt_lets_those_under_way_end_and_the_next_run_does_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_sandbox, vendors) = sandbox(folder, &["--first-token-ms", "150"]);
    let text = format!("{}\n[capture]\ncopies_per_minute_max = 100000\n", config(&vendors, &ROUTES));
    std::fs::write(folder.join("banjia.toml"), text).unwrap();
    std::fs::write(folder.join("set.jsonl"), recorded(80)).unwrap();
    assert!(run(banjia(folder).args(["captures", "import", "set.jsonl"])).0.success());
    let command = ["replay", "--route", "one", "--target", "zhipu/glm-4.7", "--concurrency", "2"];
    let mut replay = Running::start(banjia(folder).args(command));
    while asked(&vendors).await[1] == 0 {
        tokio::task::yield_now().await;
    }
    replay.signal("INT");
    replay.wait_for("It was stopped before its end");
    assert_eq!(replay.end().code(), Some(1));
    let [_, first] = asked(&vendors).await;
    assert!(first < 80, "{first} of 80 were asked");
    let (status, said, _) = self::replay(folder, &["--target", "zhipu/glm-4.7", "--concurrency", "20"]);
    let rest = 80 - first;
    assert!(status.success(), "{said}");
    let sums = format!("80 questions: {first} recorded before, {rest} asked, 0 skipped.");
    assert!(said.contains(&sums), "{said}\nis not: {sums}");
}
