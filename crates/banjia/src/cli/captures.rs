//! `banjia captures`: recorded exchanges, counted, carried out and in as lines of JSON, and forgotten.
//!
//! Rules: lines are the open form, in which everything that Banjia recorded leaves it; texts that come in are redacted as those
//! that are recorded; a line that cannot be used is told with its number, and the others are taken.

mod line;

use super::database::DatabaseArgs;
use super::{Printer, input, table};
use crate::clock;
use anyhow::Context as _;
use banjia_gateway::{Redactor, config::CaptureConfig, seal_key};
use banjia_store::{Capture, CaptureCursor, CaptureFilter, EncryptionKey, Period, Store};
use banjia_types::{RouteName, Target, Timestamp};
use chrono::{DateTime, NaiveDate};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Captures read at once.
const PAGE: u32 = 500;
/// Captures written at once.
const BATCH: usize = 200;
/// Bad lines that are shown one by one.
const BAD_LINES_MAX: usize = 10;

/// Arguments of `banjia captures`.
pub(super) type Args = DatabaseArgs<Command>;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Count what was recorded, by route, leg and target.
    List {
        /// Of this route only.
        #[arg(long)]
        route: Option<String>,
    },
    /// Write captures to standard output, one line of JSON each.
    Export {
        /// Of this route only.
        #[arg(long)]
        route: Option<String>,
        /// Of requests since then: a date (2026-11-26), a moment (2026-11-26T08:00:00Z) or a span (30d, 12h).
        #[arg(long, value_name = "WHEN", value_parser = moment)]
        since: Option<Timestamp>,
    },
    /// Take captures in: lines of an export, or chat logs made elsewhere ({"messages": [...], "response": ...}).
    Import {
        /// The file of lines.
        file: PathBuf,
        /// The route of logs that name none. Default: the request's model.
        #[arg(long)]
        route: Option<String>,
        /// Who answered in logs that do not say, as vendor/model. Default: imported/MODEL.
        #[arg(long)]
        target: Option<Target>,
    },
    /// Forget captures of old requests, for good.
    Forget {
        /// Of requests before then: a date, a moment or a span, as for `export`.
        #[arg(long, value_name = "WHEN", value_parser = moment)]
        before: Timestamp,
    },
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let loaded = args.database.loaded_with_secrets()?;
    let config = loaded.map(|loaded| loaded.config.gateway.capture).unwrap_or_default();
    args.database.with(async |store| match &args.command {
        Command::List { route } => list(&store, route.as_deref(), printer).await,
        Command::Export { route, since } => {
            let filter = CaptureFilter {
                period: Period { from: since.unwrap_or_default(), ..Period::ALWAYS },
                ..of_route(route.as_deref())
            };
            export(&store, &filter, &key(&config, &store)?, printer).await
        }
        Command::Import { file, route, target } => {
            let redactor = Redactor::compile(&config.redact).map_err(|problems| {
                anyhow::anyhow!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            })?;
            let defaults = line::Defaults {
                route: route.as_deref().map(RouteName::from),
                target: target.clone(),
                at: clock::now(),
            };
            let key = key(&config, &store)?;
            import(&store, file, &defaults, &Sealing { redactor, key, keep_days: config.keep_days }, printer).await
        }
        Command::Forget { before } => {
            let forgotten = store.delete_captures_before(*before).await?;
            printer.line(&format!("{forgotten} captures of requests before {before} are forgotten."));
            Ok(ExitCode::SUCCESS)
        }
    })
}

fn key(config: &CaptureConfig, store: &Store) -> anyhow::Result<EncryptionKey> {
    seal_key(config, store.path()).context("the captures' key")
}

fn of_route(route: Option<&str>) -> CaptureFilter {
    CaptureFilter { routes: route.map(RouteName::from).into_iter().collect(), ..CaptureFilter::default() }
}

