//! Code as people write it, decoys included: everything that is there is found, and nothing else.
//!
//! Two expectations stand for each sample. Its own lines say what begins there (`find: call`), written by hand before the first
//! scan; `NAME.expected` beside it has every detail. `UPDATE_GOLDEN=1` rewrites the second, never the first: read what changes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may stop")]
#![expect(clippy::disallowed_methods, reason = "samples are files")]

use banjia_scan::report::setting;
use banjia_scan::{Coverage, Finding, Report, Scan, ScanRules, find};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The samples' folder.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

/// All samples by their path below the folder.
fn samples() -> Vec<(String, Vec<u8>)> {
    let mut samples = Vec::new();
    for language in std::fs::read_dir(folder()).unwrap() {
        for file in std::fs::read_dir(language.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|end| end != "expected") {
                let name = path.strip_prefix(folder()).unwrap().to_str().unwrap().replace('\\', "/");
                samples.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    samples.sort();
    samples
}

fn line(finding: &Finding) -> String {
    let mut text =
        format!("{}:{} {} {}", finding.line, finding.column, finding.kind.as_str(), finding.confidence.as_str());
    let base = finding.base_url.as_ref().map(setting);
    let key = finding.key.as_ref().map(setting);
    let served = finding.is_served.map(|is_served| if is_served { "yes" } else { "no" }.to_owned());
    for (name, value) in [
        ("sdk", &finding.sdk),
        ("endpoint", &finding.endpoint),
        ("served", &served),
        ("model", &finding.model),
        ("base", &base),
        ("key", &key),
        ("name", &finding.name),
    ] {
        if let Some(value) = value {
            write!(text, " | {name} {value}").unwrap();
        }
    }
    if !finding.parameters.is_empty() || finding.has_more_parameters {
        let shown = |parameter: &banjia_scan::Parameter| match &parameter.value {
            Some(value) => format!("{}={value}", parameter.name),
            None => parameter.name.clone(),
        };
        let mut list: Vec<String> = finding.parameters.iter().map(shown).collect();
        list.extend(finding.has_more_parameters.then(|| "...".to_owned()));
        write!(text, " | with {}", list.join(", ")).unwrap();
    }
    text
}

/// What the lines of a sample say that begins in them.
fn marks(text: &str) -> Vec<(u32, String)> {
    let mut marks = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some((_, kinds)) = line.split_once("find: ") else { continue };
        marks.extend(kinds.split(", ").map(|kind| (number as u32 + 1, kind.trim().to_owned())));
    }
    marks.sort();
    marks
}

#[test]
fn every_sample_gives_exactly_what_it_holds() {
    let rules = ScanRules::embedded();
    let mut wrong = String::new();
    let samples = samples();
    assert!(samples.len() > 20);
    for (name, text) in &samples {
        let Scan { findings, .. } = find(name, text, rules);
        if !name.starts_with("settings/") {
            let mut found: Vec<_> = findings.iter().map(|one| (one.line, one.kind.as_str().to_owned())).collect();
            found.sort();
            let wanted = marks(std::str::from_utf8(text).unwrap());
            for (line, kind) in wanted.iter().filter(|mark| !found.contains(mark)) {
                writeln!(wrong, "{name}:{line}: a {kind} is missing").unwrap();
            }
            for (line, kind) in found.iter().filter(|mark| !wanted.contains(mark)) {
                writeln!(wrong, "{name}:{line}: there is no {kind}").unwrap();
            }
            if found.len() != wanted.len() {
                writeln!(wrong, "{name}: {} findings instead of {}", found.len(), wanted.len()).unwrap();
            }
        }
        let said: String = findings.iter().map(|finding| line(finding) + "\n").collect();
        let golden = folder().join(format!("{name}.expected"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            writeln!(wrong, "{name}: found\n{said}instead of\n{expected}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn no_report_shows_a_key() {
    let rules = ScanRules::embedded();
    let mut report = Report { root: ".".to_owned(), coverage: Coverage::default(), findings: Vec::new() };
    for (name, text) in samples() {
        let scan = find(&name, &text, rules);
        report.coverage.add(&name, &scan);
        report.findings.extend(scan.findings);
    }
    let said = format!("{} {}", report.to_json(), report.to_sarif("1"));
    for secret in ["V7mKq2Zx9RtB4n", "7Hn2QzXw9LrTb4", "3f9c1b7e5a2d48", "8e1f3a5c7b9d2e"] {
        assert!(!said.contains(secret), "{secret} is shown");
    }
    let keys = report.findings.iter().filter(|finding| finding.kind == banjia_scan::Kind::Key).count();
    assert_eq!(keys, 4);
}
