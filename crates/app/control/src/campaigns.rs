//! Use cases of campaigns: made for the accounts that a policy affects, paused, resumed, shown.
//!
//! Mails are sent by a [`Runner`]; each use case here reads or changes what it works from.

mod audience;
mod error;

pub use audience::{Audience, Contact, Directory, audience};
pub use error::CampaignError;

use crate::bounces;
use crate::mail::{Mailer, SmtpConfig};
use crate::policies::{self, seen};
use crate::runner::{self, Done, Runner};
use crate::templates::{Templates, UnsubscribeLink, Written};
use banjia_border::affected::{Inquiry, Thresholds, affected};
use banjia_border::campaign::{NoticeState, Step, due};
use banjia_border::policy::Policy;
use banjia_store::{Actor, Campaign, Notice, Period, Recipient, Store, Unsubscribed};
use banjia_types::{AccountId, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;

/// The command of [`create`].
#[derive(Clone, Copy, Debug)]
pub struct NewCampaign<'a> {
    /// The id of the campaign.
    pub id: &'a str,
    /// The id of the policy.
    pub policy: &'a str,
    /// Why accounts are notified that have unsubscribed: a law, or a section of the contract.
    /// `None` if such accounts get no mail.
    pub mandatory: Option<&'a str>,
    /// The recorded traffic that is judged.
    pub traffic: Period,
    /// The least traffic that makes an account affected.
    pub thresholds: Thresholds,
}

/// Result of [`create`].
#[derive(Debug)]
pub struct CampaignCreated {
    /// The policy in force that the campaign announces.
    pub policy: Policy,
    /// The accounts that get mails, and those without an address.
    pub audience: Audience,
    /// The recipients that have unsubscribed from notices.
    pub unsubscribed: Vec<AccountId>,
}

/// Makes a campaign for the accounts that a policy in force affects. Nothing is sent.
///
/// # Errors
/// The database, a policy that is not in force or never blocks, a taken id, an empty mandate, or no
/// directory of accounts.
pub async fn create(
    store: &Store,
    directory: Option<Directory<'_>>,
    command: NewCampaign<'_>,
    by: Actor<'_>,
) -> Result<CampaignCreated, CampaignError> {
    let NewCampaign { id, policy, mandatory, traffic, thresholds } = command;
    if mandatory.is_some_and(|why| why.trim().is_empty()) {
        return Err(CampaignError::NoMandate);
    }
    let directory = directory.ok_or(CampaignError::NoDirectory)?;
    let policy = policies::in_force(store, policy).await?;
    let at = policy.phases().block.ok_or(CampaignError::NeverBlocks)?;
    let granted = store.exemptions().await?;
    let seen = seen(store.traffic(traffic).await?);
    let affected = affected(Inquiry { policy: &policy, granted: &granted, at }, &seen, directory.record);
    let audience = audience(&affected, &thresholds, directory.contact);
    if !store.create_campaign(id, policy.id(), mandatory, &audience.recipients, by).await? {
        return Err(CampaignError::Taken(id.to_owned()));
    }
    let is_recipient = |account: &AccountId| audience.recipients.iter().any(|to| to.account == *account);
    let unsubscribed = store.unsubscribed().await?.into_iter().map(|entry| entry.account).filter(is_recipient);
    let unsubscribed = unsubscribed.collect();
    Ok(CampaignCreated { policy, audience, unsubscribed })
}

/// The campaign of that id.
///
/// # Errors
/// The database, or [`CampaignError::Missing`].
pub async fn find(store: &Store, id: &str) -> Result<Campaign, CampaignError> {
    let found = store.campaigns().await?.into_iter().find(|campaign| campaign.id == id);
    found.ok_or_else(|| CampaignError::Missing(id.to_owned()))
}

/// All campaigns, or the one of that id.
///
/// # Errors
/// The database, or [`CampaignError::Missing`].
pub async fn select(store: &Store, id: Option<&str>) -> Result<Vec<Campaign>, CampaignError> {
    match id {
        Some(id) => Ok(vec![find(store, id).await?]),
        None => Ok(store.campaigns().await?),
    }
}

/// Pauses a campaign, or resumes it.
///
/// # Errors
/// The database, or [`CampaignError::Missing`].
pub async fn set_running(store: &Store, id: &str, is_running: bool, by: Actor<'_>) -> Result<(), CampaignError> {
    if store.set_campaign(id, is_running, by).await? { Ok(()) } else { Err(CampaignError::Missing(id.to_owned())) }
}

/// Starts another round of notices, as after new dates of the policy. Returns its number.
///
/// # Errors
/// The database, or [`CampaignError::Missing`].
pub async fn start_round(store: &Store, id: &str, by: Actor<'_>) -> Result<u32, CampaignError> {
    if !store.next_round(id, by).await? {
        return Err(CampaignError::Missing(id.to_owned()));
    }
    Ok(find(store, id).await?.round)
}

