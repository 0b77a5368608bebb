//! `banjia key new`: a key for a client of the gateway.
//!
//! Rule: the secret is printed once and kept nowhere; the configuration file gets its hash.

use super::Printer;
use crate::config;
use anyhow::{Context, bail};
use banjia_gateway::keys;
use banjia_types::Secret;
use std::fmt::Write as _;
use std::path::PathBuf;
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
        /// The configuration file: its pepper is used, and an account that it has already is not printed again.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let Command::New { account, config } = &args.command;
    if account.is_empty() || !account.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        bail!("an account's name is made of letters, digits, '-', '_' and '.'; found {account:?}");
    }
    let default = PathBuf::from(config::DEFAULT_FILE);
    let file = config.as_ref().or_else(|| Some(&default).filter(|file| file.exists()));
    let (pepper, account_is_new) = match file {
        None => (None, true),
        Some(file) => read(file, account)?,
    };
    let secret = new_secret();
    let id = format!("key-{}", hex(&rand::random::<[u8; ID_BYTES]>()));
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

/// The pepper of `file`, and whether it lacks `account`.
fn read(file: &std::path::Path, account: &str) -> anyhow::Result<(Option<Secret>, bool)> {
    match config::load(file, config::Options::default()) {
        Ok(loaded) => {
            let gateway = loaded.config.gateway;
            let is_new = !gateway.accounts.iter().any(|known| known.id.as_str() == account);
            Ok((gateway.serve.pepper, is_new))
        }
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
