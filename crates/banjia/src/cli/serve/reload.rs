//! Polls the configuration file, and builds it when it changed or when a signal asks for a reload.
//!
//! - The serve loop never waits for a file: a task polls, and files are read on background threads.
//!   The loop applies a configuration when it is ready.
//! - One reload is made at a time. Signals that come in the meantime become one reload after it.
//! - The file is read again a moment later, and must be the same: somebody may be in the middle of
//!   rewriting it. A file that takes anything away must stay the same for longer.
//! - The file is polled once a second, by its path, because editors and orchestrators replace
//!   files. Why not let the system notify us: it reports on folders, the ledger's database often
//!   lies in the same one, and its writes would wake us thousands of times a second.

use super::Origin;
use super::shrink::Inventory;
use crate::background;
use crate::config::build::{self, Built};
use crate::config::report::Findings;
use crate::config::{Options, read_file};
use crate::reminder::Reminder;
use banjia_files::FileError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// Interval of polling.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// The file must stay the same for this time.
const QUIET: Duration = Duration::from_millis(300);
/// A file that takes keys, routes, accounts or targets away must stay the same for this time.
const QUIET_IF_SMALLER: Duration = Duration::from_secs(2);
/// A file that does not stay the same is given up after so many attempts, until the next poll.
const ATTEMPTS_MAX: usize = 10;
/// A file that does not answer is logged again after this time.
const REMIND_EVERY: Duration = Duration::from_mins(1);
/// Signals that may wait. More of them would ask for nothing new.
const REQUESTS_MAX: usize = 8;

/// The reason for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The file's content has changed.
    Changed,
    /// SIGHUP asks for a reload.
    Hangup,
    /// SIGUSR1 asks for a reload that may take away what is in use.
    User1,
}

impl Why {
    /// As log lines begin.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "the file changed",
            Self::Hangup => "SIGHUP",
            Self::User1 => "SIGUSR1",
        }
    }
}

/// A built configuration, or all of its problems.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) why: Why,
    pub(super) file: PathBuf,
    pub(super) built: Result<Box<Built>, Findings>,
}

/// Handle of the serve loop to the task.
#[derive(Debug)]
pub(super) struct Reloads {
    requests: mpsc::Sender<Why>,
    ready: mpsc::Receiver<Ready>,
    in_force: watch::Sender<Arc<Inventory>>,
    is_file: bool,
}

impl Reloads {
    /// Starts to poll the file, if there is one.
    pub(super) fn start(origin: &Origin, in_force: Inventory) -> Self {
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        let (sender, ready) = mpsc::channel(1);
        let (in_force, seen) = watch::channel(Arc::new(in_force));
        let is_file = origin.file.is_some();
        if let Some(file) = origin.file.clone() {
            let options = Options { listen: origin.listen, ..Options::default() };
            let task = Task {
                file,
                options,
                content: origin.content.clone(),
                in_force: seen,
                ready: sender,
                no_answer: Reminder::every(REMIND_EVERY),
                unsteady: Reminder::every(REMIND_EVERY),
            };
            tokio::spawn(task.run(asked));
        }
        Self { requests, ready, in_force, is_file }
    }

    /// Asks for a reload. Does not wait.
    pub(super) fn ask(&self, why: Why) {
        if !self.is_file {
            tracing::info!("{}: there is no file to reload", why.as_str());
            return;
        }
        if self.requests.try_send(why).is_err() {
            tracing::warn!("{}: other signals to reload are waiting; this one is left out", why.as_str());
        }
    }

    /// Waits for the next built file, or forever if there is no file. Safe to cancel.
    pub(super) async fn next(&mut self) -> Ready {
        match self.ready.recv().await {
            Some(ready) => ready,
            None => std::future::pending().await,
        }
    }

    /// Sets the inventory that later files are compared with.
    pub(super) fn set_in_force(&self, inventory: Inventory) {
        self.in_force.send_replace(Arc::new(inventory));
    }
}

#[derive(Debug)]
struct Task {
    file: PathBuf,
    options: Options,
    /// The content that was built last. `None` if the file could not be read.
    content: Option<Arc<[u8]>>,
    in_force: watch::Receiver<Arc<Inventory>>,
    ready: mpsc::Sender<Ready>,
    no_answer: Reminder,
    unsteady: Reminder,
}

impl Task {
    async fn run(mut self, mut asked: mpsc::Receiver<Why>) {
        loop {
            let why = match timeout(POLL_EVERY, asked.recv()).await {
                Ok(None) => return,
                Ok(Some(first)) => Some(merged(first, &mut asked)),
                Err(_) => None,
            };
            let read = self.read().await;
            let Some(why) = why.or_else(|| self.has_changed(&read).then_some(Why::Changed)) else { continue };
            let Some(built) = self.reload(read, why).await else { continue };
            let ready = Ready { why, file: self.file.clone(), built };
            if self.ready.send(ready).await.is_err() {
                return;
            }
        }
    }

    async fn read(&self) -> Result<Arc<[u8]>, FileError> {
        let (file, options) = (self.file.clone(), self.options);
        let read = background::run(move || read_file(&file, options)).await;
        read.unwrap_or_else(|_| Err(no_thread())).map(Arc::from)
    }