/// Makes notices of unknown result due again. Returns how many.
///
/// # Errors
/// The database, or [`CampaignError::Missing`].
pub async fn resend_unknown(store: &Store, id: &str, by: Actor<'_>) -> Result<u64, CampaignError> {
    find(store, id).await?;
    Ok(store.resend_unknown(id, by).await?)
}

/// Result of [`send_due`].
#[derive(Debug)]
pub struct Sent {
    /// What became of the notices that were due.
    pub done: Done,
    /// The step that is due; `None` if nothing is due yet.
    pub step: Option<Step>,
}

/// Sends the notices of one campaign that are due at `now`.
///
/// # Errors
/// The database, a policy that is not in force or cannot be read, or the mail server. What was not
/// sent is still due.
pub async fn send_due(
    store: &Store,
    runner: &mut Runner,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<Sent, CampaignError> {
    let policy = policies::in_force(store, &campaign.policy).await?;
    let done = runner.tick(campaign, &policy, now).await?;
    Ok(Sent { done, step: due(&policy, now) })
}

/// A notice that a run would send now.
#[derive(Debug)]
pub struct DueNotice {
    /// The id of the campaign.
    pub campaign: String,
    /// The step of the campaign whose notice is due.
    pub step: Step,
    /// The account and address that the notice goes to.
    pub to: Recipient,
    /// Why the recipient gets no mail: it has unsubscribed, and the campaign is not mandatory.
    pub unsubscribed: Option<Unsubscribed>,
}

/// The notices that a run would send now. Nothing is sent or written.
///
/// # Errors
/// The database, no such campaign, or a policy that is not in force or cannot be read.
pub async fn due_notices(store: &Store, id: Option<&str>, now: Timestamp) -> Result<Vec<DueNotice>, CampaignError> {
    let mut notices = Vec::new();
    for campaign in select(store, id).await? {
        let policy = policies::in_force(store, &campaign.policy).await?;
        let Some((step, waiting)) = runner::waiting(store, &campaign, &policy, now).await? else { continue };
        for to in waiting {
            let unsubscribed = store.unsubscribed_of(&to.account).await?.filter(|_| campaign.mandatory.is_none());
            notices.push(DueNotice { campaign: campaign.id.clone(), step, to, unsubscribed });
        }
    }
    Ok(notices)
}

/// Where a campaign stands.
#[derive(Debug)]
pub struct CampaignStatus {
    /// The campaign as it is stored.
    pub campaign: Campaign,
    /// The number of accounts that are notified.
    pub recipients: usize,
    /// The number of notices in each state.
    pub notices: BTreeMap<NoticeState, u64>,
}

/// Where every campaign stands.
///
/// # Errors
/// The database cannot be read or written.
pub async fn status(store: &Store) -> Result<Vec<CampaignStatus>, CampaignError> {
    let mut found = Vec::new();
    for campaign in store.campaigns().await? {
        let mut notices: BTreeMap<NoticeState, u64> = BTreeMap::new();
        for notice in store.notices(&campaign.id).await? {
            *notices.entry(notice.state).or_default() += 1;
        }
        let recipients = store.recipients(&campaign.id).await?.len();
        found.push(CampaignStatus { campaign, recipients, notices });
    }
    Ok(found)
}

/// Every notice of a campaign with its recipient. The recipient is `None` if the list no longer has
/// the account.
///
/// # Errors
/// The database, or [`CampaignError::Missing`].
pub async fn notices(store: &Store, id: &str) -> Result<Vec<(Notice, Option<Recipient>)>, CampaignError> {
    find(store, id).await?;
    let recipients = store.recipients(id).await?;
    let with = |notice: Notice| {
        let to = recipients.iter().find(|to| to.account == notice.account).cloned();
        (notice, to)
    };
    Ok(store.notices(id).await?.into_iter().map(with).collect())
}

/// The command of [`preview`].
#[derive(Clone, Copy, Debug)]
pub struct Preview<'a> {
    /// The id of the campaign.
    pub id: &'a str,
    /// The account; the first recipient if `None`.
    pub account: Option<&'a str>,
    /// The step, as people write it: T-14, T-7, T-1 or T.
    pub step: &'a str,
    /// The operator's name in mails.
    pub operator: &'a str,
    /// The folder of the operator's own templates.
    pub templates: Option<&'a Path>,
    /// The settings of mail, for the address at which people unsubscribe.
    pub mail: Option<&'a SmtpConfig>,
}

