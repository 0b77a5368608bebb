//! `banjia demo border`: a provider closes a border, from the first look at its traffic to the day and the audit.
//!
//! Rules: needs no configuration, key, service or network; the days are those of 2024, on a clock that is put ahead; what is
//! shown is what the gateway, the mail server and the audit really did, and a demo in which one of them did something else
//! fails.

mod cast;
mod play;

use crate::cli::{Printer, table};
use crate::lend::contact;
use anyhow::Context as _;
use banjia_border::affected::{Inquiry, Thresholds, affected, is_evidence};
use banjia_border::policy::Policy;
use banjia_border::registry::{diff, embedded, find};
use banjia_control::audit;
use banjia_control::campaigns::audience;
use banjia_control::policies;
use banjia_control::sink::Sink;
use banjia_control::{Mailer, Runner, Templates};
use banjia_store::{Actor, Period};
use banjia_types::Timestamp;
use banjia_types::calendar;
use cast::{ACCOUNTS, Account};
use play::{Answer, Stage};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const POLICY: &str = include_str!("../../../core/border/policies/openai-2024.toml");
/// Days of traffic before the notice, and requests of each account on each of them.
const DAYS: u32 = 14;
const A_DAY: usize = 3;

/// Plays the story; true when everything was as it must be.
pub(crate) async fn run(printer: &mut Printer) -> anyhow::Result<bool> {
    let policy = Policy::parse(POLICY, embedded()).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let day = |text: &str| {
        calendar::read(text).map(|local| calendar::moment(local, policy.zone())).map_err(anyhow::Error::msg)
    };
    let stage = Stage::build().await?;
    let mut story = Story { stage, policy: policy.clone(), wrong: Vec::new() };
    story.opening(printer);
    story.traffic(day("2024-06-10")?, printer).await?;
    story.list_and_dry_run(day("2024-06-24T18:00")?, printer).await?;
    let sink = Sink::start().await.context("starting the mail server")?;
    let mut runner = story.announce(day("2024-06-24T19:00")?, &sink, printer).await?;
    let mut seen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (text, step) in [
        ("2024-06-25T10:00", "T-14"),
        ("2024-07-02T10:30", "T-7"),
        ("2024-07-07T12:00", "brownout"),
        ("2024-07-08T10:00", "T-1"),
        ("2024-07-09T00:00", "T"),
    ] {
        story.one_day(day(text)?, text, step, &mut runner, &mut seen).await?;
    }
    story.show_days(&seen, &sink, printer);
    story.forged(printer).await?;
    story.audit(printer).await?;
    drop(runner);
    let Story { stage, wrong, .. } = story;
    stage.strike().await?;
    for line in &wrong {
        printer.line(&format!("NOT AS IT MUST BE: {line}"));
    }
    printer.line(if wrong.is_empty() { "Everything was as it must be." } else { "The demo failed." });
    Ok(wrong.is_empty())
}

struct Story {
    stage: Stage,
    policy: Policy,
    wrong: Vec<String>,
}

impl Story {
    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    #[expect(clippy::unused_self, reason = "each part of the story is told by the same teller")]
    fn opening(&self, printer: &mut Printer) {
        printer.line(&format!(
            "A provider of an API with {} accounts closes its border as in the summer of 2024. The clock is a simulated one, the\n\
             vendor a sandbox, the mail server a real SMTP server on this machine that keeps what it gets.\n",
            ACCOUNTS.len()
        ));
    }

    async fn traffic(&mut self, from: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
        let mut served = 0;
        for n in 0..DAYS {
            self.stage.clock.set(from + std::time::Duration::from_hours(24) * n);
            for account in &ACCOUNTS {
                for request in 0..A_DAY {
                    let answer = self.stage.ask(account, account.address_of(n as usize * A_DAY + request)).await?;
                    served += usize::from(answer.status == 200);
                }
            }
        }
        let all = DAYS as usize * A_DAY * ACCOUNTS.len();
        self.must(served == all, || format!("{served} of {all} requests were served before the notice"));
        printer.line(&format!(
            "1. {DAYS} days of traffic: {served} of {all} requests served; where each came from is in the ledger.\n"
        ));
        Ok(())
    }

