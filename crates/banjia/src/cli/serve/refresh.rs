//! Policies, exemptions and the operator's table, taken up while the gateway runs.
//!
//! Rule: the database is asked for one number every two seconds, and read only when it has moved.

use crate::border::{self, Table};
use crate::compose::Running;
use crate::config::GeoConfig;
use banjia_gateway::InForce;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(2);

/// What is in force, by the number of its last change.
#[derive(Debug)]
pub(super) struct Border {
    version: i64,
    /// The policies in force, for when one cannot be read any more.
    last: Vec<InForce>,
    table: Table,
    ticks: Interval,
}

impl Border {
    /// Reads everything and hands it to the gateway.
    pub(super) async fn open(running: &Running, geo: &GeoConfig) -> anyhow::Result<Self> {
        let table = Table::open(geo.mmdb.as_deref())?;
        let version = running.store.border_version().await?;
        let rules = border::rules(&running.store, table.mmdb.clone()).await?;
        for rule in &rules.policies {
            let state = if rule.is_paused { "paused" } else { "in force" };
            tracing::info!(policy = %rule.policy.label(), state, "the border's policy");
        }
        let last = rules.policies.clone();
        running.handle.set_border(rules);
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        Ok(Self { version, last, table, ticks })
    }

    /// Waits until it is time to look.
    pub(super) async fn due(&mut self) {
        self.ticks.tick().await;
    }

    /// Takes up what has changed. What cannot be read changes nothing but the log.
    pub(super) async fn refresh(&mut self, running: &Running) {
        let is_new_table = self.table.refresh().await;
        let version = match running.store.border_version().await {
            Ok(version) => version,
            Err(error) => {
                tracing::error!(%error, "the border was not looked at; its rules stay as they are");
                return;
            }
        };
        if version == self.version && !is_new_table {
            return;
        }
        match border::rules_after(&self.last, &running.store, self.table.mmdb.clone()).await {
            Ok((rules, unread)) => {
                for error in unread {
                    tracing::error!("{error:#}: the version that was in force before stays");
                }
                self.last.clone_from(&rules.policies);
                let policies: Vec<_> = rules.policies.iter().map(|rule| rule.policy.label().to_string()).collect();
                let exemptions = rules.exemptions.len();
                // First in force, then told: whoever reads the line may rely on it.
                running.handle.set_border(rules);
                tracing::info!(policies = policies.join(", "), exemptions, "the border has changed");
                self.version = version;
            }
            Err(error) => tracing::error!("{error:#}: the border's rules stay as they are"),
        }
    }
}
