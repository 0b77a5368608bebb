//! Builds all parts of a configuration file: for `check`, `serve` and a reload alike.
//!
//! - `serve` accepts each file that `check` accepts, because both call this module.
//! - Everything is built before anything is used, so that a reload applies all parts or none.
//! - The state of the machine is not checked here: a port that is in use, a database.

use super::raw::Raw;
use super::report::{Finding, Findings};
use super::{Loaded, Options, folder_of, read_file, read_with, text_of};
use crate::border::Table;
use crate::telemetry;
use banjia_control::{Listeners, Mailer, SmtpConfig, Templates};
use banjia_store::EncryptionKey;
use std::path::Path;

/// A configuration that can be used as it is.
#[derive(Debug)]
pub(crate) struct Built {
    /// The settings and the compiled snapshot.
    pub(crate) loaded: Loaded,
    /// The listeners of webhooks.
    pub(crate) listeners: Listeners,
    /// The table of addresses.
    pub(crate) table: Table,
}

/// Builds the file at `path`.
///
/// # Errors
/// Every problem found, ready to be printed.
pub(crate) fn file(path: &Path, options: Options) -> Result<Built, Findings> {
    text(path, read_file(path, options), options)
}

/// Builds the file at `path`, which was read already.
///
/// # Errors
/// Every problem found, ready to be printed.
pub(crate) fn text(
    path: &Path,
    read: Result<Vec<u8>, banjia_files::FileError>,
    options: Options,
) -> Result<Built, Findings> {
    let text = text_of(path, read)?;
    build(&path.display().to_string(), &text, folder_of(path), options)
}

/// Builds `text`, which came from the file `shown` in `folder`.
///
/// # Errors
/// Every problem found, ready to be printed.
pub(crate) fn build(shown: &str, text: &str, folder: &Path, options: Options) -> Result<Built, Findings> {
    let make = |raw: &Raw<'_>, findings: &mut Findings| parts(raw, options, findings);
    let (loaded, (listeners, table)) = read_with(shown, text, folder, options, make)?;
    Ok(Built { loaded, listeners, table })
}

/// Builds each part. Parts that only commands use are built too, and dropped: a file that breaks
/// them is not good.
fn parts(raw: &Raw<'_>, options: Options, findings: &mut Findings) -> Option<(Listeners, Table)> {
    let config = &raw.config;
    let mut problem = |path: &str, message: String, hint: &str| {
        let finding = Finding::problem(raw.span(path), message);
        findings.add(if hint.is_empty() { finding } else { finding.hint(hint) });
    };
    if let Err(said) = telemetry::filter(&config.log.level) {
        problem("log.level", said, "");
    }
    if let Some(mail) = &config.mail {
        let dkim = mail.dkim.clone().filter(|_| !options.without_secrets);
        if let Err(error) = Mailer::new(SmtpConfig { dkim, ..mail.clone() }) {
            let said = error.to_string();
            let said = said.strip_prefix("mail: ").unwrap_or(&said);
            let key = said.split(' ').next().unwrap_or_default();
            problem(&format!("mail.{key}"), said.to_owned(), "");
        }
    }
    if let Err(error) = Templates::new(&config.campaigns.operator, config.campaigns.templates.as_deref()) {
        problem("campaigns.templates", error.to_string(), "relative paths start at the working directory");
    }
    if let Some(key) = config.gateway.capture.key.as_ref().filter(|_| !options.without_secrets)
        && let Err(error) = EncryptionKey::parse(key.expose())
    {
        problem("capture.key", error.to_string(), "");
    }
    let table = Table::open(config.geo.mmdb.as_deref());
    if let Err(error) = &table {
        problem("geo.mmdb", format!("{error:#}"), "relative paths start at the working directory");
    }
    let webhooks: &[_] = if options.without_secrets { &[] } else { &config.webhooks };
    // Their problems are in the findings already.
    Some((Listeners::new(webhooks).ok()?, table.ok()?))
}
