//! Moves: the text that a person wrote and the log of what happened since.
//!
//! Rules: a text never changes after its move was made; events are only added, each by
//! compare-and-set on the number of those before it, so of several processes that want to add the
//! next one exactly one does; each writes its audit entry in the same transaction and moves the
//! number by which gateways learn of it. What an event means is not known here.

pub(crate) mod end;
pub(crate) mod rehearsal;

use crate::audit::{NewAudit, append};
use crate::policies::Actor;
use crate::webhooks::event::tell;
use crate::{Store, StoreError};
use banjia_types::Timestamp;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;
use std::time::Duration;

/// The set of rules under which the audit keeps entries of moves.
const RULE_SET: &str = "move";

/// A move as a person wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveRow {
    /// Its name.
    pub id: String,
    /// Its text.
    pub text: String,
    /// How many events it has.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One event of a move.
#[derive(Clone, Debug, PartialEq)]
pub struct MoveEventRow {
    /// Its number, from 1 on.
    pub seq: u64,
    /// When it was added.
    pub at: Timestamp,
    /// Who added it.
    pub actor: String,
    /// The event.
    pub body: Value,
}

/// A move that is to be created.
#[derive(Clone, Copy, Debug)]
pub struct NewMove<'a> {
    /// The name of the move.
    pub id: &'a str,
    /// The text of the move, as a person wrote it.
    pub text: &'a str,
    /// Its first event.
    pub first: &'a Value,
    /// [`Store::moves_version`] before the other moves were read. What was checked against them
    /// holds only as long as no move has changed since.
    pub checked_at: i64,
}

/// The result of [`Store::create_move`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveCreation {
    /// It was created.
    Created,
    /// There is a move of that name.
    NameTaken,
    /// A move has changed since the others were read: they must be read again.
    OthersChanged,
}

type MoveTuple = (String, String, i64, i64);

fn row((id, text, version, at): MoveTuple) -> MoveRow {
    MoveRow { id, text, version: version.cast_unsigned(), created_at: Timestamp(at) }
}

impl Store {
    /// A number that grows with every change of a move.
    pub async fn moves_version(&self) -> Result<i64, StoreError> {
        const SQL: &str = "SELECT number FROM move_change WHERE id = 1";
        let found: (i64,) =
            sqlx::query_as(SQL).fetch_one(&self.read).await.map_err(StoreError::sql("look for changed moves"))?;
        Ok(found.0)
    }

    /// Returns the move of a name; `None` if there is none.
    pub async fn get_move(&self, id: &str) -> Result<Option<MoveRow>, StoreError> {
        const SQL: &str = "SELECT id, text, version, created_at FROM move WHERE id = $1";
        let found: Option<MoveTuple> =
            sqlx::query_as(SQL).bind(id).fetch_optional(&self.read).await.map_err(StoreError::sql("read a move"))?;
        Ok(found.map(row))
    }

    /// Every move, the oldest first.
    pub async fn moves(&self) -> Result<Vec<MoveRow>, StoreError> {
        const SQL: &str = "SELECT id, text, version, created_at FROM move ORDER BY created_at, id";
        let rows: Vec<MoveTuple> =
            sqlx::query_as(SQL).fetch_all(&self.read).await.map_err(StoreError::sql("read the moves"))?;
        Ok(rows.into_iter().map(row).collect())
    }

