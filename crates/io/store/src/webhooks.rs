//! Webhooks: who listens, and each event's way to them.
//!
//! Rules: an event is written in the transaction of its change ([`event`]), so neither is there
//! without the other; a listener hears of what happens after it was first seen here; an event is
//! given out to a listener once, waits until it was taken or given up, and is kept for thirty days.
//! Nothing is decided here about when it is tried again.

pub(crate) mod event;

use crate::campaigns::RunnerLock;
use crate::unreadable::readable;
use crate::{Store, StoreError};
use banjia_types::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// Events given out in one transaction at most.
const GIVEN_OUT_MAX: i64 = 500;
/// How long events and what became of them are kept.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// Where an event stands with a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// It was not taken yet.
    Waiting,
    /// It was taken.
    Delivered,
    /// It was refused for good, or tried often enough.
    GivenUp,
}

impl DeliveryState {
    const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::GivenUp];

    /// The name used in the database and in lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given up",
        }
    }
}

/// An event for one listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The event's number.
    pub event: i64,
    /// The same for every attempt and every listener: by it a receiver knows what it has seen.
    pub id: String,
    /// What happened: one of [`crate::EVENTS`].
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// Names and numbers only; no texts of clients, no secrets, no addresses.
    pub data: Value,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next, while it waits.
    pub next_at: Timestamp,
    /// What came of the last attempt.
    pub said: String,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name in the configuration.
    pub name: String,
    /// It hears of what happened from here on.
    pub since: Timestamp,
    /// When its receiver said that it wants no more.
    pub gone_at: Option<Timestamp>,
}

type DeliveryTuple = (i64, String, String, i64, String, String, i64, i64, String);

fn delivery(
    (event, id, kind, at, data, state, attempts, next_at, said): DeliveryTuple,
) -> Result<Delivery, StoreError> {
    let known = DeliveryState::ALL.into_iter().find(|known| known.as_str() == state);
    Ok(Delivery {
        event,
        id,
        kind,
        at: Timestamp(at),
        data: serde_json::from_str(&data).unwrap_or_default(),
        state: known.ok_or(StoreError::Unknown { what: "a delivery's state", found: state })?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        next_at: Timestamp(next_at),
        said,
    })
}

impl Store {
    /// Makes this process the only one that delivers events from this database.
    ///
    /// # Errors
    /// Another one does.
    pub fn webhook_lock(&self) -> Result<RunnerLock, StoreError> {
        RunnerLock::take(self.path(), ".webhooks.lock")
    }

