//! Notices that the configuration file changed.
//!
//! Rules: the folder is watched and not the file, because editors and orchestrators replace files; several events of one
//! save count as one; other files of the folder (the ledger's database often is one) do not count.

use anyhow::Context;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// A save is over when nothing happened for this long.
const QUIET: Duration = Duration::from_millis(200);
/// A save that never ends is looked at after this long all the same.
const QUIET_AFTER_MAX: Duration = Duration::from_secs(2);
/// Orchestrators mount a file as a link through a folder with this name's beginning, and swap the folder.
const SWAPPED_FOLDER: &str = "..";

/// Changes of one file.
#[derive(Debug)]
pub(super) struct Changes {
    file: PathBuf,
    seen: Option<Vec<u8>>,
    events: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Starts to watch `file`.
    pub(super) fn of(file: &Path) -> anyhow::Result<Self> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // One waiting event is enough: it says that something happened, not what.
        let (tell, events) = mpsc::channel(1);
        let name = file.file_name().map(std::ffi::OsStr::to_owned);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let is_it = |path: &PathBuf| {
                let found = path.file_name();
                found == name.as_deref()
                    || found.is_some_and(|found| found.as_encoded_bytes().starts_with(SWAPPED_FOLDER.as_bytes()))
            };
            let matters = event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(is_it));
            if matters && let Err(mpsc::error::TrySendError::Closed(())) = tell.try_send(()) {
                tracing::debug!("the configuration's watcher outlived the process that asked for it");
            }
        })
        .context("watching for changes of the configuration")?;
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .with_context(|| format!("watching {} for changes", folder.display()))?;
        Ok(Self { file: file.to_owned(), seen: std::fs::read(file).ok(), events, _watcher: watcher })
    }

    async fn next(&mut self) {
        loop {
            if self.events.recv().await.is_none() {
                return std::future::pending().await;
            }
            let settle = async { while let Ok(Some(())) = tokio::time::timeout(QUIET, self.events.recv()).await {} };
            if tokio::time::timeout(QUIET_AFTER_MAX, settle).await.is_err() {
                tracing::debug!("the configuration file keeps changing");
            }
            let now = std::fs::read(&self.file).ok();
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

/// Waits for the next change; for ever when nothing is watched.
pub(super) async fn next(changes: &mut Option<Changes>) {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}
