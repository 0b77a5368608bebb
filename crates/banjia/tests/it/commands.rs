//! Commands that need no server.

use crate::process::{banjia, run};
use std::path::Path;

#[test]
fn every_example_passes_a_check_without_secrets() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            seen += 1;
            let (status, said, _) = run(banjia(&folder).args(["check", "--without-secrets"]).arg(&path));
            assert!(status.success() && said.contains(": good"), "{}:\n{said}", path.display());
        }
    }
    assert!(seen >= 3);
}

#[test]
fn a_bad_file_fails_the_check_with_all_of_its_problems() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("banjia.toml"), "[serv]\n[store]\npth = 1\n").unwrap();
    let (status, said, _) = run(banjia(folder.path()).arg("check"));
    assert_eq!(status.code(), Some(1));
    for wanted in ["banjia.toml:1:2", "did you mean serve?", "banjia.toml:3:1", "did you mean path?", "2 problems"] {
        assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
    }
    let (status, _, said) = run(banjia(folder.path()).arg("serve"));
    assert!(!status.success() && said.contains("did you mean serve?"), "serve says the same:\n{said}");
}

#[test]
fn a_new_key_is_printed_with_lines_that_pass_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let (status, said, _) = run(banjia(folder.path()).args(["key", "new", "--account", "shop"]));
    assert!(status.success());
    let (key, lines) = said.split_once('\n').unwrap();
    assert!(key.starts_with("bj-") && !lines.contains(key));
    std::fs::write(folder.path().join("banjia.toml"), lines).unwrap();
    let (status, said, _) = run(banjia(folder.path()).arg("check"));
    assert!(status.success(), "{said}");
    // A second key of the same account brings no second account.
    let (_, said, _) = run(banjia(folder.path()).args(["key", "new", "--account", "shop"]));
    assert!(!said.contains("[[accounts]]"), "{said}");
    let (status, _, said) = run(banjia(folder.path()).args(["key", "new", "--account", "a b"]));
    assert!(!status.success() && said.contains("letters"), "{said}");
}

#[test]
fn vendors_are_listed_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (status, said, noted) = run(banjia(folder.path()).args(["vendor", "list"]));
    assert!(status.success() && said.contains("zhipu") && noted.is_empty(), "{said}{noted}");
    let (status, said, _) = run(banjia(folder.path()).args(["vendor", "show", "zhipu"]));
    assert!(status.success() && said.contains("glm-4.7") && said.contains("CNY"), "{said}");
    let (status, _, said) = run(banjia(folder.path()).args(["vendor", "show", "zipu"]));
    assert!(!status.success() && said.contains("did you mean zhipu?"), "{said}");
    let text = "vendor = \"acme\"\nsource = \"its manual\"\nas_of = \"2026-11\"\nnonsense = 1\n";
    std::fs::write(folder.path().join("acme.toml"), text).unwrap();
    let (status, said, _) = run(banjia(folder.path()).args(["vendor", "check", "acme.toml"]));
    assert!(!status.success() && said.contains("acme.toml:4:1"), "{said}");
}

#[test]
fn a_move_that_does_not_fit_the_configuration_is_not_made_and_all_of_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let vendors =
        ["openai", "zhipu"].map(|name| format!("[[vendors]]\nname = \"{name}\"\ncredential = \"k-1\"\n")).concat();
    let config = format!("{vendors}[[routes]]\nname = \"gpt-4o\"\ntargets = [\"openai/gpt-4o\", \"zhipu/glm-4.7\"]\n");
    std::fs::write(folder.join("c.toml"), config).unwrap();
    let route = |route: &str, to: &str| {
        format!("[[routes]]\nroute = \"{route}\"\nsource = \"openai/gpt-4o\"\ndestination = \"{to}\"\n")
    };
    let text =
        |routes: &str| format!("id = \"m\"\ndeadline = \"2099-01-01T00:00\"\n{routes}[gates.parity]\njson = 0.1\n");
    std::fs::write(
        folder.join("bad.toml"),
        text(&(route("gpt-4o", "zhipu/glm-4.6") + &route("gpt-4o-mini", "zhipu/x"))),
    )
    .unwrap();
    std::fs::write(folder.join("good.toml"), text(&route("gpt-4o", "zhipu/glm-4.7"))).unwrap();
    for command in ["check", "new"] {
        let (status, said, _) = run(banjia(folder).args(["move", command, "bad.toml", "--config", "c.toml"]));
        assert_eq!(status.code(), Some(1), "{said}");
        for wanted in [
            "destination zhipu/glm-4.6 is not among",
            "did you mean zhipu/glm-4.7?",
            "no route \"gpt-4o-mini\"",
            "did you mean gpt-4o?",
            "bad.toml:6:15",
            "bad.toml:8:9",
            "2 problems",
        ] {
            assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
        }
    }
    assert!(run(banjia(folder).args(["move", "list", "--config", "c.toml"])).1.contains("no moves"));
    let (status, said, more) = run(banjia(folder).args(["move", "new", "good.toml", "--config", "c.toml"]));
    assert!(status.success() && said.contains("begins in record") && !more.contains("not looked at"), "{said}{more}");
    let (_, said, _) = run(banjia(folder).args(["move", "show", "m", "--config", "c.toml"]));
    assert!(said.contains("--verdicts makes the same ones") && !said.contains("counts as cut only"), "{said}");
    let (_, said, _) = run(banjia(folder).args(["move", "show", "m", "--store", "banjia.db", "--verdicts"]));
    assert!(!said.contains("--verdicts makes") && said.contains("counts as cut only under its own name"), "{said}");
}
