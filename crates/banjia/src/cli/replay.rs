//! `banjia replay`: recorded requests, asked again.
//!
//! Rules: what is asked goes through the gateway's side requests, with all their bounds; every
//! question is accounted for at the end; a run that was ended by whatever is simply run again.

use super::captures::moment;
use super::database::Database;
use super::stop::Stop;
use super::{LogChoice, Printer};
use crate::config::LogConfig;
use crate::{lend, telemetry};
use anyhow::{anyhow, bail};
use banjia_control::replay::{Bounds, Known, Plan, ReplayJob, Sums, Wanted};
use banjia_gateway::{Snapshot, config::CaptureConfig, seal_key};
use banjia_store::{Period, Store};
use banjia_types::{Money, RouteName, Target, Timestamp, nearest};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Repeats of one request that anybody needs.
const REPEATS_MAX: i64 = 100;

/// Arguments of `banjia replay`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is recorded is not asked again, so a run that ended early is simply run again. Ends with 0 when every question is answered or \
                        refused for good, and 1 when some were not asked or may go otherwise at another time."
)]
pub(super) struct Args {
    /// The route whose requests are asked again.
    #[arg(long)]
    route: String,
    /// Who is asked, one of the route's targets. The answers are captures of the replay leg.
    #[arg(long, value_name = "VENDOR/MODEL", required_unless_present = "repeats")]
    target: Option<Target>,
    /// How often whoever answered a request is asked the same again, to know its noise. The answers
    /// are captures of the repeat leg.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=REPEATS_MAX))]
    repeats: Option<u32>,
    /// Only requests that this target answered.
    #[arg(long, value_name = "VENDOR/MODEL")]
    source: Option<Target>,
    /// Requests since then: a date (2026-11-26), a moment (2026-11-26T08:00:00Z) or a span (30d,
    /// 12h).
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Requests before then.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only the first N requests.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Questions under way at once. Default: capture.copies_at_once_max of the configuration.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: Option<u16>,
    /// What the answers may cost, those of earlier runs included: "20 CNY".
    #[arg(long, value_name = "AMOUNT")]
    spend_max: Option<Money>,
    /// Say how many would be asked and what that may cost, and ask nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: Database,
}

