//! `banjia scan PATH`: where a source tree calls model vendors, and what to change for the gateway.

mod walk;

use crate::{Printer, table};
use anyhow::Context as _;
use banjia_scan::report::{sentence, setting};
use banjia_scan::{Confidence, Finding, Kind, Report, Skip};
use banjia_types::visible::visible_line;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `banjia scan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder or a file.
    path: PathBuf,
    /// How the report looks.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 1 when this is found, for a check in a pipeline.
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// Scan what .gitignore leaves out too. Environment files are always scanned.
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people and grep: one finding a line.
    #[value(alias = "table")]
    Text,
    /// With names that stay: docs/guide/scan.md.
    Json,
    /// SARIF 2.1.0, for what shows findings beside code.
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// A key that is written down.
    Keys,
    /// Anything.
    Any,
}

/// Scans and prints the report.
///
/// # Errors
/// A path that cannot be read.
pub fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let report = walk::scan(&args.path, args.all)?;
    match args.format {
        Format::Text => show(&report, printer),
        Format::Json => printer.line(&pretty(&report.to_json())?),
        Format::Sarif => printer.line(&pretty(&report.to_sarif(env!("CARGO_PKG_VERSION")))?),
    }
    let fails = match args.fail_on {
        None => false,
        Some(FailOn::Keys) => report.findings.iter().any(|finding| finding.kind == Kind::Key),
        Some(FailOn::Any) => !report.findings.is_empty(),
    };
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn pretty(value: &serde_json::Value) -> anyhow::Result<String> {
    serde_json::to_string_pretty(value).context("the report cannot be written as JSON")
}

fn show(report: &Report, printer: &mut Printer) {
    for kind in Kind::ALL {
        let of_kind: Vec<&Finding> = report.findings.iter().filter(|finding| finding.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        printer.line(&format!("{} ({})", title(kind), of_kind.len()));
        for finding in of_kind {
            printer.line(&line(finding));
        }
        printer.line("");
    }
    advice(report, printer);
    coverage(report, printer);
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Client => "Clients",
        Kind::Call => "Calls",
        Kind::Http => "Raw HTTP",
        Kind::Host => "Hosts in code",
        Kind::Environment => "Variables",
        Kind::Key => "Keys written down",
        Kind::SideChannel => "Side channels",
    }
}

/// One finding as one line: `src/app.py:12:5: call: chat/completions is called through
/// openai-python [certain]`.
fn line(finding: &Finding) -> String {
    let Finding { file, line, column, .. } = finding;
    let mut text = format!("{file}:{line}:{column}: {}: {}", finding.kind.as_str(), sentence(finding));
    if let Some(key) = &finding.key {
        text += ", key ";
        text += &setting(key);
    }
    let with = if matches!(finding.kind, Kind::Call | Kind::Http) { parameters(finding) } else { String::new() };
    if !with.is_empty() {
        text += ", with ";
        text += &with;
    }
    if finding.is_served == Some(false) {
        text += ", which a gateway does not serve today";
    }
    if let Some(fingerprint) = &finding.fingerprint {
        text += ", fingerprint ";
        text += fingerprint;
    }
    text += " [";
    text += finding.confidence.as_str();
    text.push(']');
    visible_line(&text).into_owned()
}

fn parameters(finding: &Finding) -> String {
    let mut shown: Vec<String> = finding
        .parameters
        .iter()
        .filter(|parameter| !matches!(parameter.name.as_str(), "model" | "messages" | "input"))
        .map(|parameter| match &parameter.value {
            Some(value) => format!("{}={value}", parameter.name),
            None => parameter.name.clone(),
        })
        .collect();
    shown.extend(finding.has_more_parameters.then(|| "...".to_owned()));
    shown.join(" ")
}

/// Each advice once, the most frequent first.
fn advice(report: &Report, printer: &mut Printer) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in report.findings.iter().flat_map(|finding| &finding.advice) {
        *counts.entry(text).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if !counts.is_empty() {
        let rows: Vec<_> = counts.iter().map(|(text, count)| vec![count.to_string(), (*text).to_owned()]).collect();
        printer.line(&table(&["places>", "what to do"], &rows, printer.width()));
        printer.line("");
    }
}

fn coverage(report: &Report, printer: &mut Printer) {
    let coverage = &report.coverage;
    let languages =
        coverage.languages.iter().map(|(name, count)| format!("{name} {} ({} parsed)", count.files, count.parsed));
    printer.line(&format!(
        "Read {} of {} files, {} lines: {}.",
        coverage.files_read,
        coverage.files_seen,
        coverage.lines,
        languages.collect::<Vec<_>>().join(", ")
    ));
    if !coverage.skipped.is_empty() {
        let skipped = coverage.skipped.iter().map(|(why, count)| format!("{count} {}", why.as_str()));
        printer.line(&format!("Not read: {}.", skipped.collect::<Vec<_>>().join(", ")));
    }
    for (why, files) in coverage.skipped_files.iter().filter(|(why, _)| **why != Skip::Link) {
        printer.line(&format!("  {}: {}", why.as_str(), visible_line(&files.join(", "))));
    }
    if coverage.files_with_errors > 0 {
        let files = coverage.with_errors.join(", ");
        let files = visible_line(&files);
        printer.line(&format!("Partly not understood, calls there may be missed: {files}."));
    }
    let sure = |wanted| report.findings.iter().filter(|finding| finding.confidence == wanted).count();
    printer.line(&format!(
        "{} findings: {} certain, {} likely, {} possible.",
        report.findings.len(),
        sure(Confidence::Certain),
        sure(Confidence::Likely),
        sure(Confidence::Possible)
    ));
}
