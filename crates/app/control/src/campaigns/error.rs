//! Why a use case of a campaign was not carried out.

use crate::mail::MailError;
use crate::policies::PolicyError;
use crate::runner::RunError;
use crate::templates::TemplateError;
use banjia_store::StoreError;

/// Why a use case of a campaign was not carried out. The text is for people.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy of the campaign.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The templates of mails.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The settings of mail.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The notices cannot be sent.
    #[error(transparent)]
    Run(#[from] RunError),
    /// There is no such campaign.
    #[error("there is no campaign {0:?}")]
    Missing(String),
    /// The id of a new campaign is taken.
    #[error("there is a campaign {0:?} already")]
    Taken(String),
    /// A mandatory campaign that names nothing that demands it.
    #[error("say what demands these notices: they go to accounts that want none")]
    NoMandate,
    /// Without a configuration nobody has an address.
    #[error("there is no configuration file, so no account has an address")]
    NoDirectory,
    /// The policy has no date on which it blocks.
    #[error("the policy never blocks: there is nothing to tell")]
    NeverBlocks,
    /// There is no such step.
    #[error("there is no step {0:?}; say T-14, T-7, T-1 or T")]
    NoStep(String),
    /// The account is not among the recipients.
    #[error("the campaign {campaign:?} has no recipient {account:?}")]
    NotRecipient {
        /// The id of the campaign.
        campaign: String,
        /// The id of the account that gets no notices.
        account: String,
    },
    /// The campaign has no recipients at all.
    #[error("the campaign {0:?} has no recipients")]
    NoRecipients(String),
    /// The mail that came back is not a delivery report, or not of a mail that can be identified.
    #[error("this is no report of a mail that did not arrive, or it does not say which mail")]
    NoReport,
    /// No notice was sent under the message id of a bounce.
    #[error("no sent notice has the id {0}")]
    UnknownMail(String),
}
