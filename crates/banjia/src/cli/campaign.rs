//! `banjia campaign`: who is told, what was sent, what came back.

use super::database::Database;
use super::{Printer, table};
use crate::border;
use crate::campaign::audience;
use crate::clock;
use crate::config::{Config, Loaded};
use anyhow::{Context as _, bail};
use banjia_border::affected::{Inquiry, Thresholds, affected};
use banjia_border::campaign::{NoticeState, Step, due};
use banjia_border::policy::Policy;
use banjia_control::bounces::{self, Found};
use banjia_control::runner::waiting;
use banjia_control::templates::UnsubscribeLink;
use banjia_control::{Mailer, Runner, SmtpConfig, Templates, WebhookDispatcher};
use banjia_store::{Actor, Campaign, Period, Store};
use banjia_types::Timestamp;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// How often `run --watch` looks.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Arguments of `banjia campaign`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    database: Database,
    /// Who does it, for the audit.
    #[arg(long, global = true, env = "USER", default_value = "unknown", value_name = "NAME")]
    by: String,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a campaign for those whom a policy in force affects. Nothing is sent yet.
    New {
        /// Its name.
        id: String,
        /// The policy.
        #[arg(long)]
        policy: String,
        /// How many days of recorded traffic are looked at.
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
        /// Tell those as well who have unsubscribed, because this demands it: a law, or a section of the contract. Every mail
        /// names it.
        #[arg(long, value_name = "WHY")]
        mandatory: Option<String>,
    },
    /// Send what is due now.
    Run {
        /// Its name; all that run when not said.
        id: Option<String>,
        /// Stay, and look every minute.
        #[arg(long)]
        watch: bool,
        /// Only say who would get a mail now. Nothing is sent or written down.
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
        /// The account; the first when not said.
        #[arg(long)]
        account: Option<String>,
        /// The step: T-14, T-7, T-1 or T.
        #[arg(long, default_value = "T-14")]
        step: String,
        /// The HTML instead of the text.
        #[arg(long)]
        html: bool,
    },
    /// Hold mails back.
    Pause {
        /// Its name.
        id: String,
    },
    /// Let mails go out again.
    Resume {
        /// Its name.
        id: String,
    },
    /// Begin another round of notices, as after `banjia border redate`.
    Again {
        /// Its name.
        id: String,
    },
    /// Send notices again whose result nobody knows. Somebody may get a second mail: look at them first.
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
    /// Who of those that were told still calls.
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
    let by = Actor { actor: &args.by, at: now };
    let loaded = args.database.loaded()?;
    args.database.with(async |store| {
        match &args.command {
            Command::New { id, policy, days, share, requests, on_days, mandatory } => {
                let thresholds = Thresholds { share_min: *share, requests_min: *requests, days_min: *on_days };
                let since = Period { from: now - DAY * *days, to: now };
                let made = New { id, policy, mandatory: mandatory.as_deref(), since, thresholds };
                new(&store, loaded.as_ref(), made, by, printer).await?;
            }
            Command::Run { id, dry_run: true, .. } => dry_run(&store, id.as_deref(), now, printer).await?,
            Command::Run { id, watch, .. } => {
                send(&store, with_secrets(&args.database)?, id.as_deref(), *watch, printer).await?;
            }
            Command::Status { id: None } => status(&store, printer).await?,
            Command::Status { id: Some(id) } => notices(&store, id, printer).await?,
            Command::Preview { id, account, step, html } => {
                let written = preview(&store, loaded.as_ref(), id, account.as_deref(), step).await?;
                printer.line(&format!("Subject: {}\n", written.subject));
                printer.line(if *html { &written.html } else { &written.text });
            }
            Command::Pause { id } => changed(id, store.set_campaign(id, false, by).await?, "rests", printer)?,
            Command::Resume { id } => changed(id, store.set_campaign(id, true, by).await?, "runs", printer)?,
            Command::Again { id } => changed(id, store.next_round(id, by).await?, "begins another round", printer)?,
            Command::Resend { id } => {
                named(&store, id).await?;
                let count = store.resend_unknown(id, by).await?;
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

async fn named(store: &Store, id: &str) -> anyhow::Result<Campaign> {
    let found = store.campaigns().await?.into_iter().find(|campaign| campaign.id == id);
    found.with_context(|| format!("there is no campaign {id:?}"))
}

async fn policy_of(store: &Store, id: &str) -> anyhow::Result<Policy> {
    let rows = store.policies_in_force().await?;
    let row =
        rows.iter().find(|row| row.id == id).with_context(|| format!("no version of a policy {id:?} is in force"))?;
    border::policy(row)
}

fn changed(id: &str, is_done: bool, what: &str, printer: &mut Printer) -> anyhow::Result<()> {
    if !is_done {
        bail!("there is no campaign {id:?}");
    }
    printer.line(&format!("{id} {what}."));
    Ok(())
}

/// The campaign that is wanted.
struct New<'a> {
    id: &'a str,
    policy: &'a str,
    mandatory: Option<&'a str>,
    since: Period,
    thresholds: Thresholds,
}

async fn new(
    store: &Store,
    loaded: Option<&Loaded>,
    New { id, policy, mandatory, since, thresholds }: New<'_>,
    by: Actor<'_>,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    if mandatory.is_some_and(|why| why.trim().is_empty()) {
        bail!("say with --mandatory what demands these notices: they go to accounts that want none");
    }
    let Some(loaded) = loaded else { bail!("there is no configuration file, so no account has an address") };
    let policy = policy_of(store, policy).await?;
    let Some(at) = policy.phases().block else { bail!("the policy never blocks: there is nothing to tell") };
    let granted = store.exemptions().await?;
    let seen = super::border::seen(store.traffic(since).await?);
    let found = affected(Inquiry { policy: &policy, granted: &granted, at }, &seen, &|id| loaded.snapshot.account(id));
    let audience = audience(&found, &thresholds, &loaded.config.gateway.accounts);
    if !audience.without_address.is_empty() {
        printer.note(&format!("affected and without an address: {}", audience.without_address.join(", ")));
    }
    if !store.create_campaign(id, policy.id(), mandatory, &audience.recipients, by).await? {
        bail!("there is a campaign {id:?} already");
    }
    printer.line(&format!("{id}: {} accounts will be told of {}.", audience.recipients.len(), policy.label()));
    for step in Step::ALL {
        let at = step.at(&policy).map_or_else(String::new, |at| banjia_types::calendar::show(at, policy.zone()));
        printer.line(&format!("  {step:<5} {at}"));
    }
    let wishes = store.unsubscribed().await?;
    let mut silent =
        wishes.iter().filter(|wish| audience.recipients.iter().any(|to| to.account == wish.account)).peekable();
    if silent.peek().is_some() {
        let names: Vec<_> = silent.map(|wish| wish.account.as_str()).collect();
        let what = if mandatory.is_some() { "are told all the same" } else { "get no mail, and are listed as such" };
        printer.note(&format!("have unsubscribed, and {what}: {}", names.join(", ")));
    }
    printer.line("`banjia campaign preview` shows a mail; `banjia campaign run` sends what is due.");
    Ok(())
}

fn templates(config: &Config) -> anyhow::Result<Templates> {
    Ok(Templates::new(&config.campaigns.operator, config.campaigns.templates.as_deref())?)
}

async fn send(
    store: &Store,
    config: Config,
    id: Option<&str>,
    watch: bool,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let templates = templates(&config)?;
    let mut courier = WebhookDispatcher::new(store.clone(), &config.webhooks)?;
    let mail = config.mail.context("mails need [mail] with host and from in the configuration")?;
    if let Some(id) = id {
        named(store, id).await?;
    }
    let began = clock::now();
    let name = format!("process {} of {began}", std::process::id());
    let mut runner = Runner::start(store.clone(), Mailer::new(mail)?, templates, name, began).await?;
    loop {
        let mut failed = None;
        for campaign in store.campaigns().await?.iter().filter(|campaign| id.is_none_or(|id| campaign.id == id)) {
            let now = clock::now();
            let looked = async {
                let policy = policy_of(store, &campaign.policy).await?;
                Ok::<_, anyhow::Error>((runner.tick(campaign, &policy, now).await?, policy))
            };
            let (done, policy) = match looked.await {
                Ok(looked) => looked,
                // Nothing is lost: what was not intended is still due. The other campaigns do not
                // wait for this one.
                Err(error) => {
                    let next = if watch { "; the next look is in a minute" } else { "" };
                    printer.note(&format!("{}: {error:#}{next}", campaign.id));
                    failed.get_or_insert(error);
                    continue;
                }
            };
            let step = due(&policy, now).map_or("nothing is due yet", Step::as_str);
            printer.line(&format!(
                "{} {step}: {} sent, {} later, {} refused, {} unknown, {} unsubscribed",
                campaign.id, done.sent, done.later, done.refused, done.unknown, done.unsubscribed
            ));
            if done.is_cut_short {
                let id = &campaign.id;
                printer.note(&format!("{id} was paused, or got another date or round, meanwhile; the rest was left"));
            }
        }
        courier.tick(clock::now()).await?;
        match failed {
            Some(error) if !watch => return Err(error),
            None if !watch => return Ok(()),
            _ => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whom `run` would tell now.
async fn dry_run(store: &Store, id: Option<&str>, now: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
    if let Some(id) = id {
        named(store, id).await?;
    }
    let mut rows = Vec::new();
    for campaign in store.campaigns().await?.iter().filter(|campaign| id.is_none_or(|id| campaign.id == id)) {
        let policy = policy_of(store, &campaign.policy).await?;
        let Some((step, waiting)) = waiting(store, campaign, &policy, now).await? else { continue };
        for to in waiting {
            let wish = store.unsubscribed_of(&to.account).await?.filter(|_| campaign.mandatory.is_none());
            let what = wish.map_or_else(|| "would be sent".to_owned(), |wish| format!("unsubscribed: {}", wish.said));
            rows.push(vec![campaign.id.clone(), step.to_string(), to.account.to_string(), to.email, what]);
        }
    }
    printer.line(&table(&["campaign", "step", "account", "to", "mail"], &rows, printer.width()));
    printer.line(&format!("{} notices are due now. Nothing was sent.", rows.len()));
    Ok(())
}

async fn status(store: &Store, printer: &mut Printer) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for campaign in store.campaigns().await? {
        let mut counts: BTreeMap<NoticeState, u64> = BTreeMap::new();
        for notice in store.notices(&campaign.id).await? {
            *counts.entry(notice.state).or_default() += 1;
        }
        let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {}", state.as_str())).collect();
        rows.push(vec![
            campaign.id.clone(),
            campaign.policy.clone(),
            campaign.round.to_string(),
            if campaign.is_running { "runs" } else { "rests" }.to_owned(),
            campaign.mandatory.unwrap_or_default(),
            store.recipients(&campaign.id).await?.len().to_string(),
            counts.join(", "),
        ]);
    }
    let header = ["campaign", "policy", "round>", "is", "mandatory by", "accounts>", "notices"];
    printer.line(&table(&header, &rows, printer.width()));
    Ok(())
}

async fn notices(store: &Store, id: &str, printer: &mut Printer) -> anyhow::Result<()> {
    named(store, id).await?;
    let rows: Vec<_> = store
        .notices(id)
        .await?
        .into_iter()
        .map(|notice| {
            vec![
                notice.account.to_string(),
                notice.round.to_string(),
                notice.step.to_string(),
                notice.state.as_str().to_owned(),
                notice.attempts.to_string(),
                notice.changed_at.to_string(),
                notice.said,
            ]
        })
        .collect();
    let header = ["account", "round>", "step", "is", "attempts>", "since", "the server said"];
    printer.line(&table(&header, &rows, printer.width()));
    Ok(())
}

async fn preview(
    store: &Store,
    loaded: Option<&Loaded>,
    id: &str,
    account: Option<&str>,
    step: &str,
) -> anyhow::Result<banjia_control::templates::Written> {
    let campaign = named(store, id).await?;
    let Some(step) = Step::named(step) else { bail!("there is no step {step:?}; say T-14, T-7, T-1 or T") };
    let recipients = store.recipients(id).await?;
    let to = recipients.iter().find(|to| account.is_none_or(|account| to.account.as_str() == account));
    let to = to.with_context(|| format!("{id} tells no such account"))?;
    let defaults = Config::default();
    let config = loaded.map_or(&defaults, |loaded| &loaded.config);
    let place = match &config.mail {
        // Nothing is signed or sent here, so neither keys nor authorities are needed.
        Some(mail) => Mailer::new(SmtpConfig { dkim: None, roots: None, ..mail.clone() })?.unsubscribe(&to.account),
        None => "(mail.unsubscribe, or the address of [mail])".to_owned(),
    };
    let wish = campaign.mandatory.as_deref().map_or(UnsubscribeLink::Heard(&place), UnsubscribeLink::Overruled);
    Ok(templates(config)?.write(&policy_of(store, &campaign.policy).await?, step, to, wish)?)
}

async fn bounce(store: &Store, now: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
    let mut mail = Vec::new();
    let input = std::io::stdin().lock();
    input.take(bounces::REPORT_BYTES_MAX).read_to_end(&mut mail).context("reading the mail from standard input")?;
    let Some(bounce) = bounces::read(&mail) else {
        bail!("this is no report of a mail that did not arrive, or it does not say which mail");
    };
    if !bounce.is_permanent {
        printer.line(&format!("A delay only ({}); nothing is recorded.", bounce.said));
        return Ok(());
    }
    if !store.bounce(&bounce.message_id, &bounce.said, now).await? {
        bail!("no sent notice has the id {}", bounce.message_id);
    }
    printer.line(&format!("Recorded: {} came back ({}).", bounce.message_id, bounce.said));
    Ok(())
}

async fn bounces_in(store: &Store, folder: &Path, now: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
    let Found { recorded, known, delays, others } = bounces::record_folder(store, folder, now).await?;
    printer.line(&format!(
        "{recorded} mails came back and were recorded; {known} were known or are not ours, {delays} are delays only, {others} are no reports."
    ));
    Ok(())
}

async fn callers(store: &Store, id: &str, since: Period, printer: &mut Printer) -> anyhow::Result<()> {
    named(store, id).await?;
    let told: Vec<_> = store.recipients(id).await?.into_iter().map(|to| to.account).collect();
    let mut last: BTreeMap<_, (u64, u64, Timestamp)> = BTreeMap::new();
    for row in store.traffic(since).await? {
        let Some(account) = row.account.filter(|account| told.contains(account)) else { continue };
        let line = last.entry(account).or_insert((0, 0, row.last));
        *line = (line.0 + row.requests, line.1 + row.refused, line.2.max(row.last));
    }
    let rows: Vec<_> = last
        .iter()
        .map(|(account, (requests, refused, at))| {
            vec![account.to_string(), requests.to_string(), refused.to_string(), at.to_string()]
        })
        .collect();
    printer.line(&table(&["account", "requests>", "refused>", "last"], &rows, printer.width()));
    printer.line(&format!("{} of {} that were told still call.", rows.len(), told.len()));
    Ok(())
}

async fn export(store: &Store, id: &str, printer: &mut Printer) -> anyhow::Result<()> {
    named(store, id).await?;
    let recipients = store.recipients(id).await?;
    for notice in store.notices(id).await? {
        let to = recipients.iter().find(|to| to.account == notice.account);
        let line = serde_json::json!({
            "account": notice.account, "email": to.map(|to| &to.email), "round": notice.round, "step": notice.step,
            "state": notice.state, "attempts": notice.attempts, "message_id": notice.message_id,
            "at": notice.changed_at.to_string(), "said": notice.said,
        });
        printer.line(&line.to_string());
    }
    Ok(())
}
