//! `banjia audit`: the chain, checked and shown.

use super::database::Database;
use super::{Printer, table};
use crate::clock;
use anyhow::{Context as _, anyhow, bail};
use banjia_border::audit::replay::Replay;
use banjia_border::audit::{Hash, VERDICT, Verifier};
use banjia_border::decide::{Question, decide};
use banjia_border::facts::Facts;
use banjia_border::policy::{Exemption, Policy};
use banjia_border::registry::embedded;
use banjia_store::{AuditReader, AuditRow, Store};
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
    /// Check that nothing was changed, removed or moved, that each erased body was erased by
    /// retention, and that policies, exemptions, appeals, campaigns and moves in the database are
    /// those of the audit; judge every stored verdict again.
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
async fn each(reader: &mut AuditReader, mut take: impl FnMut(AuditRow)) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let page = reader.page(after, PAGE).await?;
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
    /// Verdicts whose bodies retention has erased, as the chain proves.
    pub(crate) erased: u64,
    pub(crate) head: (u64, Hash),
    pub(crate) faults: Vec<String>,
}

/// Checks the chain against its head, judges every verdict again, and compares the tables with what
/// the chain says of them.
pub(crate) async fn check(store: &Store, head: Option<(u64, Hash)>) -> anyhow::Result<Checked> {
    // One state of the database for all of it: a running gateway goes on writing.
    let mut reader = store.audit_reader().await?;
    let head = match head {
        Some(head) => head,
        None => reader.head().await?,
    };
    let mut verifier = Verifier::new(Some(head));
    let (mut replay, mut policies) = (Replay::default(), HashMap::new());
    let (mut entries, mut verdicts) = (0, 0);
    let mut wrong = Vec::new();
    each(&mut reader, |row| {
        verifier.take(&row.entry, row.body.as_deref(), &row.hash);
        entries += 1;
        let Some(body) = &row.body else { return };
        if row.entry.kind == VERDICT {
            verdicts += 1;
            if let Err(why) = judge_again(body, &policies) {
                wrong.push(format!("the verdict of entry {} cannot be reproduced: {why:#}", row.entry.seq));
            }
            return;
        }
        replay.take(&row.entry, body);
        if let Some((hash, policy)) = activated(&row.entry.kind, body) {
            policies.insert(hash, policy);
        }
    })
    .await?;
    let differences = replay.differences(&reader.covered_rows().await?);
    let erased = verifier.erased();
    let (faults, end) = verifier.end();
    let faults = faults.iter().map(ToString::to_string).chain(wrong);
    let faults = faults.chain(differences.iter().map(ToString::to_string)).collect();
    Ok(Checked { entries, verdicts, erased, head: end, faults })
}

/// Policies by the hash of their text; a text of another version of this program may be unreadable.
type Policies = HashMap<String, Result<Policy, String>>;

/// The policy that an entry puts in force, from the entry and not from a table that may have been
/// changed.
fn activated(kind: &str, body: &str) -> Option<(String, Result<Policy, String>)> {
    #[derive(Deserialize)]
    struct Activated {
        hash: String,
        text: String,
    }
    if !["policy.activate", "policy.redate"].contains(&kind) {
        return None;
    }
    let Activated { hash, text } = serde_json::from_str(body).ok()?;
    let policy = Policy::parse(&text, embedded()).map_err(|problems| {
        let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
        format!("its policy cannot be read: {}", said.join("; "))
    });
    Some((hash, policy))
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

fn judge_again(body: &str, policies: &Policies) -> anyhow::Result<()> {
    let stored: Stored = serde_json::from_str(body)?;
    let policy = policies.get(&stored.hash).context("no entry before it puts its policy in force")?;
    let policy = policy.as_ref().map_err(|said| anyhow!(said.clone()))?;
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
    each(&mut store.audit_reader().await?, |row| {
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
    let now = clock::now();
    let before = now - std::time::Duration::from_hours(24) * days;
    let erased = store.forget_verdicts(rule_set, before, now, by).await?;
    printer.line(&format!("The bodies of {erased} verdicts of {rule_set} from before {before} were erased."));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_store::{Actor, Location, NewAudit};
    use serde_json::{Value, json};

    fn entry(kind: &'static str, at: i64, body: Value) -> NewAudit {
        let (actor, subject) = ("kim".to_owned(), "acme".to_owned());
        NewAudit { at: Timestamp(at), actor, kind, subject, rule_set: "policy".to_owned(), body }
    }

    async fn store() -> Store {
        let store = Store::open(&Location::Temporary).await.unwrap();
        store
            .open_appeal(&"acme".into(), "we sit in Singapore", Actor { actor: "kim", at: Timestamp(1) })
            .await
            .unwrap();
        store
    }

    #[tokio::test]
    async fn proven_erasures_are_counted_and_no_faults() {
        let store = store().await;
        for at in [2, 3] {
            store.append_audit(&entry(VERDICT, at, json!({}))).await.unwrap();
        }
        store.forget_verdicts("policy", Timestamp(4), Timestamp(9), "kim").await.unwrap();
        let checked = check(&store, None).await.unwrap();
        assert_eq!(checked.faults, Vec::<String>::new());
        assert_eq!((checked.entries, checked.verdicts, checked.erased), (4, 0, 2));
    }

    #[tokio::test]
    async fn a_row_that_only_the_chain_knows_is_a_fault() {
        let store = store().await;
        let body = json!({ "appeal": 7, "said": "gone" });
        store.append_audit(&entry("appeal.open", 2, body)).await.unwrap();
        store.append_audit(&entry("exemption.grant", 3, json!({ "id": "7" }))).await.unwrap();
        let faults = check(&store, None).await.unwrap().faults;
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("entry 3 does not say what it changed"), "{faults:?}");
        assert!(faults[1].contains("appeal \"7\" was written by entry 2 and is gone"), "{faults:?}");
    }

    #[tokio::test]
    async fn a_verdict_of_an_unknown_policy_is_a_fault() {
        let store = store().await;
        let body = json!({
            "hash": "00", "facts": { "network": null, "account": null }, "granted": [], "at": 1, "draw": 1,
            "paused": false, "verdict": "allow", "rule": "none",
        });
        store.append_audit(&entry(VERDICT, 2, body)).await.unwrap();
        let faults = check(&store, None).await.unwrap().faults;
        assert!(faults.len() == 1 && faults[0].contains("no entry before it puts its policy in force"), "{faults:?}");
    }
}
