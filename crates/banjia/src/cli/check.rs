//! `banjia check FILE`: what is wrong with a configuration file, all at once.

use super::{Printer, print_findings};
use crate::config::{self, build, report::Severity};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `banjia check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file. Default: banjia.toml.
    file: Option<PathBuf>,
    /// The same by its name in all other commands.
    #[arg(long, short, env = "BANJIA_CONFIG", value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// Do not mind environment variables and secret files that are not there: for a check on a machine without secrets.
    #[arg(long)]
    without_secrets: bool,
    /// Let warnings fail the check too.
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> ExitCode {
    let options =
        config::Options { without_secrets: args.without_secrets, may_be_pipe: true, ..config::Options::default() };
    let default = PathBuf::from(config::DEFAULT_FILE);
    let file = args.file.as_ref().or(args.config.as_ref()).unwrap_or(&default);
    let shown = file.display();
    let (findings, loaded) = match build::file(file, options) {
        Ok(built) => (built.loaded.findings.clone(), Some(built.loaded)),
        Err(findings) => (findings, None),
    };
    if !findings.is_empty() {
        print_findings(&findings, printer);
    }
    let warnings = match findings.count(Severity::Warning) {
        0 => String::new(),
        many => format!(", {}", count(many, "warning")),
    };
    let Some(loaded) = loaded else {
        printer.line(&format!("{shown}: {}{warnings}", count(findings.count(Severity::Problem), "problem")));
        return ExitCode::FAILURE;
    };
    let gateway = &loaded.config.gateway;
    printer.line(&format!(
        "{shown}: good{warnings} ({}, {}, {}, {})",
        count(gateway.vendors.len(), "vendor"),
        count(gateway.routes.len(), "route"),
        count(gateway.accounts.len(), "account"),
        count(gateway.keys.len(), "key"),
    ));
    let fails = args.strict && !findings.is_empty();
    if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// `1 key`, `2 keys`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
