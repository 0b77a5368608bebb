//! `banjia verify`: whether the report of a move is what was signed, and whether what was signed is
//! true.
//!
//! Rule: it needs the report and nothing else, neither a database nor a configuration nor a
//! network.

use crate::{Printer, input};
use anyhow::{Context as _, bail};
use banjia_movement::seal::{Verified, verify};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The largest report that is read.
const REPORT_BYTES_MAX: u64 = 256 << 20;
/// An Ed25519 key in hexadecimal digits.
const KEY_DIGITS: usize = 64;

/// Arguments of `banjia verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The report that `banjia move seal` wrote.
    report: PathBuf,
    /// The key that must have signed it, as its owner told you: 64 hexadecimal digits.
    #[arg(long, value_name = "PUBLIC", value_parser = key)]
    key: Option<String>,
}

fn key(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    let is_key = text.len() == KEY_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_key { Ok(text) } else { Err("a key is 64 hexadecimal digits".to_owned()) }
}

/// Checks a report and prints what it says.
///
/// # Errors
/// A report that cannot be read, does not verify, or is signed by another key.
pub fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let found = match verify(&read(&args.report)?) {
        Ok(found) => found,
        Err(error) => bail!("{}: {error}", args.report.display()),
    };
    if let Some(key) = &args.key
        && found.key != *key
    {
        bail!("{}: it is signed by the key {}, and not by {key}", args.report.display(), found.key);
    }
    report(&found, args.key.is_some(), printer);
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<String> {
    input::text(file, REPORT_BYTES_MAX).context("this is no report of a move")
}

/// Prints what a report that holds says.
pub fn report(found: &Verified, is_key_known: bool, printer: &mut Printer) {
    let (head, sum) = (&found.report.head, &found.sum);
    printer.line(&format!("The report of the move {} is as it was signed, and its content holds.", head.id));
    printer.line(&format!("- made at {} by {}; SHA-256 {}", head.at, head.by, found.hash));
    printer.line(&format!(
        "- live since {}; {} events, in an order that can be",
        found.live_at,
        found.report.events.len()
    ));
    let total = sum.total;
    printer.line(&format!(
        "- from {} to {}: {} accepted = {} answered + {} refused + {} failed + {} abandoned + {} lost with a killed process, \
         minute by minute",
        head.from, head.until, total.accepted, total.answered, total.refused, total.failed, total.abandoned, sum.lost
    ));
    let last = found.report.last_callers.first().map_or_else(
        || "nobody was sent to the source".to_owned(),
        |caller| format!("the source's last caller: {} on {} at {}", caller.account, caller.route, caller.at),
    );
    printer.line(&format!("- {last}; credentials gone: {}", found.credentials_removed.join(", ")));
    if is_key_known {
        printer.line(&format!("- signed by the key {}, the one that you named", found.key));
    } else {
        printer.line(&format!(
            "- signed by the key that it names itself, {}: whose that is cannot be told from the report. Ask its owner for the \
             key and give it with --key.",
            found.key
        ));
    }
}
