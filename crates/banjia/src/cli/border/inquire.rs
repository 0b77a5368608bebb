//! Questions to the border: what would a policy have done, whom does it hit, why this verdict.

use super::super::database::Database;
use super::super::{Printer, table};
use super::read;
use crate::border;
use crate::clock;
use anyhow::{Context as _, bail};
use banjia_border::affected::{self as counted, Thresholds, is_evidence};
use banjia_border::country::{Lang, name};
use banjia_border::decide::{Question, decide};
use banjia_border::explain::explain as explained;
use banjia_border::facts::{AccountFacts, Facts};
use banjia_border::geo::{GeoTable, look_up, placeless};
use banjia_border::policy::Policy;
use banjia_border::registry::{embedded, find};
use banjia_control::policies::traffic::{Effect, EffectSums, Recorded};
use banjia_control::policies::{self, PolicyError};
use banjia_gateway::Snapshot;
use banjia_store::Store;
use banjia_types::calendar;
use banjia_types::{AccountId, Timestamp, VerdictKind};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

/// `banjia border try`.
#[derive(Debug, clap::Args)]
pub(crate) struct Try {
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
pub(crate) struct Explain {
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

/// Finds accounts' records in the configuration.
fn records(database: &Database) -> anyhow::Result<impl Fn(&AccountId) -> Option<Arc<AccountFacts>> + use<>> {
    let snapshot: Option<Snapshot> = database.loaded()?.map(|loaded| loaded.snapshot);
    Ok(move |id: &AccountId| snapshot.as_ref()?.account(id))
}

/// The one policy in force.
async fn in_force(store: &Store) -> anyhow::Result<Policy> {
    match policies::only_in_force(store).await {
        Err(error @ (PolicyError::NoneInForce | PolicyError::SeveralInForce(_))) => {
            bail!("{error}; name one with --policy FILE")
        }
        found => Ok(found?),
    }
}

pub(super) fn try_policy(database: &Database, what: &Try, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let policy = read(&what.policy, printer)?;
    let record = records(database)?;
    database.with(async |store| {
        let now = clock::now();
        let at = moment(what.at.as_deref(), &policy, policy.phases().block.unwrap_or(now))?;
        let recorded = Recorded { since: what.since, now };
        let effect = policies::effect(&store, &policy, at, recorded, &record).await?;
        print_origins(&effect, what.json, printer);
        if !what.json {
            print_sums(&effect.sums(), &policy, at, printer);
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn print_origins(effect: &Effect, json: bool, printer: &mut Printer) {
    let mut rows = Vec::new();
    for ((account, place), origin) in &effect.origins {
        let account = account.as_ref().map_or("-", AccountId::as_str);
        let place = place.map_or_else(|| "unknown".to_owned(), |place| format!("{place} {}", name(place, Lang::En)));
        let before = origin.before.map_or("no policy", VerdictKind::as_str);
        let after = origin.after.map_or("-", VerdictKind::as_str);
        if json {
            printer.line(
                &serde_json::json!({ "account": account, "network": place, "requests": origin.requests,
                    "days": origin.days.len(), "now": before, "then": after, "rule": origin.rule })
                .to_string(),
            );
            continue;
        }
        let mark = if origin.before.unwrap_or_default() == origin.after.unwrap_or_default() { "" } else { "changes" };
        rows.push(vec![
            account.to_owned(),
            place,
            origin.requests.to_string(),
            origin.days.len().to_string(),
            before.to_owned(),
            after.to_owned(),
            origin.rule.clone(),
            mark.to_owned(),
        ]);
    }
    if !json {
        let header = ["account", "network", "requests>", "days>", "now", "then", "rule", ""];
        printer.line(&table(&header, &rows, printer.width()));
    }
}

fn print_sums(sums: &EffectSums, policy: &Policy, at: Timestamp, printer: &mut Printer) {
    let EffectSums { requests, refused, newly_refused, newly_served, accounts_refused } = sums;
    let share = if *requests == 0 { 0.0 } else { *refused as f64 / *requests as f64 * 100.0 };
    printer.line(&format!(
        "At {} {} refuses {refused} of {requests} recorded requests ({share:.1} %), of {accounts_refused} accounts; \
         {newly_refused} of them are served now, and {newly_served} that are refused now would be served.",
        calendar::show(at, policy.zone()),
        policy.label(),
    ));
    if *requests == 0 {
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
        let recorded = Recorded { since: what.since, now: clock::now() };
        let found = policies::affected(&store, &policy, recorded, &record).await?;
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
                let place = match (line.record, line.network) {
                    (Some((kind, Some(place))), _) => format!("{} {place}", kind.as_str()),
                    (Some((kind, None)), _) => kind.as_str().to_owned(),
                    (None, place) => place.map_or_else(|| "unknown".to_owned(), |place| place.to_string()),
                };
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
