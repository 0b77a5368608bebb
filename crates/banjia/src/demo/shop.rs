//! The web shop of two stories: its configuration on a sandbox, its keys, its way to the gateway.

use super::client::Client;
use super::mix::ACCOUNTS;
use crate::cli::key::new_secret;
use anyhow::Context as _;
use banjia_gateway::keys;
use banjia_sandbox::{Sandbox, key_of};
use banjia_types::Secret;
use banjia_upstream::{AuthForm, Credential, Endpoint, Origin, Upstream};
use std::fmt::Write as _;

/// A new key for each of [`ACCOUNTS`].
pub(super) fn secrets() -> Vec<Secret> {
    ACCOUNTS.iter().map(|_| new_secret()).collect()
}

/// A configuration with the sandbox's addresses and keys and the customers' hashes.
pub(super) fn fill(config: &str, sandbox: &Sandbox, secrets: &[Secret]) -> anyhow::Result<String> {
    let mut text = config.to_owned();
    for (wire, base) in &sandbox.bases {
        text = text.replace(&format!("@{wire}@"), base);
        if let Some(key) = key_of(wire) {
            text = text.replace(&format!("@{wire}-key@"), key);
        }
    }
    for (account, secret) in ACCOUNTS.iter().zip(secrets) {
        let hash = keys::hash(None, secret.expose());
        write!(text, "\n[[keys]]\nid = \"{account}-key\"\naccount = \"{account}\"\nhash = \"{hash}\"\n")
            .context("writing to a text")?;
    }
    Ok(text)
}

/// A client that has the keys of all accounts.
pub(super) fn client(base: &str, secrets: &[Secret]) -> anyhow::Result<Client> {
    let origin = Origin::parse(base)?;
    let keys = secrets
        .iter()
        .map(|secret| Credential::new(secret, &AuthForm::Bearer, [origin.clone()]))
        .collect::<Result<_, _>>()?;
    Ok(Client {
        upstream: Upstream::new(&banjia_upstream::Config::default())?,
        chat: Endpoint::new(base, "/chat/completions")?,
        embeddings: Endpoint::new(base, "/embeddings")?,
        keys,
    })
}
