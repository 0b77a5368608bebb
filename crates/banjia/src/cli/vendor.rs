//! `banjia vendor`: what the profiles know.

use super::{Printer, input, table};
use crate::clock;
use crate::config::{self, Known, mask, report::Findings, vendor_names};
use banjia_gateway::Profiles;
use banjia_types::{Operation, Price, PriceTier};
use banjia_wire::Profile;
use std::path::PathBuf;
use std::process::ExitCode;

/// The longest text of a profile.
const PROFILE_BYTES_MAX: u64 = 1024 * 1024;

/// Arguments of `banjia vendor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// A folder of profiles beside those that are built in.
    #[arg(long, global = true, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the vendors that are known.
    List,
    /// Say what is wrong with a profile, all at once.
    Check {
        /// A profile's file.
        file: PathBuf,
    },
    /// Show what is known of one vendor: hosts, models, prices, dates.
    Show {
        /// The vendor.
        name: String,
    },
}

pub(super) fn run(args: Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let known = args.dir.as_ref().map_or_else(config::embedded_profiles, |dir| config::load_profiles(dir));
    match args.command {
        Command::Check { file } => check(&known, &file, printer),
        Command::List => {
            let profiles = compile(known, printer);
            list(&profiles, printer);
            Ok(ExitCode::SUCCESS)
        }
        Command::Show { name } => Ok(show(&compile(known, printer), &name, printer)),
    }
}

fn compile(known: Known, printer: &mut Printer) -> Profiles {
    let mut findings = Findings::new("vendor profiles", "");
    let profiles = known.into_map(&mut findings, None);
    if !findings.is_empty() {
        printer.styled_note(&findings.render(printer.is_color(), printer.width()));
    }
    profiles
}

fn check(known: &Known, file: &std::path::Path, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let shown = file.display().to_string();
    let text = input::text(file, PROFILE_BYTES_MAX)?;
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    let (profile, findings) = known.parse(stem, &shown, &text);
    if !findings.is_empty() {
        printer.styled_line(findings.render(printer.is_color(), printer.width()).trim_end_matches('\n'));
        printer.line("");
    }
    if findings.has_problems() {
        let problems = findings.lines().len();
        printer.line(&format!("{shown}: {problems} problem{}", if problems == 1 { "" } else { "s" }));
        return Ok(ExitCode::FAILURE);
    }
    let Some(profile) = profile else {
        printer.error(&format!("{shown} cannot be used, and no reason was found"));
        return Ok(ExitCode::FAILURE);
    };
    printer.line(&format!("{shown}: good ({})", in_short(&profile)));
    Ok(ExitCode::SUCCESS)
}

fn in_short(profile: &Profile) -> String {
    format!(
        "{} hosts, {} models, {} parameter rules, {} error rules",
        profile.hosts().len(),
        profile.models().count(),
        profile.params().len(),
        profile.errors().len(),
    )
}

fn list(profiles: &Profiles, printer: &mut Printer) {
    let rows: Vec<_> = profiles
        .iter()
        .map(|(name, profile)| {
            let first = profile
                .hosts()
                .first()
                .map_or("(base from the configuration)".to_owned(), |host| mask::url(&host.base));
            let more = profile.hosts().len().saturating_sub(1);
            let hosts = if more == 0 { first } else { format!("{first} (+{more})") };
            let retiring = profile.models().filter(|facts| facts.shutdown_date.is_some()).count();
            let form = if profile.is_pass_through() { "as it is" } else { "translated" };
            vec![
                name.clone(),
                hosts,
                profile.models().count().to_string(),
                retiring.to_string(),
                form.to_owned(),
                profile.cite().as_of.clone(),
            ]
        })
        .collect();
    let header = ["vendor", "host", "models>", "ending>", "requests go", "as of"];
    printer.line(&table(&header, &rows, printer.width()));
    printer.line("`banjia vendor show NAME` tells more; `ending` counts models with a shutdown date.");
}