    /// The events of a move after the first `after` ones, in order. A body that is no JSON comes as
    /// its text, so that those before it can be read.
    pub async fn move_events(&self, id: &str, after: u64) -> Result<Vec<MoveEventRow>, StoreError> {
        const SQL: &str = "SELECT seq, at, actor, body FROM move_event WHERE move = $1 AND seq > $2 ORDER BY seq";
        let rows: Vec<(i64, i64, String, String)> = sqlx::query_as(SQL)
            .bind(id)
            .bind(after.cast_signed())
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("read the events of a move"))?;
        let event = |(seq, at, actor, body): (i64, i64, String, String)| {
            let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
            MoveEventRow { seq: seq.cast_unsigned(), at: Timestamp(at), actor, body }
        };
        Ok(rows.into_iter().map(event).collect())
    }

    /// Creates a move with its first event, if no move has changed since the caller checked it
    /// against the others.
    pub async fn create_move(&self, new: NewMove<'_>, by: Actor<'_>) -> Result<MoveCreation, StoreError> {
        const VERSION: &str = "SELECT number FROM move_change WHERE id = 1";
        const SQL: &str =
            "INSERT INTO move (id, text, version, created_at) VALUES ($1, $2, 0, $3) ON CONFLICT DO NOTHING";
        let NewMove { id, text, first, checked_at } = new;
        let failed = || StoreError::sql("make a move");
        let mut transaction = self.begin().await?;
        let (version,): (i64,) = sqlx::query_as(VERSION).fetch_one(&mut *transaction).await.map_err(failed())?;
        if version != checked_at {
            transaction.rollback().await;
            return Ok(MoveCreation::OthersChanged);
        }
        let done = sqlx::query(SQL).bind(id).bind(text).bind(by.at.0).execute(&mut *transaction).await;
        if done.map_err(failed())?.rows_affected() == 0 {
            transaction.rollback().await;
            return Ok(MoveCreation::NameTaken);
        }
        let body = json!({ "text": text });
        let made = NewAudit {
            at: by.at,
            actor: by.actor.to_owned(),
            kind: "move.create",
            subject: id.to_owned(),
            rule_set: RULE_SET.to_owned(),
            body,
        };
        append(&mut transaction, &made).await?;
        add(&mut transaction, (id, 0), first, by).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(MoveCreation::Created)
    }

    /// Adds the next event when the move has had exactly `expected` ones before, and tells those
    /// who listen when people are called for it (`page`): both or neither. False when another came
    /// first: then what is due must be thought over again.
    pub async fn append_move_event(
        &self,
        id: &str,
        expected: u64,
        event: &Value,
        page: Option<&Value>,
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        if !add(&mut transaction, (id, expected), event, by).await? {
            transaction.rollback().await;
            return Ok(false);
        }
        if let Some(page) = page {
            tell(&mut transaction, by.at, "move.page", page).await?;
        }
        transaction.commit().await.map_err(StoreError::sql("add an event to a move"))?;
        Ok(true)
    }

    /// Tells those who listen that people are called for something that is no event of a move.
    pub async fn tell_page(&self, at: Timestamp, page: &Value) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        tell(&mut transaction, at, "move.page", page).await?;
        transaction.commit().await.map_err(StoreError::sql("tell of a page"))
    }

    /// Acquires or renews a lease until `now + span`. False while another process holds it.
    ///
    /// Leases are rows that processes share, so their ends are dates, and a step of the wall clock
    /// moves them:
    ///
    /// - Back: an end that is further away than `span` was written before the step and counts as
    ///   over, so a lease never lasts longer than `span` on the new clock.
    /// - Forward: a lease may end early and another process may acquire it while the holder still
    ///   works. So the work must be safe for two processes at once; of a move's next event, exactly
    ///   one is appended.
    ///
    /// A holder renews at intervals of the monotonic clock, well within `span`.
    pub async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        span: Duration,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO lease (name, holder, until) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET holder = $2, until = $3 \
             WHERE lease.holder = $2 OR lease.until <= $4 OR lease.until > $3";
        let failed = StoreError::sql("take a lease");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(SQL)
            .bind(name)
            .bind(holder)
            .bind((now + span).0)
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(done.rows_affected() == 1)
    }

    /// True if any process holds a lease that is acquired for `span`, see [`Store::take_lease`].
    pub async fn is_leased(&self, name: &str, now: Timestamp, span: Duration) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM lease WHERE name = $1 AND until > $2 AND until <= $3)";
        let found: (bool,) = sqlx::query_as(SQL)
            .bind(name)
            .bind(now.0)
            .bind((now + span).0)
            .fetch_one(&self.read)
            .await
            .map_err(StoreError::sql("look at a lease"))?;
        Ok(found.0)
    }

    /// Gives a lease back before its time. Nothing happens when it is another's.
    pub async fn give_lease_back(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM lease WHERE name = $1 AND holder = $2";
        let failed = StoreError::sql("give a lease back");
        let mut transaction = self.begin().await?;
        sqlx::query(SQL).bind(name).bind(holder).execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }
}

/// Adds event number `expected + 1`, its audit entry, and tells gateways. False when it is not its
/// turn.
async fn add(
    into: &mut SqliteConnection,
    (id, expected): (&str, u64),
    event: &Value,
    by: Actor<'_>,
) -> Result<bool, StoreError> {
    const TURN: &str = "UPDATE move SET version = version + 1 WHERE id = $1 AND version = $2";
    const EVENT: &str = "INSERT INTO move_event (move, seq, at, actor, body) VALUES ($1, $2, $3, $4, $5)";
    const TELL: &str = "UPDATE move_change SET number = number + 1 WHERE id = 1";
    let failed = || StoreError::sql("add an event to a move");
    let seq = expected.saturating_add(1);
    let turn = sqlx::query(TURN).bind(id).bind(expected.cast_signed()).execute(&mut *into).await;
    if turn.map_err(failed())?.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(EVENT)
        .bind(id)
        .bind(seq.cast_signed())
        .bind(by.at.0)
        .bind(by.actor)
        .bind(event.to_string())
        .execute(&mut *into)
        .await
        .map_err(failed())?;
    sqlx::query(TELL).execute(&mut *into).await.map_err(failed())?;
    let body = json!({ "seq": seq, "event": event });
    let entry = NewAudit {
        at: by.at,
        actor: by.actor.to_owned(),
        kind: "move.event",
        subject: id.to_owned(),
        rule_set: RULE_SET.to_owned(),
        body,
    };
    append(into, &entry).await?;
    Ok(true)
}
