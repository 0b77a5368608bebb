//! `banjia campaign`: who is notified, what was sent, what came back.

use super::database::{AuditedArgs, Database};
use super::{Printer, table};
use crate::clock;
use crate::config::{Config, Loaded};
use crate::lend::contact;
use anyhow::{Context as _, bail};
use banjia_border::affected::Thresholds;
use banjia_border::campaign::Step;
use banjia_control::bounces::{self, Found};
use banjia_control::campaigns::{
    self, BounceRecorded, CampaignCreated, CampaignError, Directory, NewCampaign, Preview, Sent,
};
use banjia_control::{Mailer, Runner, Templates, WebhookDispatcher};
use banjia_store::{Actor, Period, Store};
use banjia_types::{AccountId, Timestamp};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// Interval between two runs with `--watch`.
const POLL_EVERY: Duration = Duration::from_mins(1);

/// Arguments of `banjia campaign`.
pub(super) type Args = AuditedArgs<Command>;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a campaign for the accounts that a policy in force affects. Nothing is sent yet.
    New {
        /// Its name.
        id: String,
        /// The policy.
        #[arg(long)]
        policy: String,
        /// How many days of recorded traffic are judged.
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// At least this share of an account's requests.
        #[arg(long, default_value_t = Thresholds::default().share_min)]
        share: f64,
        /// At least so many requests.
        #[arg(long, default_value_t = Thresholds::default().requests_min)]
        requests: u64,
        /// On at least so many days.
        #[arg(long, default_value_t = Thresholds::default().days_min)]
        on_days: usize,
        /// Notify also the accounts that have unsubscribed, because this demands it: a law, or a section of the contract. Every
        /// mail names it.
        #[arg(long, value_name = "WHY")]
        mandatory: Option<String>,
    },
    /// Send what is due now.
    Run {
        /// Its name. Default: every campaign that is not paused.
        id: Option<String>,
        /// Keep running and send what is due every minute.
        #[arg(long)]
        watch: bool,
        /// Only show who would get a mail now. Nothing is sent or recorded.
        #[arg(long, conflicts_with = "watch")]
        dry_run: bool,
    },
    /// Where every campaign stands, or each notice of one.
    Status {
        /// Its name.
        id: Option<String>,
    },
    /// Show the mail that an account would get. Nothing is sent.
    Preview {
        /// The campaign.
        id: String,
        /// The account. Default: the first one.
        #[arg(long)]
        account: Option<String>,
        /// The step: T-14, T-7, T-1 or T.
        #[arg(long, default_value = "T-14")]
        step: String,
        /// The HTML instead of the text.
        #[arg(long)]
        html: bool,
    },
    /// Pause a campaign: no mails are sent.
    Pause {
        /// Its name.
        id: String,
    },
    /// Resume a paused campaign.
    Resume {
        /// Its name.
        id: String,
    },
    /// Start another round of notices, as after `banjia border redate`.
    Again {
        /// Its name.
        id: String,
    },
    /// Send notices of unknown result again. An account may get a second mail: look at them with `status` first.
    Resend {
        /// Its name.
        id: String,
    },
    /// Record a mail that came back, from standard input, or all that are in a folder.
    Bounce {
        /// A Maildir, or a folder of mails as files. Nothing in it is changed; what was recorded once stays as it is.
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Which of the notified accounts still send requests.
    Callers {
        /// Its name.
        id: String,
        /// Since when: so many days.
        #[arg(long, default_value_t = 7)]
        days: u32,
    },
    /// Every notice as JSON, one a line.
    Export {
        /// Its name.
        id: String,
    },
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let now = clock::now();
    let by = args.by.at(now);
    let loaded = args.database.loaded()?;
    args.database.with(async |store| {
        match &args.command {
            Command::New { id, policy, days, share, requests, on_days, mandatory } => {
                let thresholds = Thresholds { share_min: *share, requests_min: *requests, days_min: *on_days };
                let traffic = Period { from: now - DAY * *days, to: now };
                let command = NewCampaign { id, policy, mandatory: mandatory.as_deref(), traffic, thresholds };
                new(&store, loaded.as_ref(), command, by, printer).await?;
            }
            Command::Run { id, dry_run: true, .. } => dry_run(&store, id.as_deref(), now, printer).await?,
            Command::Run { id, watch, .. } => {
                send(&store, with_secrets(&args.database)?, id.as_deref(), *watch, printer).await?;
            }
            Command::Status { id: None } => status(&store, printer).await?,
            Command::Status { id: Some(id) } => notices(&store, id, printer).await?,
            Command::Preview { id, account, step, html } => {
                let written = preview(&store, loaded.as_ref(), (id, account.as_deref(), step)).await?;
                printer.line(&format!("Subject: {}\n", written.subject));
                printer.line(if *html { &written.html } else { &written.text });
            }
            Command::Pause { id } => {
                campaigns::set_running(&store, id, false, by).await?;
                printer.line(&format!("{id} paused."));
            }
            Command::Resume { id } => {
                campaigns::set_running(&store, id, true, by).await?;
                printer.line(&format!("{id} resumed."));
            }
            Command::Again { id } => {
                let round = campaigns::start_round(&store, id, by).await?;
                printer.line(&format!("{id}: started round {round}."));
            }
            Command::Resend { id } => {
                let count = campaigns::resend_unknown(&store, id, by).await?;
                printer.line(&format!("{count} notices of unknown result will be sent again at the next run."));
            }
            Command::Bounce { folder: None } => bounce(&store, now, printer).await?,
            Command::Bounce { folder: Some(folder) } => bounces_in(&store, folder, now, printer).await?,
            Command::Callers { id, days } => {
                callers(&store, id, Period { from: now - DAY * *days, to: now }, printer).await?;
            }
            Command::Export { id } => export(&store, id, printer).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The configuration with its secrets, for sending.
fn with_secrets(database: &Database) -> anyhow::Result<Config> {
    match database.loaded_with_secrets()? {
        Some(loaded) => Ok(loaded.config),
        None => bail!("there is no configuration file; mails need [mail] with host and from"),
    }
}

async fn new(
    store: &Store,
    loaded: Option<&Loaded>,
    command: NewCampaign<'_>,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let record = |id: &AccountId| loaded.and_then(|loaded| loaded.snapshot.account(id));
    let contact = |id: &AccountId| loaded.and_then(|loaded| contact(&loaded.config.gateway.accounts, id));
    let directory = loaded.map(|_| Directory { record: &record, contact: &contact });
    let created = match campaigns::create(store, directory, command, by).await {
        Err(CampaignError::NoMandate) => {
            bail!("say with --mandatory what demands these notices: they go to accounts that want none")
        }
        created => created?,
    };
    let CampaignCreated { policy, audience, unsubscribed } = created;
    if !audience.without_address.is_empty() {
        printer.note(&format!("affected and without an address: {}", joined(&audience.without_address)));
    }
    printer.line(&format!(
        "{}: {} accounts will be notified of {}.",
        command.id,
        audience.recipients.len(),
        policy.label()
    ));
    for step in Step::ALL {
        let at = step.at(&policy).map_or_else(String::new, |at| banjia_types::calendar::show(at, policy.zone()));
        printer.line(&format!("  {step:<5} {at}"));
    }
    if !unsubscribed.is_empty() {
        let what = if command.mandatory.is_some() { "notified anyway (mandatory)" } else { "not notified" };
        printer.note(&format!("unsubscribed, {what}: {}", joined(&unsubscribed)));
    }
    printer.line("`banjia campaign preview` shows a mail; `banjia campaign run` sends what is due.");
    Ok(())
}

fn joined(accounts: &[AccountId]) -> String {
    accounts.iter().map(AccountId::as_str).collect::<Vec<_>>().join(", ")
}

async fn send(
    store: &Store,
    config: Config,
    id: Option<&str>,
    watch: bool,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let templates = Templates::new(&config.campaigns.operator, config.campaigns.templates.as_deref())?;
    let mut dispatcher = WebhookDispatcher::new(store.clone(), &config.webhooks)?;
    let mail = config.mail.context("mails need [mail] with host and from in the configuration")?;
    campaigns::select(store, id).await?;
    let began = clock::now();
    let name = format!("process {} of {began}", std::process::id());
    let mut runner = Runner::start(store.clone(), Mailer::new(mail)?, templates, name, began).await?;
    loop {
        let mut failed = None;
        for campaign in campaigns::select(store, id).await? {
            let id = &campaign.id;
            let Sent { done, step } = match campaigns::send_due(store, &mut runner, &campaign, clock::now()).await {
                Ok(sent) => sent,
                // Nothing is lost: what was not intended is still due. The other campaigns do not
                // wait for this one.
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    let next = if watch { "; the next run is in a minute" } else { "" };
                    printer.note(&format!("{id}: {error:#}{next}"));
                    failed.get_or_insert(error);
                    continue;
                }
            };
            printer.line(&format!(
                "{id} {}: {} sent, {} later, {} refused, {} unknown, {} unsubscribed",
                step.map_or("nothing is due yet", Step::as_str),
                done.sent,
                done.later,
                done.refused,
                done.unknown,
                done.unsubscribed
            ));
            if done.is_cut_short {
                printer
                    .note(&format!("{id} was paused, or got another date or round, meanwhile; the rest was not sent"));
            }
        }
        dispatcher.tick(clock::now()).await?;
        match failed {
            Some(error) if !watch => return Err(error),
            None if !watch => return Ok(()),
            _ => {}
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// Prints what `run` would send now.
async fn dry_run(store: &Store, id: Option<&str>, now: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for notice in campaigns::due_notices(store, id, now).await? {
        let said = notice.unsubscribed.map(|entry| format!("unsubscribed: {}", entry.said));
        let what = said.unwrap_or_else(|| "would be sent".to_owned());
        rows.push(vec![notice.campaign, notice.step.to_string(), notice.to.account.to_string(), notice.to.email, what]);
    }
    printer.line(&table(&["campaign", "step", "account", "to", "mail"], &rows, printer.width()));
    printer.line(&format!("{} notices are due now. Nothing was sent.", rows.len()));
    Ok(())
}

async fn status(store: &Store, printer: &mut Printer) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for status in campaigns::status(store).await? {
        let counts: Vec<_> =
            status.notices.iter().map(|(state, count)| format!("{count} {}", state.as_str())).collect();
        let campaign = status.campaign;
        rows.push(vec![
            campaign.id,
            campaign.policy,
            campaign.round.to_string(),
            if campaign.is_running { "running" } else { "paused" }.to_owned(),
            campaign.mandatory.unwrap_or_default(),
            status.recipients.to_string(),
            counts.join(", "),
        ]);
    }
    let header = ["campaign", "policy", "round>", "is", "mandatory by", "accounts>", "notices"];
    printer.line(&table(&header, &rows, printer.width()));
    Ok(())
}

async fn notices(store: &Store, id: &str, printer: &mut Printer) -> anyhow::Result<()> {
    let row = |notice: banjia_store::Notice| {
        vec![
            notice.account.to_string(),
            notice.round.to_string(),
            notice.step.to_string(),
            notice.state.as_str().to_owned(),
            notice.attempts.to_string(),
            notice.changed_at.to_string(),
            notice.said,
        ]
    };
    let notices = campaigns::notices(store, id).await?;
    let rows: Vec<_> = notices.into_iter().map(|(notice, _)| row(notice)).collect();
    let header = ["account", "round>", "step", "is", "attempts>", "since", "the server said"];
    printer.line(&table(&header, &rows, printer.width()));
    Ok(())
}

async fn preview(
    store: &Store,
    loaded: Option<&Loaded>,
    (id, account, step): (&str, Option<&str>, &str),
) -> anyhow::Result<banjia_control::templates::Written> {
    let defaults = Config::default();
    let config = loaded.map_or(&defaults, |loaded| &loaded.config);
    let command = Preview {
        id,
        account,
        step,
        operator: &config.campaigns.operator,
        templates: config.campaigns.templates.as_deref(),
        mail: config.mail.as_ref(),
    };
    Ok(campaigns::preview(store, command).await?)
}

async fn bounce(store: &Store, now: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
    let mut mail = Vec::new();
    let input = std::io::stdin().lock();
    input.take(bounces::REPORT_BYTES_MAX).read_to_end(&mut mail).context("reading the mail from standard input")?;
    printer.line(&match campaigns::record_bounce(store, &mail, now).await? {
        BounceRecorded::Delayed(bounce) => format!("A delay only ({}); nothing is recorded.", bounce.said),
        BounceRecorded::Failed(bounce) => format!("Recorded: {} came back ({}).", bounce.message_id, bounce.said),
    });
    Ok(())
}

async fn bounces_in(store: &Store, folder: &Path, now: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
    let Found { recorded, known, delays, others } = bounces::record_folder(store, folder, now).await?;
    printer.line(&format!(
        "{recorded} mails came back and were recorded; {known} were known or are not ours, {delays} are delays only, {others} are no reports."
    ));
    Ok(())
}

async fn callers(store: &Store, id: &str, period: Period, printer: &mut Printer) -> anyhow::Result<()> {
    let callers = campaigns::callers(store, id, period).await?;
    let rows: Vec<_> = callers
        .traffic
        .iter()
        .map(|(account, sum)| {
            vec![account.to_string(), sum.requests.to_string(), sum.refused.to_string(), sum.last.to_string()]
        })
        .collect();
    printer.line(&table(&["account", "requests>", "refused>", "last"], &rows, printer.width()));
    printer.line(&format!("{} of {} recipients still call.", rows.len(), callers.recipients));
    Ok(())
}

async fn export(store: &Store, id: &str, printer: &mut Printer) -> anyhow::Result<()> {
    for (notice, to) in campaigns::notices(store, id).await? {
        let line = serde_json::json!({
            "account": notice.account, "email": to.map(|to| to.email), "round": notice.round, "step": notice.step,
            "state": notice.state, "attempts": notice.attempts, "message_id": notice.message_id,
            "at": notice.changed_at.to_string(), "said": notice.said,
        });
        printer.line(&line.to_string());
    }
    Ok(())
}
