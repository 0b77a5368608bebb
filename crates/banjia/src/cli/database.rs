//! Which database a command means: `--store`, else the one that a configuration file names, else
//! the default.

use super::runtime;
use crate::clock;
use crate::config::{self, Loaded, StoreConfig};
use anyhow::{Context as _, bail};
use banjia_store::{Actor, Location, Store};
use banjia_types::{RequestId, Timestamp};
use std::path::PathBuf;

/// Arguments of every command that looks into a database.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Database {
    /// The configuration file that names the database. Default: banjia.toml if it exists.
    #[arg(long, short, global = true, env = "BANJIA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database itself.
    #[arg(long, global = true, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// The person who changes something.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ActorArgs {
    /// Who does it, for the audit and for the log of a move. Default: the user of this process.
    #[arg(long, global = true, default_value_t = user(), hide_default_value = true, value_name = "NAME")]
    by: String,
}

/// The user of this process: what the environment says, else the system's name or number of it.
fn user() -> String {
    let named = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let named = named.map(|name| name.trim().to_owned()).find(|name| !name.is_empty());
    named.unwrap_or_else(|| {
        let number = std::fs::metadata("/proc/self").map(|about| std::os::unix::fs::MetadataExt::uid(&about));
        let number = number.map_or_else(|_| "?".to_owned(), |number| number.to_string());
        let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        name_of(&number, &known).map_or_else(|| format!("user {number}"), ToOwned::to_owned)
    })
}

/// The name of a user's number in the system's list of users.
fn name_of<'a>(number: &str, known: &'a str) -> Option<&'a str> {
    known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1) == Some(number)).then_some(name)
    })
}

impl ActorArgs {
    /// The person, acting at this moment.
    pub(super) fn at(&self, at: Timestamp) -> Actor<'_> {
        Actor { actor: &self.by, at }
    }
}

/// Arguments of a group of commands that look into a database.
#[derive(Debug, clap::Args)]
pub(super) struct DatabaseArgs<C: clap::Subcommand> {
    #[command(subcommand)]
    pub(super) command: C,
    #[command(flatten)]
    pub(super) database: Database,
}

/// Arguments of a group of commands that change a database and are audited.
#[derive(Debug, clap::Args)]
pub(super) struct AuditedArgs<C: clap::Subcommand> {
    #[command(subcommand)]
    pub(super) command: C,
    #[command(flatten)]
    pub(super) database: Database,
    #[command(flatten)]
    pub(super) by: ActorArgs,
}

/// Arguments of `banjia request`.
#[derive(Debug, clap::Args)]
pub(super) struct RequestArgs {
    /// The id of the request, as its response has it in the header `x-request-id`.
    #[arg(value_name = "ID")]
    pub(super) id: RequestId,
    #[command(flatten)]
    pub(super) database: Database,
}

impl Database {
    /// What the configuration file gives, without its secrets; none when there is no file.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub(super) fn loaded(&self) -> anyhow::Result<Option<Loaded>> {
        self.load(true)
    }

    /// The same with its secrets, for a command that must show one to somebody.
    pub(super) fn loaded_with_secrets(&self) -> anyhow::Result<Option<Loaded>> {
        self.load(false)
    }

    fn load(&self, without_secrets: bool) -> anyhow::Result<Option<Loaded>> {
        let default = PathBuf::from(config::DEFAULT_FILE);
        let Some(file) = self.config.as_ref().or_else(|| Some(&default).filter(|file| file.exists())) else {
            return Ok(None);
        };
        match config::load(file, config::Options { without_secrets, ..config::Options::default() }) {
            Ok(loaded) => Ok(Some(loaded)),
            Err(findings) => bail!("{}", findings.lines().join("\n       ")),
        }
    }

    /// What the configuration file gives, with its secrets, for a command that asks vendors.
    ///
    /// # Errors
    /// No file, or everything that is wrong with it.
    pub(super) fn loaded_to_ask(&self) -> anyhow::Result<Loaded> {
        let loaded = self.loaded_with_secrets()?;
        loaded.context("there is no configuration that says how targets are asked; name it with --config")
    }

    /// Returns whether the caller named a database, or a file that names one.
    pub(super) fn is_named(&self) -> bool {
        self.store.is_some() || self.config.is_some()
    }

    /// Where the database is.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration file.
    pub(super) fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.store {
            Some(path) => Ok(path.clone()),
            None => Ok(self.loaded()?.map_or_else(|| StoreConfig::default().path, |loaded| loaded.config.store.path)),
        }
    }

    /// Opens the database, does `work` with it and closes it. One that the configuration names is
    /// made when it is not there; another is not, since a misspelt name would look like a database
    /// in which nothing ever happened. Who is to hear of what happens listens from the first
    /// command on.
    ///
    /// # Errors
    /// No such database, one that cannot be opened, or what `work` met.
    pub(super) fn with<T, W>(&self, work: W) -> anyhow::Result<T>
    where
        W: AsyncFnOnce(Store) -> anyhow::Result<T>,
    {
        let loaded = self.loaded()?;
        let may_be_made = self.store.is_none() && loaded.is_some();
        let (named, webhooks) = loaded.map_or_else(
            || (StoreConfig::default().path, Vec::new()),
            |loaded| (loaded.config.store.path, loaded.config.webhooks),
        );
        let path = self.store.clone().unwrap_or(named);
        if !path.exists() && !may_be_made {
            bail!(
                "there is no database {}; name it with --store, or name a configuration with --config and it is made",
                path.display()
            );
        }
        runtime()?.block_on(async {
            let store = Store::open(&Location::File(path)).await?;
            let names: Vec<_> = webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
            store.know_webhooks(&names, clock::now()).await?;
            let done = work(store.clone()).await;
            store.close().await;
            done
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_variable_has_a_name() {
        let known = "root:x:0:0:root:/root:/bin/sh\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(
            (name_of("1000", known), name_of("0", known), name_of("7", known)),
            (Some("ada"), Some("root"), None)
        );
        assert!(!user().is_empty() && user() != "unknown");
    }
}
