//! `banjia border`: policies put in force, paused, re-dated; what they would do; exemptions and appeals.
//!
//! Rules: nothing is put in force that would block everyone, or nearly all recorded traffic, or drop many places at once,
//! without `--yes` and the figure; every change is audited with who did it; a running gateway takes a change up within
//! seconds, without a restart.

mod inquire;

pub(super) use inquire::{Affected, affected};

use super::database::AuditedArgs;
use super::{Printer, input, print_findings, table};
use crate::clock;
use crate::config::every;
use anyhow::bail;
use banjia_border::policy::Policy;
use banjia_border::registry::embedded;
use banjia_cli::accounts;
use banjia_control::policies::{self, ActivationOutcome, NewDates};
use banjia_store::{Actor, PolicyState, Store};
use banjia_types::Timestamp;
use banjia_types::calendar;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The longest text of a policy that is read.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Arguments of `banjia border`.
pub(super) type Args = AuditedArgs<Command>;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say what is wrong with a policy, all at once.
    Check {
        /// The policy's file.
        file: PathBuf,
    },
    /// Put a policy in force. The version before it is retired.
    Activate {
        /// The policy's file.
        file: PathBuf,
        /// Do it although nearly everybody would be refused.
        #[arg(long)]
        yes: bool,
    },
    /// The policies, by version.
    Show {
        /// A policy: print the text of its newest version.
        id: Option<String>,
    },
    /// Let a policy only observe: nobody is refused, verdicts are still counted.
    Pause {
        /// The policy.
        id: String,
    },
    /// Let a paused policy judge again.
    Resume {
        /// The policy.
        id: String,
    },
    /// End a policy.
    Retire {
        /// The policy.
        id: String,
    },
    /// Give a policy other dates: the next version, in force at once.
    Redate {
        /// The policy.
        id: String,
        /// From when on those who are not served are told.
        #[arg(long, value_name = "DATE")]
        notice: Option<String>,
        /// From when on they are refused.
        #[arg(long, value_name = "DATE")]
        block: Option<String>,
    },
    /// What a policy would have done to recorded traffic, beside what the one in force would have done.
    Try(inquire::Try),
    /// The accounts that a policy hits, with the evidence.
    Affected(Affected),
    /// The verdict for one caller, and why.
    Explain(inquire::Explain),
    /// Accounts that are served although a rule says otherwise, for a time.
    #[command(subcommand)]
    Exempt(accounts::Exempt),
    /// Accounts that want no more notices.
    #[command(subcommand)]
    Unsubscribe(accounts::Unsubscribe),
    /// What accounts have objected.
    #[command(subcommand)]
    Appeal(accounts::AppealCommand),
}

pub(super) fn run(args: Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let AuditedArgs { command, database, by } = args;
    let by = by.at(clock::now());
    match command {
        Command::Check { file } => check(&file, printer),
        Command::Activate { file, yes } => {
            let policy = read(&file, printer)?;
            database.with(async |store| activate(&store, &policy, yes, by, printer).await)
        }
        Command::Show { id } => database.with(async |store| show(&store, id.as_deref(), printer).await),
        Command::Pause { id } => database.with(async |store| set(&store, &id, PolicyState::Paused, by, printer).await),
        Command::Resume { id } => database.with(async |store| set(&store, &id, PolicyState::Active, by, printer).await),
        Command::Retire { id } => {
            database.with(async |store| set(&store, &id, PolicyState::Retired, by, printer).await)
        }
        Command::Redate { id, notice, block } => {
            let dates = NewDates { notice: notice.as_deref(), block: block.as_deref() };
            database.with(async |store| redate(&store, &id, dates, by, printer).await)
        }
        Command::Try(what) => inquire::try_policy(&database, &what, printer),
        Command::Affected(what) => affected(&database, &what, printer),
        Command::Explain(what) => inquire::explain(&database, &what, printer),
        Command::Exempt(what) => database.with(async |store| accounts::exempt(&store, &what, by, printer).await),
        Command::Unsubscribe(what) => {
            database.with(async |store| accounts::unsubscribe(&store, &what, by, printer).await)
        }
        Command::Appeal(what) => database.with(async |store| accounts::appeal(&store, &what, by, printer).await),
    }
}

/// Reads a policy's file. Everything that is wrong with it is printed.
fn read(file: &Path, printer: &mut Printer) -> anyhow::Result<Policy> {
    let shown = file.display().to_string();
    let text = input::text(file, TEXT_BYTES_MAX)?;
    let (policy, findings) = every::read(&shown, &text, |text| Policy::parse(text, embedded()));
    if let Some(policy) = policy.filter(|_| findings.is_empty()) {
        return Ok(policy);
    }
    let count = print_findings(&findings, printer);
    bail!("{shown} cannot be used: {count}")
}

fn check(file: &Path, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let policy = read(file, printer)?;
    printer.line(&format!("{}: good. {}", file.display(), in_short(&policy)));
    Ok(ExitCode::SUCCESS)
}

fn in_short(policy: &Policy) -> String {
    let show = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| calendar::show(at, policy.zone()));
    let (unserved, all) = policy.unserved_places();
    format!(
        "{}: notice {}, {} brownouts, block {}; {unserved} of {all} countries and territories are not served; {} rules",
        policy.label(),
        show(policy.phases().notice),
        policy.phases().brownouts.len(),
        show(policy.phases().block),
        policy.rules().len(),
    )
}

async fn activate(
    store: &Store,
    policy: &Policy,
    yes: bool,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let activation = policies::activate(store, policy, yes, by).await?;
    for doubt in &activation.doubts {
        printer.note(&doubt.to_string());
    }
    printer.line(&match activation.outcome {
        ActivationOutcome::NotConfirmed => bail!("not put in force; if this is meant, say --yes"),
        ActivationOutcome::Refused(error) => return Err(error.into()),
        ActivationOutcome::WasInForce => format!("{} is in force already.", policy.label()),
        ActivationOutcome::InForce => format!("In force. {}", in_short(policy)),
    });
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &Store, id: Option<&str>, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    if let Some(id) = id {
        printer.line(policies::text(store, id).await?.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let rows = policies::all(store).await?;
    if rows.is_empty() {
        printer.line("There is no policy: everybody is served. `banjia border activate FILE` puts one in force.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = Vec::new();
    for (row, policy) in &rows {
        let date = |at: Option<Timestamp>| at.map_or_else(String::new, |at| calendar::show(at, policy.zone()));
        let (notice, block) = (date(policy.phases().notice), date(policy.phases().block));
        let list = policy.list().id.clone();
        let state = row.state.as_str().to_owned();
        shown.push(vec![row.id.clone(), row.version.to_string(), state, notice, block, list, row.rule_set.clone()]);
    }
    let header = ["policy", "version>", "state", "notice", "block", "list", "rule set"];
    printer.line(&table(&header, &shown, printer.width()));
    Ok(ExitCode::SUCCESS)
}

async fn set(
    store: &Store,
    id: &str,
    state: PolicyState,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let is_changed = policies::set_state(store, id, state, by).await?;
    let since = if is_changed { "from now on" } else { "already" };
    printer.line(&format!("{id} is {} {since}.", state.as_str()));
    Ok(ExitCode::SUCCESS)
}

async fn redate(
    store: &Store,
    id: &str,
    dates: NewDates<'_>,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    if dates.notice.is_none() && dates.block.is_none() {
        bail!("say --block DATE, --notice DATE or both");
    }
    let policy = policies::redate(store, id, dates, by).await?;
    printer.line(&format!("In force. {}", in_short(&policy)));
    Ok(ExitCode::SUCCESS)
}
