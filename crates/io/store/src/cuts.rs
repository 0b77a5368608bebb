//! Vendors that are cut: a source that answered with its region block stays cut over restarts,
//! until a person lifts it.
//!
//! Rules:
//! - One standing cut per vendor; the first evidence stays. A cut is never deleted, only lifted.
//! - A cut that the database cannot take stands in the file beside it until the database has it. It
//!   counts from the first moment: every list of cuts has it.
//! - Lifting a cut also lifts those that wait for the database, so that none comes back from the
//!   file later.

use crate::state_file::PendingCut;
use crate::webhooks::event;
use crate::{Store, StoreError};
use banjia_types::{Timestamp, VendorName};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// First pause after a cut was not stored; doubled each time up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);
/// Interval between log lines about a cut that is not stored.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// A vendor that is not asked any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Which.
    pub vendor: VendorName,
    /// Since when.
    pub at: Timestamp,
    /// What it answered, without texts of clients.
    pub evidence: Value,
    /// When a person took it back.
    pub lifted_at: Option<Timestamp>,
}

impl Store {
    /// The cuts that stand, oldest first.
    pub async fn cuts(&self) -> Result<Vec<Cut>, StoreError> {
        Ok(self.cut_history().await?.into_iter().filter(|cut| cut.lifted_at.is_none()).collect())
    }

    /// Every cut there ever was, oldest first. Those that wait for the database are among them.
    pub async fn cut_history(&self) -> Result<Vec<Cut>, StoreError> {
        const SQL: &str = "SELECT vendor, cut_at, evidence, lifted_at FROM cut ORDER BY cut_at, vendor";
        // First what waits: a cut that arrives in the database meanwhile is then seen there.
        let pending = self.waiting_cuts().await;
        let rows: Vec<(String, i64, String, Option<i64>)> =
            sqlx::query_as(SQL).fetch_all(&self.read).await.map_err(StoreError::sql("read the cuts"))?;
        let read = |(vendor, at, evidence, lifted_at): (String, i64, String, Option<i64>)| Cut {
            vendor: vendor.into(),
            at: Timestamp(at),
            // That the vendor is cut holds even if nobody can read why any more.
            evidence: serde_json::from_str(&evidence).unwrap_or_else(|_| json!({ "unreadable": evidence })),
            lifted_at: lifted_at.map(Timestamp),
        };
        let mut cuts: Vec<_> = rows.into_iter().map(read).collect();
        for PendingCut { vendor, at, evidence } in pending {
            let is_known = |cut: &Cut| cut.vendor == vendor && (cut.at == at || cut.lifted_at.is_none());
            if !cuts.iter().any(is_known) {
                cuts.push(Cut { vendor, at, evidence, lifted_at: None });
            }
        }
        cuts.sort_by(|one, other| (one.at, one.vendor.as_str()).cmp(&(other.at, other.vendor.as_str())));
        Ok(cuts)
    }

    /// Records that `vendor` is cut. True when it was not cut before; else the earlier cut and its
    /// evidence stay.
    pub async fn record_cut(&self, vendor: &VendorName, at: Timestamp, evidence: &Value) -> Result<bool, StoreError> {
        let mut transaction = self.begin_durable().await?;
        if !insert(&mut transaction, (vendor, at, evidence), None).await? {
            transaction.rollback().await;
            return Ok(false);
        }
        event::tell(&mut transaction, at, "vendor.cut", &json!({ "vendor": vendor })).await?;
        transaction.commit().await.map_err(StoreError::sql("record a cut"))?;
        Ok(true)
    }