pub(super) fn run(args: &Args, log: &LogChoice, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    telemetry::start(log, &LogConfig { level: "warn".to_owned(), ..LogConfig::default() })?;
    let mut loaded = args.database.loaded_to_ask()?;
    if let Some(concurrency) = args.concurrency {
        loaded.config.gateway.capture.copies_at_once_max = usize::from(concurrency);
        loaded.snapshot = Snapshot::compile(&loaded.config.gateway, &loaded.profiles)
            .map_err(|_| anyhow!("the configuration cannot be used; `banjia check` says why"))?;
    }
    let route = RouteName::from(args.route.as_str());
    let known = known(&loaded.snapshot, &route)?;
    if let Some(target) = &args.target {
        check_target(target, &route, &known, args.spend_max)?;
    }
    let (capture, snapshot) = (loaded.config.gateway.capture, loaded.snapshot);
    args.database.with(async |store| {
        let key = seal_key(&capture, store.path())?;
        store.check_seal(&key).await?;
        let replay = ReplayJob { store: store.clone(), key, wanted: wanted(args, route) };
        let facts = |target: &Target| known.get(target).cloned().unwrap_or_default();
        let plan = replay.plan(facts).await?;
        if plan.requests == 0 {
            bail!("no request of the route {} is recorded there; `banjia captures list` shows what is", args.route);
        }
        if args.dry_run {
            say_plan(&plan, printer);
            return Ok(ExitCode::SUCCESS);
        }
        let sums = ask(args, (&replay, &plan), (snapshot, &capture), facts).await?;
        say_sums(&sums, printer);
        let skipped_by_plan = plan.skipped.values().sum::<u64>();
        let is_done = !sums.is_stopped && sums.again == 0 && sums.not_asked() == skipped_by_plan;
        Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn wanted(args: &Args, route: RouteName) -> Wanted {
    let period =
        Period { from: args.since.unwrap_or(Period::ALWAYS.from), to: args.until.unwrap_or(Period::ALWAYS.to) };
    Wanted {
        route,
        period,
        source: args.source.clone(),
        target: args.target.clone(),
        repeats: args.repeats.unwrap_or(0),
        requests_max: args.limit,
    }
}

/// What is known of the route's targets.
fn known(snapshot: &Snapshot, route: &RouteName) -> anyhow::Result<HashMap<Target, Known>> {
    let Some(targets) = snapshot.targets(route) else {
        let near = nearest(route.as_str(), snapshot.route_names().map(RouteName::as_str));
        let near = near.map(|hint| format!(" ({hint})")).unwrap_or_default();
        bail!("the configuration has no route {:?}{near}", route.as_str());
    };
    let facts = targets.into_iter().map(|target| {
        let facts = snapshot.target(route, &target).unwrap_or_default();
        (target, Known { price: facts.price, output_max: facts.output_max })
    });
    Ok(facts.collect())
}

fn check_target(
    target: &Target,
    route: &RouteName,
    known: &HashMap<Target, Known>,
    spend_max: Option<Money>,
) -> anyhow::Result<()> {
    let Some(facts) = known.get(target) else {
        let mut targets: Vec<_> = known.keys().map(ToString::to_string).collect();
        targets.sort();
        let targets = targets.join(", ");
        bail!(
            "{target} is not among the targets of the route {:?} ({targets}); add it there, since there is its key",
            route.as_str()
        );
    };
    match (spend_max, &facts.price) {
        (Some(_), None) => bail!("the price of {target} is not known, so no bound on money can be kept"),
        (Some(max), Some(price)) if price.currency != max.currency => {
            bail!("{target} is paid in {}; give --spend-max in it", price.currency)
        }
        _ => Ok(()),
    }
}

/// Asks until the end, or until somebody interrupts: once to let those under way end, twice to
/// leave at once.
async fn ask(
    args: &Args,
    (replay, plan): (&ReplayJob, &Plan),
    (snapshot, capture): (Snapshot, &CaptureConfig),
    known: impl Fn(&Target) -> Known,
) -> anyhow::Result<Sums> {
    let store: &Store = &replay.store;
    let side_requests = lend::side_requests(snapshot, store).await?;
    let question = lend::lend(&side_requests, &capture.redact)?;
    let bounds = Bounds { at_once_max: capture.copies_at_once_max, spend_max: args.spend_max };
    let bar = bar(plan.to_ask());
    let is_interrupted = AtomicBool::new(false);
    let skipped_by_plan: u64 = plan.skipped.values().sum();
    let tell = |sums: &Sums| {
        bar.set_position(sums.asked() + sums.not_asked().saturating_sub(skipped_by_plan));
        let refused: u64 = sums.refused.values().sum();
        bar.set_message(format!("{} answered · {refused} refused · {} skipped", sums.answered, sums.not_asked()));
        if is_interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut stop = Stop::listen()?;
    let interrupted = async {
        stop.wait().await;
        is_interrupted.store(true, Ordering::Relaxed);
        bar.println("Stopping: nothing more is asked, those under way may end. Once more ends at once.");
        stop.wait().await;
        anyhow::Ok(())
    };
    let sums = tokio::select! {
        ended = replay.run((plan, bounds), known, question, tell) => ended.map_err(anyhow::Error::from),
        ended = interrupted => ended.and_then(|()| {
            Err(anyhow!("ended at once; what was answered is recorded, and the next run asks the rest"))
        }),
        () = lend::follow(&side_requests, store) => Err(anyhow!("the moves are not followed any more")),
    };
    bar.finish_and_clear();
    // However it ended: that a vendor refused us must be on record before this process is gone.
    side_requests.finish().await;
    sums
}

/// Drawn on a terminal only.
fn bar(questions: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30.cyan/dim} {pos}/{len} · {msg} · {eta} left")
        .expect("the template is a constant of this file")
        .progress_chars("━╸─");
    ProgressBar::with_draw_target(Some(questions), ProgressDrawTarget::stderr()).with_style(style)
}

fn say_plan(plan: &Plan, printer: &mut Printer) {
    let questions: Vec<_> = plan.questions.iter().map(|(target, count)| format!("{count} of {target}")).collect();
    let questions = if questions.is_empty() { "nothing".to_owned() } else { questions.join(", ") };
    printer.line(&format!("{} recorded requests. To be asked: {questions}.", plan.requests));
    printer.line(&format!("Recorded already: {}{}.", plan.recorded, cost(&plan.spent, ", which cost ")));
    say_reasons("Not asked", &plan.skipped, printer);
    if plan.to_ask() == 0 {
        return;
    }
    let amount = |sums: &[Money], unknown: u64| match (sums, unknown) {
        ([], _) => "not known".to_owned(),
        (sums, 0) => amounts(sums),
        (sums, unknown) => format!("{}, without {unknown} whose price or length is not known", amounts(sums)),
    };
    let (about, most) = (amount(&plan.about, plan.about_unknown), amount(&plan.at_most, plan.at_most_unknown));
    printer.line(&format!("Cost, with as many tokens as were recorded: {about}."));
    printer.line(&format!("Cost, at most: {most}."));
}

fn say_sums(sums: &Sums, printer: &mut Printer) {
    let refused: u64 = sums.refused.values().sum();
    printer.line(&format!(
        "{} questions: {} recorded before, {} asked, {} skipped.",
        sums.questions,
        sums.recorded,
        sums.asked(),
        sums.not_asked()
    ));
    printer.line(&format!(
        "Of those asked: {} answered, {refused} refused{}.",
        sums.answered,
        cost(&sums.spent, "; they cost ")
    ));
    say_reasons("Refused", &sums.refused, printer);
    if sums.again > 0 {
        printer
            .line(&format!("{} of these may go otherwise at another time: the next run asks them again.", sums.again));
    }
    say_reasons("Skipped", &sums.skipped, printer);
    if sums.is_stopped {
        printer.line("It was stopped before its end; the next run asks the rest.");
    }
}

fn say_reasons(what: &str, reasons: &BTreeMap<String, u64>, printer: &mut Printer) {
    for (why, count) in reasons {
        printer.line(&format!("  {what}: {count}, {why}"));
    }
}

fn cost(sums: &[Money], before: &str) -> String {
    if sums.is_empty() { String::new() } else { format!("{before}{}", amounts(sums)) }
}

fn amounts(sums: &[Money]) -> String {
    sums.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