    async fn list_and_dry_run(&mut self, at: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
        self.stage.clock.set(at);
        self.stage.running.flush().await?;
        let list = |id| find(embedded(), id).cloned().with_context(|| format!("the list {id} is not built in"));
        let diff = diff(&*list("openai-2023")?, &*list("openai-2024")?);
        printer.line(&format!(
            "2. The list of 2024: {} places more than in 2023 and {} fewer; Hong Kong, Macao and the mainland are not on it, \
             Taiwan is.\n",
            diff.added.len(),
            diff.removed.len()
        ));
        let found = self.affected().await?;
        let rows: Vec<_> = found
            .iter()
            .map(|entry| {
                let id = entry.account.as_ref().map_or("-", |id| id.as_str());
                let what = if is_evidence(entry, &Thresholds::default()) { "affected" } else { "too little" };
                let rules = entry.rules.iter().cloned().collect::<Vec<_>>().join(", ");
                vec![
                    id.to_owned(),
                    format!("{} of {}", entry.refused, entry.requests),
                    entry.days.to_string(),
                    rules,
                    what.to_owned(),
                ]
            })
            .collect();
        printer.line("3. The dry run: what the policy would have refused of that traffic.");
        printer.line(&table(&["account", "requests>", "days>", "rules", "is"], &rows, printer.width()));
        printer.line("");
        let told: Vec<_> = found
            .iter()
            .filter(|entry| is_evidence(entry, &Thresholds::default()))
            .filter_map(|entry| entry.account.as_ref().map(ToString::to_string))
            .collect();
        for account in &ACCOUNTS {
            let is_told = told.iter().any(|id| id == account.id);
            self.must(is_told == account.is_affected, || format!("{} is affected: {is_told}", account.id));
        }
        Ok(())
    }

    async fn affected(&self) -> anyhow::Result<Vec<banjia_border::affected::Affected>> {
        let seen = policies::seen(self.stage.running.store.traffic(Period::ALWAYS).await?);
        let at = self.policy.phases().block.context("the demo's policy blocks")?;
        let inquiry = Inquiry { policy: &self.policy, granted: &[], at };
        Ok(affected(inquiry, &seen, &|id| self.stage.accounts.get(id).cloned()))
    }

    async fn announce(&mut self, at: Timestamp, sink: &Sink, printer: &mut Printer) -> anyhow::Result<Runner> {
        self.stage.clock.set(at);
        let by = Actor { actor: "demo", at };
        let store = self.stage.running.store.clone();
        policies::put(&store, &self.policy, by).await?;
        self.stage.running.handle.set_border(crate::border::rules(&store, None).await?);
        let found = self.affected().await?;
        let audience = audience(&found, &Thresholds::default(), &|id| contact(&self.stage.config, id));
        store.create_campaign("july", self.policy.id(), None, &audience.recipients, by).await?;
        printer.line(&format!(
            "4. The policy {} is in force: notice, two brownouts, block on 9 July. {} accounts will be told, in their language.\n",
            self.policy.label(),
            audience.recipients.len()
        ));
        let templates = Templates::new("Example AI", None)?;
        let mailer = Mailer::new(cast::mail(sink.addr.port()))?;
        Ok(Runner::start(store, mailer, templates, "demo".to_owned(), at).await?)
    }

    /// One day: the mails that are due, and a request of everybody.
    async fn one_day(
        &mut self,
        at: Timestamp,
        text: &str,
        step: &str,
        runner: &mut Runner,
        seen: &mut BTreeMap<&'static str, Vec<String>>,
    ) -> anyhow::Result<()> {
        self.stage.clock.set(at);
        for campaign in self.stage.running.store.campaigns().await? {
            runner.tick(&campaign, &self.policy, at).await?;
        }
        let date = text.split_once('T').map_or(text, |(date, _)| date);
        seen.entry("").or_default().push(format!("{} {step}", date.trim_start_matches("2024-")));
        for account in &ACCOUNTS {
            let answer = self.stage.ask(account, account.address).await?;
            self.judge(account, step, &answer);
            seen.entry(account.id).or_default().push(answer.in_short());
        }
        Ok(())
    }

