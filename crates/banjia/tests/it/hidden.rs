//! Control characters and changes of direction that came from others reach no terminal.

use crate::process::{banjia, run};
use serde_json::{Value, json};
use std::path::Path;

/// Clears the screen, sets the title, turns the direction, and begins a line of its own.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{2066}\r\nerror: forged\u{7f}";

fn write_captures(path: &Path) {
    let line = |n: i64| {
        json!({
            "id": format!("r{n}{HOSTILE}"), "leg": "live", "at": 1_719_800_000_000_i64 + n * 500,
            "route": format!("shop{HOSTILE}"), "target": format!("openai/gpt{HOSTILE}"), "account": format!("acme{HOSTILE}"),
            "endpoint": "chat", "outcome": "answered", "total_ms": 2_000, "client": format!("curl{HOSTILE}"),
            "request": {
                "model": "shop", "messages": [{"role": "user", "content": "hello"}], format!("param{HOSTILE}"): 1,
                "tools": [{"type": "function", "function": {"name": format!("tool{HOSTILE}")}}],
            },
            "answer": {"choices": [{"index": 0, "message": {"role": "assistant", "content": HOSTILE}}]},
            "usage": {"prompt": 1000, "completion": 100, "cached": 0, "reasoning": 0},
        })
        .to_string()
    };
    std::fs::write(path, (0..40).map(line).collect::<Vec<_>>().join("\n")).unwrap();
}

/// A folder with a configuration that names a database.
fn database() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("banjia.toml"), "[store]\npath = \"b.db\"\n").unwrap();
    folder
}

/// Runs a command; neither of its outputs may hold a hidden character. Returns both.
fn shown(folder: &Path, args: &[&str]) -> (String, String) {
    let (_, said, error) = run(banjia(folder).args(args));
    for text in [&said, &error] {
        let hidden =
            |character: &char| !matches!(character, '\n' | '\t') && banjia_types::visible::is_hidden(*character);
        assert_eq!(text.chars().find(hidden), None, "{args:?}: {text:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("error: forged")), "{args:?}: {text:?}");
    }
    (said, error)
}

#[test]
fn a_survey_shows_hidden_characters() {
    let folder = tempfile::tempdir().unwrap();
    write_captures(&folder.path().join("c.jsonl"));
    let (said, _) = shown(folder.path(), &["survey", "--captures", "c.jsonl"]);
    for wanted in ["shopx\\u001b[2J", "curlx\\u001b[2J", "paramx\\u001b[2J", "toolx\\u001b[2J", "\\u202e\\u2066"] {
        assert!(said.contains(wanted), "{wanted} is not in:\n{said}");
    }
}

#[test]
fn json_with_hidden_characters_keeps_its_values() {
    let folder = tempfile::tempdir().unwrap();
    write_captures(&folder.path().join("c.jsonl"));
    let (said, _) = shown(folder.path(), &["survey", "--captures", "c.jsonl", "--format", "json"]);
    let survey: Value = serde_json::from_str(&said).unwrap();
    assert!(survey["routes"].as_object().unwrap().contains_key(&format!("shop{HOSTILE}")), "{said}");
}

#[test]
fn a_plan_shows_hidden_characters() {
    let folder = tempfile::tempdir().unwrap();
    write_captures(&folder.path().join("c.jsonl"));
    for format in ["md", "html", "json"] {
        let plan = ["plan", "--captures", "c.jsonl", "--deadline", "2024-07-09T00:00", "--rate", "7.2@2024-07-01"];
        shown(folder.path(), &[&plan[..], &["--format", format]].concat());
    }
}

#[test]
fn stored_captures_show_hidden_characters() {
    let folder = database();
    write_captures(&folder.path().join("c.jsonl"));
    let (said, error) = shown(folder.path(), &["captures", "import", "c.jsonl"]);
    assert!(said.contains("40 captures new"), "{said}{error}");
    let (said, _) = shown(folder.path(), &["captures", "list"]);
    assert!(said.contains("\\u001b"), "{said}");
    let (lines, error) = shown(folder.path(), &["captures", "export", "--since", "2020-01-01"]);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap_or(&error)).unwrap();
    assert_eq!(first["client"], format!("curl{HOSTILE}"));
}

#[test]
fn files_and_names_show_hidden_characters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(
        path.join("banjia.toml"),
        "[[routes]]\nname = \"a\u{9b}2J\u{202e}b\"\ntargets = [\"\u{9b}/x\"]\nodd\u{1b}[2J = 1\n",
    )
    .unwrap();
    shown(path, &["check", "banjia.toml"]);
    std::fs::write(path.join("banjia.toml"), "[[routes]]\nname = \"a\u{9b}2J\u{202e}b\"\ntargets = [\"\u{9b}/x\"]\n")
        .unwrap();
    shown(path, &["check", "banjia.toml"]);
    shown(path, &["serve"]);
    std::fs::create_dir(path.join("src")).unwrap();
    let source = format!(
        "from openai import OpenAI\nclient = OpenAI(base_url='https://api.openai.com/{}')\n",
        "\u{202e}\u{9b}x"
    );
    std::fs::write(path.join("src").join("a\u{1b}[2J\nerror: forged\u{202e}.py"), source).unwrap();
    for format in ["table", "json", "sarif"] {
        shown(path, &["scan", "src", "--format", format]);
    }
    shown(path, &["verify", "no\u{1b}[2J\u{202e}file"]);
}

#[test]
fn the_audit_shows_hidden_characters() {
    let folder = database();
    let folder = folder.path();
    let (said, error) = shown(folder, &["border", "appeal", "open", "acme\u{1b}[2J", HOSTILE, "--by", "kim\u{9b}2J"]);
    assert!(said.contains("Appeal 1 of acme\\u001b[2J"), "{said}{error}");
    let (said, error) = shown(folder, &["border", "appeal", "list"]);
    assert!(said.contains("\\u202e"), "{said}{error}");
    let (said, error) = shown(folder, &["audit", "list"]);
    assert!(said.contains("kim\\u009b2J"), "{said}{error}");
    let (said, error) = shown(folder, &["audit", "export"]);
    let entry: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(entry["body"]["said"], HOSTILE, "{error}");
    assert!(shown(folder, &["audit", "verify"]).0.contains("0 faults"));
}
