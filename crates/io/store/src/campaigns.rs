//! Campaigns and their notices.
//!
//! Rules: that a mail will be sent is on the disk before the mail leaves ([`Store::intend`] commits
//! with `synchronous = FULL`: the usual setting may lose the last commits in a power cut, and a
//! lost intention would be a second mail); the primary key of a notice and a compare-and-set on its
//! state make it one mail, whatever runs beside; what a runner that ended left intended becomes
//! `unknown`, and only a person sends it again.

use crate::policies::Actor;
use crate::unreadable::readable;
use crate::webhooks::event;
use crate::{Store, StoreError, audit};
use banjia_border::campaign::{NoticeState, Step};
use banjia_types::{AccountId, Timestamp};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const RULE_SET: &str = "policy";

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Its name.
    pub id: String,
    /// The policy that it speaks of.
    pub policy: String,
    /// Which round of notices: each new date begins another.
    pub round: u32,
    /// What demands that everybody is told, those who have unsubscribed as well. None: those are
    /// not told.
    pub mandatory: Option<String>,
    /// True if notices go out.
    pub is_running: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The account.
    pub account: AccountId,
    /// Where the mail goes.
    pub email: String,
    /// `en` or `zh`.
    pub language: String,
    /// Why it is told.
    pub evidence: Value,
}

/// One step to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The account.
    pub account: AccountId,
    /// The round.
    pub round: u32,
    /// The step.
    pub step: Step,
    /// Where it stands.
    pub state: NoticeState,
    /// The mail's `Message-ID`, without angle brackets.
    pub message_id: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
    /// What the mail server said.
    pub said: String,
    /// When it came to this.
    pub changed_at: Timestamp,
}

impl Notice {
    /// True if it waits for another attempt whose time has come. If its last attempt is later than
    /// `now`, the wall clock was set back since: its pause cannot be measured any more, so it
    /// counts as over.
    pub fn is_retry_due(&self, now: Timestamp) -> bool {
        let is_over = self.retry_at.is_some_and(|at| at <= now) || self.changed_at > now;
        self.state == NoticeState::Retrying && is_over
    }
}

type CampaignTuple = (String, String, i64, String, i64, Option<String>);
type NoticeTuple = (String, i64, String, String, String, i64, Option<i64>, String, i64);

fn notice(
    (account, round, step, state, message_id, attempts, retry, said, at): NoticeTuple,
) -> Result<Notice, StoreError> {
    let known = NoticeState::ALL.into_iter().find(|known| known.as_str() == state);
    Ok(Notice {
        account: account.into(),
        round: u32::try_from(round).unwrap_or(0),
        step: Step::named(&step).ok_or(StoreError::Unknown { what: "a step", found: step })?,
        state: known.ok_or(StoreError::Unknown { what: "a notice's state", found: state })?,
        message_id,
        attempts: u32::try_from(attempts).unwrap_or(0),
        retry_at: retry.map(Timestamp),
        said,
        changed_at: Timestamp(at),
    })
}

/// Held by the one process that sends a database's notices, or delivers its events. Dropping it
/// lets another begin.
#[derive(Debug)]
pub struct RunnerLock {
    /// `None` where the file system knows no locks.
    file: Option<File>,
    path: PathBuf,
}

impl RunnerLock {
    /// Takes the lock on the file that is named as the database and `ending`.
    pub(crate) fn take(database: &Path, ending: &str) -> Result<Self, StoreError> {
        let file = crate::batch::lock(database, ending)?;
        let mut name = database.as_os_str().to_owned();
        name.push(ending);
        Ok(Self { file, path: name.into() })
    }

    /// True if the lock still keeps others out. Somebody may have deleted its file, and another
    /// process locked a new one. Ask before each step that only one process may take.
    pub async fn is_held(&self) -> bool {
        let Some(held) = self.file.as_ref().and_then(|file| file.metadata().ok()) else { return true };
        let found = tokio::fs::metadata(&self.path).await;
        found.is_ok_and(|found| (found.dev(), found.ino()) == (held.dev(), held.ino()))
    }
}

/// Which notice.
#[derive(Clone, Copy, Debug)]
pub struct NoticeRef<'a> {
    /// The campaign.
    pub campaign: &'a str,
    /// The account.
    pub account: &'a AccountId,
    /// The round.
    pub round: u32,
    /// The step.
    pub step: Step,
}

