//! Sends one question and reads the answer whole.

use super::Settings;
use anyhow::Context;
use banjia_types::{Operation, Secret};
use banjia_upstream::{AuthForm, Call, Credential, Endpoint as Url, Origin, Timeouts, Upstream};
use banjia_wire::{Auth, BodyLimits, Head, Profile, VendorError, classify, encode};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A vendor that takes longer than this does not tell.
const PATIENCE: Duration = Duration::from_secs(90);
/// Tokens that an answer may have: enough for a tool call.
const TOKENS_MAX: u32 = 128;

/// What a vendor answered.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
    retry_after: Option<String>,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) const fn is_good(&self) -> bool {
        self.status == 200
    }

    /// The error that it is, by the profile's table.
    pub(super) fn error(&self, profile: &Profile) -> VendorError {
        classify(profile, self.status, self.retry_after.as_deref(), &self.body)
    }
}

/// Whose key a question carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Given,
    Wrong,
}

/// The way to the vendor.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) profile: Arc<Profile>,
    base: String,
    upstream: Upstream,
    given: Credential,
    wrong: Credential,
}

impl Asker {
    pub(super) fn new(settings: &Settings, upstream: Upstream) -> anyhow::Result<Self> {
        let origin = Origin::parse(&settings.base)?;
        let form = match settings.profile.auth() {
            Auth::Header { name } => AuthForm::Header(name.parse().context("the profile's auth header")?),
            _ => AuthForm::Bearer,
        };
        let bind = |secret: &Secret| Credential::new(secret, &form, [origin.clone()]);
        Ok(Self {
            given: bind(&settings.key)?,
            wrong: bind(&Secret::new("banjia-probe-wrong-key"))?,
            profile: Arc::clone(&settings.profile),
            base: settings.base.trim_end_matches('/').to_owned(),
            upstream,
        })
    }

    /// A GET of `path`.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        let url = Url::new(&self.base, path)?;
        self.send(Call { credential: Some(&self.given), ..Call::get(&url) }).await
    }

    /// A chat request made of `client` by the profile's rules, with `raw` put in behind the rules' back.
    pub(super) async fn chat(&self, model: &str, client: Value, raw: &Value, key: Key) -> anyhow::Result<Reply> {
        let mut whole = json!({
            "model": model,
            "messages": [{ "role": "user", "content": "Say hello." }],
            "max_tokens": TOKENS_MAX,
        });
        merge(&mut whole, &client);
        self.post(Operation::ChatCompletions, model, &whole, raw, key).await
    }

    /// An embeddings request for `texts` texts.
    pub(super) async fn embed(&self, model: &str, texts: usize) -> anyhow::Result<Reply> {
        let input: Vec<_> = (0..texts).map(|i| format!("text {i}")).collect();
        self.post(Operation::Embeddings, model, &json!({ "model": model, "input": input }), &Value::Null, Key::Given)
            .await
    }

    async fn post(
        &self,
        operation: Operation,
        model: &str,
        client: &Value,
        raw: &Value,
        key: Key,
    ) -> anyhow::Result<Reply> {
        let path = self.profile.path(operation).context("the profile has no such endpoint")?;
        let body = Bytes::from(client.to_string());
        let head =
            Head::peek(&body, operation, &BodyLimits::default()).map_err(|bad| anyhow::anyhow!("{}", bad.message))?;
        let encoded = encode(&self.profile, operation, model, &head, &body)
            .map_err(|refusal| anyhow::anyhow!("our own rules refuse {}: {}", refusal.param, refusal.message))?;
        let mut body: Value = serde_json::from_slice(&encoded.body).context("our own request is no JSON")?;
        merge(&mut body, raw);
        let url = Url::new(&self.base, path)?;
        let credential = Some(if key == Key::Given { &self.given } else { &self.wrong });
        let stream = body["stream"].as_bool() == Some(true);
        self.send(Call { credential, stream, ..Call::post(&url, Bytes::from(body.to_string())) }).await
    }

    async fn send(&self, call: Call<'_>) -> anyhow::Result<Reply> {
        let reply = self.upstream.send(Call { timeouts: Some(Timeouts::each(PATIENCE)), ..call }).await?;
        let retry_after = reply.headers.get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = reply.body.collect(ANSWER_BYTES_MAX).await?;
        Ok(Reply { status: reply.status, body, retry_after })
    }
}

fn merge(into: &mut Value, from: &Value) {
    let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) else { return };
    for (name, value) in from {
        into.insert(name.clone(), value.clone());
    }
}
