//! Exemptions, appeals, and accounts that want no more notices.

use crate::{Printer, table};
use anyhow::bail;
use banjia_control::accounts::{self, AccountError, AppealAnswer, NewExemption};
use banjia_store::{Actor, Store};
use chrono::NaiveDate;
use std::process::ExitCode;

/// `banjia border exempt`.
#[derive(Debug, clap::Subcommand)]
pub enum Exempt {
    /// Serve an account until a day, although a rule says otherwise.
    Add {
        /// The account.
        account: String,
        /// The last day (UTC).
        #[arg(long, value_name = "DATE")]
        until: NaiveDate,
        /// Who answers for it.
        #[arg(long)]
        owner: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Its name. Default: the account and the day.
        #[arg(long)]
        id: Option<String>,
    },
    /// End an exemption now.
    End {
        /// Its name.
        id: String,
    },
    /// Every exemption there was.
    List,
}

/// `banjia border unsubscribe`.
#[derive(Debug, clap::Subcommand)]
pub enum Unsubscribe {
    /// Record that an account wants no more notices. Mandatory campaigns notify it anyway.
    Add {
        /// The account.
        account: String,
        /// How and what it said: it is shown beside each notice that is not sent.
        #[arg(long)]
        said: String,
    },
    /// Record that an account wants notices again, from the next step on.
    End {
        /// The account.
        account: String,
    },
    /// Every account that wants no more notices.
    List,
}

/// `banjia border appeal`.
#[derive(Debug, clap::Subcommand)]
pub enum AppealCommand {
    /// Record what an account objects.
    Open {
        /// The account.
        account: String,
        /// What it says.
        said: String,
    },
    /// Answer an appeal. Accepting one changes nothing by itself: add an exemption.
    Answer {
        /// The appeal's number.
        id: i64,
        /// It is accepted.
        #[arg(long, required_unless_present = "denied", conflicts_with = "denied")]
        accepted: bool,
        /// It is denied.
        #[arg(long)]
        denied: bool,
        /// What is answered.
        said: String,
    },
    /// Every appeal, the oldest first.
    List,
}

/// Does what a command says.
///
/// # Errors
/// The database, or a command that cannot be carried out.
pub async fn exempt(store: &Store, what: &Exempt, by: Actor<'_>, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    match what {
        Exempt::Add { account, until, owner, reason, id } => {
            let command = NewExemption { account, until: *until, owner, reason, id: id.as_deref() };
            let exemption = match accounts::exempt(store, command, by).await {
                Err(error @ AccountError::ExemptionTaken(_)) => bail!("{error}; give another --id"),
                exempted => exempted?,
            };
            printer.line(&format!("{account} is exempted until the end of {until} (exemption {}).", exemption.id));
        }
        Exempt::End { id } => {
            accounts::end_exemption(store, id, by).await?;
            printer.line(&format!("The exemption {id} has ended."));
        }
        Exempt::List => {
            let rows: Vec<_> = store
                .exemptions()
                .await?
                .into_iter()
                .map(|e| vec![e.id, e.account.to_string(), e.from.to_string(), e.until.to_string(), e.owner, e.reason])
                .collect();
            printer.line(&table(&["exemption", "account", "from", "until", "owner", "reason"], &rows, printer.width()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what a command says.
///
/// # Errors
/// The database, or a command that cannot be carried out.
pub async fn unsubscribe(
    store: &Store,
    what: &Unsubscribe,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    match what {
        Unsubscribe::Add { account, said } => {
            match accounts::unsubscribe(store, account, said, by).await {
                Err(AccountError::NothingSaid) => bail!("say with --said how and what the account said"),
                done => done?,
            }
            printer.line(&format!("{account} gets no more notices, except those of mandatory campaigns."));
        }
        Unsubscribe::End { account } => {
            accounts::subscribe(store, account, by).await?;
            printer.line(&format!("{account} gets notices again, from the next step on."));
        }
        Unsubscribe::List => {
            let rows: Vec<_> = store
                .unsubscribed()
                .await?
                .into_iter()
                .map(|entry| vec![entry.account.to_string(), entry.at.to_string(), entry.said])
                .collect();
            printer.line(&table(&["account", "since", "said"], &rows, printer.width()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what a command says.
///
/// # Errors
/// The database, or a command that cannot be carried out.
pub async fn appeal(
    store: &Store,
    what: &AppealCommand,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    match what {
        AppealCommand::Open { account, said } => {
            let id = accounts::open_appeal(store, account, said, by).await?;
            printer.line(&format!("Appeal {id} of {account} is recorded."));
        }
        AppealCommand::Answer { id, accepted, said, .. } => {
            let command = AppealAnswer { appeal: *id, is_granted: *accepted, said };
            accounts::answer_appeal(store, command, by).await?;
            let word = if *accepted { "accepted; `banjia border exempt add` serves the account" } else { "denied" };
            printer.line(&format!("Appeal {id} is {word}."));
        }
        AppealCommand::List => {
            let mut rows = Vec::new();
            for appeal in store.appeals().await? {
                let answer = match appeal.answer {
                    None => "open".to_owned(),
                    Some((granted, said, at)) => {
                        format!("{} {at}: {said}", if granted { "accepted" } else { "denied" })
                    }
                };
                let (id, account) = (appeal.id.to_string(), appeal.account.to_string());
                rows.push(vec![id, account, appeal.opened_at.to_string(), appeal.said, answer]);
            }
            printer.line(&table(&["appeal>", "account", "opened", "says", "answer"], &rows, printer.width()));
        }
    }
    Ok(ExitCode::SUCCESS)
}
