//! The audit: who did what to the border, and which verdicts were given, in a hash chain.
//!
//! Rules: an entry is written in the same transaction as what it speaks of; entries are never
//! changed or deleted, but a body may be erased when its rule set's retention is over, and the
//! entry that says so names what was erased. Verdicts come through a bounded queue, since no
//! request waits for a write; what does not fit is counted and offered again by the next request
//! like it. What was taken is written as soon as the database can be written.

mod reader;

pub use reader::AuditReader;
pub(crate) use reader::recipients;

use crate::{Store, StoreError};
use banjia_border::audit::{Entry, FORGET, Hash, seal};
use banjia_types::Timestamp;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// Verdicts that wait for the database at most.
const QUEUE_LEN_MAX: usize = 1024;
/// Verdicts written in one transaction at most.
const BATCH_LEN_MAX: usize = 128;
/// First pause after a failed write; doubled each time up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);
/// Interval between log lines about verdicts that wait.
const LOG_EVERY: Duration = Duration::from_mins(1);
/// Tries to write a batch that the database refuses for what it is.
const REFUSALS_MAX: u32 = 4;

/// An entry to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: a person's name, or `gateway`.
    pub actor: String,
    /// What was done: `policy.activate`, `verdict`, ...
    pub kind: &'static str,
    /// To what.
    pub subject: String,
    /// `policy` or `sanctions`: which retention it has.
    pub rule_set: String,
    /// Everything that is needed to judge it again.
    pub body: Value,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The entry.
    pub entry: Entry,
    /// Its body as text; `None` after it was erased.
    pub body: Option<String>,
    /// Its hash.
    pub hash: Hash,
}

/// Writes one entry inside a transaction; returns its number.
pub(crate) async fn append(into: &mut SqliteConnection, new: &NewAudit) -> Result<u64, StoreError> {
    const HEAD: &str = "SELECT seq, hash FROM audit_head WHERE id = 1";
    const INSERT: &str = "INSERT INTO audit (seq, at, actor, kind, subject, rule_set, body, body_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    const MOVE: &str = "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1";
    let failed = StoreError::sql("write the audit");
    let (last, before): (i64, String) = sqlx::query_as(HEAD).fetch_one(&mut *into).await.map_err(failed)?;
    let body = new.body.to_string();
    let entry = Entry {
        seq: last.cast_unsigned() + 1,
        at: new.at,
        actor: new.actor.clone(),
        kind: new.kind.to_owned(),
        subject: new.subject.clone(),
        rule_set: new.rule_set.clone(),
        body_hash: Hash::of(&body),
    };
    let hash = seal(&read_hash(&before)?, &entry).to_string();
    sqlx::query(INSERT)
        .bind(entry.seq.cast_signed())
        .bind(entry.at.0)
        .bind(&entry.actor)
        .bind(&entry.kind)
        .bind(&entry.subject)
        .bind(&entry.rule_set)
        .bind(&body)
        .bind(entry.body_hash.to_string())
        .bind(&hash)
        .execute(&mut *into)
        .await
        .map_err(StoreError::sql("write the audit"))?;
    let moved = sqlx::query(MOVE).bind(entry.seq.cast_signed()).bind(&hash).execute(into).await;
    moved.map_err(StoreError::sql("write the audit"))?;
    Ok(entry.seq)
}

fn read_hash(text: &str) -> Result<Hash, StoreError> {
    text.parse().map_err(|_| StoreError::Unknown { what: "a hash of the audit", found: text.to_owned() })
}

fn from_database(row: &SqliteRow) -> Result<AuditRow, StoreError> {
    let failed = StoreError::sql("read the audit");
    let read = || -> Result<_, sqlx::Error> {
        let entry = Entry {
            seq: row.try_get::<i64, _>("seq")?.cast_unsigned(),
            at: Timestamp(row.try_get("at")?),
            actor: row.try_get("actor")?,
            kind: row.try_get("kind")?,
            subject: row.try_get("subject")?,
            rule_set: row.try_get("rule_set")?,
            body_hash: Hash::default(),
        };
        Ok((entry, row.try_get("body")?, row.try_get::<String, _>("body_hash")?, row.try_get::<String, _>("hash")?))
    };
    let (entry, body, body_hash, hash) = read().map_err(failed)?;
    Ok(AuditRow { entry: Entry { body_hash: read_hash(&body_hash)?, ..entry }, body, hash: read_hash(&hash)? })
}

