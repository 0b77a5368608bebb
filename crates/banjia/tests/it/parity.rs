//! `banjia parity` on files.

use crate::process::{banjia, run};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitStatus;

/// A set in which the source says "yes" but for one in thirty, and the destination but for one in `every`.
fn set(pairs: usize, every: usize) -> String {
    let mut lines = String::new();
    for number in 0..pairs {
        for (leg, target, wrong) in [("live", "old/m", number % 30 == 7), ("replay", "new/m", number % every == 3)] {
            let said = if wrong { "no" } else { "yes" };
            writeln!(
                lines,
                r#"{{"id":"r{number}","leg":"{leg}","at":{number},"route":"chat","target":"{target}","endpoint":"chat","request":{{"messages":[{{"role":"user","content":"Is it so?"}}]}},"answer":{{"choices":[{{"finish_reason":"stop","message":{{"content":"{said}"}}}}]}},"outcome":"answered","total_ms":{}}}"#,
                100 + number % 50,
            )
            .unwrap();
        }
    }
    lines
}

fn parity(folder: &Path, set: &str, more: &[&str]) -> (ExitStatus, String, String) {
    std::fs::write(folder.join("set.jsonl"), set).unwrap();
    std::fs::write(folder.join("expect.jsonl"), "{\"route\": \"chat\", \"exact\": \"yes\"}\n").unwrap();
    let off = ["language", "length", "refusal"].map(|axis| format!("--margin={axis}=off"));
    run(banjia(folder)
        .args(["parity", "set.jsonl", "--expect", "expect.jsonl", "--margin", "assertions=0.05"])
        .args(off)
        .args(more))
}

#[test]
fn equal_worse_and_not_enough_end_differently() {
    let folder = tempfile::tempdir().unwrap();
    let (status, said, noted) = parity(folder.path(), &set(900, 30), &[]);
    assert_eq!(status.code(), Some(0), "{said}{noted}");
    assert!(
        said.contains("verdict: equal") && noted.contains("left out: json: no request has to do with it"),
        "{said}{noted}"
    );
    let (status, said, _) = parity(folder.path(), &set(900, 4), &["--html", "r.html", "--json", "r.json"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("assertions: a loss is shown, and one beyond the margin is not ruled out"), "{said}");
    let page = std::fs::read_to_string(folder.path().join("r.html")).unwrap();
    assert!(page.contains("old&#x2f;m") && page.contains("<mark>"));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["worst"].as_array().unwrap().len()), (&"worse".into(), &20));
    let (status, said, _) = parity(folder.path(), &set(30, 30), &[]);
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("pairs would decide it") && said.contains("verdict: not enough data"), "{said}");
}

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (status, _, noted) = parity(folder.path(), &format!("{}{{\"id\": 7}}\n", set(2, 9)), &[]);
    assert_eq!(status.code(), Some(2));
    assert!(
        noted.contains("set.jsonl: line 5 is not a capture") && noted.contains("1 lines cannot be used"),
        "{noted}"
    );
    let (status, _, noted) = parity(folder.path(), &set(2, 9), &["--margin", "jsn=0.1"]);
    assert_eq!(status.code(), Some(2));
    assert!(noted.contains("did you mean `json`?"), "{noted}");
    let set = set(3, 9);
    let alone: Vec<&str> = set.lines().filter(|line| line.contains("live")).collect();
    let (status, _, noted) = parity(folder.path(), &alone.join("\n"), &[]);
    assert!(
        status.code() == Some(2)
            && noted.contains("not clear who the destination is")
            && noted.contains("old/m (live)"),
        "{noted}"
    );
}
