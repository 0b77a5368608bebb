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
    #[arg(long, value_enum, default_value_t = Format::Table)]
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
    /// For people.
    Table,
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
        Format::Table => show(&report, printer),
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
        let rows: Vec<Vec<String>> = of_kind.iter().map(|finding| row(finding)).collect();
        printer.line(&table(&header(kind), &rows, printer.width()));
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

fn header(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Client => vec!["where", "SDK", "endpoint", "model", "base address", "key"],
        Kind::Call | Kind::Http => vec!["where", "endpoint", "served", "model", "parameters", "sure"],
        Kind::Host | Kind::Environment | Kind::SideChannel => vec!["where", "what"],
        Kind::Key => vec!["where", "kind", "fingerprint"],
    }
}

fn row(finding: &Finding) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let place = format!("{}:{}", finding.file, finding.line);
    match finding.kind {
        Kind::Client => {
            let said = |value: &Option<_>| value.as_ref().map(setting).unwrap_or_default();
            let (base, key) = (said(&finding.base_url), said(&finding.key));
            vec![place, text(&finding.sdk), text(&finding.endpoint), text(&finding.model), base, key]
        }
        Kind::Call | Kind::Http => {
            let served = finding.is_served.map_or("", |is_served| if is_served { "yes" } else { "no" });
            let confidence = finding.confidence.as_str().to_owned();
            let (endpoint, model) = (text(&finding.endpoint), text(&finding.model));
            vec![place, endpoint, served.to_owned(), model, parameters(finding), confidence]
        }
        Kind::Host | Kind::Environment | Kind::SideChannel => vec![place, sentence(finding)],
        Kind::Key => vec![place, text(&finding.name), text(&finding.fingerprint)],
    }
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