async fn list(store: &Store, route: Option<&str>, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let sums = store.capture_sums(&of_route(route)).await?;
    if sums.is_empty() {
        printer.line("Nothing was recorded. [capture] share = 0.1 records a tenth; a move records by itself.");
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = sums
        .iter()
        .map(|sum| {
            vec![
                sum.route.to_string(),
                sum.leg.to_string(),
                sum.target.to_string(),
                sum.captures.to_string(),
                sum.answered.to_string(),
                sum.redactions.to_string(),
                sum.bytes.to_string(),
                sum.first.to_string(),
                sum.last.to_string(),
            ]
        })
        .collect();
    let header = ["route", "leg", "target", "captures>", "answered>", "redacted>", "bytes>", "first", "last"];
    printer.line(&table(&header, &rows, printer.width()));
    Ok(ExitCode::SUCCESS)
}

async fn export(
    store: &Store,
    filter: &CaptureFilter,
    key: &EncryptionKey,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let (mut after, mut count) = (CaptureCursor::default(), 0_u64);
    loop {
        let page = store.captures(filter, after, PAGE, key).await?;
        for capture in &page.captures {
            printer.line_as_it_is(capture.to_line().trim_end());
            count += 1;
        }
        let Some(next) = page.next else { break };
        after = next;
    }
    printer.note(&format!("{count} captures."));
    Ok(ExitCode::SUCCESS)
}

/// What happens to texts that come in.
struct Sealing {
    redactor: Redactor,
    key: EncryptionKey,
    keep_days: u32,
}

async fn import(
    store: &Store,
    file: &Path,
    defaults: &line::Defaults,
    sealing: &Sealing,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let lines = input::lines(file)?;
    store.check_seal(&sealing.key).await?;
    let (mut batch, mut new, mut read, mut bad, mut old) = (Vec::with_capacity(BATCH), 0_u64, 0_u64, 0_usize, 0_u64);
    let oldest = defaults.at - Duration::from_hours(24) * sealing.keep_days;
    for (number, text) in lines.lines().enumerate() {
        let text = text.with_context(|| format!("cannot read {} to its end", file.display()))?;
        if text.trim().is_empty() {
            continue;
        }
        read += 1;
        match line::capture(&text, defaults) {
            Ok(mut capture) => {
                redact(&mut capture, &sealing.redactor);
                old += u64::from(sealing.keep_days > 0 && capture.at < oldest);
                batch.push(capture);
            }
            Err(why) => {
                bad += 1;
                if bad <= BAD_LINES_MAX {
                    printer.error(&format!("line {}: {why}", number + 1));
                }
            }
        }
        if batch.len() == BATCH {
            new += store.write_captures(&batch, &sealing.key).await?;
            batch.clear();
        }
    }
    new += store.write_captures(&batch, &sealing.key).await?;
    printer.line(&format!("{read} lines read, {new} captures new, {bad} lines not used."));
    if old > 0 {
        let days = sealing.keep_days;
        printer.note(&format!("{old} are older than capture.keep_days = {days}: a running gateway will forget them."));
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn redact(capture: &mut Capture, redactor: &Redactor) {
    let answer = capture.answer.as_mut().map_or(0, |answer| redactor.redact(answer));
    capture.redactions += redactor.redact(&mut capture.request) + answer;
}

/// A date, a moment, or a span back from now.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(Timestamp(moment.timestamp_millis()));
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(Timestamp(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()));
    }
    let span = text.split_at_checked(text.len().saturating_sub(1)).and_then(|(count, unit)| {
        let hours = match unit {
            "d" => 24,
            "h" => 1,
            _ => return None,
        };
        count.parse::<u32>().ok().map(|count| Duration::from_hours(hours) * count)
    });
    span.map(|span| clock::now() - span).ok_or_else(|| {
        format!("{text:?} is no time; write 2026-11-26, 2026-11-26T08:00:00Z, or a span such as 30d or 12h")
    })
}
