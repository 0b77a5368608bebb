//! `banjia audit`: the chain, checked and shown.

use crate::{Printer, table};
use anyhow::{Context as _, anyhow};
use banjia_control::audit::{self, ChainHead};
use banjia_store::{Actor, Store};
use banjia_types::Timestamp;
use std::process::ExitCode;

/// Commands of `banjia audit`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check that nothing was changed, removed or moved, that each erased body was erased by
    /// retention, and that policies, exemptions, appeals, campaigns and moves in the database are
    /// those of the audit; judge every stored verdict again.
    Verify {
        /// The last entry as it was noted elsewhere: NUMBER:HASH. Without it a chain whose end was
        /// cut off together with the database's own note of it would look whole.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Option<String>,
    },
    /// Show the last entries.
    List {
        /// How many.
        #[arg(long, default_value_t = 20)]
        last: u64,
    },
    /// Write everything as JSON, one entry a line.
    Export,
    /// Erase the bodies of old verdicts of one rule set; their hashes stay, so the chain still
    /// holds.
    Forget {
        /// `policy` or `sanctions`.
        rule_set: String,
        /// Older than so many days.
        #[arg(long)]
        days: u32,
        /// Who does it.
        #[arg(long, env = "USER")]
        by: String,
    },
}

/// Does what a command says.
///
/// # Errors
/// The database, or a command that cannot be carried out.
pub async fn run(store: &Store, command: &Command, now: Timestamp, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify { head } => verify(store, head.as_deref(), printer).await,
        Command::List { last } => list(store, *last, printer).await,
        Command::Export => export(store, printer).await,
        Command::Forget { rule_set, days, by } => {
            forget(store, rule_set, *days, Actor { actor: by, at: now }, printer).await
        }
    }
}

fn read_head(text: &str) -> anyhow::Result<ChainHead> {
    let (seq, hash) = text.split_once(':').context("the head is NUMBER:HASH, as `banjia audit verify` prints it")?;
    Ok((seq.parse()?, hash.parse().map_err(|said: String| anyhow!(said))?))
}

async fn verify(store: &Store, head: Option<&str>, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let checked = audit::check(store, head.map(read_head).transpose()?).await?;
    for fault in &checked.faults {
        printer.line(fault);
    }
    let (seq, hash) = checked.head;
    printer.line(&format!(
        "{} entries, {} verdicts judged again ({} erased by retention): {} faults",
        checked.entries,
        checked.verdicts,
        checked.erased,
        checked.faults.len()
    ));
    printer.line(&format!("head {seq}:{hash}"));
    if head.is_none() {
        printer.line("Note the head elsewhere and give it back with --head: only so a cut end can be seen.");
    }
    Ok(if checked.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn list(store: &Store, last: u64, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let (head, _) = store.audit_head().await?;
    let mut rows = Vec::new();
    let page = store.audit_page(head.saturating_sub(last), u32::try_from(last).unwrap_or(u32::MAX)).await?;
    for row in page {
        let entry = row.entry;
        rows.push(vec![entry.seq.to_string(), entry.at.to_string(), entry.actor, entry.kind, entry.subject]);
    }
    printer.line(&table(&["entry>", "at", "by", "what", "of"], &rows, printer.width()));
    Ok(ExitCode::SUCCESS)
}

async fn export(store: &Store, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let mut lines = Vec::new();
    audit::each_entry(&mut store.audit_reader().await?, |row| {
        let body: Option<serde_json::Value> = row.body.as_deref().and_then(|body| serde_json::from_str(body).ok());
        let mut line = serde_json::json!(row.entry);
        line["body_hash"] = row.entry.body_hash.to_string().into();
        line["hash"] = row.hash.to_string().into();
        line["body"] = body.unwrap_or_default();
        lines.push(line.to_string());
    })
    .await?;
    for line in lines {
        printer.line(&line);
    }
    Ok(ExitCode::SUCCESS)
}

async fn forget(
    store: &Store,
    rule_set: &str,
    days: u32,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let audit::Forgotten { verdicts, before } = audit::forget(store, rule_set, days, by).await?;
    printer.line(&format!("The bodies of {verdicts} verdicts of {rule_set} from before {before} were erased."));
    Ok(ExitCode::SUCCESS)
}