/// True if a runner may send a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It is written down, and this runner sends it.
    Ours,
    /// It was sent, is another's, or waits for its time.
    Others,
    /// The campaign is paused or in another round, or its policy has another version by now:
    /// nothing is sent as it was.
    Over,
}

/// The campaign `$1` as a runner saw it: in round `$2`, of version `$3` of its policy.
macro_rules! as_seen {
    () => {
        "FROM campaign WHERE campaign.id = $1 AND campaign.state = 'running' AND campaign.round = $2 \
         AND NOT EXISTS (SELECT 1 FROM policy \
             WHERE policy.id = campaign.policy AND policy.version = $3 AND policy.state = 'retired')"
    };
}

/// Campaign, account, round and step.
type NoticeKey = (String, String, i64, String);

/// Writes down the event that a notice has come to a state.
async fn tell(
    into: &mut SqliteConnection,
    state: NoticeState,
    (campaign, account, round, step): (&str, &str, i64, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    let data = json!({ "campaign": campaign, "account": account, "round": round, "step": step });
    event::tell(into, now, &format!("notice.{}", state.as_str()), &data).await
}

impl Store {
    /// Every campaign, the oldest first.
    pub async fn campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        const SQL: &str =
            "SELECT id, policy, round, state, created_at, mandatory FROM campaign ORDER BY created_at, id";
        let rows: Vec<CampaignTuple> =
            sqlx::query_as(SQL).fetch_all(&self.read).await.map_err(StoreError::sql("read the campaigns"))?;
        let read = |(id, policy, round, state, at, mandatory): CampaignTuple| Campaign {
            id,
            policy,
            mandatory,
            round: u32::try_from(round).unwrap_or(0),
            is_running: state == "running",
            created_at: Timestamp(at),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Makes a campaign with everybody who is told; `mandatory` is [`Campaign::mandatory`]. False
    /// when there is one of that name.
    pub async fn create_campaign(
        &self,
        id: &str,
        policy: &str,
        mandatory: Option<&str>,
        recipients: &[Recipient],
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        const MAKE: &str = "INSERT INTO campaign (id, policy, round, state, created_at, changed_at, mandatory) \
             VALUES ($1, $2, 1, 'running', $3, $3, $4) ON CONFLICT DO NOTHING";
        const ADD: &str = "INSERT INTO recipient (campaign, account, email, language, evidence) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let failed = || StoreError::sql("make a campaign");
        let mut transaction = self.begin().await?;
        let made =
            sqlx::query(MAKE).bind(id).bind(policy).bind(by.at.0).bind(mandatory).execute(&mut *transaction).await;
        if made.map_err(failed())?.rows_affected() == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        for recipient in recipients {
            sqlx::query(ADD)
                .bind(id)
                .bind(recipient.account.as_str())
                .bind(&recipient.email)
                .bind(&recipient.language)
                .bind(recipient.evidence.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
        let (count, hash) = audit::recipients(&mut transaction, id).await?;
        let body = json!({ "policy": policy, "recipients": count, "recipients_hash": hash, "mandatory": mandatory });
        self.note(&mut transaction, by, "campaign.create", id, RULE_SET, body).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    /// Lets a campaign run or rest. False when there is no such campaign.
    pub async fn set_campaign(&self, id: &str, is_running: bool, by: Actor<'_>) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE campaign SET state = $2, changed_at = $3 WHERE id = $1";
        let state = if is_running { "running" } else { "paused" };
        let kind = if is_running { "campaign.resume" } else { "campaign.pause" };
        self.change_campaign(SQL, id, state, kind, by).await
    }

    /// Begins another round, as after a new date. False when there is no such campaign.
    pub async fn next_round(&self, id: &str, by: Actor<'_>) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE campaign SET round = round + 1, changed_at = $3 WHERE id = $1 AND $2 = ''";
        self.change_campaign(SQL, id, "", "campaign.round", by).await
    }

    async fn change_campaign(
        &self,
        sql: &'static str,
        id: &str,
        state: &str,
        kind: &'static str,
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let failed = || StoreError::sql("change a campaign");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(sql).bind(id).bind(state).bind(by.at.0).execute(&mut *transaction).await;
        if done.map_err(failed())?.rows_affected() == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        self.note(&mut transaction, by, kind, id, RULE_SET, json!({})).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    /// Everybody who is told.
    pub async fn recipients(&self, campaign: &str) -> Result<Vec<Recipient>, StoreError> {
        const SQL: &str =
            "SELECT account, email, language, evidence FROM recipient WHERE campaign = $1 ORDER BY account";
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(SQL)
            .bind(campaign)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("read a campaign's recipients"))?;
        let read = |(account, email, language, evidence): (String, String, String, String)| Recipient {
            account: account.into(),
            email,
            language,
            evidence: serde_json::from_str(&evidence).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Every notice of a campaign that can be read, by round, step and account. One that cannot is
    /// not sent again: [`Store::intend`] knows it all the same.
    pub async fn notices(&self, campaign: &str) -> Result<Vec<Notice>, StoreError> {
        const SQL: &str = "SELECT account, round, step, state, message_id, attempts, retry_at, said, changed_at \
             FROM notice WHERE campaign = $1 ORDER BY round, changed_at, account";
        let rows: Vec<NoticeTuple> = sqlx::query_as(SQL)
            .bind(campaign)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("read a campaign's notices"))?;
        Ok(readable("notices of a campaign", rows.into_iter().map(notice)))
    }

    /// Writes down that a mail will be sent now, on the disk before this returns. It is this
    /// runner's when it was never intended, or waits for another attempt whose time has come, and
    /// the campaign still is what the runner saw: running, in this round, of this version of its
    /// policy. One statement sees all of that.
    pub async fn intend(
        &self,
        which: NoticeRef<'_>,
        policy_version: u32,
        message_id: &str,
        runner: &str,
        now: Timestamp,
    ) -> Result<Intent, StoreError> {
        const SQL: &str = concat!(
            "INSERT INTO notice \
             (campaign, account, round, step, state, runner, message_id, attempts, retry_at, said, changed_at) \
             SELECT $1, $4, $2, $5, 'intended', $6, $7, 1, NULL, '', $8 ",
            as_seen!(),
            " ON CONFLICT (campaign, account, round, step) DO UPDATE \
             SET state = 'intended', runner = $6, attempts = attempts + 1, retry_at = NULL, changed_at = $8 \
             WHERE notice.state = 'retrying' AND (notice.retry_at <= $8 OR notice.changed_at > $8)"
        );
        const SEEN: &str = concat!("SELECT 1 ", as_seen!());
        let failed = || StoreError::sql("write down that a notice will be sent");
        let mut transaction = self.begin_durable().await?;
        let done = sqlx::query(SQL)
            .bind(which.campaign)
            .bind(i64::from(which.round))
            .bind(i64::from(policy_version))
            .bind(which.account.as_str())
            .bind(which.step.as_str())
            .bind(runner)
            .bind(message_id)
            .bind(now.0)
            .execute(&mut *transaction)
            .await;
        if done.map_err(failed())?.rows_affected() == 1 {
            transaction.commit().await.map_err(failed())?;
            return Ok(Intent::Ours);
        }
        let seen: Option<(i64,)> = sqlx::query_as(SEEN)
            .bind(which.campaign)
            .bind(i64::from(which.round))
            .bind(i64::from(policy_version))
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.rollback().await;
        Ok(if seen.is_some() { Intent::Others } else { Intent::Over })
    }

    /// Writes down what became of a notice that this runner intended. False when it is another's by
    /// now.
    pub async fn settle(
        &self,
        which: NoticeRef<'_>,
        runner: &str,
        (state, said, retry_at): (NoticeState, String, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE notice SET state = $6, said = $7, retry_at = $8, changed_at = $9 \
             WHERE campaign = $1 AND account = $2 AND round = $3 AND step = $4 AND runner = $5 AND state = 'intended'";
        let failed = || StoreError::sql("write down what became of a notice");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(SQL)
            .bind(which.campaign)
            .bind(which.account.as_str())
            .bind(i64::from(which.round))
            .bind(which.step.as_str())
            .bind(runner)
            .bind(state.as_str())
            .bind(said)
            .bind(retry_at.map(|at| at.0))
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        if done.rows_affected() != 1 {
            transaction.rollback().await;
            return Ok(false);
        }
        let (account, round, step) = (which.account.as_str(), i64::from(which.round), which.step.as_str());
        tell(&mut transaction, state, (which.campaign, account, round, step), now).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    /// Writes down that a notice is not sent, because its account has unsubscribed. False when it
    /// was sent, or is another's.
    pub async fn withhold(
        &self,
        which: NoticeRef<'_>,
        message_id: &str,
        runner: &str,
        said: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO notice \
             (campaign, account, round, step, state, runner, message_id, attempts, retry_at, said, changed_at) \
             VALUES ($1, $2, $3, $4, 'unsubscribed', $5, $6, 0, NULL, $7, $8) \
             ON CONFLICT (campaign, account, round, step) DO UPDATE \
             SET state = 'unsubscribed', runner = $5, retry_at = NULL, said = $7, changed_at = $8 \
             WHERE notice.state = 'retrying'";
        let failed = || StoreError::sql("write down that a notice is not sent");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(SQL)
            .bind(which.campaign)
            .bind(which.account.as_str())
            .bind(i64::from(which.round))
            .bind(which.step.as_str())
            .bind(runner)
            .bind(message_id)
            .bind(said)
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        if done.rows_affected() != 1 {
            transaction.rollback().await;
            return Ok(false);
        }
        let (account, round, step) = (which.account.as_str(), i64::from(which.round), which.step.as_str());
        tell(&mut transaction, NoticeState::Unsubscribed, (which.campaign, account, round, step), now).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    /// Makes this process the only one that sends notices from this database.
    ///
    /// # Errors
    /// Another one does.
    pub fn runner_lock(&self) -> Result<RunnerLock, StoreError> {
        RunnerLock::take(self.path(), ".campaigns.lock")
    }

    /// How often a notice was tried; none when it never was.
    pub async fn attempts(&self, which: NoticeRef<'_>) -> Result<Option<u32>, StoreError> {
        const SQL: &str =
            "SELECT attempts FROM notice WHERE campaign = $1 AND account = $2 AND round = $3 AND step = $4";
        let found: Option<(i64,)> = sqlx::query_as(SQL)
            .bind(which.campaign)
            .bind(which.account.as_str())
            .bind(i64::from(which.round))
            .bind(which.step.as_str())
            .fetch_optional(&self.write)
            .await
            .map_err(StoreError::sql("read a notice"))?;
        Ok(found.map(|(attempts,)| u32::try_from(attempts).unwrap_or(u32::MAX)))
    }

    /// What other runners left intended is unknown from now on. Only one runner may work on a
    /// database at a time.
    pub async fn orphan_intentions(&self, runner: &str, now: Timestamp) -> Result<u64, StoreError> {
        const SQL: &str = "UPDATE notice SET state = 'unknown', said = $3, changed_at = $2 \
             WHERE state = 'intended' AND runner <> $1 RETURNING campaign, account, round, step";
        let said = "the process that sent it ended before it knew; the mail may have arrived";
        let failed = || StoreError::sql("look for notices without an end");
        let mut transaction = self.begin().await?;
        let found: Vec<NoticeKey> = sqlx::query_as(SQL)
            .bind(runner)
            .bind(now.0)
            .bind(said)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed())?;
        for (campaign, account, round, step) in &found {
            tell(&mut transaction, NoticeState::Unknown, (campaign, account, *round, step), now).await?;
        }
        transaction.commit().await.map_err(failed())?;
        Ok(found.len() as u64)
    }

    /// A person decides that notices whose result nobody knows are sent again. Returns how many.
    pub async fn resend_unknown(&self, campaign: &str, by: Actor<'_>) -> Result<u64, StoreError> {
        const SQL: &str = "UPDATE notice SET state = 'retrying', retry_at = $2, changed_at = $2 \
             WHERE campaign = $1 AND state = 'unknown'";
        let failed = || StoreError::sql("send notices again");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(SQL).bind(campaign).bind(by.at.0).execute(&mut *transaction).await;
        let count = done.map_err(failed())?.rows_affected();
        self.note(&mut transaction, by, "campaign.resend", campaign, RULE_SET, json!({ "notices": count })).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(count)
    }

    /// A mail came back. False when no sent mail has this `Message-ID`.
    pub async fn bounce(&self, message_id: &str, said: &str, now: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE notice SET state = 'bounced', said = $2, changed_at = $3 \
             WHERE message_id = $1 AND state IN ('sent', 'unknown') RETURNING campaign, account, round, step";
        let failed = || StoreError::sql("record a bounce");
        let mut transaction = self.begin().await?;
        let found: Option<NoticeKey> = sqlx::query_as(SQL)
            .bind(message_id)
            .bind(said)
            .bind(now.0)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        let Some((campaign, account, round, step)) = found else {
            transaction.rollback().await;
            return Ok(false);
        };
        tell(&mut transaction, NoticeState::Bounced, (&campaign, &account, round, &step), now).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }
}
