//! The configuration file: text in, typed parts out, with every problem at once.
//!
//! Rules: each part owns its settings beside its code ([`gateway::Config`] and the structs here) and the file is only
//! their sum; unknown keys are errors; a problem has a line, a column and what to do; a secret never shows in a message.
//! Why so strict: a misspelt limit must be an error, not a limit that is not there.

pub(crate) mod build;
pub(crate) mod environment;
pub(crate) mod every;
mod interpolate;
pub(crate) mod locate;
pub(crate) mod mask;
mod profiles;
mod raw;
pub(crate) mod report;
#[cfg(test)]
mod tests;
pub(crate) mod vendor_names;
mod wording;

use crate::clock;
use banjia_files::{Bounds, FileError};
use banjia_gateway::{Problem, Profiles, Snapshot, config as gateway};
use banjia_types::Target;
use report::{Finding, Findings};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use profiles::{Known, embedded as embedded_profiles, load as load_profiles};
pub(crate) use raw::nearest;

/// The file that is read when no `--config` is given.
pub(crate) const DEFAULT_FILE: &str = "banjia.toml";

/// Everything a file says, checked for shape but not yet compiled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    /// Listener, vendors, routes, accounts and keys.
    pub(crate) gateway: gateway::Config,
    /// Where the ledger lives.
    pub(crate) store: StoreConfig,
    /// How the process logs.
    pub(crate) log: LogConfig,
    /// Where more vendor profiles are.
    pub(crate) profiles: ProfilesConfig,
    /// Which table tells the country of an address.
    pub(crate) geo: GeoConfig,
    /// The mail server for notices.
    pub(crate) mail: Option<banjia_control::SmtpConfig>,
    /// How campaigns speak.
    pub(crate) campaigns: CampaignsConfig,
    /// How long verdicts can be read.
    pub(crate) audit: AuditConfig,
    /// Who hears of what happens.
    pub(crate) webhooks: Vec<banjia_control::WebhookConfig>,
    /// Allows a reload that takes away keys or routes which are in use. Default: false.
    pub(crate) allow_shrink: bool,
}

/// `[store]`: where the ledger and the cuts are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreConfig {
    /// The SQLite file; it is made when it does not exist. Default: `banjia.db` in the working directory.
    pub(crate) path: PathBuf,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("banjia.db") }
    }
}

