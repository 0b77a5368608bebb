//! `banjia border`: policies put in force, paused, re-dated; what they would do; exemptions and appeals.
//!
//! Rules: nothing is put in force that would block everyone, or nearly all recorded traffic, or drop many places at once,
//! without `--yes` and the figure; every change is audited with who did it; a running gateway takes a change up within
//! seconds, without a restart.

mod accounts;
mod inquire;

pub(crate) use inquire::seen;
pub(super) use inquire::{Affected, affected};

use super::database::Database;
use super::{Printer, input, table};
use crate::border;
use crate::clock;
use crate::config::mask::Mask;
use anyhow::bail;
use banjia_border::audit::Hash;
use banjia_border::policy::Policy;
use banjia_border::registry::{diff, embedded};
use banjia_store::{Actor, Changed, PolicyRow, PolicyState, Store};
use banjia_types::calendar;
use banjia_types::{Problem, Timestamp};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The longest text of a policy that is read.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A policy that would refuse more than this share of recorded traffic needs `--yes`.
const REFUSED_SHARE_MAX: f64 = 0.9;

/// Arguments of `banjia border`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    database: Database,
    /// Who does it, for the audit.
    #[arg(long, global = true, env = "USER", default_value = "unknown", value_name = "NAME")]
    by: String,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
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
    let (database, actor) = (args.database, args.by);
    let by = Actor { actor: &actor, at: clock::now() };
    match args.command {
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
            let dates = [("notice", notice), ("block", block)];
            database.with(async |store| redate(&store, &id, &dates, by, printer).await)
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

/// Reads a policy's file; what is wrong with it is printed.
fn read(file: &Path, printer: &mut Printer) -> anyhow::Result<Policy> {
    let shown = file.display();
    let text = input::text(file, TEXT_BYTES_MAX)?;
    match Policy::parse(&text, embedded()) {
        Ok(policy) => Ok(policy),
        Err(problems) => {
            let mask = Mask::new(&text);
            for problem in &problems {
                printer.note(&format!("{shown}: {}", mask.sentence(&problem.to_string())));
            }
            bail!("{shown} cannot be used: {}", counted(&problems))
        }
    }
}

fn counted(problems: &[Problem]) -> String {
    format!("{} problem{}", problems.len(), if problems.len() == 1 { "" } else { "s" })
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
    let doubts = doubts(store, policy, by.at).await?;
    for doubt in &doubts {
        printer.note(doubt);
    }
    if !doubts.is_empty() && !yes {
        bail!("not put in force; if this is meant, say --yes");
    }
    let done = put(store, policy, by).await?;
    printer.line(&match done {
        Changed::Already => format!("{} is in force already.", policy.label()),
        _ => format!("In force. {}", in_short(policy)),
    });
    Ok(ExitCode::SUCCESS)
}

/// What speaks against putting a policy in force without a second look.
async fn doubts(store: &Store, policy: &Policy, at: Timestamp) -> anyhow::Result<Vec<String>> {
    let mut doubts = Vec::new();
    let (unserved, all) = policy.unserved_places();
    if unserved == all {
        doubts.push(format!("Its list serves none of {all} countries and territories: everybody would be refused."));
    }
    let (refused, requests) = inquire::refused(store, policy, at).await?;
    if requests > 0 && refused as f64 > REFUSED_SHARE_MAX * requests as f64 {
        let share = refused as f64 / requests as f64 * 100.0;
        doubts.push(format!("It would refuse {refused} of {requests} requests of the last 30 days ({share:.1} %)."));
    }
    for row in store.policies_in_force().await?.iter().filter(|row| row.id == policy.id()) {
        let diff = diff(border::policy(row)?.list(), policy.list());
        if diff.is_steep() {
            let lost: Vec<_> = diff.removed.iter().map(ToString::to_string).collect();
            doubts.push(format!("{} places would lose service at once: {}.", lost.len(), lost.join(" ")));
        }
    }
    Ok(doubts)
}

/// Writes a version and puts it in force.
pub(crate) async fn put(store: &Store, policy: &Policy, by: Actor<'_>) -> anyhow::Result<Changed> {
    told(policy, store.activate_policy(&row(policy, by), by).await?)
}

fn row(policy: &Policy, by: Actor<'_>) -> PolicyRow {
    PolicyRow {
        id: policy.id().to_owned(),
        version: policy.version(),
        hash: Hash(policy.hash()).to_string(),
        rule_set: policy.set().as_str().to_owned(),
        text: policy.text().to_string(),
        state: PolicyState::Active,
        changed_at: by.at,
    }
}

fn told(policy: &Policy, done: Changed) -> anyhow::Result<Changed> {
    if done == Changed::OtherText {
        bail!("{} is there with another text; a changed policy needs another version", policy.label());
    }
    Ok(done)
}

async fn show(store: &Store, id: Option<&str>, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let rows = store.policies().await?;
    if let Some(id) = id {
        let Some(row) = rows.iter().find(|row| row.id == id) else { bail!("there is no policy {id:?}") };
        printer.line(row.text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        printer.line("There is no policy: everybody is served. `banjia border activate FILE` puts one in force.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = Vec::new();
    for row in &rows {
        let policy = border::policy(row)?;
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
    match store.set_policy_state(id, state, by).await? {
        Changed::Missing => bail!("no version of a policy {id:?} is in force"),
        Changed::Already => printer.line(&format!("{id} is {} already.", state.as_str())),
        _ => printer.line(&format!("{id} is {} from now on.", state.as_str())),
    }
    Ok(ExitCode::SUCCESS)
}

async fn redate(
    store: &Store,
    id: &str,
    dates: &[(&'static str, Option<String>); 2],
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let given: Vec<_> = dates.iter().filter_map(|(key, date)| Some((*key, date.as_deref()?))).collect();
    if given.is_empty() {
        bail!("say --block DATE, --notice DATE or both");
    }
    let rows = store.policies_in_force().await?;
    let Some(row) = rows.iter().find(|row| row.id == id) else { bail!("no version of a policy {id:?} is in force") };
    let text = border::policy(row)?.redated(&given, embedded()).map_err(|problems| {
        let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("these dates do not fit the policy: {}", said.join("; "))
    })?;
    let policy = border::policy(&PolicyRow { text, ..row.clone() })?;
    told(&policy, store.redate_policy(&self::row(&policy, by), by).await?)?;
    printer.line(&format!("In force. {}", in_short(&policy)));
    Ok(ExitCode::SUCCESS)
}
