//! Recorded exchanges, from the request to the file of lines and back.

use crate::process::{banjia, run, sandbox};
use crate::serve::{config, serve, status_of};
use serde_json::Value;

#[tokio::test]
async fn what_was_recorded_leaves_as_lines_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (_sandbox, vendors) = sandbox(folder.path(), &[]);
    let routes = [("one", &["openai/gpt-4o"] as &[&str])];
    let text = format!("{}\n[capture]\nshare = 1.0\n", config(&vendors, &routes));
    std::fs::write(folder.path().join("banjia.toml"), text).unwrap();
    let (mut gateway, address) = serve(folder.path());
    assert_eq!(status_of(&address, "one").await.0, 200);
    gateway.signal("TERM");
    assert!(gateway.end().success());

    let (_, said, _) = run(banjia(folder.path()).args(["captures", "list"]));
    assert!(said.contains("openai/gpt-4o") && said.contains("live"), "{said}");
    let (status, lines, _) = run(banjia(folder.path()).args(["captures", "export", "--since", "1d"]));
    let capture: Value = serde_json::from_str(lines.trim()).unwrap();
    assert!(status.success() && capture["answer"]["choices"][0]["message"]["content"].is_string(), "{lines}");
    let key = std::fs::read_to_string(folder.path().join("ledger.db.key")).unwrap();
    assert!(key.trim().len() == 64 && !lines.contains(key.trim()));

    let log = r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "I am ada@example.com"}], "response": "hello"}"#;
    std::fs::write(folder.path().join("log.jsonl"), format!("{lines}\n{log}\nno json\n")).unwrap();
    let import = || run(banjia(folder.path()).args(["captures", "import", "log.jsonl", "--route", "one"]));
    let (status, said, wrong) = import();
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("3 lines read, 1 captures new, 1 lines not used") && wrong.contains("line 4:"),
        "{said}{wrong}"
    );
    assert!(import().1.contains("0 captures new"), "a file may be taken in twice");
    let (_, lines, _) = run(banjia(folder.path()).args(["captures", "export", "--route", "one"]));
    assert_eq!(lines.lines().count(), 2);
    assert!(lines.contains("[email]") && !lines.contains("ada@example.com"), "{lines}");

    std::fs::write(folder.path().join("ledger.db.key"), key.replace(['0', '1'], "a")).unwrap();
    let (status, _, said) = run(banjia(folder.path()).args(["captures", "import", "log.jsonl"]));
    assert!(!status.success() && said.contains("sealed with another key"), "{said}");
    let (status, said, _) = run(banjia(folder.path()).args(["captures", "forget", "--before", "2100-01-01"]));
    assert!(status.success() && said.starts_with("2 captures"), "{said}");
    let (_, said, _) = run(banjia(folder.path()).args(["captures", "list"]));
    assert!(said.contains("Nothing was recorded"), "{said}");
}
