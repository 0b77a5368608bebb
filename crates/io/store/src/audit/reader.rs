//! Reading the audit as it is at one moment.
//!
//! Rules:
//! - A reader sees one state of the database until it is dropped, whatever others write meanwhile.
//!   So the chain, its head and the tables that it covers belong together.
//! - Values of covered tables are read as texts, whatever their kind is: somebody may have changed
//!   them.

use super::{AuditRow, from_database, read_hash};
use crate::{Store, StoreError};
use banjia_border::audit::Hash;
use banjia_border::audit::replay::{Columns, RowKey, Rows, json_hash};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, Transaction};

/// A covered table: its name, the columns of its key, and its other columns.
type Table = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Columns whose audit entries hold a long text. They are compared by their hash, under the second
/// name.
const TEXTS: [(&str, &str); 2] = [("text", "text_hash"), ("body", "body_hash")];

const TABLES: [Table; 7] = [
    ("policy", &["id", "version"], &["hash", "rule_set", "text", "state", "changed_at"]),
    ("exemption", &["id"], &["account", "owner", "reason", "from_at", "until_at", "granted_at", "ended_at"]),
    ("appeal", &["id"], &["account", "said", "opened_at", "answer", "granted", "answered_at"]),
    ("unsubscribed", &["account"], &["said", "at"]),
    ("campaign", &["id"], &["policy", "round", "state", "created_at", "changed_at", "mandatory"]),
    ("move", &["id"], &["text", "version", "created_at"]),
    ("move_event", &["move", "seq"], &["at", "actor", "body"]),
];

/// The audit at one moment.
#[derive(Debug)]
pub struct AuditReader {
    transaction: Transaction<'static, Sqlite>,
}

impl Store {
    /// Begins to read the audit as it is now.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn audit_reader(&self) -> Result<AuditReader, StoreError> {
        let transaction = self.read.begin().await.map_err(StoreError::sql("read the audit"))?;
        Ok(AuditReader { transaction })
    }
}

impl AuditReader {
    /// The number and hash of the last entry, as the database noted them.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn head(&mut self) -> Result<(u64, Hash), StoreError> {
        read_head(&mut self.transaction).await
    }

    /// Up to `count` entries after number `after`, in order.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn page(&mut self, after: u64, count: u32) -> Result<Vec<AuditRow>, StoreError> {
        const SQL: &str = "SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
        let query = sqlx::query(SQL).bind(after.cast_signed()).bind(i64::from(count));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(StoreError::sql("read the audit"))?;
        rows.iter().map(from_database).collect()
    }

    /// The rows of the tables that the audit covers.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn covered_rows(&mut self) -> Result<Rows, StoreError> {
        let mut rows = Rows::new();
        for table in TABLES {
            read_table(&mut self.transaction, table, &mut rows).await?;
        }
        for (key, columns) in rows.iter_mut().filter(|(row, _)| row.table == "campaign") {
            let (count, hash) = recipients(&mut self.transaction, &key.key).await?;
            columns.extend([("recipients", Some(count.to_string())), ("recipients_hash", Some(hash))]);
        }
        Ok(rows)
    }
}

/// The number and hash of the last entry.
pub(super) async fn read_head(on: &mut SqliteConnection) -> Result<(u64, Hash), StoreError> {
    const SQL: &str = "SELECT seq, hash FROM audit_head WHERE id = 1";
    let found: (i64, String) = sqlx::query_as(SQL).fetch_one(on).await.map_err(StoreError::sql("read the audit"))?;
    Ok((found.0.cast_unsigned(), read_hash(&found.1)?))
}

async fn read_table(
    on: &mut SqliteConnection,
    (table, keys, others): Table,
    rows: &mut Rows,
) -> Result<(), StoreError> {
    let columns: Vec<_> =
        keys.iter().chain(others).map(|column| format!("CAST({column} AS TEXT) AS {column}")).collect();
    let sql = format!("SELECT {} FROM {table}", columns.join(", "));
    let failed = StoreError::sql("read the tables that the audit covers");
    for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(on).await.map_err(failed)? {
        let key: Vec<_> = keys.iter().map(|column| value(&row, column).unwrap_or_default()).collect();
        let columns: Columns = others.iter().map(|column| compared(column, value(&row, column))).collect();
        rows.insert(RowKey { table, key: key.join("@") }, columns);
    }
    Ok(())
}

/// The value of a column as text; `None` for NULL.
fn value(row: &SqliteRow, column: &str) -> Option<String> {
    row.try_get::<Option<String>, _>(column).unwrap_or_else(|_| Some("\u{fffd}".to_owned()))
}

/// What is compared of a column.
fn compared(column: &'static str, value: Option<String>) -> (&'static str, Option<String>) {
    let Some((_, hashed)) = TEXTS.into_iter().find(|(text, _)| *text == column) else { return (column, value) };
    let hash = |text: String| match serde_json::from_str(&text) {
        Ok(json) if column == "body" => json_hash(&json),
        _ => Hash::of(&text).to_string(),
    };
    (hashed, value.map(hash))
}

/// How many recipients a campaign has, and the hash over all of them.
pub(crate) async fn recipients(on: &mut SqliteConnection, campaign: &str) -> Result<(u64, String), StoreError> {
    const SQL: &str = "SELECT CAST(account AS TEXT) AS account, CAST(email AS TEXT) AS email, \
         CAST(language AS TEXT) AS language, CAST(evidence AS TEXT) AS evidence FROM recipient WHERE campaign = $1 \
         ORDER BY account";
    let failed = StoreError::sql("read who is told");
    let rows = sqlx::query(SQL).bind(campaign).fetch_all(on).await.map_err(failed)?;
    let lines: Vec<_> =
        rows.iter().map(|row| ["account", "email", "language", "evidence"].map(|column| value(row, column))).collect();
    Ok((rows.len() as u64, json_hash(&serde_json::json!(lines))))
}
