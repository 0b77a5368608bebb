//! Delivers events to those who listen.
//!
//! Rules: one process delivers a database's events (it holds the lock; another one waits its turn
//! and delivers nothing); an event is taken when the receiver answers 2xx, and is sent again with
//! the same `webhook-id` until then, so a receiver may see it twice and none is lost; tries are
//! spread over three days and then given up, which is shown; `410` ends everything for that
//! receiver until a person says otherwise; a redirect is a failure; no answer's body is read; after
//! a failure a receiver is left alone until the next look, and a slow one keeps nobody else
//! waiting. Events about the database itself cannot wait in it: see [`StoreAlerts`].

mod direct;
mod hook;
mod sign;
mod status;

pub use direct::StoreAlerts;
pub use hook::{WebhookConfig, WebhookProblem};
pub use sign::secret;
pub use status::{WebhookError, WebhookStatus, events, retry, status};

use banjia_store::{Delivery, DeliveryState, RunnerLock, Store, StoreError};
use banjia_types::Timestamp;
use banjia_types::hash::hash_parts;
use banjia_upstream::{Upstream, UpstreamError};
use futures_util::future::join_all;
use hook::{ANSWER_WITHIN, Hook};
use std::time::Duration;
use tokio::time::timeout;

/// Events sent to one receiver in one look at most. With [`ANSWER_WITHIN`] it bounds how old a signature's time can be.
const SENT_MAX: u32 = 10;
/// The waits between attempts, as Standard Webhooks 1.0.0 shows them. After the last one an event is given up.
const WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];
/// The longest wait that a receiver may ask for with `Retry-After`.
const ASKED_MAX: Duration = Duration::from_hours(24);

/// What one look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Events that were taken.
    pub delivered: u64,
    /// Events that will be tried again.
    pub later: u64,
    /// Events that were given up.
    pub given_up: u64,
}

/// What a receiver made of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status; none when there was no answer.
    pub status: Option<u16>,
    /// How long it asked us to wait.
    pub retry_after: Option<Duration>,
    /// In words.
    pub said: String,
}

impl Answer {
    /// Whether the event was taken.
    pub fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// The listeners of a configuration, checked, so that a courier can take them up and nothing can go
/// wrong any more.
#[derive(Clone, Debug)]
pub struct Listeners(Vec<Hook>);

impl Listeners {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first problem; [`WebhookConfig::problems`] returns all.
    pub fn new(configs: &[WebhookConfig]) -> Result<Self, WebhookProblem> {
        configs.iter().map(Hook::new).collect::<Result<_, _>>().map(Self)
    }

