//! What the story runs on: a sandbox vendor, a gateway behind a proxy, a clock.

use super::cast::{ACCOUNTS, Account};
use crate::cli::key::new_secret;
use crate::compose::{self, Running};
use crate::config;
use anyhow::Context as _;
use banjia_border::facts::AccountFacts;
use banjia_gateway::config::{AccountConfig, Config, ContactConfig, KeyConfig, LimitConfig, RouteConfig, VendorConfig};
use banjia_gateway::{Clock, Snapshot, keys};
use banjia_sandbox::{Options, Sandbox, key_of};
use banjia_store::Location;
use banjia_types::{AccountId, Secret};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER_BYTES_MAX: u64 = 1 << 20;
const BODY: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello!"}]}"#;

/// See the module's text.
pub(super) struct Stage {
    pub(super) running: Running,
    pub(super) clock: Clock,
    pub(super) accounts: HashMap<AccountId, Arc<AccountFacts>>,
    pub(super) config: Vec<AccountConfig>,
    keys: Vec<Secret>,
    _sandbox: Sandbox,
}

/// What a request met.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) sunset: String,
}

impl Answer {
    pub(super) fn in_short(&self) -> String {
        match (self.status, self.code.as_str()) {
            (200, _) if !self.sunset.is_empty() => "200, told".to_owned(),
            (status, "") => status.to_string(),
            (status, "unsupported_country_region_territory") => format!("{status} blocked"),
            (status, "region_brownout") => format!("{status} brownout"),
            (status, code) => format!("{status} {code}"),
        }
    }
}

impl Stage {
    pub(super) async fn build() -> anyhow::Result<Self> {
        let sandbox = Sandbox::start(Options::default()).await.context("starting the sandbox vendor")?;
        let secrets: Vec<_> = ACCOUNTS.iter().map(|_| new_secret()).collect();
        let gateway = gateway(&sandbox, &secrets)?;
        let mut findings = config::report::Findings::new("vendor profiles", "");
        let profiles = config::embedded_profiles().into_map(&mut findings, None);
        let snapshot = Snapshot::compile(&gateway, &profiles).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let accounts = gateway.accounts.iter().filter_map(|a| Some((a.id.clone(), snapshot.account(&a.id)?))).collect();
        let clock = Clock::default();
        let running = compose::start(snapshot, &Location::Temporary, None, clock.clone()).await?;
        Ok(Self { running, clock, accounts, config: gateway.accounts, keys: secrets, _sandbox: sandbox })
    }

    /// A request of an account, as the proxy before the gateway passes it on. Written by hand, because our own way to
    /// vendors rightly lets nobody set such headers.
    pub(super) async fn ask(&self, account: &Account, hops: &str) -> anyhow::Result<Answer> {
        let place = ACCOUNTS.iter().position(|other| other.id == account.id).context("the account is in the cast")?;
        let key = self.keys.get(place).map_or("", Secret::expose);
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: demo\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\
             x-forwarded-for: {hops}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        let mut socket = TcpStream::connect(self.running.handle.addr).await?;
        socket.write_all(request.as_bytes()).await?;
        let mut said = Vec::new();
        socket.take(ANSWER_BYTES_MAX).read_to_end(&mut said).await?;
        read(&String::from_utf8_lossy(&said)).context("the gateway's answer is no HTTP")
    }

    pub(super) async fn strike(self) -> anyhow::Result<()> {
        self.running.stop().await?;
        Ok(())
    }
}

/// Status, code and date of an answer.
fn read(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let sunset = head.lines().find_map(|line| line.strip_prefix("sunset: ")).unwrap_or_default().to_owned();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let code = body.pointer("/error/code").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Answer { status, code, sunset })
}

fn gateway(sandbox: &Sandbox, secrets: &[Secret]) -> anyhow::Result<Config> {
    let mut config = Config::default();
    config.serve.bind = ([127, 0, 0, 1], 0).into();
    config.border.peer.trusted = vec!["127.0.0.0/8".parse()?];
    config.border.peer.header = "x-forwarded-for".to_owned().try_into().map_err(anyhow::Error::msg)?;
    config.vendors.push(VendorConfig {
        base: sandbox.base("openai").map(str::to_owned),
        credential: key_of("openai").map(Secret::new),
        // Here the operator is the provider: its own policy decides and no vendor's list behind it.
        serves: Some("none".to_owned()),
        ..VendorConfig::new("openai")
    });
    config.routes.push(RouteConfig::new("gpt-4o-mini", ["openai/gpt-4o-mini"]));
    for (account, secret) in ACCOUNTS.iter().zip(secrets) {
        config.accounts.push(AccountConfig {
            residence: Some(account.residence.parse().map_err(anyhow::Error::msg)?),
            facts_source: Some("sign-up form".to_owned()),
            facts_as_of: Some("2024-01-01".to_owned()),
            contact: Some(ContactConfig { email: account.email.to_owned(), language: account.language }),
            ..AccountConfig::new(account.id)
        });
        config.keys.push(KeyConfig {
            id: format!("{}-1", account.id).into(),
            hash: keys::hash(None, secret.expose()),
            account: account.id.into(),
            limits: LimitConfig::default(),
        });
    }
    Ok(config)
}
