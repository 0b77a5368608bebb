//! The end of a move: who asked its source last, how far the books are written, and the signed
//! report.

use super::add;
use crate::policies::Actor;
use crate::query::Period;
use crate::{Store, StoreError};
use banjia_types::{AccountId, KeyId, RouteName, Target, Timestamp};
use serde_json::Value;

/// A key of an account and its requests that a target began to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCaller {
    /// The account.
    pub account: Option<AccountId>,
    /// The key.
    pub key: Option<KeyId>,
    /// When its last request was accepted.
    pub last_at: Timestamp,
    /// How many there were.
    pub requests: u64,
}

/// The event that seals a move, and its report.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'s> {
    /// The event.
    pub event: &'s Value,
    /// The report's SHA-256, in hexadecimal.
    pub hash: &'s str,
    /// The report.
    pub report: &'s str,
}

impl Store {
    /// Whom a target began to answer on a route in a period, the last first. A request that ended
    /// before any content is not among them: it may have ended before anybody was asked.
    pub async fn callers_at(
        &self,
        route: &RouteName,
        target: &Target,
        period: Period,
    ) -> Result<Vec<SourceCaller>, StoreError> {
        const SQL: &str = "SELECT account, api_key, MAX(accepted_at) AS last, COUNT(*) FROM ledger \
             WHERE route = $1 AND vendor = $2 AND model = $3 AND accepted_at >= $4 AND accepted_at < $5 \
             AND (outcome IN ('answered', 'failed') OR (outcome = 'abandoned' AND status <> 0)) GROUP BY account, api_key ORDER BY last DESC, account, api_key";
        let found: Vec<(Option<String>, Option<String>, i64, i64)> = sqlx::query_as(SQL)
            .bind(route.as_str())
            .bind(target.vendor.as_str())
            .bind(target.model.as_str())
            .bind(period.from.0)
            .bind(period.to.0)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("see who was sent to a target"))?;
        let caller = |(account, key, last, requests): (Option<String>, Option<String>, i64, i64)| SourceCaller {
            account: account.map(Into::into),
            key: key.map(Into::into),
            last_at: Timestamp(last),
            requests: requests.cast_unsigned(),
        };
        Ok(found.into_iter().map(caller).collect())
    }

    /// Up to when the ledger is written while a process writes it: what was accepted later may
    /// still wait in its queue. None while no process has it open.
    pub async fn written_until(&self) -> Result<Option<Timestamp>, StoreError> {
        const SQL: &str = "SELECT MIN(last_flush_at) FROM run WHERE closed_at IS NULL";
        let found: (Option<i64>,) =
            sqlx::query_as(SQL).fetch_one(&self.read).await.map_err(StoreError::sql("see how far the ledger is"))?;
        Ok(found.0.map(Timestamp))
    }

    /// Adds the event that seals a move and keeps its report, both or neither. False when another
    /// event came first.
    pub async fn seal_move(&self, id: &str, expected: u64, seal: Seal<'_>, by: Actor<'_>) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO move_report (move, hash, text) VALUES ($1, $2, $3)";
        let failed = || StoreError::sql("seal a move");
        let mut transaction = self.begin().await?;
        if !add(&mut transaction, (id, expected), seal.event, by).await? {
            transaction.rollback().await;
            return Ok(false);
        }
        let put = sqlx::query(SQL).bind(id).bind(seal.hash).bind(seal.report).execute(&mut *transaction).await;
        put.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    /// The signed report of a sealed move.
    pub async fn move_report(&self, id: &str) -> Result<Option<String>, StoreError> {
        const SQL: &str = "SELECT text FROM move_report WHERE move = $1";
        let found: Option<(String,)> = sqlx::query_as(SQL)
            .bind(id)
            .fetch_optional(&self.read)
            .await
            .map_err(StoreError::sql("read the report of a move"))?;
        Ok(found.map(|(text,)| text))
    }
}
