//! Questions to the border: what would a policy have done, whom does it hit, why this verdict.

use super::super::database::Database;
use super::super::{Printer, table};
use super::read;
use crate::border;
use crate::clock;
use anyhow::{Context as _, bail};
use banjia_border::affected::{self as counted, DailyTraffic, Inquiry, Thresholds, is_evidence};
use banjia_border::country::{Lang, name};
use banjia_border::decide::{Question, decide};
use banjia_border::explain::explain as explained;
use banjia_border::facts::{AccountFacts, Facts};
use banjia_border::geo::{GeoTable, look_up, placeless};
use banjia_border::policy::{Exemption, Policy};
use banjia_border::registry::{embedded, find};
use banjia_gateway::Snapshot;
use banjia_store::{Period, Store, TrafficRow};
use banjia_types::calendar;
use banjia_types::{AccountId, Timestamp, VerdictKind};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// How far back the guard of `activate` looks.
const GUARD_DAYS: u32 = 30;

/// `banjia border try`.
#[derive(Debug, clap::Args)]
pub(super) struct Try {
    /// The policy's file.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// How far back: 30d, 12h.
    #[arg(long, default_value = "30d", value_parser = span)]
    since: Duration,
    /// The moment at which both are asked; the new policy's block when not said.
    #[arg(long, value_name = "DATE")]
    at: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// `banjia border affected`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Affected {
    /// The policy's file. Without it, and without --list, the policy in force.
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    policy: Option<PathBuf>,
    /// A list of the registry instead of a policy: who is not on it?
    #[arg(long, value_name = "LIST")]
    list: Option<String>,
    /// How far back: 30d, 12h.
    #[arg(long, default_value = "30d", value_parser = span)]
    since: Duration,
    /// At least this share of an account's requests.
    #[arg(long, default_value_t = Thresholds::default().share_min)]
    share: f64,
    /// At least so many requests.
    #[arg(long, default_value_t = Thresholds::default().requests_min)]
    requests: u64,
    /// On at least so many days.
    #[arg(long, default_value_t = Thresholds::default().days_min)]
    days: usize,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// `banjia border explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The caller's address.
    #[arg(long)]
    address: Option<IpAddr>,
    /// The caller's account, as the configuration knows it.
    #[arg(long)]
    account: Option<String>,
    /// The moment, in the policy's zone; now when not said.
    #[arg(long, value_name = "DATE")]
    at: Option<String>,
    /// A policy's file instead of the one in force.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The explanation as JSON.
    #[arg(long)]
    json: bool,
}

fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no span; write 30d or 12h");
    let (count, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let count: u32 = count.parse().map_err(|_| wrong())?;
    match unit {
        "d" => Ok(DAY * count),
        "h" => Ok(Duration::from_hours(1) * count),
        _ => Err(wrong()),
    }
}

fn moment(text: Option<&str>, policy: &Policy, otherwise: Timestamp) -> anyhow::Result<Timestamp> {
    match text.map(calendar::read) {
        None => Ok(otherwise),
        Some(Ok(local)) => Ok(calendar::moment(local, policy.zone())),
        Some(Err(said)) => bail!(said),
    }
}

/// Recorded traffic as the border's core wants it.
pub(crate) fn seen(rows: Vec<TrafficRow>) -> Vec<DailyTraffic> {
    rows.into_iter()
        .map(|row| DailyTraffic {
            account: row.account,
            key: row.key,
            network: row.network,
            differs: row.network_differs,
            asn: row.asn,
            day: row.day,
            requests: row.requests,
            first: row.first,
            last: row.last,
            sample: row.sample,
        })
        .collect()
}

async fn recorded(store: &Store, since: Duration, to: Timestamp) -> anyhow::Result<Vec<DailyTraffic>> {
    Ok(seen(store.traffic(Period { from: to - since, to: to + Duration::from_millis(1) }).await?))
}

/// Of the last days' requests, how many a policy would refuse. Accounts' records are not looked at.
pub(super) async fn refused(store: &Store, policy: &Policy, to: Timestamp) -> anyhow::Result<(u64, u64)> {
    let seen = recorded(store, DAY * GUARD_DAYS, to).await?;
    let granted = store.exemptions().await?;
    let inquiry = Inquiry { policy, granted: &granted, at: policy.phases().block.unwrap_or(to) };
    let refused = seen.iter().filter(|seen| inquiry.verdict(seen, None).0.refuses()).map(|seen| seen.requests);
    Ok((refused.sum(), seen.iter().map(|seen| seen.requests).sum()))
}

/// Finds accounts' records in the configuration.
fn records(database: &Database) -> anyhow::Result<impl Fn(&AccountId) -> Option<Arc<AccountFacts>> + use<>> {
    let snapshot: Option<Snapshot> = database.loaded()?.map(|loaded| loaded.snapshot);
    Ok(move |id: &AccountId| snapshot.as_ref()?.account(id))
}

