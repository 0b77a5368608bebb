//! `banjia cuts`: vendors that answered with a region block and are not asked any more.
//!
//! Rule: lifting a cut is a person's act. It is recorded with its time, and a running gateway takes
//! it up at its next reload (SIGHUP) or start.

use crate::{Printer, table};
use banjia_store::Store;
use banjia_types::Timestamp;
use std::process::ExitCode;

/// Commands of `banjia cuts`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the vendors that are cut.
    List {
        /// Show those that were lifted too.
        #[arg(long)]
        all: bool,
    },
    /// Let a vendor be asked again. Do it only when the vendor serves your region: its block is
    /// final for whoever it means.
    Lift {
        /// The vendor, as `banjia cuts list` shows it.
        vendor: String,
    },
}

/// Does what a command says.
///
/// # Errors
/// The database.
pub async fn run(store: &Store, command: &Command, now: Timestamp, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { all } => list(store, *all, printer).await,
        Command::Lift { vendor } => lift(store, vendor, now, printer).await,
    }
}

async fn list(store: &Store, all: bool, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let cuts = if all { store.cut_history().await? } else { store.cuts().await? };
    if cuts.is_empty() {
        printer.line("No vendor is cut.");
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = cuts
        .iter()
        .map(|cut| {
            let lifted = cut.lifted_at.map_or_else(|| "stands".to_owned(), |at| format!("lifted {at}"));
            let evidence = cut.evidence.as_str().map_or_else(|| cut.evidence.to_string(), str::to_owned);
            vec![cut.vendor.to_string(), cut.at.to_string(), lifted, evidence]
        })
        .collect();
    printer.line(&table(&["vendor", "cut at", "state", "evidence"], &rows, printer.width()));
    Ok(ExitCode::SUCCESS)
}

async fn lift(store: &Store, vendor: &str, now: Timestamp, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    if store.lift_cut(&vendor.into(), now).await? {
        printer.line(&format!(
            "{vendor} may be asked again from the gateway's next reload (SIGHUP) or start. Recorded at {now}."
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let cuts = store.cuts().await?;
    let names: Vec<_> = cuts.iter().map(|cut| cut.vendor.as_str()).collect();
    let known = if names.is_empty() { "no vendor is cut".to_owned() } else { format!("cut are: {}", names.join(", ")) };
    printer.error(&format!("{vendor} is not cut ({known})"));
    Ok(ExitCode::FAILURE)
}
