//! Events about the database itself, delivered from memory.
//!
//! Rules:
//! - `store.failing` is sent when the database cannot be written, and `store.recovered` when it can
//!   be again. Neither touches the database.
//! - A receiver gets the events in their order, each until it takes it or until the tries are used
//!   up, with the same `webhook-id`.
//! - A receiver holds up no other one. At most [`WAITING_MAX`] events wait for each; then the
//!   oldest is left out and logged.
//! - What waits is gone when the process ends.

use super::{Hook, Listeners, send, settle};
use banjia_store::{Delivery, DeliveryState, Store, StoreHealth, new_event_id};
use banjia_types::Timestamp;
use banjia_upstream::Upstream;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Events that wait for one receiver at most.
const WAITING_MAX: usize = 64;
/// Pause between two looks at events that were not taken.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Informs receivers that the database cannot be written, and that it can be again.
#[derive(Debug)]
pub struct StoreAlerts {
    upstream: Upstream,
    receivers: Vec<Receiver>,
    health: watch::Receiver<StoreHealth>,
    /// The state that receivers were last informed of.
    was_ok: bool,
    clock: fn() -> Timestamp,
}

/// A receiver and the events that it has not taken yet, the oldest first.
#[derive(Debug)]
struct Receiver {
    hook: Hook,
    waiting: VecDeque<Delivery>,
}

impl StoreAlerts {
    /// Alerts for listeners that were checked; sends nothing yet. `clock` is the date of this moment.
    pub fn with(store: &Store, upstream: Upstream, Listeners(hooks): Listeners, clock: fn() -> Timestamp) -> Self {
        let receivers = hooks.into_iter().map(|hook| Receiver { hook, waiting: VecDeque::new() }).collect();
        Self { upstream, receivers, health: store.watch_health(), was_ok: true, clock }
    }

    /// Works until it is dropped.
    pub async fn run(mut self) {
        loop {
            self.note();
            self.deliver().await;
            let is_waiting = self.receivers.iter().any(|receiver| !receiver.waiting.is_empty());
            let changed = async {
                // The store goes last; without it there is nothing to report.
                if self.health.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = changed => {}
                () = sleep(RETRY_EVERY), if is_waiting => {}
            }
        }
    }

    /// Makes an event of a change.
    fn note(&mut self) {
        let health = self.health.borrow_and_update().clone();
        if health.is_ok() == self.was_ok {
            return;
        }
        self.was_ok = health.is_ok();
        let kind = if self.was_ok { "store.recovered" } else { "store.failing" };
        let (at, id) = ((self.clock)(), new_event_id());
        for Receiver { hook, waiting } in self.receivers.iter_mut().filter(|receiver| receiver.hook.wants(kind)) {
            if waiting.len() == WAITING_MAX {
                waiting.pop_front();
                tracing::error!(webhook = hook.name, "an event about the database was not taken and is left out");
            }
            waiting.push_back(Delivery {
                event: 0,
                id: id.clone(),
                kind: kind.to_owned(),
                at,
                data: data(&health),
                state: DeliveryState::Waiting,
                attempts: 0,
                next_at: at,
                said: String::new(),
            });
        }
    }

    async fn deliver(&mut self) {
        let (upstream, clock) = (&self.upstream, self.clock);
        join_all(self.receivers.iter_mut().map(|receiver| receiver.deliver(upstream, clock))).await;
    }
}

impl Receiver {
    async fn deliver(&mut self, upstream: &Upstream, clock: fn() -> Timestamp) {
        while let Some(delivery) = self.waiting.front_mut().filter(|delivery| delivery.next_at <= clock()) {
            let now = clock();
            let answer = send(upstream, &self.hook, delivery, now).await;
            let (state, next_at) = settle(&answer, delivery, now);
            match state {
                DeliveryState::Waiting => {
                    (delivery.attempts, delivery.next_at) = (delivery.attempts + 1, next_at);
                    return;
                }
                DeliveryState::Delivered => {}
                DeliveryState::GivenUp => {
                    tracing::error!(
                        webhook = self.hook.name,
                        said = answer.said,
                        "an event about the database was given up"
                    );
                }
            }
            self.waiting.pop_front();
        }
    }
}

/// Names and numbers, as in every event.
fn data(health: &StoreHealth) -> Value {
    let fault = health.fault.as_ref();
    let cuts: Vec<_> = health.cuts_in_memory.iter().map(ToString::to_string).collect();
    match fault {
        None if health.is_ok() => json!({}),
        None => json!({ "cuts_in_memory": cuts }),
        Some(fault) => json!({
            "since": fault.since.to_string(),
            "reason": fault.reason,
            "rows_waiting": fault.rows,
            "cuts_in_memory": cuts,
        }),
    }
}
