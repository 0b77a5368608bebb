//! Verifies a report of any origin.

use super::report::{FORMAT, SECTIONS, VERSION, canonical, hash, hashes, signed_bytes};
use super::{Report, Unmet, unmet};
use crate::balance::Sum;
use crate::spec::{MoveSpec, hex};
use crate::stage::{LiveBy, Move};
use banjia_types::{Problem, Timestamp};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

/// Longest report that is read, in bytes.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// What a valid report shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The key that signed it, in hexadecimal. The reader must know whether it is the right one.
    pub key: String,
    /// The SHA-256 of the text, in hexadecimal.
    pub hash: String,
    /// The report.
    pub report: Report,
    /// When the move became live.
    pub live_at: Timestamp,
    /// Why the move became live.
    pub live_by: Option<LiveBy>,
    /// The names of the credentials that were removed.
    pub credentials_removed: Vec<String>,
    /// The books, added up.
    pub sum: Sum,
}

/// Why a report is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotVerified {
    /// The text is no report.
    #[error("this is no report of a move: {0}")]
    NotAReport(String),
    /// The format is a later one.
    #[error("the report has version {0}, and this program knows version 1; use a newer one")]
    UnknownVersion(u64),
    /// The text is not in the form in which it was written.
    #[error("the text is not canonical: it was written anew, or holds something twice")]
    NotCanonical,
    /// Sections differ from those that were signed.
    #[error("changed after it was signed: {}", .0.join(", "))]
    Changed(Vec<String>),
    /// The signature does not belong to this key and these hashes.
    #[error("the signature is not of the key {key} over these hashes")]
    BadSignature {
        /// The key in the report.
        key: String,
    },
    /// The move's text has problems.
    #[error("the move's text has problems, the first: {}", first(.0))]
    BadText(Vec<Problem>),
    /// The content is not true.
    #[error("it was signed and does not hold: {}", list(.0))]
    Untrue(Vec<Unmet>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportFile {
    format: String,
    version: u64,
    key: String,
    hashes: Map<String, Value>,
    sections: Map<String, Value>,
    signature: String,
}

/// Verifies a report: its form, its signature, and its content.
///
/// # Errors
/// What is wrong with it.
pub fn verify(text: &str) -> Result<Verified, NotVerified> {
    let text = text.trim_end_matches(['\r', '\n']);
    let whole = read(text)?;
    let found = hashes(&whole.sections);
    let changed: Vec<String> =
        SECTIONS.into_iter().filter(|name| found.get(*name) != whole.hashes.get(*name)).map(str::to_owned).collect();
    if !changed.is_empty() {
        return Err(NotVerified::Changed(changed));
    }
    check_signature(&whole)?;
    let report = Report {
        head: section(&whole, "head")?,
        spec: section(&whole, "spec")?,
        events: section(&whole, "events")?,
        balance: section(&whole, "balance")?,
        last_callers: section(&whole, "last_callers")?,
        parity: section(&whole, "parity")?,
    };
    let spec = MoveSpec::parse(&report.spec).map_err(NotVerified::BadText)?;
    let faults = unmet(&spec, &report);
    if !faults.is_empty() {
        return Err(NotVerified::Untrue(faults));
    }
    let mv = Move::replay(spec, &report.events).map_err(|(at, why)| NotVerified::Untrue(vec![Unmet::Log(at, why)]))?;
    let state = mv.state();
    Ok(Verified {
        key: whole.key,
        hash: hash(text),
        live_at: state.entered_at,
        live_by: state.live_by,
        credentials_removed: state.credentials_removed.clone().map(|(_, names)| names).unwrap_or_default(),
        sum: report.balance.sum(),
        report,
    })
}

fn read(text: &str) -> Result<ReportFile, NotVerified> {
    let no = |why: &str| NotVerified::NotAReport(why.to_owned());
    if text.len() > TEXT_BYTES_MAX {
        return Err(no("it is too long"));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| no(&error.to_string()))?;
    if value.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(no("its format is not \"banjia-move-report\""));
    }
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => return Err(NotVerified::UnknownVersion(other)),
        None => return Err(no("it has no version")),
    }
    // A name that stands twice is read once, and another reader may take the other one.
    if canonical(&value) != text {
        return Err(NotVerified::NotCanonical);
    }
    let whole: ReportFile = serde_json::from_value(value).map_err(|error| no(&error.to_string()))?;
    let is_whole =
        |map: &Map<String, Value>| map.len() == SECTIONS.len() && SECTIONS.iter().all(|name| map.contains_key(*name));
    if whole.format != FORMAT || !is_whole(&whole.hashes) || !is_whole(&whole.sections) {
        return Err(no("a section is missing, or there is one too many"));
    }
    Ok(whole)
}

fn check_signature(whole: &ReportFile) -> Result<(), NotVerified> {
    let bad = || NotVerified::BadSignature { key: whole.key.clone() };
    let key: [u8; 32] = unhex(&whole.key).and_then(|bytes| bytes.try_into().ok()).ok_or_else(bad)?;
    let signature: [u8; 64] = unhex(&whole.signature).and_then(|bytes| bytes.try_into().ok()).ok_or_else(bad)?;
    let key = VerifyingKey::from_bytes(&key).map_err(|_| bad())?;
    let signed = signed_bytes(whole.version, &whole.hashes, &whole.key);
    key.verify_strict(signed.as_bytes(), &Signature::from_bytes(&signature)).map_err(|_| bad())
}

fn section<T: DeserializeOwned>(whole: &ReportFile, name: &str) -> Result<T, NotVerified> {
    let value = whole.sections.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|error| NotVerified::NotAReport(format!("its section {name}: {error}")))
}

/// Decodes lower-case hexadecimal digits, the one form that we write.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    bytes.filter(|bytes| hex(bytes) == text)
}

fn first(problems: &[Problem]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}

fn list(faults: &[Unmet]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
