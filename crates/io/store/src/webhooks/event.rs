//! What is told: which changes become events, and what of them.
//!
//! Rule: an event holds the names and numbers listed here and nothing else of a change, so that no
//! text of a client, no address and no secret can leave by a webhook.

use crate::StoreError;
use banjia_types::Timestamp;
use serde_json::{Map, Value};
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

/// Every event that there is, as `TOPIC.WHAT`. The two of `store` are about the database itself:
/// they are never written into it, and are delivered from memory.
pub const EVENTS: [&str; 26] = [
    "account.subscribed",
    "account.unsubscribed",
    "appeal.answered",
    "appeal.opened",
    "campaign.created",
    "campaign.paused",
    "campaign.resumed",
    "campaign.round_begun",
    "exemption.ended",
    "exemption.granted",
    "move.page",
    "notice.bounced",
    "notice.refused",
    "notice.retrying",
    "notice.sent",
    "notice.unknown",
    "notice.unsubscribed",
    "policy.activated",
    "policy.paused",
    "policy.redated",
    "policy.resumed",
    "policy.retired",
    "store.failing",
    "store.recovered",
    "vendor.cut",
    "vendor.cut_lifted",
];

/// Of an entry of the audit: the event, the name of its subject, and what is told of its body.
type EventRule = (&'static str, &'static str, &'static str, &'static [&'static str]);

const TOLD: [EventRule; 15] = [
    ("account.subscribe", "account.subscribed", "account", &[]),
    ("account.unsubscribe", "account.unsubscribed", "account", &[]),
    ("appeal.answer", "appeal.answered", "account", &["appeal", "granted"]),
    ("appeal.open", "appeal.opened", "account", &["appeal"]),
    ("campaign.create", "campaign.created", "campaign", &["policy", "recipients"]),
    ("campaign.pause", "campaign.paused", "campaign", &[]),
    ("campaign.resume", "campaign.resumed", "campaign", &[]),
    ("campaign.round", "campaign.round_begun", "campaign", &[]),
    ("exemption.end", "exemption.ended", "account", &["id"]),
    ("exemption.grant", "exemption.granted", "account", &["id", "from", "until"]),
    ("policy.activate", "policy.activated", "policy", &["version", "hash"]),
    ("policy.pause", "policy.paused", "policy", &["version"]),
    ("policy.redate", "policy.redated", "policy", &["version", "hash"]),
    ("policy.resume", "policy.resumed", "policy", &["version"]),
    ("policy.retire", "policy.retired", "policy", &["version"]),
];

/// A new id of an event.
pub fn new_event_id() -> String {
    format!("msg_{}", Uuid::now_v7().simple())
}

/// Writes down an event, if anybody listens at all.
pub(crate) async fn tell(
    into: &mut SqliteConnection,
    at: Timestamp,
    kind: &str,
    data: &Value,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO webhook_event (id, kind, at, data) \
         SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM webhook)";
    let done = sqlx::query(SQL).bind(new_event_id()).bind(kind).bind(at.0).bind(data.to_string()).execute(into).await;
    done.map_err(StoreError::sql("write down an event")).map(|_| ())
}

/// The same for an entry of the audit; nothing for those that no webhook is for.
pub(crate) async fn tell_of(
    into: &mut SqliteConnection,
    at: Timestamp,
    kind: &str,
    subject: &str,
    body: &Value,
) -> Result<(), StoreError> {
    let Some((_, event, name, fields)) = TOLD.iter().find(|(audited, ..)| *audited == kind) else { return Ok(()) };
    let mut data = Map::new();
    data.insert((*name).to_owned(), subject.into());
    for field in *fields {
        if let Some(value) = body.get(field) {
            data.insert((*field).to_owned(), value.clone());
        }
    }
    tell(into, at, event, &data.into()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_audit_tells_are_events_that_are_known() {
        for (_, event, ..) in TOLD {
            assert!(EVENTS.contains(&event), "{event}");
        }
        assert!(EVENTS.is_sorted(), "for a person who reads them");
    }
}
