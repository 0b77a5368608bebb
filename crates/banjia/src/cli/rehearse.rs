//! `banjia rehearse`: a part of the conversations meets the source's true block for a while, and what came of it, there and back.
//!
//! Rules: the drill is an order in the move's log, and the gateway that runs carries it out and ends it by itself, whether or not
//! anybody watches; what is told comes from the ledger. It ends with 1 when a way was not proven.

use super::database::{By, Database};
use super::moves::share;
use super::{Printer, table};
use crate::clock;
use anyhow::bail;
use banjia_control::moves;
use banjia_control::moves::rehearsal::{self, RehearsalRecord, RehearsalTimes, RehearsedRoute};
use banjia_movement::spec::span;
use banjia_movement::stage::{Order, RehearsalFinding};
use banjia_store::{Latency, ReasonCount, Spread, Store};
use banjia_types::visible::visible_line;
use banjia_types::{Outcome, Share, Timestamp};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(500);
/// How often a line is told where nobody sees a bar.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Nobody ended the drill: its way back is watched for ten minutes, and a gateway looks every few seconds.
const OVERDUE: Duration = Duration::from_mins(11);

/// Arguments of `banjia rehearse`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The move's id.
    id: String,
    /// How long: 30s, 10m, 2h; at most a day.
    #[arg(long = "for", default_value = "10m", value_name = "SPAN", value_parser = for_span)]
    span: Duration,
    /// Which part of the conversations, as 5% or 0.05.
    #[arg(long, default_value = "5%", value_parser = share)]
    share: Share,
    /// Why; it stays in the log.
    #[arg(long, default_value = "a drill of the source's block")]
    reason: String,
    /// Order it and come back at once; `banjia rehearse ID --report` tells later what came of it.
    #[arg(long)]
    detach: bool,
    /// Order nothing: tell what came of the last drill.
    #[arg(long, conflicts_with_all = ["detach", "span", "share", "reason"])]
    report: bool,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    by: By,
}

fn for_span(text: &str) -> Result<Duration, String> {
    span(text).ok_or_else(|| "say a span as 30s, 10m or 2h".to_owned())
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    args.database.with(async |store| {
        if args.report {
            let Some(drill) = last(&store, &args.id).await? else {
                bail!("there was no drill of {} yet; `banjia rehearse {}` orders one", args.id, args.id);
            };
            let times = rehearsal::times(&store, &drill).await?;
            return Ok(tell(&args.id, (&drill, &times), printer));
        }
        let now = clock::now();
        if !args.detach && !moves::are_looked_at(&store, now).await? {
            bail!(
                "no gateway looks at the moves of this database, so nobody would meet the block: start `banjia serve`, or \
                 give --detach to order the drill all the same"
            );
        }
        let order = Order { by: args.by.at(now).actor, reason: &args.reason, at: now };
        rehearsal::begin(&store, &args.id, args.share, args.span, order).await?;
        let until = now + args.span;
        printer.note(&format!("{} of the conversations of {} meet the source's block until {until}.", args.share, args.id));
        if args.detach {
            printer.line(&format!("Ordered. `banjia rehearse {} --report` tells what comes of it.", args.id));
            return Ok(ExitCode::SUCCESS);
        }
        let drill = watch(args, &store, printer).await?;
        let times = rehearsal::times(&store, &drill).await?;
        Ok(tell(&args.id, (&drill, &times), printer))
    })
}

async fn last(store: &Store, id: &str) -> anyhow::Result<Option<RehearsalRecord>> {
    let loaded = moves::load(store, id).await?;
    Ok(rehearsal::last(store, &loaded).await?)
}

