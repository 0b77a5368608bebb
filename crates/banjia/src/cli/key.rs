//! `banjia key`: keys for clients of the gateway, made and listed.
//!
//! Rule: the secret is printed once and kept nowhere; the configuration file gets its hash.

use super::{Printer, table};
use crate::config;
use anyhow::{Context, bail};
use banjia_gateway::keys;
use banjia_types::Secret;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Random bytes of a key: 256 bits, so that a fast hash is safe.
const KEY_BYTES: usize = 32;
/// Random bytes of a key's public id.
const ID_BYTES: usize = 4;

/// Arguments of `banjia key`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key. The secret is shown once; the lines for the configuration file hold only its hash.
    New {
        /// The account that the key belongs to.
        #[arg(long, value_name = "NAME")]
        account: String,
        /// The key's public id, for the ledger and for messages. Default: one that is made up.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// The configuration file: its pepper is used, and an account that it has already is not printed again.
        #[arg(long, short, env = "BANJIA_CONFIG", value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// The keys of a configuration file: ids, accounts and limits.
    List {
        /// The configuration file. Default: banjia.toml.
        #[arg(long, short, env = "BANJIA_CONFIG", value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::New { account, id, config } => new(account, id.as_deref(), config.as_deref(), printer),
        Command::List { config } => list(config.as_deref(), printer),
    }
}

/// The file that was named, or the default one if it exists.
fn file_of(config: Option<&Path>) -> Option<PathBuf> {
    let default = PathBuf::from(config::DEFAULT_FILE);
    config.map(Path::to_owned).or_else(|| Some(default).filter(|file| file.exists()))
}

fn check_name(what: &str, name: &str) -> anyhow::Result<()> {
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        bail!("{what} is made of letters, digits, '-', '_' and '.'; found {name:?}");
    }
    Ok(())
}

fn new(account: &str, id: Option<&str>, config: Option<&Path>, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    check_name("an account's name", account)?;
    let file = file_of(config);
    let gateway = file.as_ref().map(|file| load(file)).transpose()?.unwrap_or_default();
    let id = match id {
        None => format!("key-{}", hex(&rand::random::<[u8; ID_BYTES]>())),
        Some(id) => {
            check_name("a key's id", id)?;
            if gateway.keys.iter().any(|key| key.id.as_str() == id) {
                bail!("there is a key {id:?} already; give another --id");
            }
            id.to_owned()
        }
    };
    let account_is_new = !gateway.accounts.iter().any(|known| known.id.as_str() == account);
    let pepper = gateway.serve.pepper;
    let secret = new_secret();
    let hash = keys::hash(pepper.as_ref(), secret.expose());
    let mut lines = String::new();
    if account_is_new {
        write!(lines, "[[accounts]]\nid = {account:?}\n\n").context("writing to a text")?;
    }
    write!(lines, "[[keys]]\nid = {id:?}\naccount = {account:?}\nhash = {hash:?}").context("writing to a text")?;
    printer.note("The key, shown only this once; give it to the client:");
    printer.line_as_it_is(secret.expose());
    printer.note("\nAdd these lines to the configuration file (they do not hold the key):\n");
    printer.line(&lines);
    if let Some(file) = file {
        let pepper = if pepper.is_some() { "the pepper of " } else { "no pepper, as in " };
        printer.note(&format!("\nThe hash was made with {pepper}{}.", file.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(config: Option<&Path>, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let Some(file) = file_of(config) else { bail!("there is no {} here; name it with --config", config::DEFAULT_FILE) };
    let options = config::Options { without_secrets: true, ..config::Options::default() };
    let gateway = load_with(&file, options)?;
    if gateway.keys.is_empty() {
        printer.line("There are no keys. `banjia key new --account NAME` makes one.");
        return Ok(ExitCode::SUCCESS);
    }
    let limit = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let rows: Vec<_> = gateway
        .keys
        .iter()
        .map(|key| {
            let limits = &key.limits;
            vec![
                key.id.to_string(),
                key.account.to_string(),
                limit(limits.requests_per_minute.map(|value| value.to_string())),
                limit(limits.tokens_per_minute.map(|value| value.to_string())),
                limit(limits.concurrency_max.map(|value| value.to_string())),
            ]
        })
        .collect();
    let header = ["key", "account", "requests a minute>", "tokens a minute>", "at once>"];
    printer.line(&table(&header, &rows, printer.width()));
    Ok(ExitCode::SUCCESS)
}

/// The gateway's part of a file.
fn load(file: &Path) -> anyhow::Result<banjia_gateway::config::Config> {
    load_with(file, config::Options::default())
}

fn load_with(file: &Path, options: config::Options) -> anyhow::Result<banjia_gateway::config::Config> {
    match config::load(file, options) {
        Ok(loaded) => Ok(loaded.config.gateway),
        Err(findings) => bail!("{}", findings.lines().join("\n       ")),
    }
}

/// A new key's text.
pub(crate) fn new_secret() -> Secret {
    Secret::new(format!("bj-{}", hex(&rand::random::<[u8; KEY_BYTES]>())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_long_and_never_the_same() {
        let (one, two) = (new_secret(), new_secret());
        assert_eq!(one.expose().len(), "bj-".len() + 64);
        assert_ne!(one.expose(), two.expose());
    }
}
