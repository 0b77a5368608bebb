//! `banjia parity`: is the destination as good as the source, axis by axis?
//!
//! Rules: what is compared comes from files alone, so that a verdict can be repeated anywhere: the same lines, rules and seed give the
//! same report, but for what it is told to ask somebody (`--embed`, `--judge`). A line that cannot be read ends the command: a verdict on
//! a part of the set would look like one on all of it.

mod ask;
mod screen;

pub(crate) use screen::show;

use super::{LogChoice, Printer, input};
use anyhow::{Context as _, bail};
use banjia_border::country::Lang;
use banjia_control::parity::{Expectations, Pairs, Sides, pairs_of};
use banjia_control::report::parity_html;
use banjia_parity::compare::About;
use banjia_parity::{Axis, ComparisonRules, Finding, Report, compare};
use banjia_store::{Capture, write_private_file};
use banjia_types::{RouteName, Target, nearest};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit code that says that there was no verdict to give.
const UNUSABLE: u8 = 2;
/// The exit code that says "not enough data": neither all is well nor was something found wrong.
const UNDECIDED: u8 = 3;
/// Bad lines that are shown; a wrong file has thousands.
const SHOWN_MAX: usize = 5;

/// Arguments of `banjia parity`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ends with 0 when every judged axis is equal or better, 1 when one is worse, 2 when it was called wrongly or a file cannot be used, and 3 \
                        when nothing is worse but there is not enough data to call all of them equal."
)]
pub(super) struct Args {
    /// Captures, one a line of JSON: the live and repeated answers of the source, and the shadows or replays of the destination.
    #[arg(required = true, value_name = "SET.jsonl")]
    sets: Vec<PathBuf>,
    /// What answers must fulfil, one a line of JSON: {"id": "r1", "contains": "Paris"} or {"route": "chat", "regex": "^\\d+$"}.
    #[arg(long, value_name = "FILE.jsonl")]
    expect: Option<PathBuf>,
    /// Write the report as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The language of the page.
    #[arg(long, value_enum, default_value_t = PageLang::En)]
    lang: PageLang,
    /// How far below the source an axis may be: json=0.02 is two points, latency=0.25 a quarter slower, length=off does not judge.
    #[arg(long = "margin", value_name = "AXIS=PART", value_parser = read_margin)]
    margins: Vec<(Axis, Option<f64>)>,
    /// How sure each statement must be.
    #[arg(long, default_value_t = 0.95, value_parser = read_confidence)]
    confidence: f64,
    /// The seed of what is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Compare this route only.
    #[arg(long)]
    route: Option<RouteName>,
    /// The source, where the captures leave it open.
    #[arg(long, value_name = "VENDOR/MODEL")]
    source: Option<Target>,
    /// The destination, where the captures leave it open.
    #[arg(long, value_name = "VENDOR/MODEL")]
    destination: Option<Target>,
    #[command(flatten)]
    ask: ask::ComparisonArgs,
    /// Yuan for one dollar, to compare costs in both.
    #[arg(long, value_name = "RATE", value_parser = read_rate)]
    cny_per_usd: Option<f64>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PageLang {
    En,
    Zh,
}

/// Whatever keeps a verdict from being given ends with 2: 1 is kept for "worse", so that a script can rely on it.
pub(super) fn run(args: &Args, log: &LogChoice, printer: &mut Printer) -> ExitCode {
    judge(args, log, printer).unwrap_or_else(|error| {
        printer.error(&format!("{error:#}"));
        ExitCode::from(UNUSABLE)
    })
}

fn judge(args: &Args, log: &LogChoice, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let captures = read_sets(&args.sets, printer)?;
    let expectations = read_expectations(args.expect.as_deref(), printer)?;
    let sides = Sides::of(&captures, args.source.clone(), args.destination.clone())?;
    let mut found = pairs_of(&captures, &sides, args.route.as_ref(), &expectations);
    note(&found, &captures, &expectations, printer);
    if found.pairs.is_empty() {
        bail!(
            "no request was answered by both {} and {}: there is nothing to compare",
            sides.source,
            sides.destination
        );
    }
    args.ask.fill(&mut found.pairs, (&captures, &sides), log, printer)?;
    let mut report = compare(&found.pairs, &rules(args), args.seed);
    report.about = About {
        source: sides.source.to_string(),
        destination: sides.destination.to_string(),
        route: args.route.as_ref().map(ToString::to_string),
    };
    screen::show(&report, printer);
    screen::note_left_out(&report, printer);
    write(args, &report, printer)?;
    Ok(match report.verdict {
        Finding::Worse => ExitCode::FAILURE,
        Finding::NotEnoughData => ExitCode::from(UNDECIDED),
        Finding::Better | Finding::Equal | Finding::NotJudged => ExitCode::SUCCESS,
    })
}

fn rules(args: &Args) -> ComparisonRules {
    let mut rules =
        ComparisonRules { alpha: 1.0 - args.confidence, cny_per_usd: args.cny_per_usd, ..ComparisonRules::default() };
    for (axis, margin) in &args.margins {
        match margin {
            Some(margin) => rules.margins.insert(*axis, *margin),
            None => rules.margins.remove(axis),
        };
    }
    rules
}

fn read_sets(paths: &[PathBuf], printer: &mut Printer) -> anyhow::Result<Vec<Capture>> {
    let (mut captures, mut bad) = (Vec::new(), 0_usize);
    for path in paths {
        for line in Capture::read_lines(input::lines(path)?) {
            match line {
                Ok(capture) => captures.push(capture),
                Err(error) => {
                    bad += 1;
                    if bad <= SHOWN_MAX {
                        printer.error(&format!("{}: {error}", path.display()));
                    }
                }
            }
        }
    }
    if bad > 0 {
        bail!("{bad} lines cannot be used; mend them or take them out, so that the verdict is on what you mean");
    }
    Ok(captures)
}

fn read_expectations(path: Option<&Path>, printer: &mut Printer) -> anyhow::Result<Expectations> {
    let Some(path) = path else { return Ok(Expectations::default()) };
    Expectations::read_lines(input::lines(path)?).map_err(|errors| {
        for error in errors.iter().take(SHOWN_MAX) {
            printer.error(&format!("{}: {error}", path.display()));
        }
        anyhow::anyhow!("{} lines of {} cannot be used", errors.len(), path.display())
    })
}

/// What was left aside, before anything is concluded from the rest.
fn note(found: &Pairs, captures: &[Capture], expectations: &Expectations, printer: &mut Printer) {
    let mut say = |count: u64, what: &str| {
        if count > 0 {
            printer.note(&format!("note: {count} {what}"));
        }
    };
    say(found.without_destination, "requests have no answer of the destination and are not compared");
    say(found.without_source, "requests have no answer of the source and are not compared");
    say(found.repeated_lines, "lines tell an answer that another line tells too; the last one is taken");
    let known: std::collections::HashSet<&str> = captures.iter().map(|capture| capture.id.as_str()).collect();
    say(
        expectations.ids().filter(|id| !known.contains(id)).count() as u64,
        "expectations name a request that is not in the set",
    );
}

fn write(args: &Args, report: &Report, printer: &mut Printer) -> anyhow::Result<()> {
    let lang = match args.lang {
        PageLang::En => Lang::En,
        PageLang::Zh => Lang::Zh,
    };
    let mut put = |path: &Path, text: &str| -> anyhow::Result<()> {
        write_private_file(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        printer.note(&format!("written: {}", path.display()));
        Ok(())
    };
    if let Some(path) = &args.html {
        put(path, &parity_html(report, lang))?;
    }
    if let Some(path) = &args.json {
        put(path, &(serde_json::to_string_pretty(report)? + "\n"))?;
    }
    Ok(())
}

fn read_margin(text: &str) -> Result<(Axis, Option<f64>), String> {
    let (name, part) = text.split_once('=').ok_or("a margin is AXIS=PART, such as json=0.02, or AXIS=off")?;
    let known = || Axis::ALL.iter().map(|axis| axis.as_str());
    let axis = Axis::of(name).ok_or_else(|| {
        let meant = nearest(name, known()).map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("there is no axis {name:?}{meant}; the axes are: {}", known().collect::<Vec<_>>().join(", "))
    })?;
    if part == "off" {
        return Ok((axis, None));
    }
    let margin = part.parse().ok().filter(|margin: &f64| *margin > 0.0 && *margin <= 10.0);
    let margin =
        margin.ok_or_else(|| format!("{part:?} is no margin: give a part such as 0.02 for two points, or off"))?;
    Ok((axis, Some(margin)))
}

fn read_confidence(text: &str) -> Result<f64, String> {
    let confidence = text.parse().ok().filter(|confidence: &f64| (0.5..0.9999).contains(confidence));
    confidence.ok_or_else(|| "give a part between 0.5 and 0.9999, such as 0.95".to_owned())
}

fn read_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "give yuan for one dollar, such as 7.1".to_owned())
}
