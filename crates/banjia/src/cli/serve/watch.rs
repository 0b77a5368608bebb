//! Notices that the configuration file changed.
//!
//! Rules: the file is looked at once a second, by its path, because editors and orchestrators replace files; several changes
//! of one save count as one. Why looking and not being told: the system tells of folders, the ledger's database often
//! lies in the same one, and its writes would wake us thousands of times a second.

use anyhow::Context;
use notify::{PollWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// A save is over when nothing happened for this long.
const QUIET: Duration = Duration::from_millis(200);
/// A save that never ends is looked at after this long all the same.
const QUIET_AFTER_MAX: Duration = Duration::from_secs(2);
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Changes of one file.
#[derive(Debug)]
pub(super) struct Changes {
    file: PathBuf,
    seen: Option<Vec<u8>>,
    events: mpsc::Receiver<()>,
    /// Something happened that was not looked at yet. Kept here, because waiting may be given up at any moment.
    has_changed: bool,
    _watcher: PollWatcher,
}

impl Changes {
    /// Starts to watch `file`.
    pub(super) fn of(file: &Path) -> anyhow::Result<Self> {
        // One waiting event is enough: it says that something happened, not what.
        let (tell, events) = mpsc::channel(1);
        let look = notify::Config::default().with_poll_interval(LOOK_EVERY).with_compare_contents(true);
        let told = move |event: notify::Result<notify::Event>| {
            if event.is_ok()
                && let Err(mpsc::error::TrySendError::Closed(())) = tell.try_send(())
            {
                tracing::debug!("the configuration's watcher outlived the process that asked for it");
            }
        };
        let mut watcher = PollWatcher::new(told, look).context("watching for changes of the configuration")?;
        watcher
            .watch(file, RecursiveMode::NonRecursive)
            .with_context(|| format!("watching {} for changes", file.display()))?;
        Ok(Self {
            file: file.to_owned(),
            seen: std::fs::read(file).ok(),
            events,
            has_changed: false,
            _watcher: watcher,
        })
    }

    /// May be dropped at any point: the next call goes on where it was.
    async fn next(&mut self) {
        loop {
            if !self.has_changed && self.events.recv().await.is_none() {
                return std::future::pending().await;
            }
            self.has_changed = true;
            let settle = async { while let Ok(Some(())) = tokio::time::timeout(QUIET, self.events.recv()).await {} };
            if tokio::time::timeout(QUIET_AFTER_MAX, settle).await.is_err() {
                tracing::debug!("the configuration file keeps changing");
            }
            self.has_changed = false;
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
