//! The findings in one file.
//!
//! # Rules
//! - A call is found by syntax and traced to an import.
//! - An untraced call is found only if its path and arguments are unmistakable, and with less
//!   confidence.
//! - Comments and strings are never calls. Only keys are searched for everywhere, because a key in
//!   a comment is as public as one in code.

mod calls;
mod clients;
mod http;
mod places;

use crate::advice;
use crate::coverage::Skip;
use crate::envfile;
use crate::finding::{Finding, Kind};
use crate::keys;
use crate::lang::Language;
use crate::notebook;
use crate::plain;
use crate::resolve::Resolver;
use crate::rules::ScanRules;
use crate::syntax::{self, Form, Id};
use std::collections::HashSet;

pub(crate) use places::host_of;

/// Larger files are not read. They are data or generated.
pub const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Maximum number of findings in one file. A file with more is not source code.
const FINDINGS_MAX: usize = 10_000;
/// A file with a zero byte in its first bytes is binary. This is the number of bytes that are
/// searched.
const BINARY_LOOK: usize = 8192;

/// How a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// By its syntax.
    Parsed,
    /// By its syntax, except for parts that the parser could not read.
    ParsedWithErrors,
    /// It contains no relevant word, and was only searched for keys.
    NothingOfInterest,
    /// Line by line: settings, not code.
    Settings,
    /// Line by line, for hosts, variables and keys: its syntax is not read here. Of a notebook the
    /// code was read.
    Text,
    /// The file was not read.
    Skipped(Skip),
}

/// The result of scanning one file.
#[derive(Clone, Debug)]
pub struct Scan {
    /// How the file was read.
    pub state: State,
    /// Its language, if its syntax is known.
    pub language: Option<Language>,
    /// Number of lines. 0 if the file was skipped.
    pub lines: u64,
    /// Whether it contains bytes that are not UTF-8. They were read as unknown characters.
    pub has_odd_bytes: bool,
    /// The findings in the order of the text.
    pub findings: Vec<Finding>,
}

impl Scan {
    /// The result for a file that is not read.
    pub fn skipped(why: Skip) -> Self {
        Self { state: State::Skipped(why), language: None, lines: 0, has_odd_bytes: false, findings: Vec::new() }
    }
}

/// Whether a file with this name would be read. The caller need not open the others.
pub fn is_readable(path: &str) -> bool {
    Language::of_path(path).is_some() || plain::may_be_text(path)
}

/// Scans a file. `path` determines the language and is repeated in the findings.
pub fn find(path: &str, text: &[u8], rules: &ScanRules) -> Scan {
    let language = Language::of_path(path);
    if !is_readable(path) {
        return Scan::skipped(Skip::UnknownLanguage);
    }
    if text.len() > FILE_BYTES_MAX {
        return Scan::skipped(Skip::TooLarge);
    }
    if text[..text.len().min(BINARY_LOOK)].contains(&0) {
        return Scan::skipped(Skip::Binary);
    }
    let lines = Lines::new(text);
    let is_of_interest = rules.is_of_interest(text);
    let mut findings: Vec<(usize, Finding)> = Vec::new();
    let notebook = if plain::language(path) == "notebook" { notebook::read(text) } else { None };
    let state = match language {
        None if envfile::is_settings(path) => {
            findings.extend(settings(path, text, rules));
            State::Settings
        }
        None => {
            let code = notebook.filter(|_| is_of_interest).map(|notebook| in_notebook(&notebook, rules));
            findings.extend(code.unwrap_or_else(|| plain::find(path, text, rules)));
            State::Text
        }
        Some(_) if !is_of_interest => State::NothingOfInterest,
        Some(language) => match syntax::read(language, text) {
            None => return Scan::skipped(Skip::Unparsable),
            Some(unit) => {
                findings.extend(search(&Resolver::new(&unit, rules)));
                if unit.has_errors { State::ParsedWithErrors } else { State::Parsed }
            }
        },
    };
    findings.extend(keys::find(text, is_of_interest, rules));
    findings.sort_by_key(|(at, finding)| (*at, finding.kind));
    findings.truncate(FINDINGS_MAX);
    let findings = findings.into_iter().map(|(at, finding)| placed(finding, path, lines.place(text, at), rules));
    Scan {
        state,
        language,
        lines: lines.count(),
        has_odd_bytes: std::str::from_utf8(text).is_err(),
        findings: findings.collect(),
    }
}

/// The variables of a settings file, and the hosts that stand under names which no SDK reads.
fn settings(path: &str, text: &[u8], rules: &ScanRules) -> Vec<(usize, Finding)> {
    let mut found = envfile::find(text, rules);
    let line_of = |at: usize| text.get(..at).map_or(0, |before| memchr::memchr_iter(b'\n', before).count());
    let told: HashSet<usize> = found.iter().map(|(at, _)| line_of(*at)).collect();
    let hosts = plain::find(path, text, rules).into_iter();
    found.extend(hosts.filter(|(at, finding)| finding.kind == Kind::Host && !told.contains(&line_of(*at))));
    found
}

