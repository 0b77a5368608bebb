//! What can go wrong with the database, in words for a person.

use std::path::PathBuf;

/// The database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or made.
    #[error("the database {path} cannot be opened: {source} (does its folder exist, and may we write there?)")]
    Open {
        /// Which file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The tables are not what this version needs, and could not be made so.
    #[error("the database {path} cannot be brought up to date: {source} (was it written by a newer version?)")]
    Migrate {
        /// Which file.
        path: PathBuf,
        /// What was in the way.
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// No temporary folder, or no lock file beside the database.
    #[error("a file beside the database cannot be made")]
    File(#[from] std::io::Error),
    /// Another process writes to the same ledger. Two writers would each take the other for killed.
    #[error(
        "another process does this on the database {path}: one gateway writes its ledger, and one process sends its notices"
    )]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// Another process writes to the ledger, and the tables have to be changed for this version.
    #[error(
        "the database {path} has the tables of an older version, and another process is writing to it: stop that gateway first, then start this version"
    )]
    OlderInUse {
        /// Which file.
        path: PathBuf,
    },
    /// The path of the database leads to another file than the one that was opened, or to none.
    #[error(
        "the database {path} was {} while it is used: put the file back, or restart the gateway", if *.is_gone { "deleted" } else { "replaced by another file" }
    )]
    Moved {
        /// Which file.
        path: PathBuf,
        /// There is no file. Otherwise there is another one.
        is_gone: bool,
    },
    /// The file beside the database cannot be read or written.
    #[error("the file {path}, which keeps what the database cannot take, cannot be used: {source}")]
    StateFile {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A statement failed.
    #[error("the database could not {what}: {source}")]
    Sql {
        /// What was being done.
        what: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// A stored value that this version does not know.
    #[error("the database holds {found:?} as {what}, which this version does not know")]
    Unknown {
        /// Which kind of value.
        what: &'static str,
        /// What was found.
        found: String,
    },
    /// A line of a file that cannot be used.
    #[error("line {number} is not {what}: {said}")]
    Line {
        /// Its number, from 1 on.
        number: usize,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        said: String,
    },
    /// What should be a key is none. What was found is not shown.
    #[error("{} holds no key: a key is 64 hexadecimal digits", place.as_ref().map_or("the text".into(), |path| path.display().to_string()))]
    BadKey {
        /// The file that it should be in; none for a text of the configuration.
        place: Option<PathBuf>,
    },
    /// The file of the key can be neither read nor made.
    #[error("the key in {path} can be neither read nor made: {source}")]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database was sealed with another key.
    #[error(
        "the captures in {path} are sealed with another key: give the key that they were written with (`capture.key`, or the file beside the database)"
    )]
    WrongKey {
        /// Which database.
        path: PathBuf,
    },
    /// A sealed text that the key does not open, or that is not what was sealed.
    #[error(
        "the {what} of the capture {id:?} does not open with this key: the key is another one, or the text or a column of its row was changed since it was written"
    )]
    Sealed {
        /// Which text.
        what: &'static str,
        /// Of which request.
        id: String,
    },
    /// The database has another number of batches than this process wrote: it is not the one that
    /// was opened, or was changed.
    #[error(
        "the database is not the one that this process has written to ({written} batches were written, {found:?} are in it): put the right file back, or restart the gateway"
    )]
    OtherLedger {
        /// The number of batches that this process wrote.
        written: i64,
        /// The number that the database has for it. `None` if it does not know this process.
        found: Option<i64>,
    },
    /// A column of a capture that holds a value which this program never writes there.
    #[error(
        "the capture {id:?} was changed since it was written: its column `{what}` holds what no version of ours wrote"
    )]
    Changed {
        /// The name of the column.
        what: &'static str,
        /// Of which request; the row's number if the id itself cannot be read.
        id: String,
    },
    /// The ledger cannot be closed while requests are open.
    #[error("{open} requests are still open, so the ledger is left unclosed and the next start will note a gap")]
    StillOpen {
        /// How many.
        open: usize,
    },
    /// The time to write the ledger's last rows is over.
    #[error(
        "{rows} rows of the ledger were not written, and {requests} accepted requests are not counted in it ({reason}); the ledger is left unclosed and the next start will note a gap"
    )]
    NotWritten {
        /// Rows that are not in the database.
        rows: u64,
        /// Accepted requests that the database does not know of.
        requests: u64,
        /// Why, in plain words.
        reason: String,
    },
    /// The ledger's writer has ended.
    #[error("the ledger is closed")]
    Closed,
}

impl StoreError {
    /// Names a failed statement: `.map_err(StoreError::sql("read the cuts"))`.
    pub(crate) fn sql(what: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Sql { what, source }
    }

    /// True if the same write may succeed later, because the error is about the database or its
    /// disk and not about what is written: a full disk, a lock, a disk error.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Sql { source, .. } => match source {
                sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => true,
                source => primary_code(source).is_some_and(|code| words(code).is_some()),
            },
            Self::File(_) | Self::Moved { .. } | Self::StateFile { .. } => true,
            _ => false,
        }
    }

    /// Why the database cannot be written, in plain words, without paths.
    pub fn reason(&self) -> String {
        match self {
            Self::Sql { source: sqlx::Error::PoolTimedOut, .. } => {
                "another write of this process takes too long".to_owned()
            }
            Self::Sql { source, .. } => {
                primary_code(source).and_then(words).map_or_else(|| source.to_string(), str::to_owned)
            }
            Self::Moved { is_gone: true, .. } => {
                "its file was deleted while it is used; put the file back, or restart the gateway".to_owned()
            }
            Self::Moved { .. } => {
                "its file was replaced by another one while it is used; put the file back, or restart the gateway"
                    .to_owned()
            }
            other => other.to_string(),
        }
    }
}

/// SQLite's primary result code (<https://www.sqlite.org/rescode.html>, 2026-11-27).
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// The state of the database or its disk that a code stands for. `None` if it is about the
/// statement.
const fn words(code: u32) -> Option<&'static str> {
    Some(match code {
        5 | 6 | 15 => "another process holds its lock",
        7 => "there is not enough memory",
        8 => "it is read-only",
        10 => "the disk reports an error",
        11 | 26 => "its file is damaged",
        13 => "the disk is full",
        14 => "its file cannot be opened",
        _ => return None,
    })
}
