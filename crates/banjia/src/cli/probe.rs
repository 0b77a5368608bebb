//! `banjia probe VENDOR`: does the live vendor do what its profile says?

use super::{LogChoice, Printer, runtime, table};
use crate::config::{self, LogConfig, mask, report::Findings, vendor_names};
use crate::probe::{Finding, Probe, Settings, Standing};
use crate::telemetry;
use anyhow::{Context, bail};
use banjia_types::Secret;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `banjia probe`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The vendor, as `banjia vendor list` names it.
    vendor: String,
    /// One of the profile's hosts; its first when not said.
    #[arg(long, value_name = "NAME", conflicts_with = "base")]
    host: Option<String>,
    /// A base URL instead of the profile's hosts.
    #[arg(long, value_name = "URL")]
    base: Option<String>,
    /// The environment variable that holds your key. Default: those that `banjia vendor show`
    /// names.
    #[arg(long, value_name = "VARIABLE")]
    key_env: Option<String>,
    /// The model to chat with; the cheapest that the profile knows when not said.
    #[arg(long)]
    model: Option<String>,
    /// A folder of profiles beside those that are built in.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Yes, send the requests: they cost a little money. Not needed for a vendor on this machine.
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &Args, log: &LogChoice, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    telemetry::start(log, &LogConfig { level: "warn".to_owned(), ..LogConfig::default() })?;
    let settings = settings(args)?;
    let runtime = runtime()?;
    let probe = {
        let _inside = runtime.enter();
        Probe::plan(&settings)?
    };
    printer.note(&format!(
        "{} requests to {}, answers of at most a few dozen tokens each.",
        probe.requests(),
        mask::url(&settings.base)
    ));
    if !args.yes && !is_loopback(&settings.base) {
        printer.note("They cost a little money. Nothing was sent; say --yes to send them.");
        return Ok(ExitCode::from(2));
    }
    let findings = runtime
        .block_on(probe.run(|finding| printer.note(&format!("  {}: {}", finding.standing.as_str(), finding.fact))));
    Ok(show(&args.vendor, &findings, printer))
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    let known = args.dir.as_ref().map_or_else(config::embedded_profiles, |dir| config::load_profiles(dir));
    let mut findings = Findings::new("vendor profiles", "");
    let profiles = known.into_map(&mut findings, None);
    let found = vendor_names::profile_of(&args.vendor, &profiles).and_then(|name| profiles.get_key_value(name));
    let Some((vendor, profile)) = found else {
        let near = vendor_names::nearest_profile(&args.vendor, &profiles);
        let hint =
            near.map_or_else(|| "`banjia vendor list` shows all".to_owned(), |near| format!("did you mean {near}?"));
        bail!("there is no vendor {:?}; {hint}", args.vendor);
    };
    let base = match (&args.base, profile.host(args.host.as_deref())) {
        (Some(base), _) => base.clone(),
        (None, Some(host)) => host.base.clone(),
        (None, None) => {
            let names: Vec<_> = profile.hosts().iter().map(|host| host.name.as_str()).collect();
            bail!(
                "no such host; the profile has: {}",
                if names.is_empty() { "none, so say --base".to_owned() } else { names.join(", ") }
            )
        }
    };
    let variables =
        args.key_env.clone().map_or_else(|| vendor_names::key_variables(vendor).collect(), |name| vec![name]);
    let set = |name: &String| std::env::var(name).ok().filter(|key| !key.trim().is_empty());
    let key = variables.iter().find_map(set).with_context(|| {
        format!("no environment variable holds the key: {} is not set; --key-env names another", variables.join(" or "))
    })?;
    Ok(Settings { profile: Arc::clone(profile), base, key: Secret::new(key.trim()), model: args.model.clone() })
}

fn is_loopback(base: &str) -> bool {
    let host = url::Url::parse(base).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

fn show(vendor: &str, findings: &[Finding], printer: &mut Printer) -> ExitCode {
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| vec![finding.standing.as_str().to_owned(), finding.fact.clone(), finding.seen.clone()])
        .collect();
    printer.line(&table(&["", "the profile says", "the vendor did"], &rows, printer.width()));
    let count = |standing| findings.iter().filter(|finding| finding.standing == standing).count();
    let (confirmed, differs) = (count(Standing::Confirmed), count(Standing::Differs));
    printer.line(&format!(
        "{vendor}: {confirmed} confirmed, {differs} differ, {} could not tell",
        count(Standing::Unclear)
    ));
    if differs == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