    /// Returns true if there is no listener.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Delivers events. One works per database.
#[derive(Debug)]
pub struct WebhookDispatcher {
    store: Store,
    upstream: Upstream,
    hooks: Vec<Hook>,
    lock: Option<RunnerLock>,
}

/// Why there is no courier.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// The settings of a listener.
    #[error(transparent)]
    Config(#[from] WebhookProblem),
    /// The way out.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl WebhookDispatcher {
    /// Checks the settings; sends nothing yet.
    ///
    /// # Errors
    /// Settings that cannot work.
    pub fn new(store: Store, configs: &[WebhookConfig]) -> Result<Self, CourierError> {
        let listeners = Listeners::new(configs)?;
        Ok(Self::with(store, Upstream::new(&banjia_upstream::Config::default())?, listeners))
    }

    /// A courier for listeners that were checked.
    pub fn with(store: Store, upstream: Upstream, Listeners(hooks): Listeners) -> Self {
        Self { store, upstream, hooks, lock: None }
    }

    /// Name and origin of each listener.
    pub fn listeners(&self) -> impl Iterator<Item = (&str, String)> {
        self.hooks.iter().map(|hook| (hook.name.as_str(), hook.origin()))
    }

    /// Delivers what is due. Nothing when another process does it.
    ///
    /// # Errors
    /// The database. What was sent and not written down is sent again, with the same id.
    pub async fn tick(&mut self, now: Timestamp) -> Result<Heard, StoreError> {
        if self.hooks.is_empty() || !self.is_ours().await? {
            return Ok(Heard::default());
        }
        let names: Vec<_> = self.hooks.iter().map(|hook| hook.name.as_str()).collect();
        self.store.know_webhooks(&names, now).await?;
        self.store.forget_events(now).await?;
        let gone: Vec<_> = self.store.webhooks().await?.into_iter().filter(|known| known.gone_at.is_some()).collect();
        let mut deliveries = Vec::with_capacity(self.hooks.len());
        for hook in &self.hooks {
            if !gone.iter().any(|gone| gone.name == hook.name) {
                deliveries.push(self.deliver(hook, now));
            }
        }
        let mut heard = Heard::default();
        for one in join_all(deliveries).await {
            let one = one?;
            heard.delivered += one.delivered;
            heard.later += one.later;
            heard.given_up += one.given_up;
        }
        Ok(heard)
    }

    async fn is_ours(&mut self) -> Result<bool, StoreError> {
        if let Some(lock) = &self.lock
            && !lock.is_held().await
        {
            tracing::warn!(
                "the lock file of the webhooks was deleted; the process that locks a new one delivers the events"
            );
            self.lock = None;
        }
        if self.lock.is_none() {
            self.lock = match self.store.webhook_lock() {
                Ok(lock) => Some(lock),
                Err(StoreError::InUse { .. }) => return Ok(false),
                Err(error) => return Err(error),
            };
        }
        Ok(true)
    }

    async fn deliver(&self, hook: &Hook, now: Timestamp) -> Result<Heard, StoreError> {
        self.store.give_out(&hook.name, |kind| hook.wants(kind), now).await?;
        let mut heard = Heard::default();
        for delivery in self.store.due_deliveries(&hook.name, now, SENT_MAX).await? {
            let answer = self.send(hook, &delivery, now).await;
            let (state, next_at) = settle(&answer, &delivery, now);
            self.store.settle_delivery(&hook.name, delivery.event, (state, next_at, &answer.said), now).await?;
            if answer.status == Some(410) {
                tracing::warn!(webhook = hook.name, "the receiver is gone (410): `banjia webhook retry` asks it again");
                self.store.webhook_is_gone(&hook.name, now).await?;
            }
            match state {
                DeliveryState::Delivered => heard.delivered += 1,
                DeliveryState::Waiting => heard.later += 1,
                DeliveryState::GivenUp => {
                    tracing::error!(
                        webhook = hook.name,
                        event = delivery.id,
                        said = answer.said,
                        "an event was given up"
                    );
                    heard.given_up += 1;
                }
            }
            if state != DeliveryState::Delivered {
                break;
            }
        }
        Ok(heard)
    }

    /// Sends an event that says nothing, to see whether a receiver takes it. None when nobody of that name listens.
    pub async fn test(&self, name: &str, id: String, now: Timestamp) -> Option<Answer> {
        let hook = self.hooks.iter().find(|hook| hook.name == name)?;
        let delivery = Delivery {
            event: 0,
            id,
            kind: "webhook.test".to_owned(),
            at: now,
            data: serde_json::json!({ "webhook": name }),
            state: DeliveryState::Waiting,
            attempts: 0,
            next_at: now,
            said: String::new(),
        };
        Some(self.send(hook, &delivery, now).await)
    }

    async fn send(&self, hook: &Hook, delivery: &Delivery, now: Timestamp) -> Answer {
        send(&self.upstream, hook, delivery, now).await
    }
}

async fn send(upstream: &Upstream, hook: &Hook, delivery: &Delivery, now: Timestamp) -> Answer {
    let (body, headers) = hook.write(delivery, now);
    match timeout(ANSWER_WITHIN, upstream.send(hook.call(body, &headers))).await {
        Ok(Ok(reply)) => {
            let asked = reply.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after = asked.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
            let is_moved = (300..400).contains(&reply.status);
            let why = if is_moved { " (redirects are not followed: give its new url)" } else { "" };
            Answer { status: Some(reply.status), retry_after, said: format!("{}{why}", reply.status) }
        }
        Ok(Err(error)) => Answer { status: None, retry_after: None, said: error.to_string() },
        Err(_) => {
            let said = format!("no answer within {} s", ANSWER_WITHIN.as_secs());
            Answer { status: None, retry_after: None, said }
        }
    }
}

/// What follows from an answer, and when the event is tried again.
fn settle(answer: &Answer, delivery: &Delivery, now: Timestamp) -> (DeliveryState, Timestamp) {
    if answer.is_taken() {
        return (DeliveryState::Delivered, now);
    }
    let wait = usize::try_from(delivery.attempts).ok().and_then(|attempts| WAITS.get(attempts));
    match wait {
        Some(_) if answer.status == Some(410) => (DeliveryState::GivenUp, now),
        None => (DeliveryState::GivenUp, now),
        Some(&wait) => {
            // Up to a tenth more, so that many events do not come back at one moment; drawn from the event, not from chance.
            let drawn = hash_parts(&[delivery.id.as_bytes(), &delivery.attempts.to_be_bytes()]) % 1000;
            let spread = wait.mul_f64(drawn as f64 / 10_000.0);
            let asked = answer.retry_after.unwrap_or_default().min(ASKED_MAX);
            (DeliveryState::Waiting, now + (wait + spread).max(asked))
        }
    }
}

#[cfg(test)]
mod tests;
