//! Sends what is due.
//!
//! Rules: one runner works on a database (it holds the file's runner lock); what an earlier one
//! left intended becomes unknown before anything is sent; each notice is intended on the disk, then
//! sent, then settled; a server that does not talk to us, or takes no mail of ours, ends the look
//! with nothing intended; a rate is kept. So whatever is killed wherever, no notice is sent twice.
//! A look is long where the rate is low: who has unsubscribed is looked up just before a mail is
//! intended, and is listed where no mail goes; a campaign that is paused or gets another date or
//! round meanwhile intends nothing more.

use crate::mail::{Conversation, MailError, Mailer};
use crate::templates::{TemplateError, Templates, UnsubscribeLink, Written};
use banjia_border::campaign::{Delivery, NoticeState, Step, due, settle};
use banjia_border::policy::Policy;
use banjia_store::{Campaign, Intent, Notice, NoticeRef, Recipient, RunnerLock, Store, StoreError};
use banjia_types::hash::hash_parts;
use banjia_types::{AccountId, Timestamp};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Maximum time to record the result of a mail.
const SETTLE_WITHIN: Duration = Duration::from_mins(1);
const SETTLE_PAUSE: Duration = Duration::from_secs(1);

/// What one look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Mails that the server took.
    pub sent: u64,
    /// Mails that will be tried again.
    pub later: u64,
    /// Mails that were refused for good.
    pub refused: u64,
    /// Mails whose result nobody knows.
    pub unknown: u64,
    /// Mails that were not sent, because their accounts have unsubscribed.
    pub unsubscribed: u64,
    /// True if the campaign was paused, or got another date or round, while the look ran: the rest
    /// was left.
    pub is_cut_short: bool,
}

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mail server, or a mail.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// A template.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// The step of a campaign that is due, and who is to be told of it now: those whom nobody has told
/// yet, and those whose next attempt has come. None when nothing is due or the campaign rests.
///
/// # Errors
/// The database.
pub async fn waiting(
    store: &Store,
    campaign: &Campaign,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<(Step, Vec<Recipient>)>, StoreError> {
    let Some(step) = due(policy, now).filter(|_| campaign.is_running) else { return Ok(None) };
    let told: HashMap<_, _> = store
        .notices(&campaign.id)
        .await?
        .into_iter()
        .filter(|notice| (notice.round, notice.step) == (campaign.round, step))
        .map(|notice| (notice.account.clone(), notice.is_retry_due(now)))
        .collect();
    let elsewhere = told_elsewhere(store, campaign, policy, step).await?;
    let mut recipients = store.recipients(&campaign.id).await?;
    recipients.retain(|to| {
        told.get(&to.account).map_or_else(|| !elsewhere.contains(&to.account), |is_retry_due| *is_retry_due)
    });
    Ok(Some((step, recipients)))
}

/// The accounts that other campaigns of the policy have notified of this step: a policy and a step
/// tell an account once. Notices from before the step's time are of older dates of the policy, and
/// do not count. Nor does one that the mail server refused, or one of an earlier round than this
/// campaign's: another round is a person's order to tell again.
async fn told_elsewhere(
    store: &Store,
    campaign: &Campaign,
    policy: &Policy,
    step: Step,
) -> Result<HashSet<AccountId>, StoreError> {
    let mut told = HashSet::new();
    let Some(begin) = step.at(policy) else { return Ok(told) };
    let others = store.campaigns().await?.into_iter();
    for other in others.filter(|other| other.policy == campaign.policy && other.id != campaign.id) {
        let of_step = |notice: &Notice| {
            let is_without_mail = matches!(notice.state, NoticeState::Refused | NoticeState::Unsubscribed);
            let is_of_round = notice.round >= campaign.round;
            notice.step == step && is_of_round && notice.changed_at >= begin && !is_without_mail
        };
        told.extend(store.notices(&other.id).await?.into_iter().filter(of_step).map(|notice| notice.account));
    }
    Ok(told)
}

/// Sends notices. One per database.
#[derive(Debug)]
pub struct Runner {
    store: Store,
    mailer: Mailer,
    templates: Templates,
    name: String,
    next: Instant,
    lock: RunnerLock,
}

impl Runner {
    /// Begins. `name` must be new for each process; what others left without an end becomes
    /// unknown.
    ///
    /// # Errors
    /// The database, or another process that sends its notices.
    pub async fn start(
        store: Store,
        mailer: Mailer,
        templates: Templates,
        name: String,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let lock = store.runner_lock()?;
        let orphans = store.orphan_intentions(&name, now).await?;
        if orphans > 0 {
            tracing::warn!(
                notices = orphans,
                "notices of a process that ended are unknown; a person must look at them"
            );
        }
        Ok(Self { store, mailer, templates, name, next: Instant::now(), lock })
    }

    /// Sends what is due of a campaign.
    ///
    /// # Errors
    /// A fault of the database or the mail server, which ends the look; or a notice that could not
    /// be written, after all others were sent. Notices that were sent are settled.
    pub async fn tick(&mut self, campaign: &Campaign, policy: &Policy, now: Timestamp) -> Result<Done, RunError> {
        let mut done = Done::default();
        let Some((step, waiting)) = waiting(&self.store, campaign, policy, now).await? else { return Ok(done) };
        let round = Round { campaign, policy, step, now };
        let (mut conversation, mut unwritten) = (None, None);
        for recipient in waiting {
            let told = match self.tell(round, &recipient, &mut conversation).await {
                Ok(told) => told,
                // One notice that cannot be written must not hold up the others.
                Err(RunError::Template(error)) => {
                    tracing::error!(campaign = campaign.id, account = %recipient.account, %error, "a notice was not written");
                    unwritten.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            match told {
                Notified::Others | Notified::Came(NoticeState::Intended | NoticeState::Bounced) => {}
                Notified::Came(NoticeState::Sent) => done.sent += 1,
                Notified::Came(NoticeState::Retrying) => done.later += 1,
                Notified::Came(NoticeState::Unknown) => done.unknown += 1,
                Notified::Came(NoticeState::Refused) => done.refused += 1,
                Notified::Came(NoticeState::Unsubscribed) => done.unsubscribed += 1,
                Notified::Over => {
                    done.is_cut_short = true;
                    break;
                }
            }
        }
        if let Some(conversation) = conversation {
            conversation.close().await;
        }
        match unwritten {
            Some(error) => Err(error.into()),
            None => Ok(done),
        }
    }

    /// Sends one notice.
    async fn tell(
        &mut self,
        round: Round<'_>,
        to: &Recipient,
        conversation: &mut Option<Conversation>,
    ) -> Result<Notified, RunError> {
        let Round { campaign, policy, step, now } = round;
        let id = message_id(campaign, step, to, self.mailer.domain());
        let which = NoticeRef { campaign: &campaign.id, account: &to.account, round: campaign.round, step };
        if let Some(told) = self.withheld(round, which, &id).await? {
            return Ok(told);
        }
        let written = self.written(round, to)?;
        let (address, bytes) = match self.mailer.compose(&to.email, &id, &written) {
            Ok(made) => made,
            // An address that no mail can go to is an answer and not an end of the campaign.
            Err(error) => return self.refuse(round, which, &id, error.to_string()).await,
        };
        sleep_until(self.next).await;
        let mut open = match conversation.take() {
            Some(open) => open,
            None => self.mailer.connect().await?,
        };
        // Who writes is said before the mail is intended: an answer to that is no receiver's fate.
        let later = open.begin().await?;
        // Asked again: the account may have unsubscribed while the rate was kept and the server was
        // slow.
        let without = match self.withheld(round, which, &id).await? {
            // Another runner could have begun, and would send the same notice.
            None if !self.lock.is_held().await => {
                return Err(StoreError::InUse { path: self.store.path().into() }.into());
            }
            None => Notified::without(self.store.intend(which, policy.version(), &id, &self.name, now).await?),
            withheld => withheld,
        };
        if let Some(told) = without {
            open.close().await;
            return Ok(told);
        }
        self.next = Instant::now() + Duration::from_mins(1) / self.mailer.per_minute_max().max(1);
        let delivery = match later {
            Some(later) => later,
            None => open.send(&address, &bytes).await,
        };
        if delivery == Delivery::Taken {
            *conversation = Some(open);
        }
        let (state, is_ours) = self.settle(which, &delivery, now).await?;
        if !is_ours {
            tracing::error!(campaign = campaign.id, account = %to.account, "a notice was taken over while it was sent");
        }
        Ok(Notified::Came(state))
    }

    /// Records the result of a mail that was sent. A database that cannot be written is tried for a
    /// while: without its result the notice would be unknown, and a person would have to look at
    /// it. Returns the notice's state, and whether it was still ours.
    async fn settle(
        &self,
        which: NoticeRef<'_>,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<(NoticeState, bool), StoreError> {
        let give_up_at = Instant::now() + SETTLE_WITHIN;
        loop {
            let settled = async {
                let attempts = self.store.attempts(which).await?.unwrap_or(1);
                let result = settle(delivery.clone(), attempts, now);
                Ok((result.0, self.store.settle(which, &self.name, result, now).await?))
            };
            match settled.await {
                Err(error) if StoreError::may_pass(&error) && Instant::now() < give_up_at => {
                    tracing::error!(%error, account = %which.account, "the result of a notice cannot be recorded; it is tried again");
                    sleep(SETTLE_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// Lists a notice that is not sent because its account has unsubscribed; none when it has not,
    /// or is told all the same.
    async fn withheld(&self, round: Round<'_>, which: NoticeRef<'_>, id: &str) -> Result<Option<Notified>, StoreError> {
        if round.campaign.mandatory.is_some() {
            return Ok(None);
        }
        let Some(wish) = self.store.unsubscribed_of(which.account).await? else { return Ok(None) };
        let said = format!("unsubscribed {}: {}", wish.at, wish.said);
        let is_ours = self.store.withhold(which, id, &self.name, &said, round.now).await?;
        Ok(Some(if is_ours { Notified::Came(NoticeState::Unsubscribed) } else { Notified::Others }))
    }

    fn written(&self, round: Round<'_>, to: &Recipient) -> Result<Written, TemplateError> {
        let place = self.mailer.unsubscribe(&to.account);
        let wish =
            round.campaign.mandatory.as_deref().map_or(UnsubscribeLink::Heard(&place), UnsubscribeLink::Overruled);
        self.templates.write(round.policy, round.step, to, wish)
    }

    async fn refuse(
        &self,
        round: Round<'_>,
        which: NoticeRef<'_>,
        id: &str,
        said: String,
    ) -> Result<Notified, RunError> {
        let intent = self.store.intend(which, round.policy.version(), id, &self.name, round.now).await?;
        if let Some(told) = Notified::without(intent) {
            return Ok(told);
        }
        self.store.settle(which, &self.name, (NoticeState::Refused, said, None), round.now).await?;
        Ok(Notified::Came(NoticeState::Refused))
    }
}

/// What became of one recipient in a look.
enum Notified {
    /// Its notice came to this.
    Came(NoticeState),
    /// Its notice was not ours to send.
    Others,
    /// The campaign is not what it was when the look began.
    Over,
}

impl Notified {
    /// What an intention comes to that lets no mail go; none when it is ours.
    const fn without(intent: Intent) -> Option<Self> {
        match intent {
            Intent::Ours => None,
            Intent::Others => Some(Self::Others),
            Intent::Over => Some(Self::Over),
        }
    }
}

/// What is sent in one look.
#[derive(Clone, Copy)]
struct Round<'a> {
    campaign: &'a Campaign,
    policy: &'a Policy,
    step: Step,
    now: Timestamp,
}

/// The same for the same notice, for ever: a receiver's server that sees it twice can tell.
fn message_id(campaign: &Campaign, step: Step, to: &Recipient, domain: &str) -> String {
    let round = campaign.round.to_string();
    let parts = [campaign.id.as_str(), to.account.as_str(), &round, step.as_str()].map(str::as_bytes);
    let mirrored = [parts[3], parts[2], parts[1], parts[0]];
    format!("{:016x}{:016x}.notice@{domain}", hash_parts(&parts), hash_parts(&mirrored))
}
