//! `banjia scan` on a small tree.

use crate::process::{banjia, run};
use serde_json::Value;
use std::fs;
use std::path::Path;

const SECRET: &str = "sk-proj-9hQ2mZ7LxV4tB8nRk3WsTq6Yd1Fj";

/// A project with a call, a key, an ignored environment file, installed packages and things that cannot be read.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "app/answers.py",
        "from openai import OpenAI\n\nclient = OpenAI()\n\n\ndef answer(text):\n    # client.embeddings.create(model=\"x\")\n    return client.chat.completions.create(model=\"gpt-4o\", messages=[text], temperature=0.2)\n",
    );
    write("app/secret.go", &format!("package app\n\nconst key = \"{SECRET}\"\n"));
    write(".env", "OPENAI_BASE_URL=https://api.openai.com/v1\n");
    write(".gitignore", ".env\nbuild/\n");
    write("build/out.py", "import openai\nopenai.embeddings.create(model='m')\n");
    write("node_modules/openai/index.js", "import OpenAI from 'openai';\nnew OpenAI();\n");
    write("README.md", "client.chat.completions.create()\n");
    write("app/image.py", "\0\0\0");
    folder
}

fn scan(folder: &Path, options: &[&str]) -> (Option<i32>, String, String) {
    let (status, said, noted) = run(banjia(folder).arg("scan").args(options));
    (status.code(), said, noted)
}

#[test]
fn a_tree_is_reported_for_people() {
    let folder = project();
    let (code, said, noted) = scan(folder.path(), &["."]);
    assert_eq!((code, noted.as_str()), (Some(0), ""), "{said}");
    for wanted in [
        "app/answers.py:3",
        "app/answers.py:8",
        "chat/completions",
        "gpt-4o",
        "temperature=0.2",
        "app/secret.go:3",
        "openai key",
        ".env:1",
        "Read 5 of 6 files",
        "1 binary",
        "app/image.py",
        "4 findings: 4 certain",
    ] {
        assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
    }
    for unwanted in [SECRET, "9hQ2mZ7L", "build/out.py", "node_modules", "app/answers.py:7"] {
        assert!(!said.contains(unwanted), "{unwanted:?} is in:\n{said}");
    }
    let (_, said, _) = scan(folder.path(), &[".", "--all"]);
    assert!(said.contains("build/out.py:2") && !said.contains("node_modules"), "{said}");
}

#[test]
fn programs_get_json_and_sarif() {
    let folder = project();
    let (_, said, _) = scan(folder.path(), &["--format", "json", "."]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["format"], 1);
    assert_eq!(report["coverage"]["files_parsed"], 1);
    let call = report["findings"].as_array().unwrap().iter().find(|finding| finding["kind"] == "call").unwrap();
    assert_eq!((&call["file"], &call["line"], &call["column"]), (&"app/answers.py".into(), &8.into(), &12.into()));
    assert_eq!((&call["endpoint"], &call["model"]), (&"chat/completions".into(), &"gpt-4o".into()));
    assert_eq!(call["parameters"][2], serde_json::json!({ "name": "temperature", "value": "0.2" }));
    assert!(!said.contains("9hQ2mZ7L"));

    let (_, said, _) = scan(folder.path(), &["--format", "sarif", "."]);
    let log: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 4);
    assert!(!said.contains("9hQ2mZ7L"));
}

#[test]
fn a_pipeline_can_fail_on_what_it_wants() {
    let folder = project();
    assert_eq!(scan(folder.path(), &[".", "--fail-on", "keys"]).0, Some(1));
    assert_eq!(scan(folder.path(), &["app/answers.py", "--fail-on", "keys"]).0, Some(0));
    assert_eq!(scan(folder.path(), &["app/answers.py", "--fail-on", "any"]).0, Some(1));
    assert_eq!(scan(folder.path(), &["README.md", "--fail-on", "any"]).0, Some(0));
}

#[test]
fn every_finding_is_one_line() {
    let folder = project();
    let (_, said, _) = run_narrow(folder.path());
    let wanted = "app/answers.py:8:12: call: chat/completions is called through openai-python, model gpt-4o, \
                  with temperature=0.2 [certain]";
    assert!(said.lines().any(|line| line == wanted), "{said}");
    assert!(said.lines().any(|line| line.starts_with("app/secret.go:3:14: key: a key is written down (openai key)")));
}

fn run_narrow(folder: &Path) -> (Option<i32>, String, String) {
    let (status, said, noted) = run(banjia(folder).args(["scan", "."]).env("COLUMNS", "40"));
    (status.code(), said, noted)
}

#[test]
fn keys_in_any_text_file_fail_a_pipeline() {
    let zhipu = "8e1f3a5c7b9d2e4f6a8c0b1d3e5f7a92.Zx3Cv5Bn7Mq1Wd8K";
    for name in
        ["deploy.sh", "note.ipynb", "settings.json", "app.php", "Program.cs", "main.rs", "app.rb", "README.md", "x"]
    {
        for key in [SECRET, zhipu] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), format!("{{\"key\": \"{key}\"}}\n")).unwrap();
            let (code, said, _) = scan(folder.path(), &[".", "--fail-on", "keys"]);
            assert_eq!(code, Some(1), "{name}: {said}");
            assert!(!said.contains(key) && said.contains(&format!("{name}:1:10: key: ")), "{said}");
        }
    }
}

#[test]
fn a_path_that_is_not_there_is_an_error_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said, noted) = scan(folder.path(), &["nowhere"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(noted.contains("nowhere cannot be scanned"), "{noted}");
}

#[cfg(unix)]
#[test]
fn links_and_pipes_end_nothing() {
    let folder = project();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("app/loop")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("app/link.py")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("app/pipe.py")).status().unwrap();
    assert!(made.success());
    let (code, said, _) = scan(folder.path(), &["."]);
    assert_eq!(code, Some(0));
    assert!(said.contains("2 links") && said.contains("app/pipe.py") && said.contains("4 findings"), "{said}");
}
