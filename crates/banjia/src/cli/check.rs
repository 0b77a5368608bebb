//! `banjia check FILE`: what is wrong with a configuration file, all at once.

use super::Printer;
use crate::config::{self, report::Severity};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `banjia check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    #[arg(default_value = config::DEFAULT_FILE)]
    file: PathBuf,
    /// Do not mind environment variables and secret files that are not there: for a check on a machine without secrets.
    #[arg(long)]
    without_secrets: bool,
    /// Let warnings fail the check too.
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> ExitCode {
    let options = config::Options { without_secrets: args.without_secrets };
    let shown = args.file.display();
    let (findings, loaded) = match config::load(&args.file, options) {
        Ok(loaded) => (loaded.findings.clone(), Some(loaded)),
        Err(findings) => (findings, None),
    };
    if !findings.is_empty() {
        printer.line(findings.render(printer.is_color(), printer.width()).trim_end_matches('\n'));
        printer.line("");
    }
    let warnings = match findings.count(Severity::Warning) {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        many => format!(", {many} warnings"),
    };
    let Some(loaded) = loaded else {
        let problems = findings.count(Severity::Problem);
        printer.line(&format!("{shown}: {problems} problem{}{warnings}", if problems == 1 { "" } else { "s" }));
        return ExitCode::FAILURE;
    };
    let gateway = &loaded.config.gateway;
    printer.line(&format!(
        "{shown}: good{warnings} ({} vendors, {} routes, {} accounts, {} keys)",
        gateway.vendors.len(),
        gateway.routes.len(),
        gateway.accounts.len(),
        gateway.keys.len(),
    ));
    let fails = args.strict && !findings.is_empty();
    if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
