//! Decisions about accounts: exemptions, the appeals that may lead to them, and to be left
//! alone with notices.
//!
//! Rules: an exemption has an owner and an end, is never deleted, and ends early by a person's act;
//! every change is audited.

use crate::policies::{Actor, Changed};
use crate::{Store, StoreError};
use banjia_border::policy::Exemption;
use banjia_types::{AccountId, Timestamp};
use serde_json::json;

/// Exemptions belong to what a provider decides for itself; sanctions law knows none of ours.
const RULE_SET: &str = "policy";

/// An account's objection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appeal {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub account: AccountId,
    /// What it says.
    pub said: String,
    /// When it came.
    pub opened_at: Timestamp,
    /// True if it was granted, what was answered and when; none while it is open.
    pub answer: Option<(bool, String, Timestamp)>,
}

/// An account that wants no more notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribed {
    /// Whose wish it is.
    pub account: AccountId,
    /// How and what it said.
    pub said: String,
    /// Since when.
    pub at: Timestamp,
}

type ExemptionTuple = (String, String, String, String, i64, i64, Option<i64>);
type AppealTuple = (i64, String, String, i64, Option<String>, Option<i64>, Option<i64>);

impl Store {
    /// Every exemption; one that was ended early ends then.
    pub async fn exemptions(&self) -> Result<Vec<Exemption>, StoreError> {
        const SQL: &str =
            "SELECT id, account, owner, reason, from_at, until_at, ended_at FROM exemption ORDER BY from_at, id";
        let rows: Vec<ExemptionTuple> =
            sqlx::query_as(SQL).fetch_all(&self.read).await.map_err(StoreError::sql("read the exemptions"))?;
        let read = |(id, account, owner, reason, from, until, ended): ExemptionTuple| Exemption {
            id,
            account: account.into(),
            owner,
            reason,
            from: Timestamp(from),
            until: Timestamp(ended.map_or(until, |ended| ended.min(until))),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Grants an exemption. [`Changed::Already`] when there is one of that name.
    pub async fn grant_exemption(&self, exemption: &Exemption, by: Actor<'_>) -> Result<Changed, StoreError> {
        const SQL: &str = "INSERT INTO exemption (id, account, owner, reason, from_at, until_at, granted_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
        let failed = || StoreError::sql("grant an exemption");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(SQL)
            .bind(&exemption.id)
            .bind(exemption.account.as_str())
            .bind(&exemption.owner)
            .bind(&exemption.reason)
            .bind(exemption.from.0)
            .bind(exemption.until.0)
            .bind(by.at.0)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        if done.rows_affected() == 0 {
            transaction.rollback().await;
            return Ok(Changed::Already);
        }
        let body = json!(exemption);
        let account = exemption.account.as_str();
        self.note(&mut transaction, by, "exemption.grant", account, RULE_SET, body).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(Changed::Done)
    }

    /// Ends an exemption now.
    pub async fn end_exemption(&self, id: &str, by: Actor<'_>) -> Result<Changed, StoreError> {
        const SQL: &str = "UPDATE exemption SET ended_at = $2 \
             WHERE id = $1 AND ended_at IS NULL AND until_at > $2 RETURNING account";
        let failed = || StoreError::sql("end an exemption");
        let mut transaction = self.begin().await?;
        let ended: Option<(String,)> =
            sqlx::query_as(SQL).bind(id).bind(by.at.0).fetch_optional(&mut *transaction).await.map_err(failed())?;
        let Some((account,)) = ended else {
            transaction.rollback().await;
            return Ok(Changed::Missing);
        };
        self.note(&mut transaction, by, "exemption.end", &account, RULE_SET, json!({ "id": id })).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(Changed::Done)
    }

    /// Every appeal, the oldest first.
    pub async fn appeals(&self) -> Result<Vec<Appeal>, StoreError> {
        const SQL: &str = "SELECT id, account, said, opened_at, answer, granted, answered_at FROM appeal ORDER BY id";
        let rows: Vec<AppealTuple> =
            sqlx::query_as(SQL).fetch_all(&self.read).await.map_err(StoreError::sql("read the appeals"))?;
        let read = |(id, account, said, opened, answer, granted, at): AppealTuple| Appeal {
            id,
            account: account.into(),
            said,
            opened_at: Timestamp(opened),
            answer: answer.zip(granted).zip(at).map(|((said, granted), at)| (granted != 0, said, Timestamp(at))),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Records an appeal; returns its number.
    pub async fn open_appeal(&self, account: &AccountId, said: &str, by: Actor<'_>) -> Result<i64, StoreError> {
        const SQL: &str = "INSERT INTO appeal (account, said, opened_at) VALUES ($1, $2, $3) RETURNING id";
        let failed = || StoreError::sql("record an appeal");
        let mut transaction = self.begin().await?;
        let (id,): (i64,) = sqlx::query_as(SQL)
            .bind(account.as_str())
            .bind(said)
            .bind(by.at.0)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        let body = json!({ "appeal": id, "said": said });
        self.note(&mut transaction, by, "appeal.open", account.as_str(), RULE_SET, body).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(id)
    }

    /// Answers an open appeal.
    pub async fn answer_appeal(
        &self,
        id: i64,
        granted: bool,
        said: &str,
        by: Actor<'_>,
    ) -> Result<Changed, StoreError> {
        const SQL: &str = "UPDATE appeal SET granted = $2, answer = $3, answered_at = $4 \
             WHERE id = $1 AND answered_at IS NULL RETURNING account";
        let failed = || StoreError::sql("answer an appeal");
        let mut transaction = self.begin().await?;
        let answered: Option<(String,)> = sqlx::query_as(SQL)
            .bind(id)
            .bind(i64::from(granted))
            .bind(said)
            .bind(by.at.0)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        let Some((account,)) = answered else {
            transaction.rollback().await;
            return Ok(Changed::Missing);
        };
        let body = json!({ "appeal": id, "granted": granted, "said": said });
        self.note(&mut transaction, by, "appeal.answer", &account, RULE_SET, body).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(Changed::Done)
    }

    /// Every account that wants no more notices, by name.
    pub async fn unsubscribed(&self) -> Result<Vec<Unsubscribed>, StoreError> {
        const SQL: &str = "SELECT account, said, at FROM unsubscribed ORDER BY account";
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as(SQL).fetch_all(&self.read).await.map_err(StoreError::sql("read who has unsubscribed"))?;
        Ok(rows.into_iter().map(unsubscribed).collect())
    }

    /// An account's wish for no more notices; none when it has not said so.
    pub async fn unsubscribed_of(&self, account: &AccountId) -> Result<Option<Unsubscribed>, StoreError> {
        const SQL: &str = "SELECT account, said, at FROM unsubscribed WHERE account = $1";
        let row: Option<(String, String, i64)> = sqlx::query_as(SQL)
            .bind(account.as_str())
            .fetch_optional(&self.write)
            .await
            .map_err(StoreError::sql("look whether an account has unsubscribed"))?;
        Ok(row.map(unsubscribed))
    }

    /// Records that an account wants no more notices. [`Changed::Already`] when it said so before.
    pub async fn unsubscribe(&self, account: &AccountId, said: &str, by: Actor<'_>) -> Result<Changed, StoreError> {
        const SQL: &str = "INSERT INTO unsubscribed (account, said, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let failed = || StoreError::sql("record that an account has unsubscribed");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(SQL).bind(account.as_str()).bind(said).bind(by.at.0).execute(&mut *transaction).await;
        if done.map_err(failed())?.rows_affected() == 0 {
            transaction.rollback().await;
            return Ok(Changed::Already);
        }
        let body = json!({ "said": said });
        self.note(&mut transaction, by, "account.unsubscribe", account.as_str(), RULE_SET, body).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(Changed::Done)
    }

    /// Records that an account wants notices again, from the next step on.
    pub async fn subscribe(&self, account: &AccountId, by: Actor<'_>) -> Result<Changed, StoreError> {
        const SQL: &str = "DELETE FROM unsubscribed WHERE account = $1";
        let failed = || StoreError::sql("record that an account wants notices again");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(SQL).bind(account.as_str()).execute(&mut *transaction).await;
        if done.map_err(failed())?.rows_affected() == 0 {
            transaction.rollback().await;
            return Ok(Changed::Missing);
        }
        self.note(&mut transaction, by, "account.subscribe", account.as_str(), RULE_SET, json!({})).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(Changed::Done)
    }
}

fn unsubscribed((account, said, at): (String, String, i64)) -> Unsubscribed {
    Unsubscribed { account: account.into(), said, at: Timestamp(at) }
}