    /// From now on these listen, beside those that do already.
    pub async fn know_webhooks(&self, names: &[&str], now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO webhook (name, since_at, reached) \
             SELECT $1, $2, COALESCE(MAX(seq), 0) FROM webhook_event WHERE true ON CONFLICT DO NOTHING";
        let failed = StoreError::sql("note a webhook");
        let mut transaction = self.begin().await?;
        for name in names {
            sqlx::query(SQL).bind(name).bind(now.0).execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// Everybody who listens.
    pub async fn webhooks(&self) -> Result<Vec<Listener>, StoreError> {
        const SQL: &str = "SELECT name, since_at, gone_at FROM webhook ORDER BY name";
        let rows: Vec<(String, i64, Option<i64>)> =
            sqlx::query_as(SQL).fetch_all(&self.write).await.map_err(StoreError::sql("read the webhooks"))?;
        let read = |(name, since, gone): (String, i64, Option<i64>)| Listener {
            name,
            since: Timestamp(since),
            gone_at: gone.map(Timestamp),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Gives a listener the events that it wants and was not given yet.
    pub async fn give_out(
        &self,
        webhook: &str,
        wants: impl Fn(&str) -> bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const FIND: &str = "SELECT event.seq, event.kind FROM webhook_event AS event, webhook \
             WHERE webhook.name = $1 AND event.seq > webhook.reached ORDER BY event.seq LIMIT $2";
        const PUT: &str = "INSERT INTO webhook_delivery (webhook, event, state, attempts, next_at, said, changed_at) \
             VALUES ($1, $2, 'waiting', 0, $3, '', $3) ON CONFLICT DO NOTHING";
        const MOVE: &str = "UPDATE webhook SET reached = $2 WHERE name = $1";
        let failed = || StoreError::sql("give an event to a webhook");
        let mut transaction = self.begin().await?;
        let found: Vec<(i64, String)> = sqlx::query_as(FIND)
            .bind(webhook)
            .bind(GIVEN_OUT_MAX)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed())?;
        let Some((last, _)) = found.last() else {
            transaction.rollback().await;
            return Ok(());
        };
        for (event, _) in found.iter().filter(|(_, kind)| wants(kind)) {
            let put = sqlx::query(PUT).bind(webhook).bind(event).bind(now.0);
            put.execute(&mut *transaction).await.map_err(failed())?;
        }
        sqlx::query(MOVE).bind(webhook).bind(last).execute(&mut *transaction).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())
    }

    /// Up to `count` events whose time has come, the oldest first. An event whose last attempt is
    /// later than `now` was tried before the wall clock was set back: its pause cannot be measured
    /// any more, so it counts as over.
    pub async fn due_deliveries(&self, webhook: &str, now: Timestamp, count: u32) -> Result<Vec<Delivery>, StoreError> {
        const SQL: &str = "SELECT seq, id, kind, at, data, state, attempts, next_at, said \
             FROM webhook_delivery JOIN webhook_event ON seq = event \
             WHERE state = 'waiting' AND webhook = $1 AND (next_at <= $2 OR changed_at > $2) ORDER BY seq LIMIT $3";
        let rows: Vec<DeliveryTuple> = sqlx::query_as(SQL)
            .bind(webhook)
            .bind(now.0)
            .bind(i64::from(count))
            .fetch_all(&self.write)
            .await
            .map_err(StoreError::sql("read what a webhook has to hear"))?;
        Ok(readable("deliveries of a webhook", rows.into_iter().map(delivery)))
    }

    /// The last `count` events that a listener was given, the newest first.
    pub async fn deliveries(&self, webhook: &str, count: u32) -> Result<Vec<Delivery>, StoreError> {
        const SQL: &str = "SELECT seq, id, kind, at, data, state, attempts, next_at, said \
             FROM webhook_delivery JOIN webhook_event ON seq = event WHERE webhook = $1 ORDER BY seq DESC LIMIT $2";
        let rows: Vec<DeliveryTuple> = sqlx::query_as(SQL)
            .bind(webhook)
            .bind(i64::from(count))
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("read what a webhook has heard"))?;
        Ok(readable("deliveries of a webhook", rows.into_iter().map(delivery)))
    }

    /// How many events of a listener stand where.
    pub async fn count_deliveries(&self, webhook: &str, state: DeliveryState) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT COUNT(*) FROM webhook_delivery WHERE state = $1 AND webhook = $2";
        let count: (i64,) = sqlx::query_as(SQL)
            .bind(state.as_str())
            .bind(webhook)
            .fetch_one(&self.read)
            .await
            .map_err(StoreError::sql("count what a webhook has heard"))?;
        Ok(count.0.unsigned_abs())
    }

    /// Writes down what came of an attempt; `next_at` is when it is tried again, if it waits.
    pub async fn settle_delivery(
        &self,
        webhook: &str,
        event: i64,
        (state, next_at, said): (DeliveryState, Timestamp, &str),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE webhook_delivery \
             SET state = $3, attempts = attempts + 1, next_at = $4, said = $5, changed_at = $6 \
             WHERE webhook = $1 AND event = $2 AND state = 'waiting'";
        let failed = StoreError::sql("write down what a webhook answered");
        let mut transaction = self.begin().await?;
        sqlx::query(SQL)
            .bind(webhook)
            .bind(event)
            .bind(state.as_str())
            .bind(next_at.0)
            .bind(said)
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// The receiver wants no more.
    pub async fn webhook_is_gone(&self, webhook: &str, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE webhook SET gone_at = $2 WHERE name = $1";
        let failed = StoreError::sql("note that a webhook is gone");
        let mut transaction = self.begin().await?;
        sqlx::query(SQL).bind(webhook).bind(now.0).execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// A person wants what was given up tried again, and the receiver asked although it said that
    /// it is gone. Returns how many events; none when nobody of that name listens.
    pub async fn retry_webhook(&self, webhook: &str, now: Timestamp) -> Result<Option<u64>, StoreError> {
        const BACK: &str = "UPDATE webhook SET gone_at = NULL WHERE name = $1";
        const AGAIN: &str = "UPDATE webhook_delivery SET state = 'waiting', attempts = 0, next_at = $2, changed_at = $2 \
             WHERE webhook = $1 AND state IN ('given up', 'waiting')";
        let failed = || StoreError::sql("try a webhook again");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(BACK).bind(webhook).execute(&mut *transaction).await.map_err(failed())?;
        if done.rows_affected() == 0 {
            transaction.rollback().await;
            return Ok(None);
        }
        let again = sqlx::query(AGAIN).bind(webhook).bind(now.0).execute(&mut *transaction).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(Some(again.rows_affected()))
    }

    /// Removes events that are older than what is kept.
    pub async fn forget_events(&self, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM webhook_event WHERE at < $1";
        let failed = StoreError::sql("remove old events");
        let mut transaction = self.begin().await?;
        sqlx::query(SQL).bind((now - KEPT).0).execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }
}
