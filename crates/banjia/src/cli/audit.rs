//! `banjia audit`: the chain, checked and shown.

use super::database::Database;
use super::{Printer, table};
use crate::border;
use anyhow::{Context as _, anyhow, bail};
use banjia_border::audit::{Hash, Verifier};
use banjia_border::decide::{Question, decide};
use banjia_border::facts::Facts;
use banjia_border::policy::{Exemption, Policy};
use banjia_store::{AuditRow, Store};
use banjia_types::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;
use std::process::ExitCode;

/// Entries read at once.
const PAGE: u32 = 500;

/// Arguments of `banjia audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    database: Database,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check that nothing was changed, removed or moved, and judge every stored verdict again.
    Verify {
        /// The last entry as it was noted elsewhere: NUMBER:HASH. Without it a chain whose end was cut off together with the
        /// database's own note of it would look whole.
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
    /// Erase the bodies of old verdicts of one rule set; their hashes stay, so the chain still holds.
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

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    args.database.with(async |store| match &args.command {
        Command::Verify { head } => verify(&store, head.as_deref(), printer).await,
        Command::List { last } => list(&store, *last, printer).await,
        Command::Export => export(&store, printer).await,
        Command::Forget { rule_set, days, by } => forget(&store, rule_set, *days, by, printer).await,
    })
}

/// Walks the whole chain.
async fn each(store: &Store, mut take: impl FnMut(AuditRow)) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let page = store.audit_page(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.entry.seq;
        page.into_iter().for_each(&mut take);
    }
}

fn read_head(text: &str) -> anyhow::Result<(u64, Hash)> {
    let (seq, hash) = text.split_once(':').context("the head is NUMBER:HASH, as `banjia audit verify` prints it")?;
    Ok((seq.parse()?, hash.parse().map_err(|said: String| anyhow!(said))?))
}

/// What checking found.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) entries: u64,
    pub(crate) verdicts: u64,
    pub(crate) erased: u64,
    pub(crate) head: (u64, Hash),
    pub(crate) faults: Vec<String>,
}

/// Checks the chain against its head, and judges every verdict again.
pub(crate) async fn check(store: &Store, head: Option<(u64, Hash)>) -> anyhow::Result<Checked> {
    let head = match head {
        Some(head) => head,
        None => store.audit_head().await?,
    };
    let mut policies = HashMap::new();
    for row in store.policies().await? {
        policies.insert(row.hash.clone(), border::policy(&row)?);
    }
    let mut verifier = Verifier::new(Some(head));
    let (mut entries, mut verdicts, mut erased) = (0, 0, 0);
    let mut wrong = Vec::new();
    each(store, |row| {
        verifier.take(&row.entry, row.body.as_deref(), &row.hash);
        entries += 1;
        if row.entry.kind != "verdict" {
            return;
        }
        let Some(body) = &row.body else {
            erased += 1;
            return;
        };
        verdicts += 1;
        if let Err(why) = judge_again(body, &policies) {
            wrong.push(format!("the verdict of entry {} cannot be reproduced: {why:#}", row.entry.seq));
        }
    })
    .await?;
    let (faults, end) = verifier.end();
    let faults = faults.iter().map(ToString::to_string).chain(wrong).collect();
    Ok(Checked { entries, verdicts, erased, head: end, faults })
}

#[derive(Deserialize)]
struct Stored {
    hash: String,
    facts: Facts,
    granted: Vec<Exemption>,
    at: Timestamp,
    draw: u64,
    paused: bool,
    verdict: String,
    rule: String,
}

fn judge_again(body: &str, policies: &HashMap<String, Policy>) -> anyhow::Result<()> {
    let stored: Stored = serde_json::from_str(body)?;
    let policy = policies.get(&stored.hash).context("its policy is not there")?;
    let question = Question {
        facts: &stored.facts,
        granted: &stored.granted,
        at: stored.at,
        draw: stored.draw,
        is_paused: stored.paused,
    };
    let verdict = decide(policy, &question);
    let rule = verdict.rule.name(policy, &stored.granted);
    if verdict.kind.as_str() != stored.verdict || rule != stored.rule {
        bail!("it says {} by {}, and judging again gives {} by {rule}", stored.verdict, stored.rule, verdict.kind);
    }
    Ok(())
}

async fn verify(store: &Store, head: Option<&str>, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let checked = check(store, head.map(read_head).transpose()?).await?;
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
    each(store, |row| {
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

async fn forget(store: &Store, rule_set: &str, days: u32, by: &str, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    if !["policy", "sanctions"].contains(&rule_set) {
        bail!("there is no rule set {rule_set:?}; say policy or sanctions");
    }
    let now = Timestamp::from(chrono::Utc::now());
    let before = now - std::time::Duration::from_hours(24) * days;
    let erased = store.forget_verdicts(rule_set, before, now, by).await?;
    printer.line(&format!("The bodies of {erased} verdicts of {rule_set} from before {before} were erased."));
    Ok(ExitCode::SUCCESS)
}
