//! What was read and what was not. A report without findings means something only together with
//! this.

use crate::find::{Scan, State};
use crate::finding::{Confidence, Finding, Kind};
use crate::plain;
use serde::Serialize;
use std::collections::BTreeMap;

/// Maximum number of paths that are listed for each reason. The counts include the rest.
const LISTED_MAX: usize = 100;

/// Why a file was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// It is larger than [`FILE_BYTES_MAX`](crate::find::FILE_BYTES_MAX).
    TooLarge,
    /// It contains zero bytes.
    Binary,
    /// It holds no text, by its name.
    UnknownLanguage,
    /// The parser gave up.
    Unparsable,
    /// The file system refused access.
    Unreadable,
    /// It is a link. Links are not followed.
    Link,
}

impl Skip {
    /// The reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too large",
            Self::Binary => "binary",
            Self::UnknownLanguage => "no text, by their names",
            Self::Unparsable => "not parsable",
            Self::Unreadable => "not readable",
            Self::Link => "links",
        }
    }
}

/// The counts of one language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Number of files.
    pub files: u64,
    /// Number of these that were parsed. The others contain no relevant word.
    pub parsed: u64,
    /// Lines of all files.
    pub lines: u64,
}

/// What was read and what was not.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Coverage {
    /// Number of files.
    pub files_seen: u64,
    /// Number of files whose content was read.
    pub files_read: u64,
    /// Number of files that were parsed.
    pub files_parsed: u64,
    /// Number of lines of all files whose content was read.
    pub lines: u64,
    /// By language. `settings` are environment files and similar ones, `text` what no parser reads.
    pub languages: BTreeMap<String, Count>,
    /// Files that were not read, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// The first files of each reason, except for an unknown language.
    pub skipped_files: BTreeMap<Skip, Vec<String>>,
    /// Number of files with parts that the parser could not read. Calls in such parts may be
    /// missed.
    pub files_with_errors: u64,
    /// The first of these files.
    pub with_errors: Vec<String>,
    /// Number of files with bytes that are not UTF-8.
    pub files_with_odd_bytes: u64,
    /// Findings by kind and confidence.
    pub findings: BTreeMap<Kind, BTreeMap<Confidence, u64>>,
}

impl Coverage {
    /// Counts a file.
    pub fn add(&mut self, path: &str, scan: &Scan) {
        self.files_seen += 1;
        if let State::Skipped(why) = scan.state {
            *self.skipped.entry(why).or_default() += 1;
            if why != Skip::UnknownLanguage {
                list(self.skipped_files.entry(why).or_default(), path);
            }
            return;
        }
        let is_parsed = matches!(scan.state, State::Parsed | State::ParsedWithErrors);
        self.files_read += 1;
        self.files_parsed += u64::from(is_parsed);
        self.lines += scan.lines;
        self.files_with_odd_bytes += u64::from(scan.has_odd_bytes);
        let other = if scan.state == State::Text { plain::language(path) } else { "settings" };
        let name = scan.language.map_or(other, |language| language.as_str());
        let count = self.languages.entry(name.to_owned()).or_default();
        count.files += 1;
        count.parsed += u64::from(is_parsed);
        count.lines += scan.lines;
        if scan.state == State::ParsedWithErrors {
            self.files_with_errors += 1;
            list(&mut self.with_errors, path);
        }
        for Finding { kind, confidence, .. } in &scan.findings {
            *self.findings.entry(*kind).or_default().entry(*confidence).or_default() += 1;
        }
    }
}

fn list(paths: &mut Vec<String>, path: &str) {
    if paths.len() < LISTED_MAX {
        paths.push(path.to_owned());
    }
}