    fn judge(&mut self, account: &Account, step: &str, answer: &Answer) {
        let said = answer.in_short();
        let fits = match (account.is_refused, step) {
            (false, _) => answer.status == 200 && answer.sunset.is_empty(),
            (true, "T") => answer.status == 403 && answer.code == "unsupported_country_region_territory",
            (true, "brownout") => answer.code == "region_brownout" || answer.status == 200 && !answer.sunset.is_empty(),
            (true, "T-7") => answer.code == "region_brownout" || answer.status == 200,
            (true, _) => answer.status == 200 && answer.sunset == "Mon, 08 Jul 2024 16:00:00 GMT",
        };
        self.must(fits, || format!("{} at {step}: {said}", account.id));
    }

    fn show_days(&mut self, seen: &BTreeMap<&str, Vec<String>>, sink: &Sink, printer: &mut Printer) {
        let days = seen.get("").cloned().unwrap_or_default();
        let header: Vec<&str> = ["account", "from"].into_iter().chain(days.iter().map(String::as_str)).collect();
        let rows: Vec<_> = ACCOUNTS
            .iter()
            .map(|account| {
                let lines = seen.get(account.id).cloned().unwrap_or_default();
                [account.id.to_owned(), account.from.to_owned()].into_iter().chain(lines).collect()
            })
            .collect();
        printer.line(
            "5. What each account's request met on five days. Those who are told see Deprecation and Sunset headers.",
        );
        printer.line(&table(&header, &rows, printer.width()));
        let taken = sink.taken();
        let mut by_account: BTreeMap<&str, usize> = BTreeMap::new();
        for mail in &taken {
            *by_account.entry(mail.to.as_str()).or_default() += 1;
        }
        let mut text = format!("\n6. {} mails arrived:", taken.len());
        for (to, count) in &by_account {
            write!(text, " {to} {count},").unwrap_or_default();
        }
        printer.line(text.trim_end_matches(','));
        if let Some(mail) = taken.first() {
            printer.line(&format!("   The first: Subject: {}", mail.header("subject").unwrap_or_default()));
            printer.line(&format!("   Message-ID: {}\n", mail.header("message-id").unwrap_or_default()));
        }
        for account in ACCOUNTS.iter().filter(|account| account.is_affected) {
            let count = by_account.get(account.email).copied().unwrap_or(0);
            self.must(count == 4, || format!("{} got {count} mails and not 4", account.id));
        }
        let wanted = ACCOUNTS.iter().filter(|account| account.is_affected).count();
        self.must(by_account.len() == wanted, || format!("{} accounts got mail and not {wanted}", by_account.len()));
    }

    async fn forged(&mut self, printer: &mut Printer) -> anyhow::Result<()> {
        let account = &ACCOUNTS[0];
        let answer = self.stage.ask(account, &format!("18.204.0.1, {}", account.address)).await?;
        self.must(answer.status == 403, || format!("a forged address got {}", answer.in_short()));
        printer.line(&format!("7. A forged address in front of the true one changes nothing: {}.", answer.in_short()));
        Ok(())
    }

    async fn audit(&mut self, printer: &mut Printer) -> anyhow::Result<()> {
        self.stage.running.handle.flush_audit().await;
        let checked = audit::check(&self.stage.running.store, None).await?;
        printer.line(&format!(
            "8. The audit: {} entries in an unbroken chain, {} verdicts judged again with the same result, {} faults.\n",
            checked.entries,
            checked.verdicts,
            checked.faults.len()
        ));
        self.must(checked.faults.is_empty() && checked.verdicts > 0, || checked.faults.join("; "));
        Ok(())
    }
}