/// Shows how it goes until it is over.
async fn watch(args: &Args, store: &Store, printer: &mut Printer) -> anyhow::Result<RehearsalRecord> {
    let target = if printer.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(args.span.as_secs()), target);
    bar.set_style(ProgressStyle::with_template("{bar:30} {msg}")?);
    let mut told_at = Instant::now();
    loop {
        let Some(drill) = last(store, &args.id).await? else { bail!("the drill is not in the log of {}", args.id) };
        let now = clock::now();
        if drill.found.is_some() || now >= drill.until + OVERDUE {
            bar.finish_and_clear();
            return Ok(drill);
        }
        let said = progress(&drill, now);
        bar.set_position(now.since(drill.began_at).as_secs());
        if bar.is_hidden() && told_at.elapsed() >= LINE_EVERY {
            printer.note(&said);
            told_at = Instant::now();
        }
        bar.set_message(visible_line(&said).into_owned());
        tokio::time::sleep(EVERY).await;
    }
}

fn progress(drill: &RehearsalRecord, now: Timestamp) -> String {
    let seen = drill.evidence();
    if now < drill.until {
        let left = drill.until.since(now).as_secs();
        return format!("{} met the block, {} of them answered elsewhere; {left} s left", seen.blocked, seen.answered);
    }
    format!("the block is over; waiting for one of its conversations to come back ({} so far)", seen.back)
}

/// What a drill proved, there and back. The times are route by route.
pub(crate) fn tell(id: &str, (drill, times): (&RehearsalRecord, &[RehearsalTimes]), printer: &mut Printer) -> ExitCode {
    let seen = drill.evidence();
    let state = match drill.found {
        None => "it is not over",
        Some(RehearsalFinding { is_cut_short: true, .. }) => {
            "it was cut short, because the source is not there to go back to"
        }
        Some(_) => "it is over",
    };
    printer.line(&format!(
        "The drill of {id}: {} of the conversations from {} to {}; {state}.",
        drill.share, drill.began_at, drill.until
    ));
    let is_there = seen.blocked > 0 && seen.answered == seen.blocked;
    let is_back = seen.back > 0 && seen.back_answered == seen.back;
    printer.line(&format!(
        "There: {} requests met the source's block, {} of them were answered elsewhere: {}.",
        seen.blocked,
        seen.answered,
        proof(is_there, seen.blocked)
    ));
    printer.line(&format!(
        "Back: {} requests of the same conversations came afterwards, {} of them were answered by the source: {}.",
        seen.back,
        seen.back_answered,
        proof(is_back, seen.back)
    ));
    for (route, times) in drill.routes.iter().zip(times) {
        tell_route(route, times, printer);
    }
    if is_there && is_back { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const fn proof(is_proven: bool, of: u64) -> &'static str {
    match (is_proven, of) {
        (true, _) => "proven",
        (false, 0) => "nothing is proven, because there was none",
        (false, _) => "not proven",
    }
}

fn tell_route(route: &RehearsedRoute, took: &RehearsalTimes, printer: &mut Printer) {
    let rows = |when: &str, counts: &[ReasonCount]| -> Vec<Vec<String>> {
        let row = |one: &ReasonCount| {
            let target = one.target.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            vec![when.to_owned(), target, one.outcome.as_str().to_owned(), one.requests.to_string()]
        };
        counts.iter().map(row).collect()
    };
    let all = [rows("in the drill", &route.blocked), rows("after it", &route.back)].concat();
    if all.is_empty() {
        printer.line(&format!("\n{}: no request of the drill's conversations.", route.route));
        return;
    }
    printer.line(&format!("\n{}:", route.route));
    printer.line(&table(&["when", "last target", "ended", "requests>"], &all, printer.width()));
    let ms = |of: Spread| {
        if of.count == 0 { "-".to_owned() } else { format!("{} / {}", of.p50.as_millis(), of.p95.as_millis()) }
    };
    let row =
        |who: &str, of: &Latency| vec![who.to_owned(), ms(of.first_content), ms(of.total), of.total.count.to_string()];
    let times = [row("those that met the block", &took.blocked), row("the others", &took.others)];
    let heads = ["milliseconds, half / 95 of 100", "first content>", "whole answer>", "answers>"];
    printer.line(&table(&heads, &times, printer.width()));
    let refused = route.ended(Outcome::Refused) + route.ended(Outcome::Failed);
    if refused > 0 {
        printer.line(&format!(
            "{refused} callers would have seen an error on the true day: look at the destinations' limits and keys."
        ));
    }
}
