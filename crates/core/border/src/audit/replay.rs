//! The tables that the audit covers, computed anew from its entries.
//!
//! Rules:
//! - Each change of these tables writes an entry in the same transaction, with everything that the
//!   change wrote. So the entries alone give the rows, and a row that differs was changed by hand.
//! - Covered: policies, exemptions, appeals, accounts without notices, campaigns with their number
//!   of recipients, moves and their events. Not covered: notices, since sending a mail writes no
//!   entry.
//! - Recipients are compared one by one only if the campaign was made by a version that writes
//!   `recipients_hash`.
//! - Long texts are compared by their SHA-256.

use super::{Entry, Hash};
use banjia_types::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A row of a covered table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// The name of the table.
    pub table: &'static str,
    /// The values of the row's key. Several values are joined by `@`.
    pub key: String,
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.table, self.key)
    }
}

/// The values of a row by column; `None` for NULL. Times are milliseconds since 1970.
pub type Columns = BTreeMap<&'static str, Option<String>>;

/// Rows as a database holds them.
pub type Rows = BTreeMap<RowKey, Columns>;

/// A difference between a table and the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A row of the table that no entry made.
    Added(RowKey),
    /// A row that an entry made is gone from the table, and no entry removed it.
    Removed {
        /// The row that is missing.
        row: RowKey,
        /// The last entry that wrote it.
        seq: u64,
    },
    /// A column holds another value.
    Changed {
        /// The row that differs.
        row: RowKey,
        /// The last entry that wrote it.
        seq: u64,
        /// The column that differs.
        column: &'static str,
        /// The value in the table.
        found: Option<String>,
        /// The value by the audit.
        expected: Option<String>,
    },
    /// The body of an entry lacks what its kind must have.
    Unreadable(u64),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(row) => write!(f, "{row} is in the database, and no entry of the audit made it"),
            Self::Removed { row, seq } => {
                write!(f, "{row} was written by entry {seq} and is gone from the database, and no entry removed it")
            }
            Self::Changed { row, seq, column, found, expected } => {
                let [found, expected] = [found, expected].map(|value| shown(column, value.as_deref()));
                write!(f, "{row} has {found} as `{column}` in the database, and {expected} by entry {seq} of the audit")
            }
            Self::Unreadable(seq) => write!(f, "entry {seq} does not say what it changed: its body lacks a value"),
        }
    }
}

/// Characters of a value that are shown.
const SHOWN_MAX: usize = 80;

fn shown(column: &str, value: Option<&str>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    match value.parse() {
        Ok(ms) if column == "at" || column.ends_with("_at") => Timestamp(ms).to_string(),
        _ if value.chars().count() > SHOWN_MAX => {
            format!("{:?} and more", value.chars().take(SHOWN_MAX).collect::<String>())
        }
        _ => format!("{value:?}"),
    }
}

/// Rows as the entries of the audit make them.
#[derive(Clone, Debug, Default)]
pub struct AuditReplay {
    /// The rows, each with the number of the last entry that wrote it.
    rows: BTreeMap<RowKey, (u64, Columns)>,
    unreadable: Vec<u64>,
}

impl AuditReplay {
    /// Processes the next entry. Entries that change no covered table change nothing here.
    pub fn take(&mut self, entry: &Entry, body: &str) {
        let is_readable = serde_json::from_str(body).is_ok_and(|body| self.apply(entry, &body).is_some());
        if !is_readable {
            self.unreadable.push(entry.seq);
        }
    }

    /// Applies an entry. `None` if its body lacks a value.
    fn apply(&mut self, entry: &Entry, body: &Value) -> Option<()> {
        match entry.kind.as_str() {
            "policy.activate" | "policy.redate" => self.activate(entry, body)?,
            "policy.pause" => self.policy_state(entry, body, "paused")?,
            "policy.resume" => self.policy_state(entry, body, "active")?,
            "policy.retire" => self.policy_state(entry, body, "retired")?,
            "exemption.grant" => self.grant(entry, body)?,
            "exemption.end" => self.set(entry, "exemption", text(body, "id")?, [("ended_at", Some(now(entry)))]),
            "appeal.open" => {
                let columns = [
                    ("account", Some(entry.subject.clone())),
                    ("said", Some(text(body, "said")?)),
                    ("opened_at", Some(now(entry))),
                    ("answer", None),
                    ("granted", None),
                    ("answered_at", None),
                ];
                self.set(entry, "appeal", number(body, "appeal")?, columns);
            }
            "appeal.answer" => {
                let granted = i64::from(body.get("granted")?.as_bool()?).to_string();
                let columns = [
                    ("answer", Some(text(body, "said")?)),
                    ("granted", Some(granted)),
                    ("answered_at", Some(now(entry))),
                ];
                self.set(entry, "appeal", number(body, "appeal")?, columns);
            }
            "account.unsubscribe" => {
                let columns = [("said", Some(text(body, "said")?)), ("at", Some(now(entry)))];
                self.set(entry, "unsubscribed", entry.subject.clone(), columns);
            }
            "account.subscribe" => {
                self.rows.remove(&RowKey { table: "unsubscribed", key: entry.subject.clone() });
            }
            "campaign.create" => self.campaign(entry, body)?,
            "campaign.pause" => self.campaign_state(entry, "paused"),
            "campaign.resume" => self.campaign_state(entry, "running"),
            "campaign.round" => self.next_round(entry)?,
            "move.create" => {
                let columns = [
                    ("text_hash", Some(Hash::of(&text(body, "text")?).to_string())),
                    ("version", Some("0".to_owned())),
                    ("created_at", Some(now(entry))),
                ];
                self.set(entry, "move", entry.subject.clone(), columns);
            }
            "move.event" => self.event(entry, body)?,
            _ => {}
        }
        Some(())
    }

