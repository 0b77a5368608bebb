//! `banjia plan`: a destination and a second one for each route, with what is lost, what it costs and by when.

use super::survey::{Sources, survey};
use super::{Printer, input};
use crate::clock;
use crate::config::{self, Loaded, report::Findings};
use anyhow::{Context as _, anyhow, bail};
use banjia_control::report::plan::{Lang, html, markdown};
use banjia_control::survey::{LossCounter, Profiles, facts};
use banjia_movement::plan::{Candidate, Durations, Facts, Limits, Losses, Plan, PlanInput, Rate, plan};
use banjia_movement::suggest::suggestions;
use banjia_movement::survey::Survey;
use banjia_types::calendar;
use banjia_types::{RouteName, Target, Timestamp, VendorName};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::path::PathBuf;
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
    let targets = targets(args, loaded.as_ref(), &survey);
    let mut counter = LossCounter::new(&profiles, &targets);
    if args.survey.is_none() || args.sources.is_named() {
        args.sources.each(|_| {}, |capture| counter.capture(capture))?;
    }
    let now = clock::now();
    let made = make(Asked {
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
    Ok(ExitCode::SUCCESS)
}

/// What a plan is made of.
pub(crate) struct Asked<'a> {
    pub(crate) survey: &'a Survey,
    /// What captured requests would lose.
    pub(crate) losses: BTreeMap<(RouteName, Target), Losses>,
    /// Where each route might go.
    pub(crate) targets: &'a BTreeMap<RouteName, Vec<Target>>,
    pub(crate) profiles: &'a Profiles,
    /// What is known of vendors' tiers, by `vendor` or `vendor/model`; the last one counts.
    pub(crate) limits: &'a [(String, Limits)],
    /// Whether vendors serve the accounts of the configuration, where that is known.
    pub(crate) served: &'a BTreeMap<VendorName, bool>,
    pub(crate) rate: &'a Rate,
    pub(crate) deadline: Timestamp,
    pub(crate) now: Timestamp,
}

/// Makes the plan.
pub(crate) fn make(asked: Asked<'_>) -> Plan {
    let Asked { survey, mut losses, targets, profiles, limits, served, rate, deadline, now } = asked;
    let known = |target: &Target| {
        let mut known = profiles.get(target.vendor.as_str()).map_or_else(
            || Facts { source: "no profile".into(), ..Facts::default() },
            |profile| facts(profile, target.model.as_str()),
        );
        let said = |whose: &str| limits.iter().rev().find(|(name, _)| name == whose).map(|(_, limits)| limits.clone());
        known.serves = served.get(&target.vendor).copied();
        known.limits = said(&target.to_string()).or_else(|| said(target.vendor.as_str())).unwrap_or_default();
        known
    };
    let mut candidates: BTreeMap<RouteName, Vec<Candidate>> = BTreeMap::new();
    for (route, targets) in targets {
        let made = targets.iter().map(|target| Candidate {
            target: target.clone(),
            facts: known(target),
            losses: losses.remove(&(route.clone(), target.clone())).unwrap_or_default(),
        });
        candidates.insert(route.clone(), made.collect());
    }
    let sources: BTreeMap<Target, Facts> = survey
        .routes
        .values()
        .flat_map(|route| route.targets.keys())
        .map(|target| (target.clone(), known(target)))
        .collect();
    let durations = Durations::default();
    plan(&PlanInput { survey, candidates: &candidates, sources: &sources, rate, deadline, now, durations })
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

/// Those that were named, else the route's own targets and what is suggested, without those of its source's vendor.
fn targets(args: &Args, loaded: Option<&Loaded>, survey: &Survey) -> BTreeMap<RouteName, Vec<Target>> {
    let routes = survey.routes.iter().map(|(name, used)| {
        if !args.candidate.is_empty() {
            return (name.clone(), args.candidate.clone());
        }
        let source = used.source().map(|(target, _)| target);
        let configured = loaded.iter().flat_map(|loaded| &loaded.config.gateway.routes);
        let own = configured.filter(|route| route.name == *name).flat_map(|route| &route.targets);
        let mut targets: Vec<Target> = own.filter_map(|target| target.parse().ok()).collect();
        let suggested = source.map(|source| suggestions(source.model.as_str())).unwrap_or_default();
        targets.extend(suggested.into_iter().map(|suggestion| suggestion.target));
        targets.retain(|target| source.is_none_or(|source| source.vendor != target.vendor));
        targets.sort();
        targets.dedup();
        (name.clone(), targets)
    });
    routes.collect()
}
