//! `banjia survey`: what is used, from captures and the ledger, and the share of the source's own
//! figures that was seen.

use super::database::Database;
use super::{Printer, input, table};
use crate::clock;
use anyhow::{Context as _, bail};
use banjia_control::survey::{EXCHANGES_MAX, Surveyor};
use banjia_movement::survey::{Survey, coverage, peaks};
use banjia_movement::usage_export;
use banjia_store::{Capture, CaptureCursor, CaptureFilter, EncryptionKey, Period, Row, Store};
use banjia_types::TrafficKind;
use banjia_types::visible::visible_line;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Rows and captures read at once.
const PAGE: u32 = 500;
/// So many problems of a file are told.
const PROBLEMS_MAX: usize = 20;
/// Lines of a list that are shown; the rest are in the JSON.
const SHOWN: usize = 12;

/// The way to record requests, for people who have none yet.
const RECORDING: &str = "\n\nTo record requests from now on, write this into the configuration; a running gateway takes it \
                         up by itself:\n\n[capture]\nshare = 1.0";

/// Arguments of `banjia survey`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// The source's own usage export, CSV or JSON: which share of it was seen.
    #[arg(long, value_name = "FILE")]
    usage_export: Option<PathBuf>,
    /// The form of the answer. JSON can be given to `banjia plan --survey`.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Where traffic is read from.
#[derive(Debug, clap::Args)]
pub(super) struct Sources {
    /// A file of captures, one JSON object a line. May be given several times.
    #[arg(long, value_name = "FILE.jsonl")]
    pub(super) captures: Vec<PathBuf>,
    /// How far back the database is read: 30d, 12h.
    #[arg(long, default_value = "30d", value_name = "SPAN", value_parser = span)]
    since: Duration,
    #[command(flatten)]
    pub(super) database: Database,
}

fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("a span is a number and d or h, for example 30d; found {text:?}");
    let (number, hours) =
        text.strip_suffix('d').map(|n| (n, 24)).or(text.strip_suffix('h').map(|n| (n, 1))).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_hours(u64::from(number) * hours))
}

impl Sources {
    /// Returns whether anything was named.
    pub(super) fn is_named(&self) -> bool {
        !self.captures.is_empty() || self.database.is_named()
    }

    /// Hands over every row and then every capture. The database is read when it is named, or when
    /// nothing is.
    pub(super) fn each(&self, mut row: impl FnMut(&Row), mut capture: impl FnMut(&Capture)) -> anyhow::Result<()> {
        if self.database.is_named() || self.captures.is_empty() {
            let path = self.database.path()?;
            if !path.exists() && self.captures.is_empty() {
                bail!("there is no database {} yet; name another with --store.{RECORDING}", path.display());
            }
            let from = clock::now() - self.since;
            let period = Period { from, ..Period::ALWAYS };
            self.database.with(async |store| each_stored(&store, &path, period, &mut row, &mut capture).await)?;
        }
        for file in &self.captures {
            read_file(file, &mut capture)?;
        }
        Ok(())
    }
}

/// Hands over every row of a database and then every capture.
pub(crate) async fn each_stored(
    store: &Store,
    path: &Path,
    period: Period,
    row: &mut impl FnMut(&Row),
    capture: &mut impl FnMut(&Capture),
) -> anyhow::Result<()> {
    each_row(store, period, row).await?;
    each_capture(store, path, period, capture).await
}

async fn each_row(store: &Store, period: Period, take: &mut impl FnMut(&Row)) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let rows = store.rows_after(period, after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some((last.accepted_at, last.request_id));
        rows.iter().for_each(&mut *take);
    }
}

async fn each_capture(
    store: &Store,
    path: &Path,
    period: Period,
    take: &mut impl FnMut(&Capture),
) -> anyhow::Result<()> {
    let filter = CaptureFilter { legs: vec![TrafficKind::Live], period, ..CaptureFilter::default() };
    if store.count_captures(&filter).await? == 0 {
        return Ok(());
    }
    let key = EncryptionKey::beside(path)?;
    let mut next = Some(CaptureCursor::default());
    while let Some(after) = next {
        let page = store.captures(&filter, after, PAGE, &key).await?;
        page.captures.iter().for_each(&mut *take);
        next = page.next;
    }
    Ok(())
}

fn read_file(path: &Path, take: &mut impl FnMut(&Capture)) -> anyhow::Result<()> {
    let shown = path.display();
    let mut problems = Vec::new();
    for line in Capture::read_lines(input::lines(path)?) {
        match line {
            Ok(capture) => take(&capture),
            Err(error) => problems.push(error.to_string()),
        }
        if problems.len() == PROBLEMS_MAX {
            problems.push("more are not told".to_owned());
            break;
        }
    }
    if !problems.is_empty() {
        bail!("{shown}: {}", problems.join("\n       "));
    }
    Ok(())
}