/// `[log]`: what goes to standard error while the process serves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// `text` for people, `json` for machines. Default: `text`.
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,banjia_gateway=debug`. Default: `info`.
    pub(crate) level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// One readable line per event.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// `[profiles]`: vendor profiles beside those that are built in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProfilesConfig {
    /// A folder of `*.toml` profiles, relative to the configuration file. A file named like a built-in profile replaces
    /// it. Default: none.
    pub(crate) dir: Option<PathBuf>,
}

/// `[geo]`: a table of addresses beside the one that is built in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GeoConfig {
    /// A country database in MaxMind's format (`.mmdb`), relative to the working directory. It is asked first, and taken up
    /// anew when the file changes. Default: none, the built-in table alone.
    pub(crate) mmdb: Option<PathBuf>,
}

/// `[campaigns]`: who speaks in notices, and from when on traffic is evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CampaignsConfig {
    /// Who speaks. Default: `The operator of this API`.
    pub(crate) operator: String,
    /// A folder with `notice.en.txt`, `notice.en.html`, `notice.zh.txt`, `notice.zh.html` in place of those that are built
    /// in; those that are missing stay. Default: none.
    pub(crate) templates: Option<PathBuf>,
}

impl Default for CampaignsConfig {
    fn default() -> Self {
        Self { operator: "The operator of this API".to_owned(), templates: None }
    }
}

/// `[audit]`: for how many days the facts behind a verdict are kept, for each set of rules apart. Their hashes stay for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditConfig {
    /// Verdicts of what a provider decides for itself. Default: for ever.
    pub(crate) policy_days: Option<std::num::NonZeroU32>,
    /// Verdicts of sanctions law. Default: for ever.
    pub(crate) sanctions_days: Option<std::num::NonZeroU32>,
}

/// What a good file gives.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The parts.
    pub(crate) config: Config,
    /// The gateway's part, compiled.
    pub(crate) snapshot: Snapshot,
    /// Every profile that is known with this file.
    pub(crate) profiles: Profiles,
    /// What is allowed but worth saying.
    pub(crate) findings: Findings,
}

/// How strict reading is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Take a placeholder for environment variables and secret files that are not there: for a check on a machine
    /// that has no secrets.
    pub(crate) without_secrets: bool,
    /// The day against which shutdown dates are held; the clock's when not said.
    pub(crate) today: Option<chrono::NaiveDate>,
    /// Address to listen on, in place of `serve.bind`.
    pub(crate) listen: Option<SocketAddr>,
    /// Read a pipe too, which a person gave to a command.
    pub(crate) may_be_pipe: bool,
}

/// The largest configuration file: a key takes about 150 bytes.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Time limit for reading the file.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// Time limit for reading a pipe. A command at its other end may ask for a password.
const PIPE_WITHIN: Duration = Duration::from_mins(2);

/// The bytes of a configuration file.
///
/// # Errors
/// It cannot be read within its bounds.
pub(crate) fn read_file(path: &Path, options: Options) -> Result<Vec<u8>, FileError> {
    let bounds = if options.may_be_pipe {
        Bounds::any_kind(BYTES_MAX, PIPE_WITHIN)
    } else {
        Bounds::regular(BYTES_MAX, READ_WITHIN)
    };
    banjia_files::read(path, bounds)
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// Every problem found, ready to be printed.
pub(crate) fn load(path: &Path, options: Options) -> Result<Loaded, Findings> {
    let text = text_of(path, read_file(path, options))?;
    read(&path.display().to_string(), &text, folder_of(path), options)
}

/// The folder that relative paths in the file at `path` start from.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The text of the file at `path`, from its bytes.
///
/// # Errors
/// It was not read, or is no text, as a finding.
fn text_of(path: &Path, read: Result<Vec<u8>, FileError>) -> Result<String, Findings> {
    let shown = path.display().to_string();
    read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| FileError::NotText)).map_err(|error| {
        let hint = match &error {
            error if error.is_missing() => "write one after docs/guide/configuration.md, or run `banjia demo`",
            error if error.is_no_answer() => "is it on a disk that hangs?",
            _ => "the file must be readable UTF-8 text",
        };
        let mut findings = Findings::new(&shown, "");
        findings.add(Finding::problem(None, format!("cannot read {shown}: {error}")).hint(hint));
        findings
    })
}

/// Checks `text`, which came from the file `shown` in `folder`.
pub(crate) fn read(shown: &str, text: &str, folder: &Path, options: Options) -> Result<Loaded, Findings> {
    read_with(shown, text, folder, options, |_, _| Some(())).map(|(loaded, ())| loaded)
}

/// Checks `text`, and builds further parts with `make`, which adds its problems to the findings.
fn read_with<T>(
    shown: &str,
    text: &str,
    folder: &Path,
    options: Options,
    make: impl FnOnce(&raw::Raw<'_>, &mut Findings) -> Option<T>,
) -> Result<(Loaded, T), Findings> {
    let mut findings = Findings::new(shown, text);
    let mut raw = raw::parse(text, folder, options, &mut findings);
    if let Some(listen) = options.listen {
        raw.config.gateway.serve.bind = listen;
    }
    let profiles = match &raw.config.profiles.dir {
        None => embedded_profiles(),
        Some(dir) => load_profiles(&folder.join(dir)),
    };
    let profiles = profiles.into_map(&mut findings, raw.span("profiles.dir"));
    vendor_names::resolve(&mut raw.config.gateway.vendors, &profiles);
    let snapshot = match Snapshot::compile(&raw.config.gateway, &profiles) {
        Ok(snapshot) => Some(snapshot),
        Err(problems) => {
            raw.add_problems(problems, &mut findings);
            None
        }
    };
    for warning in snapshot.iter().flat_map(Snapshot::warnings) {
        let today = options.today.unwrap_or_else(clock::today);
        findings.add(
            retiring(&raw, warning, &profiles, today)
                .unwrap_or_else(|| raw.finding(warning, report::Severity::Warning)),
        );
    }
    if let Some(snapshot) = &snapshot {
        raw.check_residences(snapshot, clock::now(), &mut findings);
    }
    raw.check_bases(&mut findings);
    raw.check_parameters(&profiles, &mut findings);
    raw.check_webhooks(!options.without_secrets, &mut findings);
    let made = make(&raw, &mut findings);
    raw.look_for_oddities(&mut findings);
    findings.sort();
    match (snapshot, made) {
        (Some(snapshot), Some(made)) if !findings.has_problems() => {
            Ok((Loaded { config: raw.config, snapshot, profiles, findings }, made))
        }
        _ => Err(findings),
    }
}

/// A warning about a model with a shutdown date, said for the day of reading: the compiler knows no clock.
fn retiring(raw: &raw::Raw<'_>, warning: &Problem, profiles: &Profiles, today: chrono::NaiveDate) -> Option<Finding> {
    let (route, target) = warning.path.strip_prefix("routes[")?.strip_suffix(']')?.split_once("].targets[")?;
    let routes = &raw.config.gateway.routes;
    let text = routes.get(route.parse::<usize>().ok()?)?.targets.get(target.parse::<usize>().ok()?)?;
    let target: Target = text.parse().ok()?;
    let vendor = raw.config.gateway.vendors.iter().find(|vendor| vendor.name == target.vendor)?;
    let profile = profiles.get(vendor.profile.as_deref().unwrap_or(vendor.name.as_str()))?;
    let facts = profile.model(target.model.as_str())?;
    let date = facts.shutdown_date.as_ref()?;
    let is_gone = date.parse::<chrono::NaiveDate>().is_ok_and(|date| date <= today);
    let message = if is_gone {
        format!("{text} was switched off on {date}, says the vendor: requests to it will fail")
    } else {
        format!("{text} will be switched off on {date}, says the vendor")
    };
    let instead = facts.successor.as_ref().map_or_else(
        || "name another target".to_owned(),
        |successor| format!("name another target, for example {}/{successor}", target.vendor),
    );
    let severity = report::Severity::Warning;
    Some(Finding { message, hint: Some(instead), ..raw.finding(warning, severity) })
}