    fn set<const N: usize>(
        &mut self,
        entry: &Entry,
        table: &'static str,
        key: String,
        columns: [(&'static str, Option<String>); N],
    ) {
        let (seq, row) = self.rows.entry(RowKey { table, key }).or_default();
        *seq = entry.seq;
        row.extend(columns);
    }

    /// One version comes into force; the others of this policy are retired.
    fn activate(&mut self, entry: &Entry, body: &Value) -> Option<()> {
        let (hash, text) = (text(body, "hash")?, text(body, "text")?);
        let key = format!("{}@{}", entry.subject, number(body, "version")?);
        for (_, (seq, row)) in self.rows.iter_mut().filter(|(row, _)| is_version_of(row, &entry.subject)) {
            if row.get("state").is_some_and(|state| state.as_deref() != Some("retired")) {
                *seq = entry.seq;
                row.extend([("state", Some("retired".to_owned())), ("changed_at", Some(now(entry)))]);
            }
        }
        let is_new = !self.rows.contains_key(&RowKey { table: "policy", key: key.clone() });
        if is_new {
            let columns =
                [("rule_set", Some(entry.rule_set.clone())), ("text_hash", Some(Hash::of(&text).to_string()))];
            self.set(entry, "policy", key.clone(), columns);
        }
        let columns = [("hash", Some(hash)), ("state", Some("active".to_owned())), ("changed_at", Some(now(entry)))];
        self.set(entry, "policy", key, columns);
        Some(())
    }

    fn policy_state(&mut self, entry: &Entry, body: &Value, state: &str) -> Option<()> {
        let key = format!("{}@{}", entry.subject, number(body, "version")?);
        self.set(entry, "policy", key, [("state", Some(state.to_owned())), ("changed_at", Some(now(entry)))]);
        Some(())
    }

    fn grant(&mut self, entry: &Entry, body: &Value) -> Option<()> {
        let columns = [
            ("account", Some(text(body, "account")?)),
            ("owner", Some(text(body, "owner")?)),
            ("reason", Some(text(body, "reason")?)),
            ("from_at", Some(number(body, "from")?)),
            ("until_at", Some(number(body, "until")?)),
            ("granted_at", Some(now(entry))),
            ("ended_at", None),
        ];
        self.set(entry, "exemption", text(body, "id")?, columns);
        Some(())
    }

    fn campaign(&mut self, entry: &Entry, body: &Value) -> Option<()> {
        let columns = [
            ("policy", Some(text(body, "policy")?)),
            ("round", Some("1".to_owned())),
            ("state", Some("running".to_owned())),
            ("created_at", Some(now(entry))),
            ("changed_at", Some(now(entry))),
            ("recipients", Some(number(body, "recipients")?)),
        ];
        self.set(entry, "campaign", entry.subject.clone(), columns);
        // Members that the first versions did not write.
        for column in ["mandatory", "recipients_hash"] {
            if let Some(value) = body.get(column) {
                self.set(entry, "campaign", entry.subject.clone(), [(column, value.as_str().map(str::to_owned))]);
            }
        }
        Some(())
    }

    fn campaign_state(&mut self, entry: &Entry, state: &str) {
        let columns = [("state", Some(state.to_owned())), ("changed_at", Some(now(entry)))];
        self.set(entry, "campaign", entry.subject.clone(), columns);
    }

    fn next_round(&mut self, entry: &Entry) -> Option<()> {
        let (_, row) = self.rows.get(&RowKey { table: "campaign", key: entry.subject.clone() })?;
        let round = row.get("round")?.as_deref()?.parse::<u64>().ok()?.checked_add(1)?;
        self.set(
            entry,
            "campaign",
            entry.subject.clone(),
            [("round", Some(round.to_string())), ("changed_at", Some(now(entry)))],
        );
        Some(())
    }

    fn event(&mut self, entry: &Entry, body: &Value) -> Option<()> {
        let seq = number(body, "seq")?;
        let columns = [
            ("at", Some(now(entry))),
            ("actor", Some(entry.actor.clone())),
            ("body_hash", Some(json_hash(body.get("event")?))),
        ];
        self.set(entry, "move_event", format!("{}@{seq}", entry.subject), columns);
        self.set(entry, "move", entry.subject.clone(), [("version", Some(seq))]);
        Some(())
    }

    /// Every difference to the rows of a database, in the order of tables and keys.
    pub fn differences(&self, found: &Rows) -> Vec<Difference> {
        let mut all: Vec<_> = self.unreadable.iter().map(|seq| Difference::Unreadable(*seq)).collect();
        let added = found.keys().filter(|row| !self.rows.contains_key(row));
        all.extend(added.map(|row| Difference::Added(row.clone())));
        for (row, (seq, columns)) in &self.rows {
            let Some(values) = found.get(row) else {
                all.push(Difference::Removed { row: row.clone(), seq: *seq });
                continue;
            };
            for (column, expected) in columns {
                let found = values.get(column).cloned().flatten();
                if found != *expected {
                    let (row, expected) = (row.clone(), expected.clone());
                    all.push(Difference::Changed { row, seq: *seq, column, found, expected });
                }
            }
        }
        all
    }
}

/// The hash of a JSON value, however its text was laid out.
pub fn json_hash(value: &Value) -> String {
    Hash::of(&value.to_string()).to_string()
}

fn is_version_of(row: &RowKey, policy: &str) -> bool {
    row.table == "policy" && row.key.rsplit_once('@').is_some_and(|(id, _)| id == policy)
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name)?.as_str().map(str::to_owned)
}

fn number(body: &Value, name: &str) -> Option<String> {
    body.get(name)?.as_i64().map(|number| number.to_string())
}

fn now(entry: &Entry) -> String {
    entry.at.0.to_string()
}
