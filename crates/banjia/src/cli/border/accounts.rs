//! Exemptions, appeals, and accounts that want no more notices.

use super::super::{Printer, table};
use anyhow::{Context as _, bail};
use banjia_border::policy::Exemption;
use banjia_store::{Actor, Changed, Store};
use banjia_types::Timestamp;
use chrono::NaiveDate;
use std::process::ExitCode;

/// `banjia border exempt`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Exempt {
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
        /// Its name; made from the account and the day when not said.
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
pub(super) enum Unsubscribe {
    /// Record that an account wants no more notices. A campaign that is mandatory tells it all the same.
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
pub(super) enum AppealCommand {
    /// Record what an account objects.
    Open {
        /// The account.
        account: String,
        /// What it says.
        said: String,
    },
    /// Answer an appeal. Granting one changes nothing by itself: add an exemption.
    Answer {
        /// The appeal's number.
        id: i64,
        /// Whether it is granted.
        #[arg(long)]
        granted: bool,
        /// What is answered.
        said: String,
    },
    /// Every appeal, the oldest first.
    List,
}

pub(super) async fn exempt(
    store: &Store,
    what: &Exempt,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    match what {
        Exempt::Add { account, until, owner, reason, id } => {
            let end = until.succ_opt().and_then(|day| day.and_hms_opt(0, 0, 0)).context("there is no such day")?;
            let exemption = Exemption {
                id: id.clone().unwrap_or_else(|| format!("{account}-{until}")),
                account: account.as_str().into(),
                owner: owner.clone(),
                reason: reason.clone(),
                from: by.at,
                until: Timestamp::from(end.and_utc()),
            };
            if exemption.until <= exemption.from {
                bail!("{until} is over");
            }
            if owner.trim().is_empty() || reason.trim().is_empty() {
                bail!("an exemption needs an owner and a reason");
            }
            if store.grant_exemption(&exemption, by).await? == Changed::Already {
                bail!("there is an exemption {:?} already; give another --id", exemption.id);
            }
            printer.line(&format!("{account} is exempted until the end of {until} (exemption {}).", exemption.id));
        }
        Exempt::End { id } => {
            if store.end_exemption(id, by).await? == Changed::Missing {
                bail!("no exemption {id:?} is in force");
            }
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

pub(super) async fn unsubscribe(
    store: &Store,
    what: &Unsubscribe,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    match what {
        Unsubscribe::Add { account, said } => {
            if said.trim().is_empty() {
                bail!("say with --said how and what the account said");
            }
            if store.unsubscribe(&account.as_str().into(), said, by).await? == Changed::Already {
                bail!("{account} has unsubscribed already");
            }
            printer.line(&format!("{account} gets no more notices, but those of campaigns that are mandatory."));
        }
        Unsubscribe::End { account } => {
            if store.subscribe(&account.as_str().into(), by).await? == Changed::Missing {
                bail!("{account} has not unsubscribed");
            }
            printer.line(&format!("{account} gets notices again, from the next step on."));
        }
        Unsubscribe::List => {
            let rows: Vec<_> = store
                .unsubscribed()
                .await?
                .into_iter()
                .map(|wish| vec![wish.account.to_string(), wish.at.to_string(), wish.said])
                .collect();
            printer.line(&table(&["account", "since", "said"], &rows, printer.width()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn appeal(
    store: &Store,
    what: &AppealCommand,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    match what {
        AppealCommand::Open { account, said } => {
            let id = store.open_appeal(&account.as_str().into(), said, by).await?;
            printer.line(&format!("Appeal {id} of {account} is recorded."));
        }
        AppealCommand::Answer { id, granted, said } => {
            if store.answer_appeal(*id, *granted, said, by).await? == Changed::Missing {
                bail!("there is no open appeal {id}");
            }
            let word = if *granted { "granted; `banjia border exempt add` serves the account" } else { "denied" };
            printer.line(&format!("Appeal {id} is {word}."));
        }
        AppealCommand::List => {
            let mut rows = Vec::new();
            for appeal in store.appeals().await? {
                let answer = match appeal.answer {
                    None => "open".to_owned(),
                    Some((granted, said, at)) => {
                        format!("{} {at}: {said}", if granted { "granted" } else { "denied" })
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