fn show(profiles: &Profiles, name: &str, printer: &mut Printer) -> ExitCode {
    let found = vendor_names::profile_of(name, profiles).and_then(|name| profiles.get_key_value(name));
    let Some((name, profile)) = found else {
        let near = vendor_names::nearest_profile(name, profiles);
        let hint =
            near.map_or_else(|| "`banjia vendor list` shows all".to_owned(), |near| format!("did you mean {near}?"));
        printer.error(&format!("there is no vendor {name:?}; {hint}"));
        return ExitCode::FAILURE;
    };
    let cite = profile.cite();
    printer.line(&format!("{name}: {}", in_short(profile)));
    printer.line(&format!("source: {}, as of {}", cite.source, cite.as_of));
    let others = vendor_names::other_names(name);
    if !others.is_empty() {
        printer.line(&format!("also called: {}", others.join(", ")));
    }
    let variables: Vec<_> = vendor_names::key_variables(name).collect();
    printer.line(&format!("its key without a configuration file: {}\n", variables.join(" or ")));
    let width = printer.width();
    if !profile.hosts().is_empty() {
        let rows: Vec<_> = profile
            .hosts()
            .iter()
            .map(|host| vec![host.name.clone(), mask::url(&host.base), host.residency.clone().unwrap_or_default()])
            .collect();
        printer.line(&table(&["host", "base", "residency"], &rows, width));
    }
    let path = |endpoint| profile.path(endpoint).unwrap_or("no");
    printer.line(&format!("chat {} · embeddings {}\n", path(Operation::ChatCompletions), path(Operation::Embeddings)));
    let rows: Vec<_> = profile.models().map(model_row).collect();
    if !rows.is_empty() {
        let header = ["model", "context>", "answer>", "price per million tokens, in / out", "ends"];
        printer.line(&table(&header, &rows, width));
    }
    warnings(profile, printer);
    ExitCode::SUCCESS
}

fn model_row(facts: &banjia_wire::ModelFacts) -> Vec<String> {
    let name = format!("{}{}", facts.name.text(), if facts.name.is_exact() { "" } else { "*" });
    let tokens = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), short);
    let mut price = facts.price.as_ref().map_or_else(|| "?".to_owned(), price);
    if facts.cite.unconfirmed {
        price.push_str(" (unconfirmed)");
    }
    let ends = facts.shutdown_date.clone().unwrap_or_default();
    vec![name, tokens(facts.context), tokens(facts.output_max), price, ends]
}

/// `131072` as `131K`, `1000000` as `1M`.
fn short(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{}K", count / 1_000),
        _ if count % 1_000_000 < 100_000 => format!("{}M", count / 1_000_000),
        _ => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

fn price(price: &Price) -> String {
    let tier = |tier: &PriceTier| {
        let mut text = format!("{} / {}", decimal(tier.input), decimal(tier.output));
        let bounds: Vec<_> = [("in", tier.input_below), ("out", tier.output_below)]
            .iter()
            .filter_map(|(what, bound)| bound.map(|bound| format!("{what} < {}", short(bound))))
            .collect();
        if !bounds.is_empty() {
            text = format!("{text} ({})", bounds.join(", "));
        }
        text
    };
    let tiers: Vec<_> = price.tiers.iter().map(tier).collect();
    format!("{} {}", tiers.join("; "), price.currency)
}

/// Millionths as a decimal number without zeros at its end.
fn decimal(micros: i64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros.unsigned_abs() % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn warnings(profile: &Profile, printer: &mut Printer) {
    let today = clock::today().to_string();
    for facts in profile.models() {
        let name = facts.name.text();
        let instead = facts.successor.as_ref().map_or_else(String::new, |successor| format!("; instead: {successor}"));
        match &facts.shutdown_date {
            Some(date) if *date <= today => {
                printer.line(&format!("retired: {name} was switched off on {date}{instead}"));
            }
            Some(date) => printer.line(&format!("ending:  {name} will be switched off on {date}{instead}")),
            None => {}
        }
        if let Some(warning) = &facts.warning {
            printer.line(&format!("note:    {name}: {warning}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_types::Currency;

    #[test]
    fn prices_and_counts_read_well() {
        assert_eq!(
            (short(999), short(131_072), short(1_000_000), short(1_048_576)),
            ("999".into(), "131K".into(), "1M".into(), "1M".into())
        );
        let tiers = vec![
            PriceTier {
                input_below: Some(32_000),
                output_below: Some(200),
                input: 2_000_000,
                output: 8_000_000,
                ..PriceTier::default()
            },
            PriceTier { input: 150_000, output: 1_500_000, ..PriceTier::default() },
        ];
        let shown = price(&Price { currency: Currency::Cny, tiers });
        assert_eq!(shown, "2 / 8 (in < 32K, out < 200); 0.15 / 1.5 CNY");
    }
}
