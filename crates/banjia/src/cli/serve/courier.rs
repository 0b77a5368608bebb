//! Delivers events to webhooks while the gateway runs.
//!
//! Rules: it works beside everything else and nothing waits for it; it may be ended at any point, since an event whose
//! delivery was not written down is sent again with the same id; another process that delivers already goes on, and this one
//! takes over when that one ends.

use crate::clock;
use banjia_control::webhooks::StoreAlerts;
use banjia_control::{Listeners, WebhookConfig, WebhookDispatcher};
use banjia_store::Store;
use banjia_upstream::Upstream;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(2);
/// Interval between log lines while events cannot be delivered.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// Two tasks: the courier, and the one that reports the state of the database. Both are absent if
/// there is no webhook.
#[derive(Debug)]
pub(super) struct Task {
    configs: Vec<WebhookConfig>,
    upstream: Upstream,
    work: Vec<JoinHandle<()>>,
}

impl Task {
    /// Begins with the listeners of these settings.
    pub(super) fn start(store: &Store, configs: &[WebhookConfig], listeners: Listeners) -> anyhow::Result<Self> {
        let upstream = Upstream::new(&banjia_upstream::Config::default())?;
        let mut task = Self { configs: configs.to_vec(), upstream, work: Vec::new() };
        task.begin(store, listeners);
        Ok(task)
    }

    fn begin(&mut self, store: &Store, listeners: Listeners) {
        if listeners.is_empty() {
            return;
        }
        let alerts = StoreAlerts::with(store, self.upstream.clone(), listeners.clone(), clock::now);
        let courier = WebhookDispatcher::with(store.clone(), self.upstream.clone(), listeners);
        for (name, origin) in courier.listeners() {
            tracing::info!(webhook = name, origin, "hears of what happens");
        }
        self.work = vec![tokio::spawn(run(courier)), tokio::spawn(alerts.run())];
    }

    /// Takes up other settings, whose listeners were checked.
    pub(super) async fn restart(&mut self, store: &Store, configs: &[WebhookConfig], listeners: Listeners) {
        if self.configs != configs {
            self.stop().await;
            self.configs = configs.to_vec();
            self.begin(store, listeners);
        }
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

async fn run(mut courier: WebhookDispatcher) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut log_at = Instant::now();
    loop {
        ticks.tick().await;
        if let Err(error) = courier.tick(clock::now()).await
            && Instant::now() >= log_at
        {
            log_at = Instant::now() + LOG_EVERY;
            tracing::error!(%error, "events were not delivered; they wait");
        }
    }
}