    /// Returns true if the content differs from the last one. A file that does not answer counts as
    /// unchanged.
    fn has_changed(&mut self, read: &Result<Arc<[u8]>, FileError>) -> bool {
        match read {
            Err(error) if error.is_no_answer() => {
                if self.no_answer.is_due() {
                    let file = self.file.display();
                    tracing::error!(%file, "the configuration cannot be read: {error}; the settings stay as they are");
                }
                false
            }
            read => {
                if self.no_answer.reset() {
                    tracing::info!(file = %self.file.display(), "the configuration can be read again");
                }
                read.as_ref().ok() != self.content.as_ref()
            }
        }
    }

    /// Builds the content once it stays the same. Returns `None` if it keeps changing.
    async fn reload(&mut self, read: Result<Arc<[u8]>, FileError>, why: Why) -> Option<Result<Box<Built>, Findings>> {
        let mut read = read;
        for _ in 0..ATTEMPTS_MAX {
            sleep(QUIET).await;
            let again = self.read().await;
            let content = match (&read, again) {
                (Ok(content), Ok(again)) if *content == again => again,
                // Editors take a file away for a moment.
                (Err(_), Err(error)) => {
                    if !error.is_no_answer() {
                        self.content = None;
                    }
                    return Some(self.build(Err(error)).await);
                }
                (_, again) => {
                    read = again;
                    continue;
                }
            };
            let built = self.build(Ok(content.to_vec())).await;
            if built.as_ref().is_ok_and(|built| self.is_smaller(built)) {
                sleep(QUIET_IF_SMALLER).await;
                read = self.read().await;
                if !read.as_ref().is_ok_and(|again| *again == content) {
                    continue;
                }
            }
            self.unsteady.reset();
            self.content = Some(content);
            return Some(built);
        }
        if self.unsteady.is_due() || why != Why::Changed {
            let (file, why) = (self.file.display(), why.as_str());
            tracing::warn!(%file, "{why}: the configuration keeps changing; it is taken up when it stays the same");
        }
        None
    }

    fn is_smaller(&self, built: &Built) -> bool {
        self.in_force.borrow().loses_to(&Inventory::of(&built.loaded.config))
    }

    /// Builds on a thread of its own: more files are read, and a large table is checked.
    async fn build(&self, read: Result<Vec<u8>, FileError>) -> Result<Box<Built>, Findings> {
        let (file, options) = (self.file.clone(), self.options);
        let built = background::run(move || build::text(&file, read, options)).await;
        let built = built.unwrap_or_else(|_| build::text(&self.file, Err(no_thread()), self.options));
        built.map(Box::new)
    }
}

fn merged(first: Why, asked: &mut mpsc::Receiver<Why>) -> Why {
    let mut why = first;
    while let Ok(more) = asked.try_recv() {
        if more == Why::User1 {
            why = more;
        }
    }
    why
}

fn no_thread() -> FileError {
    FileError::Io(std::io::Error::other("the thread that reads it ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(file: PathBuf) -> (Task, mpsc::Receiver<Ready>, watch::Sender<Arc<Inventory>>) {
        let (ready, taken) = mpsc::channel(1);
        let (force, in_force) = watch::channel(Arc::default());
        let reminder = || Reminder::every(REMIND_EVERY);
        let (options, content) = (Options::default(), Some(Arc::from(*b"old")));
        let task = Task { file, options, content, in_force, ready, no_answer: reminder(), unsteady: reminder() };
        (task, taken, force)
    }

    #[test]
    fn a_file_that_does_not_answer_has_not_changed() {
        let (mut task, ..) = task(PathBuf::from("a"));
        assert!(!task.has_changed(&Err(FileError::NoAnswer(QUIET))));
        assert!(!task.has_changed(&Err(FileError::StillWaiting)));
        assert!(!task.has_changed(&Ok(Arc::from(*b"old"))), "it is back, as it was");
        assert!(task.has_changed(&Ok(Arc::from(*b"new"))));
        assert!(task.has_changed(&Err(FileError::NotText)));
    }

    #[tokio::test]
    async fn a_file_that_keeps_changing_is_not_built() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("banjia.toml");
        let (mut task, ..) = task(file.clone());
        let writer = std::thread::spawn(move || {
            for number in 0..60 {
                std::fs::write(&file, format!("# {number}\n")).unwrap();
                std::thread::sleep(QUIET / 3);
            }
        });
        assert!(task.reload(Ok(Arc::from(*b"first")), Why::Changed).await.is_none());
        writer.join().unwrap();
        let last = task.read().await;
        assert!(task.has_changed(&last), "the next poll tries again");
        assert!(task.reload(last, Why::Changed).await.is_some_and(|built| built.is_ok()));
    }

    #[tokio::test]
    async fn a_file_that_grows_while_it_is_read_is_built_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("banjia.toml");
        let (task, mut taken, _force) = task(file.clone());
        std::fs::write(&file, "[store]\npath = \"a.db\"\n").unwrap();
        let (ask, asked) = mpsc::channel(1);
        ask.send(Why::Hangup).await.unwrap();
        tokio::spawn(task.run(asked));
        tokio::time::sleep(QUIET / 2).await;
        std::fs::write(&file, "[store]\npath = \"a.db\"\n[log]\nlevel = \"warn\"\n").unwrap();
        let built = taken.recv().await.unwrap().built.unwrap();
        assert_eq!(built.loaded.config.log.level, "warn");
    }

    #[tokio::test]
    async fn signals_that_wait_become_one_reload() {
        let (ask, mut asked) = mpsc::channel(REQUESTS_MAX);
        for why in [Why::Hangup, Why::User1, Why::Hangup] {
            ask.send(why).await.unwrap();
        }
        assert_eq!(merged(Why::Hangup, &mut asked), Why::User1);
        assert!(asked.try_recv().is_err());
    }
}
