//! A report as text, and its signature.

use super::Report;
use crate::spec::hex;
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The name of the format in the text.
pub(super) const FORMAT: &str = "banjia-move-report";
/// The only version of the format.
pub(super) const VERSION: u64 = 1;
/// The names of the sections.
pub(super) const SECTIONS: [&str; 6] = ["balance", "events", "head", "last_callers", "parity", "spec"];

/// A signed report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReport {
    /// The text: one line of canonical JSON.
    pub text: String,
    /// Its SHA-256 in hexadecimal, which the last event of the move holds.
    pub hash: String,
}

/// Signs a report. The same report and the same key give the same text.
pub fn sign(report: &Report, key: &SigningKey) -> SignedReport {
    let parts: [Value; 6] = [
        value(&report.balance),
        value(&report.events),
        value(&report.head),
        value(&report.last_callers),
        value(&report.parity),
        value(&report.spec),
    ];
    let sections: Map<String, Value> = SECTIONS.into_iter().map(str::to_owned).zip(parts).collect();
    let key_text = public_key(key);
    let hashes = hashes(&sections);
    let signature = key.sign(signed_bytes(VERSION, &hashes, &key_text).as_bytes());
    let whole = json!({
        "format": FORMAT,
        "version": VERSION,
        "key": key_text,
        "hashes": hashes,
        "sections": sections,
        "signature": hex(&signature.to_bytes()),
    });
    let text = canonical(&whole);
    let hash = hash(&text);
    SignedReport { text, hash }
}

/// The public half of a key, in hexadecimal. A reader of reports must know it.
pub fn public_key(key: &SigningKey) -> String {
    hex(key.verifying_key().as_bytes())
}

/// The text that is signed: it determines all sections.
pub(super) fn signed_bytes(version: u64, hashes: &Map<String, Value>, key: &str) -> String {
    canonical(&json!({ "format": FORMAT, "version": version, "hashes": hashes, "key": key }))
}

/// The SHA-256 of each section's canonical text.
pub(super) fn hashes(sections: &Map<String, Value>) -> Map<String, Value> {
    sections.iter().map(|(name, section)| (name.clone(), Value::String(hash(&canonical(section))))).collect()
}

pub(super) fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Canonical JSON (RFC 8785).
pub(super) fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).expect("a JSON value is written to memory")
}

fn value(section: &impl Serialize) -> Value {
    serde_json::to_value(section).expect("our own types have text keys only")
}
