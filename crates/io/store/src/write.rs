//! The one way to write to the database.
//!
//! Rules:
//! - Every statement that writes runs in a [`WriteTransaction`]. There is no other use of the
//!   writing connection but reads.
//! - Nothing is written to a file that the path of the database does not lead to any more.
//! - A transaction that was neither committed nor rolled back closes its connection. The next write
//!   opens a new one.
//!
//! Why: SQLite rolls back by itself when a disk is full or reports an error. A driver that counts
//! open transactions does not notice that, and turns each later transaction into a savepoint inside
//! one that nobody commits. Here `BEGIN` and `COMMIT` are plain statements, and a connection whose
//! state is not certain is not used again.

use crate::{Store, StoreError};
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnection;
use std::ops::{Deref, DerefMut};

/// A transaction that may write. It holds SQLite's lock for writing from the beginning.
#[derive(Debug)]
pub(crate) struct WriteTransaction {
    connection: PoolConnection<Sqlite>,
    /// The disk has confirmed what was committed. Otherwise a power cut may lose the last commits.
    is_durable: bool,
    /// The connection has no open transaction and its usual settings.
    is_ended: bool,
}

impl Store {
    /// Begins a transaction that may write.
    pub(crate) async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        self.begin_as(false).await
    }

    /// The same, but a commit returns only after the disk has confirmed it.
    pub(crate) async fn begin_durable(&self) -> Result<WriteTransaction, StoreError> {
        self.begin_as(true).await
    }

    async fn begin_as(&self, is_durable: bool) -> Result<WriteTransaction, StoreError> {
        // Before a connection is opened by the path: it would fold our write-ahead log into a file
        // that is not ours.
        self.file.check().await?;
        let begun = self.try_begin(is_durable).await;
        // Once more, for a file that was replaced meanwhile. An error may be due to that as well.
        self.file.check().await.and(begun)
    }

    async fn try_begin(&self, is_durable: bool) -> Result<WriteTransaction, StoreError> {
        let failed = StoreError::sql("begin a transaction");
        let connection = self.write.acquire().await.map_err(&failed)?;
        let mut transaction = WriteTransaction { connection, is_durable, is_ended: false };
        if is_durable {
            sqlx::query("PRAGMA synchronous = FULL").execute(&mut *transaction).await.map_err(&failed)?;
        }
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *transaction).await.map_err(&failed)?;
        Ok(transaction)
    }
}

impl WriteTransaction {
    /// Commits. After an error nobody knows whether the commit is in the file: the connection is
    /// closed, and a second try must recognize what is already there.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut *self).await?;
        self.end().await;
        Ok(())
    }

    /// Ends a transaction in which there was nothing to change.
    pub(crate) async fn rollback(mut self) {
        match sqlx::query("ROLLBACK").execute(&mut *self).await {
            Ok(_) => self.end().await,
            Err(error) => tracing::debug!(%error, "a transaction was not rolled back; its connection is closed"),
        }
    }

    /// Brings the connection back to its usual settings.
    async fn end(&mut self) {
        if self.is_durable
            && let Err(error) = sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut **self).await
        {
            tracing::debug!(%error, "a connection kept its settings; it is closed");
            return;
        }
        self.is_ended = true;
    }
}

impl Deref for WriteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        if !self.is_ended {
            self.connection.close_on_drop();
        }
    }
}