    /// The same, but returns only when the database has the cut, however long that takes. Until
    /// then the cut stands in the file beside the database. If that cannot be written either, it is
    /// kept in memory and [`Store::health`] says so.
    pub async fn record_cut_until_stored(&self, vendor: &VendorName, at: Timestamp, evidence: &Value) -> bool {
        let cut = PendingCut { vendor: vendor.clone(), at, evidence: evidence.clone() };
        self.pending_cuts().push(cut.clone());
        let (mut is_in_file, mut pause, mut log_at) = (false, RETRY_FIRST, Instant::now());
        let is_new = loop {
            let in_file = if is_in_file { Ok(()) } else { self.put_in_file(cut.clone()).await };
            is_in_file = in_file.is_ok();
            let error = match self.record_cut(vendor, at, evidence).await {
                Ok(is_new) => break is_new,
                Err(error) => error,
            };
            self.health.set_cut_in_memory(vendor, !is_in_file);
            if Instant::now() >= log_at {
                log_at = Instant::now() + LOG_EVERY;
                match in_file {
                    Ok(()) => {
                        tracing::error!(%error, %vendor, "a cut is not in the database yet; the file beside it keeps it");
                    }
                    Err(in_file) => {
                        tracing::error!(%error, %in_file, %vendor, "a cut is kept in memory only; it is forgotten when this process ends");
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_LAST);
        };
        self.health.set_cut_in_memory(vendor, false);
        self.forget_pending(vec![cut]).await;
        is_new
    }

    /// Lifts the standing cut of `vendor`. False when there is none.
    pub async fn lift_cut(&self, vendor: &VendorName, at: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE cut SET lifted_at = $1 WHERE vendor = $2 AND lifted_at IS NULL";
        let failed = || StoreError::sql("lift a cut");
        let mut pending = self.waiting_cuts().await;
        pending.retain(|cut| cut.vendor == *vendor);
        let mut transaction = self.begin_durable().await?;
        let done =
            sqlx::query(SQL).bind(at.0).bind(vendor.as_str()).execute(&mut *transaction).await.map_err(failed())?;
        let mut is_lifted = done.rows_affected() > 0;
        for cut in &pending {
            is_lifted |= insert(&mut transaction, (vendor, cut.at, &cut.evidence), Some(at)).await?;
        }
        if !is_lifted {
            transaction.rollback().await;
            return Ok(false);
        }
        event::tell(&mut transaction, at, "vendor.cut_lifted", &json!({ "vendor": vendor })).await?;
        transaction.commit().await.map_err(failed())?;
        self.forget_pending(pending).await;
        Ok(true)
    }

    /// Takes cuts from the file beside the database into it. What cannot be taken stays in the
    /// file, and is read from there.
    pub(crate) async fn take_pending_cuts(&self) {
        for cut in self.waiting_cuts().await {
            match self.record_cut(&cut.vendor, cut.at, &cut.evidence).await {
                Ok(_) => {
                    tracing::info!(vendor = %cut.vendor, "a cut that waited in the file beside the database is in the database");
                    self.forget_pending(vec![cut]).await;
                }
                Err(error) => {
                    tracing::error!(%error, vendor = %cut.vendor, "a cut stays in the file beside the database");
                }
            }
        }
    }

    /// Cuts that wait for the database: those in the file, of all processes, and those in this
    /// process's memory.
    async fn waiting_cuts(&self) -> Vec<PendingCut> {
        let mut waiting = match self.state.read().await {
            Ok(state) => state.cuts,
            Err(error) => {
                tracing::error!(%error, "cuts that wait for the database cannot be read");
                Vec::new()
            }
        };
        for cut in self.pending_cuts().iter() {
            if !waiting.iter().any(|known| known.is_same(cut)) {
                waiting.push(cut.clone());
            }
        }
        waiting
    }

    async fn put_in_file(&self, cut: PendingCut) -> Result<(), StoreError> {
        let add = move |state: &mut crate::state_file::State| {
            if !state.cuts.iter().any(|known| known.is_same(&cut)) {
                state.cuts.push(cut);
            }
        };
        self.state.change(add).await
    }

    /// The database has these. An entry that cannot be taken out of the file is harmless: it is the
    /// same cut as the stored one.
    async fn forget_pending(&self, stored: Vec<PendingCut>) {
        self.pending_cuts().retain(|cut| !stored.iter().any(|stored| stored.is_same(cut)));
        if stored.is_empty() {
            return;
        }
        let remove = move |state: &mut crate::state_file::State| {
            state.cuts.retain(|cut| !stored.iter().any(|stored| stored.is_same(cut)));
        };
        if let Err(error) = self.state.change(remove).await {
            tracing::warn!(%error, "a cut that is in the database also stays in the file beside it");
        }
    }

    /// The lock is held for a push or a search.
    fn pending_cuts(&self) -> MutexGuard<'_, Vec<PendingCut>> {
        self.pending_cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a cut. False if this one is there already, or if it would stand and another one of the
/// vendor does.
async fn insert(
    into: &mut SqliteConnection,
    (vendor, at, evidence): (&VendorName, Timestamp, &Value),
    lifted_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "INSERT INTO cut (vendor, cut_at, evidence, lifted_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let done = sqlx::query(SQL)
        .bind(vendor.as_str())
        .bind(at.0)
        .bind(evidence.to_string())
        .bind(lifted_at.map(|at| at.0))
        .execute(into)
        .await
        .map_err(StoreError::sql("record a cut"))?;
    Ok(done.rows_affected() == 1)
}
