//! Policies by version, and what changes them.
//!
//! Rules: a version's text never changes; of the versions of one policy at most one is in force;
//! every change writes its audit entry in the same transaction and moves the number by which
//! gateways learn of it.

use crate::audit::{NewAudit, append};
use crate::webhooks::event;
use crate::{Store, StoreError};
use banjia_types::Timestamp;
use serde_json::json;
use sqlx::sqlite::SqliteConnection;

/// Whether a version is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyState {
    /// It judges.
    Active,
    /// It observes only.
    Paused,
    /// Another version took its place, or a person ended it.
    Retired,
}

impl PolicyState {
    const ALL: [Self; 3] = [Self::Active, Self::Paused, Self::Retired];

    /// The name used in the database and in lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Retired => "retired",
        }
    }
}

/// A version of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// The policy.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// The SHA-256 of its text.
    pub hash: String,
    /// Which set of rules it belongs to.
    pub rule_set: String,
    /// Its text.
    pub text: String,
    /// Whether it is in force.
    pub state: PolicyState,
    /// Since when.
    pub changed_at: Timestamp,
}

/// Who changes something, and when.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// Who.
    pub actor: &'a str,
    /// When.
    pub at: Timestamp,
}

/// What became of a wish to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It was done.
    Done,
    /// It was so already.
    Already,
    /// There is no such thing.
    Missing,
    /// This version exists with another text.
    OtherText,
    /// Another version is in force than the caller saw.
    Overtaken,
}

type Tuple = (String, i64, String, String, String, String, i64);

fn from_tuple((id, version, hash, rule_set, text, state, at): Tuple) -> Result<PolicyRow, StoreError> {
    let found = PolicyState::ALL.into_iter().find(|known| known.as_str() == state);
    let state = found.ok_or(StoreError::Unknown { what: "a policy's state", found: state })?;
    let version = u32::try_from(version).unwrap_or(0);
    Ok(PolicyRow { id, version, hash, rule_set, text, state, changed_at: Timestamp(at) })
}

/// Tells gateways that the border has changed.
pub(crate) async fn changed(into: &mut SqliteConnection) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE border_change SET number = number + 1 WHERE id = 1";
    sqlx::query(SQL).execute(into).await.map_err(StoreError::sql("note a change of the border"))?;
    Ok(())
}

impl Store {
    /// A number that grows with every change of policies and exemptions.
    pub async fn border_version(&self) -> Result<i64, StoreError> {
        const SQL: &str = "SELECT number FROM border_change WHERE id = 1";
        let found: (i64,) =
            sqlx::query_as(SQL).fetch_one(&self.read).await.map_err(StoreError::sql("read the border"))?;
        Ok(found.0)
    }

    /// Every version there is, the newest of each policy first.
    pub async fn policies(&self) -> Result<Vec<PolicyRow>, StoreError> {
        const SQL: &str =
            "SELECT id, version, hash, rule_set, text, state, changed_at FROM policy ORDER BY id, version DESC";
        let rows: Vec<Tuple> =
            sqlx::query_as(SQL).fetch_all(&self.read).await.map_err(StoreError::sql("read the policies"))?;
        rows.into_iter().map(from_tuple).collect()
    }

    /// The versions in force, paused ones included.
    pub async fn policies_in_force(&self) -> Result<Vec<PolicyRow>, StoreError> {
        let all = self.policies().await?;
        Ok(all.into_iter().filter(|row| row.state != PolicyState::Retired).collect())
    }

    /// Puts a version in force; the one before it is retired. `row.state` and `row.changed_at` are
    /// not looked at.
    pub async fn activate_policy(&self, row: &PolicyRow, by: Actor<'_>) -> Result<Changed, StoreError> {
        self.put_policy(row, ("policy.activate", None), by).await
    }

    /// Puts a version in force that differs only in its dates from the version `from`, if that one
    /// is in force still.
    pub async fn redate_policy(&self, row: &PolicyRow, from: u32, by: Actor<'_>) -> Result<Changed, StoreError> {
        self.put_policy(row, ("policy.redate", Some(from)), by).await
    }

