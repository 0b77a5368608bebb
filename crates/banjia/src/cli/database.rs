//! Which database a command means: `--store`, else the one that a configuration file names, else the default.

use super::runtime;
use crate::config::{self, Config};
use anyhow::bail;
use banjia_store::{Location, Store};
use std::path::PathBuf;

/// Arguments of every command that looks into a database.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Database {
    /// The configuration file that names the database. Default: banjia.toml if it exists.
    #[arg(long, global = true, env = "BANJIA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database itself.
    #[arg(long, global = true, value_name = "FILE")]
    store: Option<PathBuf>,
}

impl Database {
    /// The configuration, without its secrets; the defaults when there is no file.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let default = PathBuf::from(config::DEFAULT_FILE);
        let Some(file) = self.config.as_ref().or_else(|| Some(&default).filter(|file| file.exists())) else {
            return Ok(Config::default());
        };
        match config::load(file, config::Options { without_secrets: true, ..config::Options::default() }) {
            Ok(loaded) => Ok(loaded.config),
            Err(findings) => bail!("{}", findings.lines().join("\n       ")),
        }
    }

    fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.store {
            Some(path) => Ok(path.clone()),
            None => self.config().map(|config| config.store.path),
        }
    }

    /// Opens the database, which must be there, does `work` with it and closes it.
    ///
    /// # Errors
    /// No such database, one that cannot be opened, or what `work` met.
    pub(super) fn with<T, W>(&self, work: W) -> anyhow::Result<T>
    where
        W: AsyncFnOnce(Store) -> anyhow::Result<T>,
    {
        let path = self.path()?;
        if !path.exists() {
            bail!(
                "there is no database {}; name it with --store or --config, or start `banjia serve` once",
                path.display()
            );
        }
        runtime()?.block_on(async {
            let store = Store::open(&Location::File(path)).await?;
            let done = work(store.clone()).await;
            store.close().await;
            done
        })
    }
}
