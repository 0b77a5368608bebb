//! Policies, exemptions and the operator's table, taken up while the gateway runs.
//!
//! Rules: the database is asked for one number every two seconds, and read only when it has moved;
//! the table's file is polled as often, and nothing waits for it.

use crate::border::{self, Table};
use crate::compose::Running;
use banjia_gateway::{ActivePolicies, ActivePolicy};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(2);

/// What is in force, by the number of its last change.
#[derive(Debug)]
pub(super) struct BorderRefresh {
    version: i64,
    /// The policies in force, for when one cannot be read any more.
    last: Vec<ActivePolicy>,
    table: Table,
    /// The table changed and the gateway does not have it yet.
    is_new_table: bool,
    ticks: Interval,
}

impl BorderRefresh {
    /// Reads everything and hands it to the gateway.
    pub(super) async fn open(running: &Running, table: Table) -> anyhow::Result<Self> {
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
        Ok(Self { version, last, table, is_new_table: false, ticks })
    }

    /// Waits for the next poll of the database, or for a new table. Safe to cancel.
    pub(super) async fn due(&mut self) {
        loop {
            tokio::select! {
                _ = self.ticks.tick() => {
                    self.table.start_poll();
                    return;
                }
                is_new = self.table.finish_poll() => if is_new {
                    self.is_new_table = true;
                    return;
                }
            }
        }
    }

    /// The file of the table in use.
    pub(super) fn table_path(&self) -> Option<&Path> {
        self.table.path()
    }

    /// Reads the border's rules from the database, with this table. Changes nothing.
    pub(super) async fn rules_with(&self, running: &Running, table: &Table) -> anyhow::Result<ActivePolicies> {
        // A policy that cannot be read was logged when it changed, and keeps its last good version.
        let (rules, _) = border::rules_after(&self.last, &running.store, table.mmdb.clone()).await?;
        Ok(rules)
    }

    /// Takes up another table, and the rules that were made with it.
    pub(super) fn set_table(&mut self, running: &Running, table: Table, rules: ActivePolicies) {
        self.last.clone_from(&rules.policies);
        running.handle.set_border(rules);
        self.table = table;
        self.is_new_table = false;
    }

    /// Takes up what has changed. What cannot be read changes nothing but the log.
    pub(super) async fn refresh(&mut self, running: &Running) {
        let version = match running.store.border_version().await {
            Ok(version) => version,
            Err(error) => {
                tracing::error!(%error, "the border was not looked at; its rules stay as they are");
                return;
            }
        };
        if version == self.version && !self.is_new_table {
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
                self.is_new_table = false;
            }
            Err(error) => tracing::error!("{error:#}: the border's rules stay as they are"),
        }
    }
}
