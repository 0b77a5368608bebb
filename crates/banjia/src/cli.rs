//! The commands, and the one printer through which they speak to people.
//!
//! Rules: one file per command; what a command answers goes to standard output and what it says
//! about its work to standard error; it exits with 0 when all is well, 1 when it found something
//! wrong, 2 when it was called wrongly (and `parity` with 3 when it cannot tell).

mod border;
mod campaign;
mod captures;
mod check;
mod database;
mod demo;
pub(crate) mod key;
mod manual;
mod moves;
mod parity;
mod plan;
mod probe;
mod region;
mod replay;
mod sandbox;
mod serve;
mod status;
mod survey;
mod vendor;
mod webhook;

use crate::clock;
use crate::config::LogFormat;
use crate::config::report::{Findings, Severity};
use banjia_cli::{audit, cuts, input, rehearse, request, scan, verify};
use clap::{Parser, Subcommand};
use database::{ActorArgs, Database, DatabaseArgs, RequestArgs};
use std::process::ExitCode;

pub(crate) use banjia_cli::{Printer, stop, table};
pub(crate) use moves::source_keys;
pub(crate) use parity::show as show_parity;
pub(crate) use survey::{by_route as survey_routes, each_stored};

/// Carry a business from the AI vendor that is leaving to one that stays: by a date, without losing
/// a request.
#[derive(Debug, Parser)]
#[command(name = "banjia", version, propagate_version = true)]
#[command(after_help = "See it work in a minute, with no keys and no services: banjia demo")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What is logged to standard error: error, warn, info, debug, trace, or a filter such as
    /// info,banjia_gateway=debug.
    #[arg(long = "log", global = true, env = "BANJIA_LOG", value_name = "LEVEL")]
    level: Option<String>,
    /// The form of log lines.
    #[arg(long, global = true, env = "BANJIA_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What was done to the border and which verdicts were given, in a chain that shows tampering.
    Audit(DatabaseArgs<audit::Command>),
    /// Who may be served: policies with dates, what they would do, exemptions and appeals.
    Border(border::Args),
    /// Notify the accounts that a policy affects, by mail, step by step.
    Campaign(campaign::Args),
    /// Recorded exchanges: count them, carry them out and in, forget them.
    Captures(captures::Args),
    /// Say what is wrong with a configuration file, all at once.
    Check(check::Args),
    /// Print the completions of a shell: banjia completions bash > /etc/bash_completion.d/banjia
    Completions(manual::Completions),
    /// Vendors that blocked this gateway's region and stay cut off.
    Cuts(DatabaseArgs<cuts::Command>),
    /// Watch a business keep running while its vendor cuts it off. Needs nothing: no keys, no
    /// services, no network.
    Demo(demo::Args),
    /// Keys for the gateway's clients.
    Key(key::Args),
    /// Print the manual page, or write one for each command.
    Man(manual::Man),
    /// Say axis by axis whether the destination answers as well as the source.
    Parity(parity::Args),
    /// Where each route goes, what it loses and costs there, whether it fits, and by when each
    /// stage must begin.
    Plan(plan::Args),
    /// Carry routes from a vendor that leaves to one that stays, stage by stage, by a date.
    Move(moves::Args),
    /// Compare a vendor's profile with the live vendor, fact by fact.
    Probe(probe::Args),
    /// Which countries and territories a provider supports, by date.
    Region(region::Args),
    /// Let a part of the conversations meet the source's true block for a while, and report what
    /// came of it, there and back.
    Rehearse(RehearseArgs),
    /// Ask recorded requests again, of another target or of the one that answered, and record the
    /// answers.
    Replay(replay::Args),
    /// Explain one request from the ledger, from its key to its end: targets that failed, the one
    /// that answered, tokens, cost, losses.
    Request(RequestArgs),
    /// Vendors in a box for tests and rehearsals: true to their wires, errors included.
    Sandbox(sandbox::Args),
    /// Where source code calls model vendors, and what to change for the gateway.
    Scan(scan::Args),
    /// Run the gateway.
    Serve(serve::Args),
    /// Where everything stands: vendors, the newest request, moves, policies, appeals.
    Status(status::Args),
    /// What is used: routes, models, parameters, tools, sizes, peaks, clients; and what was seen
    /// too rarely to judge.
    Survey(survey::Args),
    /// The vendors that are known.
    Vendor(vendor::Args),
    /// Check the report of a sealed move anywhere: its signature, its books, the order of its
    /// events.
    Verify(verify::Args),
    /// Which receivers get the events of the border, and whether they accepted them.
    Webhook(webhook::Args),
}