/// The one policy in force.
async fn in_force(store: &Store) -> anyhow::Result<Policy> {
    let rows = store.policies_in_force().await?;
    match rows.as_slice() {
        [] => bail!("no policy is in force; name one with --policy FILE"),
        [row] => border::policy(row),
        several => {
            let ids: Vec<_> = several.iter().map(|row| row.id.as_str()).collect();
            bail!("several policies are in force ({}); name one with --policy FILE", ids.join(", "))
        }
    }
}

/// Requests of one account from one place, under the policy in force and under the new one.
#[derive(Default)]
struct Line {
    requests: u64,
    days: std::collections::BTreeSet<Timestamp>,
    before: Option<VerdictKind>,
    after: Option<VerdictKind>,
    rule: String,
}

pub(super) fn try_policy(database: &Database, what: &Try, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let policy = read(&what.policy, printer)?;
    let record = records(database)?;
    database.with(async |store| {
        let at = moment(what.at.as_deref(), &policy, policy.phases().block.unwrap_or_else(clock::now))?;
        let present = match store.policies_in_force().await?.iter().find(|row| row.id == policy.id()) {
            Some(row) => Some(border::policy(row)?),
            None => None,
        };
        let (granted, seen) = (store.exemptions().await?, recorded(&store, what.since, clock::now()).await?);
        let lines = lines(&policy, present.as_ref(), &granted, at, &seen, &record);
        print_lines(&lines, what.json, printer);
        if !what.json {
            print_sums(&lines, &policy, at, printer);
        }
        Ok(ExitCode::SUCCESS)
    })
}

type Place = (Option<AccountId>, Option<banjia_types::Place>);

fn lines(
    policy: &Policy,
    present: Option<&Policy>,
    granted: &[Exemption],
    at: Timestamp,
    seen: &[DailyTraffic],
    record: &dyn Fn(&AccountId) -> Option<Arc<AccountFacts>>,
) -> BTreeMap<Place, Line> {
    let mut lines: BTreeMap<Place, Line> = BTreeMap::new();
    for seen in seen {
        let account = seen.account.as_ref();
        let facts = account.map(|id| record(id).unwrap_or_else(|| Arc::new(AccountFacts::of(id.clone()))));
        let (after, rule) = Inquiry { policy, granted, at }.verdict(seen, facts.as_ref());
        let before = present.map(|policy| Inquiry { policy, granted, at }.verdict(seen, facts.as_ref()).0);
        let line = lines.entry((seen.account.clone(), seen.network)).or_default();
        line.requests += seen.requests;
        line.days.insert(seen.day);
        (line.before, line.after) = (before, Some(after));
        line.rule = rule.name(policy, granted).into_owned();
    }
    lines
}

fn print_lines(lines: &BTreeMap<Place, Line>, json: bool, printer: &mut Printer) {
    let mut rows = Vec::new();
    for ((account, place), line) in lines {
        let account = account.as_ref().map_or("-", AccountId::as_str);
        let place = place.map_or_else(|| "unknown".to_owned(), |place| format!("{place} {}", name(place, Lang::En)));
        let before = line.before.map_or("no policy", VerdictKind::as_str);
        let after = line.after.map_or("-", VerdictKind::as_str);
        if json {
            printer.line(
                &serde_json::json!({ "account": account, "network": place, "requests": line.requests,
                    "days": line.days.len(), "now": before, "then": after, "rule": line.rule })
                .to_string(),
            );
            continue;
        }
        let mark = if line.before.unwrap_or_default() == line.after.unwrap_or_default() { "" } else { "changes" };
        rows.push(vec![
            account.to_owned(),
            place,
            line.requests.to_string(),
            line.days.len().to_string(),
            before.to_owned(),
            after.to_owned(),
            line.rule.clone(),
            mark.to_owned(),
        ]);
    }
    if !json {
        let header = ["account", "network", "requests>", "days>", "now", "then", "rule", ""];
        printer.line(&table(&header, &rows, printer.width()));
    }
}

fn print_sums(lines: &BTreeMap<Place, Line>, policy: &Policy, at: Timestamp, printer: &mut Printer) {
    let refuses = |kind: Option<VerdictKind>| kind.is_some_and(VerdictKind::refuses);
    let sum = |pick: &dyn Fn(&Line) -> bool| -> u64 {
        lines.values().filter(|line| pick(line)).map(|line| line.requests).sum()
    };
    let all = sum(&|_| true);
    let then = sum(&|line| refuses(line.after));
    let newly = sum(&|line| refuses(line.after) && !refuses(line.before));
    let freed = sum(&|line| refuses(line.before) && !refuses(line.after));
    let accounts: std::collections::BTreeSet<_> =
        lines.iter().filter(|(_, line)| refuses(line.after)).map(|((account, _), _)| account).collect();
    let share = if all == 0 { 0.0 } else { then as f64 / all as f64 * 100.0 };
    printer.line(&format!(
        "At {} {} refuses {then} of {all} recorded requests ({share:.1} %), of {} accounts; {newly} of them are served now, \
         and {freed} that are refused now would be served.",
        calendar::show(at, policy.zone()),
        policy.label(),
        accounts.len(),
    ));
    if all == 0 {
        printer.line("Nothing is recorded in this time: the figures say nothing.");
    }
}