    async fn put_policy(
        &self,
        row: &PolicyRow,
        (kind, from): (&'static str, Option<u32>),
        by: Actor<'_>,
    ) -> Result<Changed, StoreError> {
        const FIND: &str = "SELECT hash, state FROM policy WHERE id = $1 AND version = $2";
        const IN_FORCE: &str = "SELECT version FROM policy WHERE id = $1 AND state <> 'retired'";
        const RETIRE: &str =
            "UPDATE policy SET state = 'retired', changed_at = $2 WHERE id = $1 AND state <> 'retired'";
        const PUT: &str = "INSERT INTO policy (id, version, hash, rule_set, text, state, changed_at) \
             VALUES ($1, $2, $3, $4, $5, 'active', $6) \
             ON CONFLICT (id, version) DO UPDATE SET state = 'active', changed_at = excluded.changed_at";
        let failed = || StoreError::sql("put a policy in force");
        let mut transaction = self.begin().await?;
        let found: Option<(String, String)> = sqlx::query_as(FIND)
            .bind(&row.id)
            .bind(i64::from(row.version))
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        let in_force: Option<(i64,)> =
            sqlx::query_as(IN_FORCE).bind(&row.id).fetch_optional(&mut *transaction).await.map_err(failed())?;
        let is_overtaken = from.is_some_and(|from| in_force != Some((i64::from(from),)));
        let unchanged = match found {
            Some((hash, state)) if hash == row.hash && state == "active" => Some(Changed::Already),
            _ if is_overtaken => Some(Changed::Overtaken),
            Some((hash, _)) if hash != row.hash => Some(Changed::OtherText),
            _ => None,
        };
        if let Some(unchanged) = unchanged {
            transaction.rollback().await;
            return Ok(unchanged);
        }
        sqlx::query(RETIRE).bind(&row.id).bind(by.at.0).execute(&mut *transaction).await.map_err(failed())?;
        sqlx::query(PUT)
            .bind(&row.id)
            .bind(i64::from(row.version))
            .bind(&row.hash)
            .bind(&row.rule_set)
            .bind(&row.text)
            .bind(by.at.0)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        let body = json!({ "version": row.version, "hash": row.hash, "text": row.text });
        self.note(&mut transaction, by, kind, &row.id, &row.rule_set, body).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(Changed::Done)
    }

    /// Pauses, resumes or retires the version of a policy that is in force.
    pub async fn set_policy_state(&self, id: &str, state: PolicyState, by: Actor<'_>) -> Result<Changed, StoreError> {
        const FIND: &str = "SELECT version, rule_set, state FROM policy WHERE id = $1 AND state <> 'retired'";
        const SET: &str = "UPDATE policy SET state = $3, changed_at = $4 WHERE id = $1 AND version = $2";
        let failed = || StoreError::sql("change a policy's state");
        let mut transaction = self.begin().await?;
        let found: Option<(i64, String, String)> =
            sqlx::query_as(FIND).bind(id).fetch_optional(&mut *transaction).await.map_err(failed())?;
        let Some((version, rule_set, before)) = found else {
            transaction.rollback().await;
            return Ok(Changed::Missing);
        };
        if before == state.as_str() {
            transaction.rollback().await;
            return Ok(Changed::Already);
        }
        let set = sqlx::query(SET).bind(id).bind(version).bind(state.as_str()).bind(by.at.0);
        set.execute(&mut *transaction).await.map_err(failed())?;
        let kind = match state {
            PolicyState::Active => "policy.resume",
            PolicyState::Paused => "policy.pause",
            PolicyState::Retired => "policy.retire",
        };
        let body = json!({ "version": version, "before": before });
        self.note(&mut transaction, by, kind, id, &rule_set, body).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(Changed::Done)
    }

    /// Writes a change's audit entry and its event, and moves the number that gateways look at.
    pub(crate) async fn note(
        &self,
        into: &mut SqliteConnection,
        by: Actor<'_>,
        kind: &'static str,
        subject: &str,
        rule_set: &str,
        body: serde_json::Value,
    ) -> Result<(), StoreError> {
        event::tell_of(into, by.at, kind, subject, &body).await?;
        let (actor, subject, rule_set) = (by.actor.to_owned(), subject.to_owned(), rule_set.to_owned());
        append(into, &NewAudit { at: by.at, actor, kind, subject, rule_set, body }).await?;
        changed(into).await
    }
}
