//! `banjia rehearse`: a part of the conversations meets the source's true block for a while, and
//! what came of it, there and back.
//!
//! Rules: the rehearsal is an order in the move's log, and the gateway that runs carries it out and
//! ends it by itself, whether or not anybody watches; what is reported comes from the ledger. It
//! ends with 1 when a way was not proven.

use crate::{Printer, table};
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

/// How often the ledger is read.
const EVERY: Duration = Duration::from_millis(500);
/// Interval of progress lines where nobody sees a bar.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Nobody ended the rehearsal: its way back is watched for ten minutes, and a gateway polls every
/// few seconds.
const OVERDUE: Duration = Duration::from_mins(11);

/// Arguments of `banjia rehearse`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The move's id.
    id: String,
    /// How long: 30s, 10m, 2h; at most a day.
    #[arg(long = "for", default_value = "10m", value_name = "SPAN", value_parser = for_span)]
    span: Duration,
    /// Which part of the conversations, as 5% or 0.05.
    #[arg(long, default_value = "5%", value_parser = share)]
    share: Share,
    /// Why; it stays in the log.
    #[arg(long, default_value = "a rehearsal of the source's block")]
    reason: String,
    /// Order it and come back at once; `banjia rehearse ID --report` tells later what came of it.
    #[arg(long)]
    detach: bool,
    /// Order nothing: report the last rehearsal.
    #[arg(long, conflicts_with_all = ["detach", "span", "share", "reason"])]
    report: bool,
}

fn for_span(text: &str) -> Result<Duration, String> {
    span(text).ok_or_else(|| "say a span as 30s, 10m or 2h".to_owned())
}

/// A part of the conversations as people write it: 5% or 0.05.
///
/// # Errors
/// A sentence that says how to write it.
pub fn share(text: &str) -> Result<Share, String> {
    let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let fraction = number.trim().parse::<f64>().ok().and_then(|number| Share::of_fraction(number / whole));
    fraction.ok_or_else(|| "say a part of the conversations as 5% or 0.05".to_owned())
}

/// Orders a rehearsal and watches it, or reports the last one. `by` is the person who orders it,
/// and `clock` tells the date.
///
/// # Errors
/// The database, or a rehearsal that cannot be ordered or does not exist.
pub async fn run(
    store: &Store,
    args: &Args,
    by: &str,
    clock: fn() -> Timestamp,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    if args.report {
        let Some(found) = last(store, &args.id).await? else {
            bail!("there was no rehearsal of {} yet; `banjia rehearse {}` orders one", args.id, args.id);
        };
        let times = rehearsal::times(store, &found).await?;
        return Ok(report(&args.id, (&found, &times), printer));
    }
    let now = clock();
    if !args.detach && !moves::are_looked_at(store, now).await? {
        bail!(
            "no gateway looks at the moves of this database, so nobody would meet the block: start `banjia serve`, or \
             give --detach to order the rehearsal anyway"
        );
    }
    let order = Order { by, reason: &args.reason, at: now };
    rehearsal::begin(store, &args.id, args.share, args.span, order).await?;
    let until = now + args.span;
    printer.note(&format!("{} of the conversations of {} meet the source's block until {until}.", args.share, args.id));
    if args.detach {
        printer.line(&format!("Ordered. `banjia rehearse {} --report` tells what comes of it.", args.id));
        return Ok(ExitCode::SUCCESS);
    }
    let found = watch(args, store, clock, printer).await?;
    let times = rehearsal::times(store, &found).await?;
    Ok(report(&args.id, (&found, &times), printer))
}

async fn last(store: &Store, id: &str) -> anyhow::Result<Option<RehearsalRecord>> {
    let loaded = moves::load(store, id).await?;
    Ok(rehearsal::last(store, &loaded).await?)
}

/// Shows how it goes until it is over.
async fn watch(
    args: &Args,
    store: &Store,
    clock: fn() -> Timestamp,
    printer: &mut Printer,
) -> anyhow::Result<RehearsalRecord> {
    let target = if printer.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(args.span.as_secs()), target);
    bar.set_style(ProgressStyle::with_template("{bar:30} {msg}")?);
    let mut printed_at = Instant::now();
    loop {
        let Some(found) = last(store, &args.id).await? else { bail!("the rehearsal is not in the log of {}", args.id) };
        let now = clock();
        if found.found.is_some() || now >= found.until + OVERDUE {
            bar.finish_and_clear();
            return Ok(found);
        }
        let said = progress(&found, now);
        bar.set_position(now.since(found.began_at).as_secs());
        if bar.is_hidden() && printed_at.elapsed() >= LINE_EVERY {
            printer.note(&said);
            printed_at = Instant::now();
        }
        bar.set_message(visible_line(&said).into_owned());
        tokio::time::sleep(EVERY).await;
    }
}

fn progress(rehearsal: &RehearsalRecord, now: Timestamp) -> String {
    let seen = rehearsal.evidence();
    if now < rehearsal.until {
        let left = rehearsal.until.since(now).as_secs();
        return format!("{} met the block, {} of them answered elsewhere; {left} s left", seen.blocked, seen.answered);
    }
    format!("the block is over; waiting for one of its conversations to come back ({} so far)", seen.back)
}

/// Prints what a rehearsal proved, there and back. The times are route by route.
pub fn report(id: &str, (rehearsal, times): (&RehearsalRecord, &[RehearsalTimes]), printer: &mut Printer) -> ExitCode {
    let seen = rehearsal.evidence();
    let state = match rehearsal.found {
        None => "it is not over",
        Some(RehearsalFinding { is_cut_short: true, .. }) => {
            "it was cut short, because the source is not there to go back to"
        }
        Some(_) => "it is over",
    };
    printer.line(&format!(
        "The rehearsal of {id}: {} of the conversations from {} to {}; {state}.",
        rehearsal.share, rehearsal.began_at, rehearsal.until
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
    for (route, times) in rehearsal.routes.iter().zip(times) {
        report_route(route, times, printer);
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

fn report_route(route: &RehearsedRoute, took: &RehearsalTimes, printer: &mut Printer) {
    let rows = |when: &str, counts: &[ReasonCount]| -> Vec<Vec<String>> {
        let row = |one: &ReasonCount| {
            let target = one.target.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            vec![when.to_owned(), target, one.outcome.as_str().to_owned(), one.requests.to_string()]
        };
        counts.iter().map(row).collect()
    };
    let all = [rows("in the rehearsal", &route.blocked), rows("after it", &route.back)].concat();
    if all.is_empty() {
        printer.line(&format!("\n{}: no request of the rehearsal's conversations.", route.route));
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
