//! `banjia status`: where everything stands, on one page.

use super::database::Database;
use super::{Printer, table};
use crate::clock;
use banjia_border::policy::Phase;
use banjia_control::{moves, policies};
use banjia_store::{Cut, PolicyState, Store};
use banjia_types::Stage;
use std::process::ExitCode;

/// Arguments of `banjia status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let path = args.database.path()?;
    if !path.exists() {
        vendors(&args.database, &[], printer)?;
        printer
            .line(&format!("There is no database {} yet: no gateway has run with this configuration.", path.display()));
        return Ok(ExitCode::SUCCESS);
    }
    args.database.with(async |store| {
        vendors(&args.database, &store.cuts().await?, printer)?;
        traffic(&store, printer).await?;
        standing(&store, printer).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The contents of the configuration, and the vendors that are cut.
fn vendors(database: &Database, cuts: &[Cut], printer: &mut Printer) -> anyhow::Result<()> {
    let Some(loaded) = database.loaded()? else {
        printer.line("There is no configuration here; name it with --config.");
        return Ok(());
    };
    let gateway = &loaded.config.gateway;
    printer.line(&format!(
        "The configuration has {} routes, {} accounts and {} keys.",
        gateway.routes.len(),
        gateway.accounts.len(),
        gateway.keys.len()
    ));
    let borders = loaded.snapshot.borders();
    let rows: Vec<_> = gateway
        .vendors
        .iter()
        .map(|vendor| {
            let border = borders.get(&vendor.name).unwrap_or(&vendor.name);
            let cut = cuts.iter().find(|cut| cut.vendor == *border);
            let state =
                cut.map_or_else(|| "may be asked".to_owned(), |cut| format!("blocked our region at {}", cut.at));
            let key = if vendor.credential.is_some() { "yes" } else { "none" };
            let is_target =
                |target: &String| target.split_once('/').is_some_and(|(name, _)| name == vendor.name.as_str());
            let routes = gateway.routes.iter().filter(|route| route.targets.iter().any(is_target)).count();
            vec![vendor.name.to_string(), key.to_owned(), routes.to_string(), state]
        })
        .collect();
    if !rows.is_empty() {
        printer.line(&table(&["vendor", "key", "routes>", "state"], &rows, printer.width()));
    }
    Ok(())
}

const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Observe => "observe",
        Phase::Notice => "notice",
        Phase::Brownout => "brownout",
        Phase::Block => "block",
    }
}

/// The newest request of the ledger.
async fn traffic(store: &Store, printer: &mut Printer) -> anyhow::Result<()> {
    let last = store.last_rows(1).await?;
    match last.first() {
        Some(row) => printer.line(&format!("\nThe newest request in the ledger came at {}.", row.accepted_at)),
        None => printer.line("\nNo request is in the ledger yet."),
    }
    Ok(())
}

/// Moves, policies and appeals.
async fn standing(store: &Store, printer: &mut Printer) -> anyhow::Result<()> {
    let now = clock::now();
    let all = moves::all(store).await?;
    let open = all.iter().filter(|one| one.loaded.as_ref().is_none_or(|loaded| loaded.of.stage() != Stage::Sealed));
    let mut moves = 0_u32;
    for one in open {
        moves += 1;
        match &one.loaded {
            Some(loaded) => printer.line(&super::moves::sentence(&loaded.of, now)),
            None => printer.line(&format!("The move {} cannot be read.", one.id)),
        }
    }
    if moves == 0 {
        printer.line("No move is under way.");
    }
    let mut in_force = 0_u32;
    for (row, policy) in policies::all(store).await? {
        if matches!(row.state, PolicyState::Active | PolicyState::Paused) {
            in_force += 1;
            let (label, state, phase) = (policy.label(), row.state.as_str(), phase_name(policy.phase(now)));
            printer.line(&format!("The policy {label} is {state}, in its phase {phase}."));
        }
    }
    if in_force == 0 {
        printer.line("No policy is in force: everybody is served.");
    }
    let open = store.appeals().await?.iter().filter(|appeal| appeal.answer.is_none()).count();
    if open > 0 {
        printer.line(&format!("{open} appeals wait for an answer: `banjia border appeal list`."));
    }
    Ok(())
}
