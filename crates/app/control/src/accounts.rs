//! Use cases of accounts at the border: exemptions, appeals, and accounts that want no more notices.
//!
//! Every change is audited with the person who made it.

use banjia_border::policy::Exemption;
use banjia_store::{Actor, Changed, Store, StoreError};
use banjia_types::Timestamp;
use chrono::NaiveDate;

/// Why a use case of an account was not carried out. The text is for people.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The calendar has no day after the last day of an exemption.
    #[error("there is no such day")]
    NoSuchDay,
    /// An exemption would end before it begins.
    #[error("{0} is over")]
    DayIsOver(NaiveDate),
    /// An exemption without an owner or a reason.
    #[error("an exemption needs an owner and a reason")]
    NoOwnerOrReason,
    /// The id of an exemption is taken.
    #[error("there is an exemption {0:?} already")]
    ExemptionTaken(String),
    /// No exemption of that id is in force.
    #[error("no exemption {0:?} is in force")]
    NoExemption(String),
    /// An account without a record of how it unsubscribed.
    #[error("say how and what the account said")]
    NothingSaid,
    /// The account has unsubscribed before.
    #[error("{0} has unsubscribed already")]
    WasUnsubscribed(String),
    /// The account gets notices.
    #[error("{0} has not unsubscribed")]
    NotUnsubscribed(String),
    /// No open appeal has that number.
    #[error("there is no open appeal {0}")]
    NoAppeal(i64),
}

/// The command of [`exempt`].
#[derive(Clone, Copy, Debug)]
pub struct NewExemption<'a> {
    /// The id of the account that is served.
    pub account: &'a str,
    /// The last day on which it is served (UTC).
    pub until: NaiveDate,
    /// The person who answers for it.
    pub owner: &'a str,
    /// The reason, for the audit.
    pub reason: &'a str,
    /// The id of the exemption. `None` makes one from the account and the day.
    pub id: Option<&'a str>,
}

/// Serves an account until the end of a day, although a rule says otherwise.
///
/// # Errors
/// The database, a day that is over, no owner or reason, or an id that is taken.
pub async fn exempt(store: &Store, command: NewExemption<'_>, by: Actor<'_>) -> Result<Exemption, AccountError> {
    let NewExemption { account, until, owner, reason, id } = command;
    let end = until.succ_opt().and_then(|day| day.and_hms_opt(0, 0, 0)).ok_or(AccountError::NoSuchDay)?;
    let exemption = Exemption {
        id: id.map_or_else(|| format!("{account}-{until}"), str::to_owned),
        account: account.into(),
        owner: owner.to_owned(),
        reason: reason.to_owned(),
        from: by.at,
        until: Timestamp::from(end.and_utc()),
    };
    if exemption.until <= exemption.from {
        return Err(AccountError::DayIsOver(until));
    }
    if owner.trim().is_empty() || reason.trim().is_empty() {
        return Err(AccountError::NoOwnerOrReason);
    }
    if store.grant_exemption(&exemption, by).await? == Changed::Already {
        return Err(AccountError::ExemptionTaken(exemption.id));
    }
    Ok(exemption)
}

/// Ends an exemption now.
///
/// # Errors
/// The database, or [`AccountError::NoExemption`].
pub async fn end_exemption(store: &Store, id: &str, by: Actor<'_>) -> Result<(), AccountError> {
    match store.end_exemption(id, by).await? {
        Changed::Missing => Err(AccountError::NoExemption(id.to_owned())),
        _ => Ok(()),
    }
}

/// Records that an account wants no more notices, and how and what it said.
///
/// # Errors
/// The database, an empty `said`, or an account that has unsubscribed before.
pub async fn unsubscribe(store: &Store, account: &str, said: &str, by: Actor<'_>) -> Result<(), AccountError> {
    if said.trim().is_empty() {
        return Err(AccountError::NothingSaid);
    }
    match store.unsubscribe(&account.into(), said, by).await? {
        Changed::Already => Err(AccountError::WasUnsubscribed(account.to_owned())),
        _ => Ok(()),
    }
}

/// Records that an account wants notices again.
///
/// # Errors
/// The database, or an account that has not unsubscribed.
pub async fn subscribe(store: &Store, account: &str, by: Actor<'_>) -> Result<(), AccountError> {
    match store.subscribe(&account.into(), by).await? {
        Changed::Missing => Err(AccountError::NotUnsubscribed(account.to_owned())),
        _ => Ok(()),
    }
}

/// Records what an account objects. Returns the number of the appeal.
///
/// # Errors
/// The database cannot be read or written.
pub async fn open_appeal(store: &Store, account: &str, said: &str, by: Actor<'_>) -> Result<i64, AccountError> {
    Ok(store.open_appeal(&account.into(), said, by).await?)
}

/// The command of [`answer_appeal`].
#[derive(Clone, Copy, Debug)]
pub struct AppealAnswer<'a> {
    /// The number of the appeal.
    pub appeal: i64,
    /// True if the appeal is granted. Granting changes nothing else: [`exempt`] serves the account.
    pub is_granted: bool,
    /// The answer, in the operator's words.
    pub said: &'a str,
}

/// Answers an open appeal.
///
/// # Errors
/// The database, or [`AccountError::NoAppeal`].
pub async fn answer_appeal(store: &Store, command: AppealAnswer<'_>, by: Actor<'_>) -> Result<(), AccountError> {
    match store.answer_appeal(command.appeal, command.is_granted, command.said, by).await? {
        Changed::Missing => Err(AccountError::NoAppeal(command.appeal)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_store::Location;

    const BY: Actor<'static> = Actor { actor: "kim", at: Timestamp(1_783_000_000_000) };

    fn command(until: &str) -> NewExemption<'static> {
        let until = until.parse().unwrap();
        NewExemption { account: "acme", until, owner: "kim", reason: "a contract", id: None }
    }

    #[tokio::test]
    async fn exemption_without_id_is_named_by_day() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let exemption = exempt(&store, command("2026-09-01"), BY).await.unwrap();
        assert_eq!((exemption.id.as_str(), exemption.from), ("acme-2026-09-01", BY.at));
    }

    #[tokio::test]
    async fn exemption_with_taken_id_is_refused() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        exempt(&store, command("2026-09-01"), BY).await.unwrap();
        let error = exempt(&store, command("2026-09-01"), BY).await.unwrap_err();
        assert!(matches!(error, AccountError::ExemptionTaken(id) if id == "acme-2026-09-01"));
    }

    #[tokio::test]
    async fn exemption_until_a_past_day_is_refused() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let error = exempt(&store, command("2020-01-01"), BY).await.unwrap_err();
        assert_eq!(error.to_string(), "2020-01-01 is over");
    }

    #[tokio::test]
    async fn answer_to_unknown_appeal_is_refused() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let answer = AppealAnswer { appeal: 7, is_granted: true, said: "yes" };
        let error = answer_appeal(&store, answer, BY).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no open appeal 7");
    }
}