/// Makes the survey of all sources.
pub(super) fn survey(sources: &Sources, printer: &mut Printer) -> anyhow::Result<Survey> {
    let surveyor = std::cell::RefCell::new(Surveyor::default());
    sources.each(|row| surveyor.borrow_mut().row(row), |capture| surveyor.borrow_mut().capture(capture))?;
    let surveyor = surveyor.into_inner();
    if surveyor.is_full() {
        printer.note(&format!("only the first {EXCHANGES_MAX} exchanges were read; take a shorter --since\n"));
    }
    let survey = surveyor.done();
    if survey.routes.is_empty() {
        bail!(
            "nothing was seen; name captures with --captures, a database with --store, or a longer --since.{RECORDING}"
        );
    }
    Ok(survey)
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let export = args.usage_export.as_deref().map(read_export).transpose()?;
    let survey = survey(&args.sources, printer)?;
    match args.format {
        Format::Json => printer.line(&serde_json::to_string(&survey)?),
        Format::Text => show(&survey, printer),
    }
    let Some(export) = export else { return Ok(ExitCode::SUCCESS) };
    let found = usage_export::compare(&export, &survey);
    let share = |share: Option<f64>| share.map_or_else(|| "?".to_owned(), |share| format!("{:.1} %", share * 100.0));
    let rows: Vec<_> = found
        .models
        .iter()
        .map(|row| {
            let counts = [row.exported_requests, row.seen_requests, row.exported_tokens, row.seen_tokens];
            [row.model.clone()].into_iter().chain(counts.map(|n| n.to_string())).chain([share(row.share())]).collect()
        })
        .collect();
    let header = ["model", "requests exported>", "seen>", "tokens exported>", "seen>", "share seen>"];
    let said = table(&header, &rows, printer.width());
    let days =
        format!("{} days compared, {} days of the export are outside of the survey", found.days, found.days_outside);
    match args.format {
        Format::Text => printer.line(&format!("\nAgainst the source's own figures\n{said}\n{days}")),
        Format::Json => printer.note(&format!("{said}\n{days}\n")),
    }
    Ok(ExitCode::SUCCESS)
}

fn read_export(path: &Path) -> anyhow::Result<usage_export::Export> {
    let shown = path.display();
    let text = input::text(path, usage_export::EXPORT_BYTES_MAX as u64)
        .context("if it is too large, export fewer days at once")?;
    usage_export::read(&text).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{shown}: {}", lines.join("\n       "))
    })
}

/// What goes over each route.
pub(crate) fn by_route(survey: &Survey, width: usize) -> String {
    let rows = survey.routes.iter().map(|(name, route)| {
        let peaks = peaks([route]);
        let targets: Vec<_> = route.targets.keys().map(ToString::to_string).collect();
        vec![
            name.to_string(),
            targets.join(", "),
            route.requests.to_string(),
            route.shapes.to_string(),
            route.streams.to_string(),
            format!("{} / {}", route.prompt_max, route.answer_max),
            peaks.requests_per_minute.to_string(),
            peaks.tokens_per_minute.to_string(),
            peaks.concurrency.to_string(),
        ]
    });
    let header = [
        "route",
        "answered by",
        "requests>",
        "read>",
        "streams>",
        "longest in / out>",
        "peak a minute>",
        "tokens a minute>",
        "at once>",
    ];
    table(&header, &rows.collect::<Vec<_>>(), width)
}

fn show(survey: &Survey, printer: &mut Printer) {
    printer.line(&by_route(survey, printer.width()));
    for (name, route) in &survey.routes {
        if route.shapes == 0 {
            continue;
        }
        printer.line(&format!("\n{}, of {} requests read:", visible_line(name.as_str()), route.shapes));
        let languages: BTreeMap<String, u64> =
            route.languages.iter().map(|(language, n)| (format!("{language:?}").to_lowercase(), *n)).collect();
        for (what, counts) in [
            ("parameters", &route.params),
            ("tools", &route.tools),
            ("languages", &languages),
            ("clients", &route.clients),
        ] {
            if !counts.is_empty() {
                printer.line(&format!("  {what}: {}", most(counts)));
            }
        }
        let (schema, images) = (route.with_schema, route.with_images);
        printer.line(&format!("  JSON or schema asked for: {schema} · images: {images}"));
    }
    let said = coverage(survey);
    printer.line(&format!(
        "\nCoverage: {} requests on {} of {} days; {} read, {} with known tokens.",
        said.requests, said.days, said.span_days, said.shapes, said.counted
    ));
    for (route, share) in &said.unseen_at_most {
        let route = visible_line(route.as_str());
        printer.line(&match share {
            Some(share) => {
                format!(
                    "  {route}: what was never seen may be in up to {:.2} % of the requests (95 of 100)",
                    share * 100.0
                )
            }
            None => format!("  {route}: no request was read, so nothing is known of parameters; give captures"),
        });
    }
    let rare = said.rare.iter().map(|rare| {
        let (route, what) = (visible_line(rare.route.as_str()), visible_line(&rare.what));
        format!("  {route}: {what} ({} of {})", rare.requests, rare.of)
    });
    let rare: Vec<_> = rare.collect();
    if !rare.is_empty() {
        printer.line(&format!("Seen too rarely to judge:\n{}", rare.join("\n")));
    }
}

/// The most frequent ones first.
fn most(counts: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut shown: Vec<_> =
        sorted.iter().take(SHOWN).map(|(name, count)| format!("{} {count}", visible_line(name))).collect();
    if sorted.len() > SHOWN {
        shown.push(format!("and {} more", sorted.len() - SHOWN));
    }
    shown.join(", ")
}