/// The findings in the code of a notebook, at their places in its file.
fn in_notebook(notebook: &notebook::Notebook, rules: &ScanRules) -> Vec<(usize, Finding)> {
    let Some(unit) = syntax::read(Language::Python, notebook.code.as_bytes()) else { return Vec::new() };
    let found = search(&Resolver::new(&unit, rules));
    found.into_iter().map(|(at, finding)| (notebook.place(at), finding)).collect()
}

fn placed(mut finding: Finding, path: &str, (line, column): (u32, u32), rules: &ScanRules) -> Finding {
    path.clone_into(&mut finding.file);
    (finding.line, finding.column) = (line, column);
    finding.is_served = finding.endpoint.as_ref().map(|endpoint| rules.served.contains(endpoint));
    advice::give(&mut finding, rules);
    finding
}

/// Where lines begin.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &[u8]) -> Self {
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text).map(|at| at + 1)).collect();
        Self { starts }
    }

    fn count(&self) -> u64 {
        self.starts.len() as u64
    }

    /// Line and column of a byte, from 1, the column in characters.
    fn place(&self, text: &[u8], at: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts[line - 1];
        let before = String::from_utf8_lossy(text.get(start..at).unwrap_or_default());
        (line as u32, before.chars().count() as u32 + 1)
    }
}

/// What a search of one file gathers.
struct Search<'r, 'u> {
    r: &'r Resolver<'u>,
    /// SDKs that the file deals with, even if only with their types.
    sdks: Vec<usize>,
    /// Expressions that a finding speaks for already.
    told: HashSet<Id>,
    found: Vec<(usize, Finding)>,
}

fn search(r: &Resolver<'_>) -> Vec<(usize, Finding)> {
    let mut sdks: Vec<usize> = Vec::new();
    for (module, symbol, _) in &r.unit.imports {
        let inner = symbol.as_ref().map(|symbol| format!("{module}.{symbol}"));
        for name in std::iter::once(module.as_str()).chain(inner.as_deref()) {
            sdks.extend(r.rules.sdks_around(r.unit.language, name));
        }
    }
    sdks.sort_unstable();
    sdks.dedup();
    let mut search = Search { r, sdks, told: HashSet::new(), found: Vec::new() };
    for (id, expr) in r.unit.exprs.iter().enumerate() {
        let Form::Call(callee, args) = &expr.form else { continue };
        if search.found.len() >= FINDINGS_MAX {
            break;
        }
        let id = id as Id;
        if !search.client(id, *callee, args) && !search.call(id, *callee, args) {
            search.http(id, *callee, args);
            search.references(args);
        }
    }
    search.hosts();
    search.environment();
    search.side_channels();
    search.found
}

impl Search<'_, '_> {
    fn add(&mut self, id: Id, finding: Finding) {
        self.found.push((self.r.unit.exprs[id as usize].start, finding));
    }

    /// Lets a finding speak for an expression and its parts.
    fn tell(&mut self, id: Id) {
        let mut rest = vec![id];
        while let Some(id) = rest.pop() {
            if !self.told.insert(id) {
                continue;
            }
            match self.r.form(id) {
                Form::Joined(parts) | Form::Either(parts) | Form::List(parts) => rest.extend(parts),
                Form::Index(object, key) => rest.extend([*object, *key]),
                Form::Call(_, args) => rest.extend(args.iter().map(|arg| arg.value)),
                _ => {}
            }
        }
    }

    /// The name of a model: as text, by a constant of the SDK, or not known.
    fn model(&self, id: Id, sdk: Option<usize>) -> String {
        if let Some(text) = self.r.whole_text(id) {
            return keys::clean(&text, self.r.rules);
        }
        let behind = self.r.behind(id);
        let constant = match self.r.form(behind) {
            Form::Member(_, name) | Form::Name(name) => Some(name),
            // `openai.F(openai.ChatModelX)`
            Form::Call(_, args) => args.first().and_then(|arg| match self.r.form(arg.value) {
                Form::Member(_, name) => Some(name),
                _ => None,
            }),
            _ => None,
        };
        let known = sdk.zip(constant).and_then(|(sdk, name)| self.r.rules.sdks[sdk].constants.get(name));
        known.cloned().unwrap_or_else(|| "dynamic".to_owned())
    }

    /// Arguments as parameters, values only when they are numbers or truth values.
    fn parameters(&self, list: &[(String, Id)]) -> Vec<crate::finding::Parameter> {
        let value = |id: Id| match self.r.form(self.r.behind(id)) {
            Form::Scalar(text) if text.len() <= 32 => Some(text.clone()),
            _ => None,
        };
        let mut seen = HashSet::new();
        list.iter()
            .filter(|(name, _)| seen.insert(name.as_str()))
            .map(|(name, id)| crate::finding::Parameter { name: name.clone(), value: value(*id) })
            .collect()
    }
}
