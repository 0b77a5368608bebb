//! Erases the bodies of verdicts whose time is over, while the gateway runs.
//!
//! Rules: each set of rules has its own time; it is looked at at the start and every hour; what could not be erased is
//! tried at the next look, and said.

use crate::config::AuditConfig;
use banjia_store::Store;
use banjia_types::Timestamp;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// Who did it, in the audit.
const ACTOR: &str = "retention";

/// What is kept for how long.
#[derive(Debug)]
pub(super) struct Retention {
    days: [(&'static str, Option<NonZeroU32>); 2],
    ticks: Interval,
}

impl Retention {
    pub(super) fn new(config: AuditConfig) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { days: [("policy", config.policy_days), ("sanctions", config.sanctions_days)], ticks }
    }

    /// Waits until it is time to look.
    pub(super) async fn due(&mut self) {
        self.ticks.tick().await;
    }

    /// Erases what is over.
    pub(super) async fn forget(&self, store: &Store, now: Timestamp) {
        for (rule_set, days) in self.days {
            let Some(days) = days else { continue };
            match store.forget_verdicts(rule_set, now - DAY * days.get(), now, ACTOR).await {
                Ok(0) => {}
                Ok(erased) => tracing::info!(rule_set, erased, days, "verdicts whose time is over were erased"),
                Err(error) => tracing::error!(%error, rule_set, "old verdicts were not erased; tried again in an hour"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_store::{Location, NewAudit};
    use serde_json::json;

    #[tokio::test]
    async fn each_set_of_rules_has_its_own_time() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        for (day, rule_set) in [(0, "policy"), (0, "sanctions"), (9, "policy"), (9, "sanctions")] {
            let (actor, subject, rule_set) = ("gateway".to_owned(), "acme".to_owned(), rule_set.to_owned());
            let at = Timestamp(0) + DAY * day;
            let new = NewAudit { at, actor, kind: "verdict", subject, rule_set, body: json!({ "facts": 1 }) };
            store.append_audit(&new).await.unwrap();
        }
        let config = AuditConfig { policy_days: NonZeroU32::new(5), sanctions_days: None };
        let retention = Retention::new(config);
        retention.forget(&store, Timestamp(0) + DAY * 10).await;
        retention.forget(&store, Timestamp(0) + DAY * 10).await;
        let rows = store.audit_page(0, 9).await.unwrap();
        let kept: Vec<_> = rows.iter().map(|row| (row.entry.kind.as_str(), row.body.is_some())).collect();
        let verdict = |is_kept| ("verdict", is_kept);
        let expected = [verdict(false), verdict(true), verdict(true), verdict(true), ("audit.forget", true)];
        assert_eq!(kept, expected, "and the second look writes nothing");
    }
}