pub(crate) fn affected(database: &Database, what: &Affected, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let record = records(database)?;
    let given = match (&what.policy, &what.list) {
        (Some(file), _) => Some(read(file, printer)?),
        (None, Some(id)) => {
            let list =
                find(embedded(), id).with_context(|| format!("there is no list {id:?}; see `banjia region list`"))?;
            Some(Policy::of_list(list.clone(), banjia_border::policy::Unknown::Allow))
        }
        (None, None) => None,
    };
    let thresholds = Thresholds { share_min: what.share, requests_min: what.requests, days_min: what.days };
    database.with(async |store| {
        let policy = match given {
            Some(policy) => policy,
            None => in_force(&store).await?,
        };
        let (granted, seen) = (store.exemptions().await?, recorded(&store, what.since, clock::now()).await?);
        let at = policy.phases().block.unwrap_or_else(clock::now).max(Timestamp(0));
        let found = counted::affected(Inquiry { policy: &policy, granted: &granted, at }, &seen, &record);
        print_affected(&found, &thresholds, what.json, printer);
        Ok(ExitCode::SUCCESS)
    })
}

fn print_affected(found: &[counted::Affected], thresholds: &Thresholds, json: bool, printer: &mut Printer) {
    let mut rows = Vec::new();
    for entry in found {
        let is_affected = is_evidence(entry, thresholds);
        if json {
            let mut line = serde_json::json!(entry);
            line["affected"] = is_affected.into();
            printer.line(&line.to_string());
            continue;
        }
        let places: Vec<_> = entry
            .evidence
            .iter()
            .map(|line| {
                let place = line.network.map_or_else(|| "unknown".to_owned(), |place| place.to_string());
                let key = line.key.as_ref().map_or("-", |key| key.as_str());
                format!("{place} {} by {key}, last {}", line.requests, line.last.date())
            })
            .collect();
        rows.push(vec![
            entry.account.as_ref().map_or("-", AccountId::as_str).to_owned(),
            if is_affected { "affected" } else { "too little" }.to_owned(),
            format!("{} of {}", entry.refused, entry.requests),
            format!("{:.1} %", entry.share() * 100.0),
            entry.days.to_string(),
            entry.rules.iter().cloned().collect::<Vec<_>>().join(", "),
            places.join("; "),
        ]);
    }
    if !json {
        let header = ["account", "is", "requests>", "share>", "days>", "rules", "evidence"];
        printer.line(&table(&header, &rows, printer.width()));
        printer.line(&format!(
            "Affected by traffic: at least {:.0} % of the requests, {} of them, on {} days; or by record.",
            thresholds.share_min * 100.0,
            thresholds.requests_min,
            thresholds.days_min
        ));
    }
}

pub(super) fn explain(database: &Database, what: &Explain, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let record = records(database)?;
    let given = what.policy.as_ref().map(|file| read(file, printer)).transpose()?;
    let account = match &what.account {
        None => None,
        Some(id) => {
            let found = record(&id.as_str().into());
            if found.is_none() {
                printer
                    .note(&format!("The configuration knows no account {id:?}; it is taken as one without a record."));
            }
            Some(found.unwrap_or_else(|| Arc::new(AccountFacts::of(id.as_str().into()))))
        }
    };
    if let Some(why) = what.address.and_then(placeless) {
        printer.note(&format!("The address is {}: it stands for no place.", why.as_str()));
    }
    let mmdb = database.loaded()?.and_then(|loaded| loaded.config.geo.mmdb);
    let own = border::Table::open(mmdb.as_deref())?.mmdb;
    let network = what.address.and_then(|address| look_up(GeoTable::embedded(), own.as_deref(), address));
    let facts = Facts { network, account };
    let (policy, granted) = match given {
        Some(policy) => (policy, Vec::new()),
        None => database.with(async |store| Ok((in_force(&store).await?, store.exemptions().await?)))?,
    };
    let at = moment(what.at.as_deref(), &policy, clock::now())?;
    let question = Question { granted: &granted, ..Question::of(&facts, at) };
    let said = explained(&policy, &question, &decide(&policy, &question));
    if what.json {
        printer.line(&serde_json::to_string_pretty(&said)?);
    } else {
        printer.line(said.sentence(Lang::En));
        printer.line(said.sentence(Lang::Zh));
        for fact in &said.facts {
            let place = fact.place.map_or_else(|| "(several)".to_owned(), |place| place.to_string());
            printer.line(&format!(
                "  {}: {place}, from {} of {} ({} days old)",
                fact.fact, fact.source, fact.as_of, fact.age_days
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
