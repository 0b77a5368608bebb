//! `banjia plan`: a destination and a second one for each route, with what is lost, what it costs and by when.

use super::survey::{Sources, survey};
use super::{Printer, input};
use crate::clock;
use crate::config::{self, Loaded, report::Findings};
use anyhow::{Context as _, anyhow, bail};
use banjia_control::plan::{self, PlanCommand, Targets};
use banjia_control::report::plan::{Lang, html, markdown, move_text};
use banjia_control::survey::{LossCounter, Profiles};
use banjia_movement::plan::{Limits, Rate};
use banjia_types::Target;
use banjia_types::calendar;
use chrono_tz::Tz;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The largest survey that is read.
const SURVEY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Arguments of `banjia plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A survey that `banjia survey --format json` wrote. Give captures beside it, or losses stay unknown.
    #[arg(long, value_name = "FILE.json")]
    survey: Option<PathBuf>,
    #[command(flatten)]
    sources: Sources,
    /// When the source stops answering: 2024-07-09 or 2024-07-09T00:00, in the zone.
    #[arg(long, value_name = "DATE")]
    deadline: String,
    /// The zone of dates.
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    zone: Tz,
    /// A target that any route may go to, instead of the routes' own targets and what is suggested. May be given several times.
    #[arg(long, value_name = "VENDOR/MODEL")]
    candidate: Vec<Target>,
    /// Renminbi for one US dollar, with the rate's date: 7.1@2026-09-01.
    #[arg(long, value_name = "RATE@DATE", value_parser = rate)]
    rate: Option<Rate>,
    /// What a vendor lets through on your tier: VENDOR or VENDOR/MODEL=concurrency:50,requests:500,tokens:100000,tier:NAME.
    #[arg(long, value_name = "LIMIT", value_parser = limit)]
    limit: Vec<(String, Limits)>,
    /// Write the move that the plan leads to into this file, for `banjia move check`. It must not
    /// exist yet.
    #[arg(long, value_name = "FILE")]
    move_file: Option<PathBuf>,
    /// The form of the plan.
    #[arg(long, value_enum, default_value = "md")]
    format: Format,
    /// The language of the plan.
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Md,
    Html,
    Json,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Language {
    En,
    Zh,
}

fn rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("a rate is written 7.1@2026-09-01; found {text:?}");
    let (number, as_of) = text.split_once('@').ok_or_else(wrong)?;
    let cny_per_usd: f64 = number.parse().map_err(|_| wrong())?;
    calendar::read(as_of)?;
    if !(0.01..1_000.0).contains(&cny_per_usd) {
        return Err(wrong());
    }
    Ok(Rate { cny_per_usd, as_of: as_of.to_owned(), source: "given on the command line".into() })
}

fn limit(text: &str) -> Result<(String, Limits), String> {
    let wrong = || {
        format!("a limit is written VENDOR/MODEL=concurrency:50,requests:500,tokens:100000,tier:NAME; found {text:?}")
    };
    let (whose, parts) = text.split_once('=').ok_or_else(wrong)?;
    let mut limits = Limits { source: "given on the command line".into(), ..Limits::default() };
    for part in parts.split(',') {
        let (name, value) = part.split_once(':').ok_or_else(wrong)?;
        let count = || value.parse::<u64>().ok().filter(|count| *count > 0).ok_or_else(wrong);
        match name {
            "concurrency" => limits.concurrency = Some(count()?),
            "requests" => limits.requests_per_minute = Some(count()?),
            "tokens" => limits.tokens_per_minute = Some(count()?),
            "tier" => limits.tier = Some(value.to_owned()),
            _ => return Err(wrong()),
        }
    }
    Ok((whose.to_owned(), limits))
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let deadline = calendar::read(&args.deadline).map_err(|said| anyhow!("--deadline: {said}"))?;
    let deadline = calendar::moment(deadline, args.zone);
    let loaded = args.sources.database.loaded()?;
    let profiles = profiles(loaded.as_ref(), printer)?;
    let survey = match &args.survey {
        None => survey(&args.sources, printer)?,
        Some(file) => {
            let text = input::text(file, SURVEY_BYTES_MAX)?;
            let said = "is no survey; `banjia survey --format json` writes one";
            serde_json::from_str(&text).with_context(|| format!("{} {said}", file.display()))?
        }
    };
    let targets = plan::targets(&survey, &args.candidate, &configured(loaded.as_ref()));
    let mut counter = LossCounter::new(&profiles, &targets);
    if args.survey.is_none() || args.sources.is_named() {
        args.sources.each(|_| {}, |capture| counter.capture(capture))?;
    }
    let now = clock::now();
    let made = plan::make(PlanCommand {
        survey: &survey,
        served: &loaded.as_ref().map(|loaded| loaded.snapshot.served(deadline)).unwrap_or_default(),
        losses: counter.done(),
        targets: &targets,
        profiles: &profiles,
        limits: &args.limit,
        rate: &args.rate.clone().unwrap_or_default(),
        deadline,
        now,
    });
    let lang = match args.lang {
        Language::En => Lang::En,
        Language::Zh => Lang::Zh,
    };
    printer.line(&match args.format {
        Format::Md => markdown(&made, args.zone, lang),
        Format::Html => html(&made, args.zone, lang),
        Format::Json => serde_json::to_string_pretty(&made)?,
    });
    if let Some(file) = &args.move_file {
        write_move(&made, file, args.zone, printer)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the move of a plan. A file that is there stays as it is.
fn write_move(made: &banjia_movement::plan::Plan, file: &Path, zone: Tz, printer: &mut Printer) -> anyhow::Result<()> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("move");
    let id: String = stem.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(64).collect();
    let id = if id.is_empty() { "move".to_owned() } else { id };
    let shown = file.display();
    let Some(text) = move_text(made, &id, zone) else {
        bail!("no route has a destination, so there is no move to write")
    };
    let mut options = std::fs::OpenOptions::new();
    let mut out =
        options.write(true).create_new(true).open(file).with_context(|| format!("{shown} was not written"))?;
    out.write_all(text.as_bytes()).with_context(|| format!("{shown} was not written"))?;
    printer
        .note(&format!("The move is in {shown}; `banjia move check {shown}` says whether it fits the configuration."));
    Ok(())
}

/// The profiles by the name that targets use: a configured vendor may use another one's profile.
fn profiles(loaded: Option<&Loaded>, printer: &mut Printer) -> anyhow::Result<Profiles> {
    let folder = loaded.and_then(|loaded| loaded.config.profiles.dir.as_deref());
    let texts = folder.map_or_else(config::embedded_profiles, config::load_profiles);
    let mut findings = Findings::new("vendor profiles", "");
    let mut profiles: Profiles = texts.into_map(&mut findings, None).into_iter().collect();
    if !findings.is_empty() {
        printer.styled_note(&findings.render(printer.is_color(), printer.width()));
    }
    for vendor in loaded.iter().flat_map(|loaded| &loaded.config.gateway.vendors) {
        let name = vendor.profile.as_deref().unwrap_or(vendor.name.as_str());
        let Some(profile) = profiles.get(name) else { bail!("vendor {} has no profile {name:?}", vendor.name) };
        profiles.insert(vendor.name.to_string(), profile.clone());
    }
    Ok(profiles)
}

/// The targets of the configuration's routes.
fn configured(loaded: Option<&Loaded>) -> Targets {
    let routes = loaded.into_iter().flat_map(|loaded| &loaded.config.gateway.routes);
    let targets = |targets: &[String]| targets.iter().filter_map(|target| target.parse().ok()).collect();
    routes.map(|route| (route.name.clone(), targets(&route.targets))).collect()
}