/// Arguments of `banjia rehearse`.
#[derive(Debug, clap::Args)]
struct RehearseArgs {
    #[command(flatten)]
    rehearsal: rehearse::Args,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    by: ActorArgs,
}

impl RehearseArgs {
    fn run(&self, printer: &mut Printer) -> anyhow::Result<ExitCode> {
        let by = self.by.at(clock::now()).actor;
        self.database.with(async |store| rehearse::run(&store, &self.rehearsal, by, clock::now, printer).await)
    }
}

/// How the process was asked to log, over what a configuration file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogChoice {
    pub(crate) level: Option<String>,
    pub(crate) format: Option<LogFormat>,
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = LogChoice { level: cli.level, format: cli.log_format };
    let mut printer = Printer::default();
    let done = match cli.command {
        Command::Audit(DatabaseArgs { command, database }) => {
            database.with(async |store| audit::run(&store, &command, clock::now(), &mut printer).await)
        }
        Command::Border(args) => border::run(args, &mut printer),
        Command::Campaign(args) => campaign::run(&args, &mut printer),
        Command::Captures(args) => captures::run(&args, &mut printer),
        Command::Check(args) => Ok(check::run(&args, &mut printer)),
        Command::Completions(args) => manual::completions(&args, &mut printer),
        Command::Cuts(DatabaseArgs { command, database }) => {
            database.with(async |store| cuts::run(&store, &command, clock::now(), &mut printer).await)
        }
        Command::Demo(args) => demo::run(&args, &log, &mut printer),
        Command::Key(args) => key::run(&args, &mut printer),
        Command::Man(args) => manual::man(&args, &mut printer),
        Command::Parity(args) => Ok(parity::run(&args, &log, &mut printer)),
        Command::Plan(args) => plan::run(&args, &mut printer),
        Command::Move(args) => moves::run(&args, &mut printer),
        Command::Probe(args) => probe::run(&args, &log, &mut printer),
        Command::Region(args) => region::run(args, &mut printer),
        Command::Rehearse(args) => args.run(&mut printer),
        Command::Request(RequestArgs { id, database }) => {
            database.with(async |store| request::run(&store, id, &mut printer).await)
        }
        Command::Replay(args) => replay::run(&args, &log, &mut printer),
        Command::Sandbox(args) => sandbox::run(args, &log, &mut printer),
        Command::Scan(args) => scan::run(&args, &mut printer),
        Command::Serve(args) => serve::run(args, &log, &mut printer),
        Command::Status(args) => status::run(&args, &mut printer),
        Command::Survey(args) => survey::run(&args, &mut printer),
        Command::Vendor(args) => vendor::run(args, &mut printer),
        Command::Verify(args) => verify::run(&args, &mut printer),
        Command::Webhook(args) => webhook::run(&args, &mut printer),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            printer.error(&said_once(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes. A cause that the text before holds already is left out, as errors of
/// the system are part of many sentences.
fn said_once(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            let between = if text.is_empty() { "" } else { ": " };
            text += between;
            text += &cause;
        }
    }
    text
}

/// Prints findings in frames, and returns how many problems they are: `2 problems`.
fn print_findings(findings: &Findings, printer: &mut Printer) -> String {
    printer.styled_line(findings.render(printer.is_color(), printer.width()).trim_end_matches('\n'));
    printer.line("");
    let problems = findings.count(Severity::Problem);
    format!("{problems} problem{}", if problems == 1 { "" } else { "s" })
}

/// The runtime of every command that does network or disk work: one worker for each processor that
/// is ours to use. With a single one there is nobody to share the work with, and a scheduler that
/// shares nothing costs less for each wake-up.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // Without it the first TLS connection would end the process: the HTTP client is built without a
    // provider of its own.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    let mut builder = match std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
        1 => tokio::runtime::Builder::new_current_thread(),
        workers => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    Ok(builder.enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn an_error_of_the_system_is_said_once() {
        let system = std::io::Error::from_raw_os_error(2);
        let sentence = format!("cannot read x.toml: {system}");
        let error = anyhow::Error::new(system).context(sentence).context("a move's text");
        assert_eq!(said_once(&error), "a move's text: cannot read x.toml: No such file or directory (os error 2)");
        let other = anyhow::anyhow!("one").context("two");
        assert_eq!(said_once(&other), "two: one");
    }

    #[test]
    fn options_of_all_commands_are_consistent() {
        Cli::command().debug_assert();
    }
}