/// Writes the mail that an account would get. Nothing is sent.
///
/// # Errors
/// The database, no such campaign, step or recipient, templates or a policy that cannot be used.
pub async fn preview(store: &Store, command: Preview<'_>) -> Result<Written, CampaignError> {
    let Preview { id, account, step, operator, templates, mail } = command;
    let campaign = find(store, id).await?;
    let step = Step::named(step).ok_or_else(|| CampaignError::NoStep(step.to_owned()))?;
    let recipients = store.recipients(id).await?;
    let to = recipients.iter().find(|to| account.is_none_or(|account| to.account.as_str() == account));
    let to = to.ok_or_else(|| match account {
        Some(account) => CampaignError::NotRecipient { campaign: id.to_owned(), account: account.to_owned() },
        None => CampaignError::NoRecipients(id.to_owned()),
    })?;
    let place = match mail {
        // Nothing is signed or sent here, so neither keys nor authorities are needed.
        Some(mail) => Mailer::new(SmtpConfig { dkim: None, roots: None, ..mail.clone() })?.unsubscribe(&to.account),
        None => "(mail.unsubscribe, or the address of [mail])".to_owned(),
    };
    let link = campaign.mandatory.as_deref().map_or(UnsubscribeLink::Heard(&place), UnsubscribeLink::Overruled);
    let policy = policies::in_force(store, &campaign.policy).await;
    Ok(Templates::new(operator, templates)?.write(&policy?, step, to, link)?)
}

/// What a mail that came back was.
#[derive(Debug)]
pub enum BounceRecorded {
    /// A notice did not arrive; that is recorded.
    Failed(bounces::Bounce),
    /// The mail is only late; nothing is recorded.
    Delayed(bounces::Bounce),
}

/// Records a mail that came back.
///
/// # Errors
/// The database, a mail that is no delivery report, or one of a mail that is not ours.
pub async fn record_bounce(store: &Store, mail: &[u8], now: Timestamp) -> Result<BounceRecorded, CampaignError> {
    let bounce = bounces::read(mail).ok_or(CampaignError::NoReport)?;
    if !bounce.is_permanent {
        return Ok(BounceRecorded::Delayed(bounce));
    }
    if !store.bounce(&bounce.message_id, &bounce.said, now).await? {
        return Err(CampaignError::UnknownMail(bounce.message_id));
    }
    Ok(BounceRecorded::Failed(bounce))
}

/// The requests of a recipient in a period.
#[derive(Debug)]
pub struct RecipientTraffic {
    /// The number of requests.
    pub requests: u64,
    /// The number of requests that the border refused.
    pub refused: u64,
    /// When the last request came.
    pub last: Timestamp,
}

/// Result of [`callers`].
#[derive(Debug)]
pub struct Callers {
    /// The number of accounts that the campaign notifies.
    pub recipients: usize,
    /// The recipients that sent requests.
    pub traffic: BTreeMap<AccountId, RecipientTraffic>,
}

/// Which recipients of a campaign sent requests in a period.
///
/// # Errors
/// The database, or [`CampaignError::Missing`].
pub async fn callers(store: &Store, id: &str, period: Period) -> Result<Callers, CampaignError> {
    find(store, id).await?;
    let recipients: Vec<_> = store.recipients(id).await?.into_iter().map(|to| to.account).collect();
    let mut traffic = BTreeMap::new();
    for row in store.traffic(period).await? {
        let Some(account) = row.account.filter(|account| recipients.contains(account)) else { continue };
        let none = RecipientTraffic { requests: 0, refused: 0, last: row.last };
        let sum = traffic.entry(account).or_insert(none);
        sum.requests += row.requests;
        sum.refused += row.refused;
        sum.last = sum.last.max(row.last);
    }
    Ok(Callers { recipients: recipients.len(), traffic })
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_store::Location;

    const BY: Actor<'static> = Actor { actor: "kim", at: Timestamp(1) };

    fn command(mandatory: Option<&'static str>) -> NewCampaign<'static> {
        let (traffic, thresholds) = (Period::ALWAYS, Thresholds::default());
        NewCampaign { id: "q3", policy: "openai", mandatory, traffic, thresholds }
    }

    #[tokio::test]
    async fn pause_of_unknown_campaign_is_refused() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let error = set_running(&store, "q3", false, BY).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no campaign \"q3\"");
    }

    #[tokio::test]
    async fn round_after_the_first_is_the_second() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        store.create_campaign("q3", "openai", None, &[], BY).await.unwrap();
        assert_eq!(start_round(&store, "q3", BY).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn mandatory_campaign_without_mandate_is_refused() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let error = create(&store, None, command(Some(" ")), BY).await.unwrap_err();
        assert!(matches!(error, CampaignError::NoMandate));
    }

    #[tokio::test]
    async fn campaign_without_directory_is_refused() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let error = create(&store, None, command(None), BY).await.unwrap_err();
        assert!(matches!(error, CampaignError::NoDirectory));
    }
}
