//! `banjia move`: make a move, see where it stands and why, and order something of it.
//!
//! Rules: what changes where callers go needs a reason, which stays in the move's log; an order that cannot be done says why; a
//! running gateway takes up a change within seconds.

mod fit;
mod seal;
mod show;

pub(crate) use seal::source_keys;
pub(super) use show::sentence;

use super::database::{AuditedArgs, Database};
use super::{Printer, input, print_findings};
use crate::clock;
use crate::config::every;
use anyhow::Context as _;
use banjia_cli::rehearse::share;
use banjia_control::moves::{self, MoveCommand};
use banjia_movement::spec::MoveSpec;
use banjia_movement::stage::{ActiveDestination, Order};
use banjia_store::Actor;
use banjia_types::{RouteName, Share, Stage};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The largest text of a move that is read.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// Arguments of `banjia move`.
pub(super) type Args = AuditedArgs<Command>;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say what is wrong with a move's text, and what of it does not fit the configuration, all at once.
    Check {
        /// The text.
        file: PathBuf,
    },
    /// Make a move that fits the configuration. From now on it is looked at while a gateway runs.
    New {
        /// The text.
        file: PathBuf,
    },
    /// Every move, and where it stands.
    List,
    /// Where a move stands, what keeps it from going on, and what happened.
    Show {
        /// Its id.
        id: String,
        /// Compare the newest captures now, as the running gateway does for its gates. It may take a while.
        #[arg(long)]
        verdicts: bool,
    },
    /// Pause automatic advancement. Deadlines, a source block and failing gates still take effect.
    Pause(Why),
    /// Resume automatic advancement.
    Resume(Why),
    /// Name the stage, in place of gates.
    Override {
        #[command(flatten)]
        why: Why,
        /// record, shadow, canary or live.
        #[arg(long, value_parser = stage)]
        to: Stage,
        /// In canary: the part of the conversations, as 5% or 0.05. Default: the first step of the text.
        #[arg(long, value_parser = share)]
        share: Option<Share>,
    },
    /// Give it other dates, in its own zone.
    Redate {
        #[command(flatten)]
        why: Why,
        /// By when it must be live: 2027-01-15T00:00.
        #[arg(long)]
        deadline: String,
        /// From when on the source is not asked. Default: the deadline.
        #[arg(long)]
        source_until: Option<String>,
    },
    /// Roll a route to its other destination.
    Switch {
        #[command(flatten)]
        why: Why,
        /// Which route.
        #[arg(long)]
        route: String,
        /// Back to the first destination instead of on to the second.
        #[arg(long)]
        back: bool,
    },
    /// End a live move: what stands in the way, line by line, or a signed report that `banjia verify` checks anywhere.
    Seal(seal::Args),
}

/// Of which move, and why.
#[derive(Debug, clap::Args)]
pub(super) struct Why {
    /// Its id.
    id: String,
    /// Why; it stays in the log.
    #[arg(long)]
    reason: String,
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let now = clock::now();
    let by = args.by.at(now);
    if let Command::Check { file } = &args.command {
        return check(file, &args.database, printer);
    }
    if let Command::New { file } = &args.command {
        return new(file, &args.database, by, printer);
    }
    if let Command::Seal(asked) = &args.command {
        let database = &args.database;
        return database.with(async |store| seal::run(asked, by.actor, database, &store, printer).await);
    }
    args.database.with(async |store| {
        let (why, command) = match &args.command {
            Command::Check { .. } | Command::New { .. } | Command::Seal(_) => return Ok(()),
            Command::List => return show::list(&store, now, printer).await,
            Command::Show { id, verdicts } => {
                let beside = show::Beside { database: &args.database, verdicts: *verdicts, now };
                return show::show(&store, id, beside, printer).await;
            }
            Command::Pause(why) => (why, MoveCommand::Pause),
            Command::Resume(why) => (why, MoveCommand::Resume),
            Command::Override { why, to, share } => (why, MoveCommand::Override { to: *to, share: *share }),
            Command::Redate { why, deadline, source_until } => {
                (why, MoveCommand::Redate { deadline, source_until: source_until.as_deref() })
            }
            Command::Switch { why, route, back } => {
                let to = if *back { ActiveDestination::First } else { ActiveDestination::Second };
                (why, MoveCommand::Switch { route: RouteName::from(route), to })
            }
        };
        let order = Order { by: by.actor, reason: &why.reason, at: by.at };
        let after = moves::execute(&store, &why.id, command, order).await?;
        printer.line(&show::sentence(&after.of, now));
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<String> {
    input::text(file, TEXT_BYTES_MAX).context("a move's text")
}

fn check(file: &Path, database: &Database, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let Some((_, spec)) = fitting(file, database, printer)? else { return Ok(ExitCode::FAILURE) };
    for note in &spec.notes {
        printer.line(&format!("note: {note}"));
    }
    let (deadline, until) = (spec.show(spec.deadline), spec.show(spec.source_until));
    let (routes, id) = (spec.routes.len(), &spec.id);
    printer.line(&format!(
        "{}: good. {id} moves {routes} routes by {deadline}; the source is asked until {until}.",
        file.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Returns the text and what it says. If anything is wrong with it, or does not fit the
/// configuration if there is one, prints all of that and returns `None`.
fn fitting(file: &Path, database: &Database, printer: &mut Printer) -> anyhow::Result<Option<(String, MoveSpec)>> {
    let text = read(file)?;
    let shown = file.display().to_string();
    let (spec, mut findings) = every::read(&shown, &text, MoveSpec::parse);
    if let (Some(spec), Some(loaded)) = (&spec, database.loaded()?) {
        fit::add_misfits(spec, &text, &loaded, &mut findings);
    }
    if !findings.is_empty() {
        let count = print_findings(&findings, printer);
        if findings.has_problems() {
            printer.line(&format!("{shown}: {count}"));
            return Ok(None);
        }
    }
    Ok(spec.map(|spec| (text, spec)))
}

fn new(file: &Path, database: &Database, by: Actor<'_>, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let Some((text, spec)) = fitting(file, database, printer)? else { return Ok(ExitCode::FAILURE) };
    let made = database.with(async |store| Ok(moves::make(&store, &text, by).await?))?;
    let (id, stage, deadline) = (&spec.id, made.of.stage(), spec.show(spec.deadline));
    printer.line(&format!("The move {id} begins in {stage}. It must be live by {deadline}."));
    if database.loaded()?.is_none() {
        printer.note("There is no configuration here, so whether its routes and targets exist was not looked at.");
    }
    Ok(ExitCode::SUCCESS)
}

fn stage(text: &str) -> Result<Stage, String> {
    [Stage::Record, Stage::Shadow, Stage::Canary, Stage::Live]
        .into_iter()
        .find(|stage| stage.as_str() == text)
        .ok_or_else(|| "say record, shadow, canary or live".to_owned())
}