impl Store {
    /// Writes one entry; returns its number.
    pub async fn append_audit(&self, new: &NewAudit) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let seq = append(&mut transaction, new).await?;
        transaction.commit().await.map_err(StoreError::sql("write the audit"))?;
        Ok(seq)
    }

    /// Up to `count` entries after number `after`, in order.
    pub async fn audit_page(&self, after: u64, count: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.audit_reader().await?.page(after, count).await
    }

    /// The number and hash of the last entry, as the database noted them.
    pub async fn audit_head(&self) -> Result<(u64, Hash), StoreError> {
        self.audit_reader().await?.head().await
    }

    /// Erases the bodies of a rule set's verdicts from before a moment, and writes down that it
    /// did; nothing is written where there was nothing to erase. Returns how many.
    pub async fn forget_verdicts(
        &self,
        rule_set: &str,
        before: Timestamp,
        at: Timestamp,
        actor: &str,
    ) -> Result<u64, StoreError> {
        const RANGE: &str = "SELECT COUNT(*), MIN(seq), MAX(seq) FROM audit \
             WHERE rule_set = $1 AND kind = 'verdict' AND at < $2 AND body IS NOT NULL";
        const ERASE: &str = "UPDATE audit SET body = NULL \
             WHERE rule_set = $1 AND kind = 'verdict' AND at < $2 AND body IS NOT NULL";
        let failed = || StoreError::sql("erase old verdicts");
        let mut transaction = self.begin().await?;
        let range = sqlx::query_as(RANGE).bind(rule_set).bind(before.0).fetch_one(&mut *transaction).await;
        let (erased, first, last): (i64, Option<i64>, Option<i64>) = range.map_err(failed())?;
        if erased == 0 {
            transaction.rollback().await;
            return Ok(0);
        }
        let done = sqlx::query(ERASE).bind(rule_set).bind(before.0).execute(&mut *transaction).await;
        done.map_err(failed())?;
        // Everything that `audit verify` needs to tell this erasure from a body that somebody took
        // away.
        let body = serde_json::json!({
            "rule_set": rule_set,
            "before": before.to_string(),
            "before_ms": before.0,
            "erased": erased,
            "first": first,
            "last": last,
        });
        let (actor, rule_set) = (actor.to_owned(), rule_set.to_owned());
        let new = NewAudit { at, actor, kind: FORGET, subject: rule_set.clone(), rule_set, body };
        append(&mut transaction, &new).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(erased.cast_unsigned())
    }

    /// Begins to write verdicts that are offered.
    pub fn audit_writer(&self) -> AuditWriter {
        let (queue, offered) = mpsc::channel(QUEUE_LEN_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(write(self.clone(), offered, lost.clone()));
        AuditWriter { queue, lost, task: Arc::new(std::sync::Mutex::new(Some(task))) }
    }
}

/// The queue of verdicts. Clones share it.
#[derive(Clone, Debug)]
pub struct AuditWriter {
    queue: Sender<Offer>,
    lost: Arc<AtomicU64>,
    task: Arc<std::sync::Mutex<Option<JoinHandle<()>>>>,
}

impl AuditWriter {
    /// Offers an entry. False when the queue is full: then it is not written, and should be offered
    /// again.
    pub fn offer(&self, new: NewAudit) -> bool {
        self.queue.try_send(Offer::Entry(Box::new(new))).is_ok()
    }

    /// Waits until what was offered before is written, or was given up.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Offer::Flush(done)).await.is_ok() && wait.await.is_err() {
            tracing::error!("the audit's writer ended before it was told to");
        }
    }

    /// Entries that the database did not take.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes what was offered and ends. All clones must be gone or silent.
    pub async fn close(self) {
        let Self { queue, task, .. } = self;
        drop(queue);
        let task = task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(Err(error)) = match task {
            Some(task) => Some(task.await),
            None => None,
        } {
            tracing::error!(%error, "the audit's writer ended badly");
        }
    }
}

/// What stands in the queue.
#[derive(Debug)]
enum Offer {
    Entry(Box<NewAudit>),
    /// Somebody waits for everything before it.
    Flush(oneshot::Sender<()>),
}

async fn write(store: Store, mut offered: Receiver<Offer>, lost: Arc<AtomicU64>) {
    let mut offers = Vec::with_capacity(BATCH_LEN_MAX);
    while offered.recv_many(&mut offers, BATCH_LEN_MAX).await > 0 {
        let (mut batch, mut waiting) = (Vec::with_capacity(offers.len()), Vec::new());
        for offer in offers.drain(..) {
            match offer {
                Offer::Entry(new) => batch.push(*new),
                Offer::Flush(done) => waiting.push(done),
            }
        }
        if let Err(error) = write_until_done(&store, &batch).await {
            lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
            tracing::error!(%error, verdicts = batch.len(), "verdicts were not written to the audit");
        }
        for done in waiting {
            if done.send(()).is_err() {
                tracing::debug!("whoever waited for the audit has gone away");
            }
        }
    }
}

/// Writes a batch as soon as the database can be written. Meanwhile the queue fills up to its
/// bound.
///
/// # Errors
/// The database refuses the batch for what it is.
async fn write_until_done(store: &Store, batch: &[NewAudit]) -> Result<(), StoreError> {
    let (mut pause, mut refused, mut log_at) = (RETRY_FIRST, 0, Instant::now());
    // The end of the chain after a commit of which nobody knows whether it is in the file.
    let mut uncertain = None;
    loop {
        let error = match write_batch(store, batch, &mut uncertain).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if error.may_pass() {
            if Instant::now() >= log_at {
                log_at = Instant::now() + LOG_EVERY;
                tracing::error!(%error, verdicts = batch.len(), "verdicts cannot be written to the audit; they wait");
            }
        } else {
            refused += 1;
            if refused == REFUSALS_MAX {
                return Err(error);
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_LAST);
    }
}

/// The last entry's number and hash.
type Head = (i64, String);

async fn head(on: &mut SqliteConnection) -> Result<Head, StoreError> {
    const SQL: &str = "SELECT seq, hash FROM audit_head WHERE id = 1";
    sqlx::query_as(SQL).fetch_one(on).await.map_err(StoreError::sql("write the audit"))
}

async fn write_batch(store: &Store, batch: &[NewAudit], uncertain: &mut Option<Head>) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut transaction = store.begin().await?;
    if let Some((seq, hash)) = uncertain {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM audit WHERE seq = $1 AND hash = $2)";
        let found = sqlx::query_scalar(SQL).bind(*seq).bind(&*hash).fetch_one(&mut *transaction).await;
        if found.map_err(StoreError::sql("write the audit"))? {
            transaction.rollback().await;
            return Ok(());
        }
    }
    for new in batch {
        append(&mut transaction, new).await?;
    }
    *uncertain = Some(head(&mut transaction).await?);
    transaction.commit().await.map_err(StoreError::sql("write the audit"))
}
