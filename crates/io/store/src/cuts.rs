//! Vendors that are cut: a source that answered with its region block stays cut over restarts, until a person lifts it.
//!
//! Rules: one standing cut per vendor; the first evidence stays. A cut is never deleted, only lifted.

use crate::webhooks::event;
use crate::{Store, StoreError};
use banjia_types::{Timestamp, VendorName};
use serde_json::{Value, json};

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

    /// Every cut there ever was, oldest first.
    pub async fn cut_history(&self) -> Result<Vec<Cut>, StoreError> {
        const SQL: &str = "SELECT vendor, cut_at, evidence, lifted_at FROM cut ORDER BY cut_at, vendor";
        let rows: Vec<(String, i64, String, Option<i64>)> =
            sqlx::query_as(SQL).fetch_all(&self.read).await.map_err(StoreError::sql("read the cuts"))?;
        rows.into_iter()
            .map(|(vendor, at, evidence, lifted_at)| {
                let unknown = |_| StoreError::Unknown { what: "evidence of a cut", found: evidence.clone() };
                Ok(Cut {
                    vendor: vendor.into(),
                    at: Timestamp(at),
                    evidence: serde_json::from_str(&evidence).map_err(unknown)?,
                    lifted_at: lifted_at.map(Timestamp),
                })
            })
            .collect()
    }

    /// Records that `vendor` is cut. True when it was not cut before; else the earlier cut and its evidence stay.
    pub async fn record_cut(&self, vendor: &VendorName, at: Timestamp, evidence: &Value) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO cut (vendor, cut_at, evidence) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let failed = || StoreError::sql("record a cut");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(SQL)
            .bind(vendor.as_str())
            .bind(at.0)
            .bind(evidence.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        if done.rows_affected() != 1 {
            transaction.rollback().await;
            return Ok(false);
        }
        event::tell(&mut transaction, at, "vendor.cut", &json!({ "vendor": vendor })).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    /// Lifts the standing cut of `vendor`. False when there is none.
    pub async fn lift_cut(&self, vendor: &VendorName, at: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE cut SET lifted_at = $1 WHERE vendor = $2 AND lifted_at IS NULL";
        let failed = || StoreError::sql("lift a cut");
        let mut transaction = self.begin().await?;
        let done =
            sqlx::query(SQL).bind(at.0).bind(vendor.as_str()).execute(&mut *transaction).await.map_err(failed())?;
        if done.rows_affected() == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        event::tell(&mut transaction, at, "vendor.cut_lifted", &json!({ "vendor": vendor })).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }
}
