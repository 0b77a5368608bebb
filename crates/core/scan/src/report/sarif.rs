//! SARIF 2.1.0 (OASIS, 2020-03-27): one run, one rule for each kind, one result for each finding.

use super::{Report, sentence};
use crate::finding::{Confidence, Finding, Kind};
use serde_json::{Value, json};
use std::fmt::Write as _;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Where the paths of results begin.
const BASE: &str = "ROOT";

pub(super) fn log(report: &Report, version: &str) -> Value {
    let rules: Vec<Value> = Kind::ALL.iter().map(|kind| rule(*kind)).collect();
    let results: Vec<Value> = report.findings.iter().map(result).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "banjia scan", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { BASE: { "description": { "text": "what was scanned" } } },
            "results": results,
            "properties": { "coverage": report.coverage },
        }],
    })
}

fn rule(kind: Kind) -> Value {
    let text = match kind {
        Kind::Client => "A client of a model vendor is made.",
        Kind::Call => "An endpoint of a model vendor is called through an SDK.",
        Kind::Http => "An endpoint of a model vendor is called with an HTTP library.",
        Kind::Host => "The host of a model vendor is written into the code.",
        Kind::Environment => "A variable is used that an SDK of a model vendor goes by.",
        Kind::Key => "A key is written down.",
        Kind::SideChannel => "Data is sent past the base address.",
    };
    json!({ "id": kind.as_str(), "shortDescription": { "text": text }, "defaultConfiguration": { "level": level(kind) } })
}

fn level(kind: Kind) -> &'static str {
    match kind {
        Kind::Key => "error",
        Kind::Host | Kind::Http | Kind::SideChannel => "warning",
        Kind::Client | Kind::Call | Kind::Environment => "note",
    }
}

fn result(finding: &Finding) -> Value {
    let index = Kind::ALL.iter().position(|kind| *kind == finding.kind).unwrap_or_default();
    let level = if finding.confidence == Confidence::Possible { "note" } else { level(finding.kind) };
    let advice = finding.advice.join(" ");
    let mut result = json!({
        "ruleId": finding.kind.as_str(),
        "ruleIndex": index,
        "level": level,
        "message": { "text": format!("{}. {advice}", sentence(finding)).trim_end() },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&finding.file), "uriBaseId": BASE },
                "region": { "startLine": finding.line, "startColumn": finding.column },
            },
        }],
        "properties": finding,
    });
    if let Some(fingerprint) = &finding.fingerprint {
        result["partialFingerprints"] = json!({ "key/v1": fingerprint });
    }
    result
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            write!(uri, "%{byte:02X}").expect("a string takes all that is written to it");
        }
    }
    uri
}
