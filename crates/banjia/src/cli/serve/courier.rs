//! Delivers events to webhooks while the gateway runs.
//!
//! Rules: it works beside everything else and nothing waits for it; it may be ended at any point, since an event whose
//! delivery was not written down is sent again with the same id; another process that delivers already goes on, and this one
//! takes over when that one ends.

use crate::clock;
use anyhow::Context as _;
use banjia_control::webhooks::StoreAlerts;
use banjia_control::{Courier, WebhookConfig};
use banjia_store::Store;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(2);

/// Two tasks: the courier, and the one that reports the state of the database. Both are absent if
/// there is no webhook.
#[derive(Debug)]
pub(super) struct Task {
    configs: Vec<WebhookConfig>,
    work: Vec<JoinHandle<()>>,
}

impl Task {
    /// Checks the settings and begins.
    pub(super) fn start(store: &Store, configs: &[WebhookConfig]) -> anyhow::Result<Self> {
        let mut work = Vec::new();
        if !configs.is_empty() {
            let courier = Courier::new(store.clone(), configs)?;
            for (name, origin) in courier.listeners() {
                tracing::info!(webhook = name, origin, "hears of what happens");
            }
            let alerts = StoreAlerts::new(store, configs, clock::now)?;
            work = vec![tokio::spawn(run(courier)), tokio::spawn(alerts.run())];
        }
        Ok(Self { configs: configs.to_vec(), work })
    }

    /// Takes up other settings. Bad ones leave the old ones at work.
    pub(super) async fn restart(&mut self, store: &Store, configs: &[WebhookConfig]) -> anyhow::Result<()> {
        if self.configs == configs {
            return Ok(());
        }
        Courier::new(store.clone(), configs).context("the webhooks stay as they were")?;
        self.stop().await;
        *self = Self::start(store, configs)?;
        Ok(())
    }

    /// Ends it and waits until it let go of the database.
    pub(super) async fn stop(&mut self) {
        for work in self.work.drain(..) {
            work.abort();
            if let Err(error) = work.await
                && !error.is_cancelled()
            {
                tracing::error!(%error, "the webhooks' courier ended badly");
            }
        }
    }
}

async fn run(mut courier: Courier) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = courier.tick(clock::now()).await {
            tracing::error!(%error, "events were not delivered; they wait");
        }
    }
}
