//! Runs a campaign of many accounts until it is done, or until it is killed: `campaign_run DATABASE PORT ACCOUNTS DAY`.
//! `tests/campaign/run.py` kills it a thousand times.

use banjia_border::policy::Policy;
use banjia_border::registry::embedded;
use banjia_control::mail::{MailTls, SmtpConfig};
use banjia_control::{Mailer, Runner, Templates};
use banjia_store::{Actor, Location, Recipient, Store};
use banjia_types::Timestamp;
use banjia_types::calendar;
use std::error::Error;

const POLICY: &str = include_str!("../../../core/border/policies/openai-2024.toml");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, port, accounts, day] = arguments.as_slice() else {
        return Err("campaign_run DATABASE PORT ACCOUNTS DAY".into());
    };
    let policy = Policy::parse(POLICY, embedded()).map_err(|problems| format!("{problems:?}"))?;
    let now = calendar::moment(calendar::read(day)?, policy.zone());
    let store = Store::open(&Location::File(database.into())).await?;
    let by = Actor { actor: "test", at: Timestamp(1) };
    let recipients: Vec<_> = (0..accounts.parse::<u32>()?)
        .map(|n| Recipient {
            account: format!("account-{n}").into(),
            email: format!("account-{n}@x.example"),
            language: "en".to_owned(),
            evidence: serde_json::Value::Null,
        })
        .collect();
    store.create_campaign("july", "openai-2024", None, &recipients, by).await?;
    let config = SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: Some(port.parse()?),
        tls: MailTls::None,
        roots: None,
        user: None,
        password: None,
        from: "notice@example.com".to_owned(),
        reply_to: None,
        unsubscribe: None,
        dkim: None,
        per_minute_max: 6_000_000,
        timeout_ms: 5_000,
    };
    let name =
        format!("process {} at {}", std::process::id(), Timestamp(0) + std::time::SystemTime::UNIX_EPOCH.elapsed()?);
    let templates = Templates::new("Example AI", None)?;
    let mut runner = Runner::start(store.clone(), Mailer::new(config)?, templates, name, now).await?;
    for campaign in store.campaigns().await? {
        runner.tick(&campaign, &policy, now).await?;
    }
    store.close().await;
    Ok(())
}
