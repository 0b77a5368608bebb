//! Work on a file on a thread of its own.

use crate::FileError;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Paths whose thread was given up and has not come back.
static STUCK: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Runs `work` on a thread of its own and waits for it at most `within`.
pub(crate) fn run<T: Send + 'static>(
    path: &Path,
    within: Duration,
    work: impl FnOnce(&Path) -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    if stuck().contains(path) {
        return Err(FileError::StillWaiting);
    }
    let (sender, receiver) = channel();
    let own = path.to_owned();
    std::thread::Builder::new().name("file".to_owned()).spawn(move || {
        let done = work(&own);
        // Under the lock, so that a reader who gives up in this moment sees either the result or a
        // stuck path.
        let mut stuck = stuck();
        stuck.remove(&own);
        // A reader who gave up takes no result.
        drop(sender.send(done));
    })?;
    match receiver.recv_timeout(within) {
        Ok(done) => done,
        Err(RecvTimeoutError::Disconnected) => Err(ended()),
        Err(RecvTimeoutError::Timeout) => {
            let mut stuck = stuck();
            if let Ok(done) = receiver.try_recv() {
                return done;
            }
            stuck.insert(path.to_owned());
            Err(FileError::NoAnswer(within))
        }
    }
}

fn ended() -> FileError {
    FileError::Io(io::Error::other("the thread that reads it ended"))
}

fn stuck() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    STUCK.lock().unwrap_or_else(PoisonError::into_inner)
}
