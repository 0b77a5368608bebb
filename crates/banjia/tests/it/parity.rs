//! `banjia parity` on files.

use crate::process::{banjia, run, sandbox};
use crate::serve::config;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
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

/// A judge that prefers the longer answer. It serves until the test's process ends.
fn judge() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || while verdict(&connection).is_some() {});
        }
    });
    address
}

/// Reads one request and answers it; none when there is no further one.
fn verdict(connection: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request: Value = serde_json::from_slice(&body).ok()?;
    let text = request["messages"][0]["content"].as_str()?;
    let answer = |mark: &str| Some(text.split(mark).nth(1)?.split(">>>").next()?.len());
    let said = if answer("Answer A:")? > answer("Answer B:")? { "A" } else { "B" };
    let choice = json!({ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": said } });
    let answer = json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice] });
    let answer = answer.to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
    std::io::Write::write_all(&mut &*connection, (head + &answer).as_bytes()).ok()
}

/// Sixty requests; the source answers twice, and the destination in fewer words of its own.
fn talk() -> String {
    let mut lines = String::new();
    for number in 0..60 {
        let said = format!("The parcel {number} has left the house and comes on Friday morning");
        let other = format!("Number {number} arrives soon");
        for (leg, target, said) in [("live", "old/m", &said), ("repeat", "old/m", &said), ("replay", "new/m", &other)] {
            let message = json!({ "role": "assistant", "content": said });
            let line = json!({ "id": format!("r{number}"), "leg": leg, "at": number, "route": "chat", "target": target,
                "account": if number == 0 { "hong-kong" } else { "a" }, "endpoint": "chat", "outcome": "answered",
                "request": { "messages": [{ "role": "user", "content": "Where is my parcel?" }] },
                "answer": { "choices": [{ "index": 0, "finish_reason": "stop", "message": message }] } });
            writeln!(lines, "{line}").unwrap();
        }
    }
    lines
}

#[test]
fn meaning_and_a_judge_are_asked_where_the_border_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_sandbox, vendors) = sandbox(folder, &[]);
    let routes = [("vectors", &["openai/text-embedding-3-small"] as &[&str])];
    let judge = judge();
    let more = format!(
        "[[vendors]]\nname = \"bench\"\nprofile = \"openai-compatible\"\nbase = \"http://{judge}/v1\"\ncredential = \"none\"\n\
         [[routes]]\nname = \"bench\"\ntargets = [\"bench/judge-1\"]\n\
         [[routes]]\nname = \"own\"\ntargets = [\"bench/m\"]\n\
         [[accounts]]\nid = \"hong-kong\"\nresidence = \"HK\"\n\
         [capture]\ncopies_per_minute_max = 100000\n"
    );
    std::fs::write(folder.join("banjia.toml"), format!("{}\n{more}", config(&vendors, &routes))).unwrap();
    std::fs::write(folder.join("set.jsonl"), talk()).unwrap();
    let asked = |more: &[&str]| run(banjia(folder).args(["parity", "set.jsonl", "--json", "r.json"]).args(more));

    let (status, said, noted) = asked(&["--embed", "vectors", "--judge", "bench"]);
    assert_eq!(status.code(), Some(1), "{said}{noted}");
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("r.json")).unwrap()).unwrap();
    let axis = |name: &str| report["axes"].as_array().unwrap().iter().find(|it| it["axis"] == name).unwrap().clone();
    let verdicts = ["meaning", "judge"].map(|name| (axis(name)["verdict"].clone(), axis(name)["pairs"].clone()));
    assert_eq!(verdicts, [(json!("worse"), json!(59)), (json!("worse"), json!(60))], "{said}{noted}");
    assert!(noted.contains("bench/judge-1 compared 60 comparisons, in 120 requests"), "{noted}");
    assert!(noted.contains("openai/text-embedding-3-small embedded 177 answers"), "{noted}");
    assert!(noted.contains("the vendor of openai/text-embedding-3-small does not serve this caller"), "{noted}");

    let (status, _, noted) = asked(&["--judge", "own"]);
    assert!(status.code() == Some(2) && noted.contains("bench/m cannot judge: it is one of the two sides"), "{noted}");
    let (status, _, noted) = asked(&["--embed", "vector"]);
    assert!(status.code() == Some(2) && noted.contains("did you mean `vectors`?"), "{noted}");
}
