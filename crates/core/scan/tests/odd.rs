//! Files that nobody wrote on purpose: they cost their size and break nothing.

use banjia_scan::find::FILE_BYTES_MAX;
use banjia_scan::{Coverage, Kind, Report, Scan, ScanRules, Skip, State, find};
use proptest::prelude::*;

const NAMES: [&str; 9] = ["a.py", "a.js", "a.ts", "a.tsx", "a.go", "a.java", ".env", "a.yaml", "a.txt"];

fn scan(path: &str, text: &[u8]) -> Scan {
    find(path, text, ScanRules::embedded())
}

/// Pieces that mean something to a scan, so that arbitrary order meets its branches.
const PIECES: [&str; 26] = [
    "import openai\n",
    "from openai import OpenAI\n",
    "client = OpenAI(",
    ")",
    "(",
    "{",
    "}",
    "[",
    "]",
    "client",
    ".chat",
    ".completions",
    ".create(",
    "model=\"gpt-4o\"",
    "\"https://api.openai.com/v1\"",
    "\n",
    " ",
    "self",
    "class A:\n ",
    "def f(x=",
    ")\n",
    "lambda: ",
    "f\"{",
    "}\"",
    "import OpenAI from \"openai\";",
    "new OpenAI(",
];

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), name in 0..NAMES.len()) {
        let scan = scan(NAMES[name], &bytes);
        prop_assert!(scan.findings.len() <= bytes.len());
    }

    #[test]
    fn arbitrary_code_never_panics(pieces in proptest::collection::vec(0..PIECES.len(), 0..200), name in 0..NAMES.len()) {
        let text: String = pieces.iter().map(|at| PIECES[*at]).collect();
        let lines = text.lines().count() as u32 + 1;
        for finding in scan(NAMES[name], text.as_bytes()).findings {
            prop_assert!(finding.line >= 1 && finding.line <= lines && finding.column >= 1);
            prop_assert!(!finding.advice.is_empty());
        }
    }
}

#[test]
fn no_nesting_exhausts_the_stack() {
    let depth = 20_000;
    for (name, open, close) in [
        ("a.py", "f(", ")"),
        ("a.py", "x.", "y"),
        ("a.js", "[", "]"),
        ("a.ts", "f({a:", "})"),
        ("a.go", "f(", ")"),
        ("A.java", ".a(", ")"),
    ] {
        let text = format!("import openai\n{}1{}\n", open.repeat(depth), close.repeat(depth));
        let scan = scan(name, text.as_bytes());
        assert!(scan.findings.is_empty(), "{name}");
    }
}

#[test]
fn a_thing_made_of_itself_is_nothing() {
    let text = "import openai\nx = x\ny = z\nz = y\ny.chat.completions.create(row=1)\nx.files.create(name=1)\n\
        def f():\n    return f()\nf().chat.completions.create(row=1)\nclass A(A):\n    pass\nA().chat.list()\n";
    assert!(scan("a.py", text.as_bytes()).findings.is_empty());
}

#[test]
fn what_is_not_read_says_why() {
    let large = vec![b'x'; FILE_BYTES_MAX + 1];
    for (name, text, why) in [
        ("a.py", large.as_slice(), Skip::TooLarge),
        ("a.py", b"import openai\0".as_slice(), Skip::Binary),
        ("a.png", b"OpenAI::Client.new".as_slice(), Skip::UnknownLanguage),
    ] {
        assert_eq!(scan(name, text).state, State::Skipped(why));
    }
}

#[test]
fn a_broken_file_is_read_as_far_as_it_goes() {
    let text =
        "from openai import OpenAI\nclient = OpenAI()\nx = = 3\nclient.embeddings.create(model=\"m\", input=\"x\")\n";
    let scan = scan("a.py", text.as_bytes());
    assert_eq!(scan.state, State::ParsedWithErrors);
    let kinds: Vec<_> = scan.findings.iter().map(|finding| (finding.line, finding.kind)).collect();
    assert_eq!(kinds, [(2, Kind::Client), (4, Kind::Call)]);
}

#[test]
fn old_encodings_are_read() {
    let mut text = b"# caf\xe9\nimport openai\nopenai.embeddings.create(model='m', input='caf\xe9')\n".to_vec();
    let read = scan("a.py", &text);
    assert!(read.has_odd_bytes && read.findings.len() == 1 && read.findings[0].line == 3);
    text.splice(0..0, *b"\xef\xbb\xbf");
    assert_eq!(scan("a.py", &text).findings.len(), 1);
}

#[test]
fn coverage_counts_everything_once() {
    let mut coverage = Coverage::default();
    for (name, text) in [
        ("a.py", "import openai\nopenai.OpenAI()\n"),
        ("b.py", "x = 1\n"),
        ("c.md", ""),
        ("d.py", "\0"),
        (".env", "A=1\n"),
    ] {
        coverage.add(name, &scan(name, text.as_bytes()));
    }
    assert_eq!((coverage.files_seen, coverage.files_read, coverage.files_parsed), (5, 4, 1));
    assert_eq!(coverage.skipped.values().sum::<u64>(), 1);
    assert_eq!(coverage.skipped_files[&Skip::Binary], ["d.py"]);
    assert_eq!(coverage.languages["python"].files, 2);
    assert_eq!(coverage.findings[&Kind::Client].values().sum::<u64>(), 1);
}

/// What the schema of SARIF 2.1.0 requires of each object, and what it says of the values that are used here.
#[test]
fn a_sarif_log_has_what_its_schema_requires() {
    let text =
        "import openai\nc = openai.OpenAI(api_key='sk-proj-9hQ2mZ7LxV4tB8nRk3Ws')\nc.embeddings.create(model='m')\n";
    let findings = scan("a folder/ä.py", text.as_bytes()).findings;
    let findings: Vec<_> = findings
        .into_iter()
        .map(|mut one| {
            one.file = "a folder/ä.py".to_owned();
            one
        })
        .collect();
    assert_eq!(findings.len(), 3);
    let log = Report { root: ".".to_owned(), coverage: Coverage::default(), findings }.to_sarif("0.1.0");
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-2.1.0.json"));
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!((driver["name"].as_str(), driver["version"].as_str()), (Some("banjia scan"), Some("0.1.0")));
    assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(
            !rule["id"].as_str().unwrap().is_empty() && !rule["shortDescription"]["text"].as_str().unwrap().is_empty()
        );
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20folder/%C3%A4.py");
        let base = place["artifactLocation"]["uriBaseId"].as_str().unwrap();
        assert!(run["originalUriBaseIds"].get(base).is_some());
        assert!(
            place["region"]["startLine"].as_u64().unwrap() >= 1
                && place["region"]["startColumn"].as_u64().unwrap() >= 1
        );
    }
}
