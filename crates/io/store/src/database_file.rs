//! The file that was opened as the database: a check that its path still leads to it, and the lock
//! that makes one process its writer.
//!
//! Rules:
//! - A handle of each opened database stays open until the process ends. So no other file can get
//!   its inode.
//! - Nobody writes while the path leads to another file, or to none.
//!
//! Why the handle is never closed: closing any handle of a file releases all POSIX locks that the
//! process has on it, those of SQLite's own connections as well. Another process could then write
//! into the middle of a transaction.

use crate::StoreError;
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Device and inode.
type FileId = (u64, u64);

fn id(of: &Metadata) -> FileId {
    (of.dev(), of.ino())
}

/// Every database that this process has opened. See the module's text for why nothing is ever
/// removed.
static HANDLES: Mutex<Vec<Arc<Handle>>> = Mutex::new(Vec::new());

/// An open file.
#[derive(Debug)]
struct Handle {
    id: FileId,
    file: File,
    /// This process has the lock. The system gives it to all users of one handle.
    is_locked: AtomicBool,
}

/// The file of an open database.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    /// `None` for a temporary database, which no other process knows.
    handle: Option<Arc<Handle>>,
    /// When the path last led elsewhere: a connection that was opened before may belong to another
    /// file.
    moved_at: Mutex<Option<Instant>>,
    /// `moved_at` was ever set.
    was_moved: AtomicBool,
}

impl DatabaseFile {
    /// Remembers which file the path leads to.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut handles = HANDLES.lock().unwrap_or_else(PoisonError::into_inner);
        let found = id(&std::fs::metadata(path)?);
        if let Some(handle) = handles.iter().find(|handle| handle.id == found) {
            return Ok(Self { handle: Some(Arc::clone(handle)), ..Self::temporary(path) });
        }
        let file = File::open(path)?;
        let id = match file.metadata() {
            Ok(metadata) => id(&metadata),
            Err(error) => {
                std::mem::forget(file); // see the module's text
                return Err(error);
            }
        };
        let handle = Arc::new(Handle { id, file, is_locked: AtomicBool::new(false) });
        handles.push(Arc::clone(&handle));
        Ok(Self { handle: Some(handle), ..Self::temporary(path) })
    }

    /// A file that nobody else knows: it is neither watched nor locked.
    pub(crate) fn temporary(path: &Path) -> Self {
        Self { path: path.to_owned(), handle: None, moved_at: Mutex::default(), was_moved: AtomicBool::new(false) }
    }

    /// Looks whether the path still leads to the file.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it does not.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let Some(handle) = &self.handle else { return Ok(()) };
        let is_gone = match tokio::fs::metadata(&self.path).await {
            Ok(found) if id(&found) == handle.id => return Ok(()),
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(StoreError::sql("look for its file")(error.into())),
        };
        *self.moved_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.was_moved.store(true, Ordering::Release);
        Err(StoreError::Moved { path: self.path.clone(), is_gone })
    }

    /// True if a connection of this age was opened after the path last led elsewhere.
    pub(crate) fn is_younger(&self, age: Duration) -> bool {
        if !self.was_moved.load(Ordering::Acquire) {
            return true;
        }
        let moved_at = *self.moved_at.lock().unwrap_or_else(PoisonError::into_inner);
        moved_at.is_none_or(|moved_at| age < moved_at.elapsed())
    }

    /// Makes this process the only writer of the file, until the lock is dropped.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process, or another part of this one, is the writer.
    pub(crate) fn lock(&self) -> Result<Option<DatabaseLock>, StoreError> {
        // Elsewhere a lock of this kind and those of SQLite exclude each other.
        let Some(handle) = self.handle.as_ref().filter(|_| cfg!(target_os = "linux")) else { return Ok(None) };
        let in_use = || StoreError::InUse { path: self.path.clone() };
        if handle.is_locked.swap(true, Ordering::AcqRel) {
            return Err(in_use());
        }
        let lock = DatabaseLock(Arc::clone(handle));
        match handle.file.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Err(in_use()),
            // Some network file systems know no locks: the lock file beside the database warns of
            // that.
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, path = %self.path.display(), "the database's file cannot be locked");
                Ok(Some(lock))
            }
        }
    }
}

/// The right to write, as long as it is held.
#[derive(Debug)]
pub(crate) struct DatabaseLock(Arc<Handle>);

impl Drop for DatabaseLock {
    fn drop(&mut self) {
        if let Err(error) = self.0.file.unlock() {
            tracing::debug!(%error, "the database's file was not unlocked");
        }
        self.0.is_locked.store(false, Ordering::Release);
    }
}
