//! The end of a move by its commands: on a running gateway, and the report anywhere else.

use crate::process::{banjia, run, sandbox};
use crate::serve::{config, serve, status_of};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// One route from one vendor to another, long before its deadline.
pub(crate) const MOVE: &str = r#"
id = "spring"
deadline = "2099-01-01T00:00"

[[routes]]
route = "gpt-4o"
source = "openai/gpt-4o"
destination = "zhipu/glm-4.7"
"#;
const ROUTES: [(&str, &[&str]); 1] = [("gpt-4o", &["openai/gpt-4o", "zhipu/glm-4.7"])];

/// The code that it ends with, and all that it says.
fn ask(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let (status, said, errors) = run(banjia(folder).args(arguments));
    (status.code(), format!("{said}{errors}"))
}

/// A move that a person made live on a running gateway, and a configuration that still holds the source's credential.
async fn live(folder: &Path) -> (crate::process::Running, crate::process::Running, String) {
    let (sandbox, vendors) = sandbox(folder, &[]);
    let text = config(&vendors, &ROUTES);
    std::fs::write(folder.join("banjia.toml"), &text).unwrap();
    std::fs::write(folder.join("spring.toml"), MOVE).unwrap();
    assert_eq!(ask(folder, &["move", "new", "spring.toml"]).0, Some(0));
    let (gateway, address) = serve(folder);
    assert_eq!(status_of(&address, "gpt-4o").await, (200, Some("openai/gpt-4o".to_owned())));
    let (code, said) = ask(folder, &["move", "seal", "spring"]);
    assert!(code == Some(1) && said.contains("[[vendors]] \"openai\"") && said.contains("only a live move"), "{said}");
    assert_eq!(ask(folder, &["move", "override", "spring", "--to", "live", "--reason", "a test"]).0, Some(0));
    while status_of(&address, "gpt-4o").await.1.as_deref() != Some("zhipu/glm-4.7") {}
    (sandbox, gateway, text)
}

#[tokio::test]
async fn a_move_is_sealed_on_a_running_gateway_and_its_report_is_checked_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_sandbox, mut gateway, text) = live(folder).await;
    let (code, said) = ask(folder, &["move", "seal", "spring"]);
    assert!(code == Some(1) && said.contains("[[vendors]] \"openai\"") && !said.contains("only a live move"), "{said}");
    assert!(!folder.join("spring-report.json").exists());

    let other = text.replace("name = \"gpt-4o\"", "name = \"gpt-4\"");
    std::fs::write(folder.join("other.toml"), other).unwrap();
    let (code, said) = ask(folder, &["move", "seal", "spring", "--config", "other.toml"]);
    assert!(code == Some(1) && said.contains("no route \"gpt-4o\": did you mean gpt-4?"), "{said}");

    let key = banjia_sandbox::key_of("openai").unwrap();
    std::fs::write(folder.join("banjia.toml"), text.replace(&format!("credential = \"{key}\"\n"), "")).unwrap();
    gateway.wait_for("the new settings are in force");
    let (code, said) = ask(folder, &["move", "seal", "spring", "--by", "kim"]);
    assert!(code == Some(0) && said.contains("spring is sealed"), "{said}");
    let report = std::fs::read_to_string(folder.join("spring-report.json")).unwrap();
    assert!(std::fs::read_to_string(folder.join("spring-report.html")).unwrap().contains("The move spring is over"));
    let secret = folder.join("ledger.db.report-key");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!report.contains(std::fs::read_to_string(secret).unwrap().trim()));

    let (code, said) =
        ask(folder, &["move", "seal", "spring", "--out", "again.json", "--page", "again.md", "--lang", "zh"]);
    assert!(code == Some(0) && said.contains("sealed before"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.join("again.json")).unwrap(), report);
    assert!(std::fs::read_to_string(folder.join("again.md")).unwrap().starts_with("# 搬家 spring 已完成"));
    // The configuration may be another one by then.
    let (code, _) = ask(folder, &["move", "seal", "spring", "--config", "other.toml", "--out", "other.json"]);
    assert_eq!((code, std::fs::read_to_string(folder.join("other.json")).unwrap()), (Some(0), report.clone()));
    let (_, said) = ask(folder, &["move", "show", "spring"]);
    assert!(said.contains("Its report has the SHA-256"), "{said}");
    assert_eq!((said.matches(" credentials_removed ").count(), said.matches(" sealed ").count()), (1, 1), "{said}");
    gateway.signal("TERM");
    assert!(gateway.end().success());
    checked_elsewhere(&report);
}

/// In a folder where there is nothing else.
fn checked_elsewhere(report: &str) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let put = |text: &str| std::fs::write(folder.join("r.json"), text).unwrap();
    put(report);
    let value: serde_json::Value = serde_json::from_str(report).unwrap();
    let key = value["key"].as_str().unwrap();
    let (code, said) = ask(folder, &["verify", "r.json", "--key", key]);
    assert!(
        code == Some(0) && said.contains("the one that you named") && said.contains("last caller: a on gpt-4o"),
        "{said}"
    );
    let (code, said) = ask(folder, &["verify", "r.json"]);
    assert!(code == Some(0) && said.contains("whose that is cannot be told"), "{said}");
    let (code, said) = ask(folder, &["verify", "r.json", "--key", &"0".repeat(64)]);
    assert!(code == Some(1) && said.contains("and not by 0000"), "{said}");
    assert_eq!(ask(folder, &["verify", "r.json", "--key", "mine"]).0, Some(2));
    assert_eq!(ask(folder, &["verify", "none.json"]).0, Some(1));
    for (from, to, told) in [
        ("\"answered\":", "\"answered\":9", "changed after it was signed: balance"),
        ("\"account\":\"a\"", "\"account\":\"b\"", "changed after it was signed: last_callers"),
        ("a test", "no test", "changed after it was signed: events"),
        ("\"by\":\"kim\",\"from\"", "\"by\":\"lee\",\"from\"", "changed after it was signed: head"),
        ("deadline = ", "deadline =  ", "changed after it was signed: spec"),
        ("\"version\":1", "\"version\":2", "version 2"),
        (key, &"0".repeat(64), "signature"),
        ("{\"format\"", "{ \"format\"", "not canonical"),
        ("\"sections\"", "\"section\"", "no report of a move"),
    ] {
        assert!(report.contains(from), "{from}");
        put(&report.replacen(from, to, 1));
        let (code, said) = ask(folder, &["verify", "r.json", "--key", key]);
        assert!(code == Some(1) && said.contains(told), "{told}: {said}");
    }
    std::fs::write(folder.join("r.json"), [0xff, 0xfe]).unwrap();
    let (code, said) = ask(folder, &["verify", "r.json"]);
    assert!(code == Some(1) && said.contains("is not text"), "{said}");
}
