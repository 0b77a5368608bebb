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
    /// The ledger cannot be closed while requests are open.
    #[error("{open} requests are still open, so the ledger is left unclosed and the next start will note a gap")]
    StillOpen {
        /// How many.
        open: usize,
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
}
