//! Rows of the ledger into the database and out of it.
//!
//! Rules: what rows have in common is written once ([`LedgerDimensions`]); a batch is few
//! statements with many rows each; a row that is already there is left as it is, so that a batch
//! may be written again when nobody knows whether it arrived. Why not one JSON argument that the
//! database takes apart: measured, that costs two and a half times as much per row.

mod kinds;
mod values;

pub(crate) use kinds::LedgerDimensions;

use crate::sums::{self, WideSum};
use crate::unreadable::readable;
use crate::{BorderNote, Row, StoreError};
use banjia_types::{Currency, ErrorClass, Loss, LossLevel, Money, Outcome, RequestId, Target, Timestamp, VerdictKind};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use uuid::Uuid;
use values::Values;

pub(crate) const LAST: &str = "SELECT * FROM ledger ORDER BY accepted_at DESC, request_id DESC LIMIT $1";

const COLUMNS: usize = 13;

/// Every loss level, for reading one back.
const LEVELS: [LossLevel; 5] =
    [LossLevel::Exact, LossLevel::Emulated, LossLevel::Degraded, LossLevel::Dropped, LossLevel::Refused];

/// Every verdict, for reading one back.
const VERDICTS: [VerdictKind; 4] = [VerdictKind::Allow, VerdictKind::Notice, VerdictKind::Brownout, VerdictKind::Block];

/// Rows of one statement, the largest first. Fewer round trips to the connection's thread, few
/// enough texts to keep prepared.
const STEPS: [usize; 4] = [200, 25, 5, 1];

static INSERTS: LazyLock<[String; 4]> = LazyLock::new(|| STEPS.map(insert_of));

/// The statement that inserts so many rows. Placeholders are not numbered: the driver looks a
/// numbered one up by name.
fn insert_of(rows: usize) -> String {
    let one = format!("({})", ["?"; COLUMNS].join(", "));
    format!(
        "INSERT INTO ledger_entry (accepted_at, request_id, ended_at, kind, prompt_tokens, completion_tokens, cached_tokens, \
         reasoning_tokens, cost_micros, losses, first_content_ms, asn, address) VALUES {} \
         ON CONFLICT (accepted_at, request_id) DO NOTHING",
        vec![one; rows].join(", ")
    )
}

/// Inserts rows, as many as possible with one statement.
pub(crate) async fn insert(
    rows: &[Row],
    kinds: &mut LedgerDimensions,
    into: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let mut left = rows;
    for (step, sql) in STEPS.into_iter().zip(INSERTS.iter()) {
        let whole = left.len() - left.len() % step;
        let (now, rest) = left.split_at(whole);
        for group in now.chunks(step) {
            let mut values = Values::with_room_for(group.len() * COLUMNS);
            for row in group {
                let kind = kinds.number_of(row, into).await?;
                put(&mut values, row, kind);
            }
            values.insert_with(sql, into).await?;
        }
        left = rest;
    }
    crate::watch::insert_failures(rows, into).await
}

/// Adds one row's own values in the order of the columns.
fn put(values: &mut Values, row: &Row, kind: i64) {
    let (usage, border) = (row.usage.as_ref(), row.border.as_deref());
    let losses =
        (!row.losses.is_empty()).then(|| serde_json::to_string(&row.losses).expect("a list of texts is always JSON"));
    values.number(row.accepted_at.0);
    values.text(id_text(row.request_id));
    values.number(row.ended_at.0);
    values.number(kind);
    values.maybe(usage.map(|u| counted(u.prompt)));
    values.maybe(usage.map(|u| counted(u.completion)));
    values.maybe(usage.map(|u| counted(u.cached)));
    values.maybe(usage.map(|u| counted(u.reasoning)));
    values.maybe(row.cost.map(|cost| cost.micros));
    values.maybe(losses);
    values.maybe(row.first_content_ms.map(i64::from));
    values.maybe(border.and_then(|note| note.asn).map(i64::from));
    values.maybe(border.and_then(|note| note.address.as_deref()).map(Arc::<str>::from));
}

/// `req_` and 32 digits.
fn id_text(id: RequestId) -> Arc<str> {
    let mut text = [0; 4 + uuid::fmt::Simple::LENGTH];
    let (prefix, digits) = text.split_at_mut(4);
    prefix.copy_from_slice(b"req_");
    id.0.simple().encode_lower(digits);
    std::str::from_utf8(&text).expect("hexadecimal digits are ASCII").into()
}

/// A count as the database holds it.
fn counted(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// Reads a row of [`LAST`].
pub(crate) fn from_database(row: &SqliteRow) -> Result<Row, StoreError> {
    let text = |name: &str| get::<Option<String>>(row, name);
    let number = |name: &str| get::<Option<i64>>(row, name);
    let id = get::<String>(row, "request_id")?;
    let uuid = id.strip_prefix("req_").and_then(|hex| Uuid::try_parse(hex).ok());
    let request_id = RequestId(uuid.ok_or_else(|| unknown("a request id", &id))?);
    let outcome = outcome(&get::<String>(row, "outcome")?)?;
    let mut entry =
        Row::new(request_id, Timestamp(get(row, "accepted_at")?), Timestamp(get(row, "ended_at")?), outcome);
    entry.account = text("account")?.map(Into::into);
    entry.key = text("api_key")?.map(Into::into);
    entry.route = text("route")?.map(Into::into);
    entry.target = target(text("vendor")?, text("model")?);
    entry.endpoint = Cow::Owned(get(row, "endpoint")?);
    entry.stream = get::<i64>(row, "stream")? != 0;
    entry.class = text("class")?.map(|name| class(&name)).transpose()?;
    entry.status = u16::try_from(get::<i64>(row, "status")?).unwrap_or(0);
    entry.attempts = u32::try_from(get::<i64>(row, "attempts")?).unwrap_or(0);
    entry.usage = sums::usage(
        number("prompt_tokens")?,
        number("completion_tokens")?,
        number("cached_tokens")?,
        number("reasoning_tokens")?,
    );
    let is_cost_known = entry.usage.is_some() || number("prompt_tokens")?.is_none();
    if let (Some(micros), Some(code), true) = (number("cost_micros")?, text("currency")?, is_cost_known) {
        entry.cost = Some(Money { micros, currency: currency(&code)? });
    }
    entry.losses = match text("losses")? {
        Some(json) => serde_json::from_str::<Vec<Loss>>(&json).map_err(|_| unknown("losses", &json))?,
        None => Vec::new(),
    };
    entry.first_content_ms = number("first_content_ms")?.and_then(|ms| u32::try_from(ms).ok());
    entry.reason = text("reason")?.map(Cow::Owned);
    entry.border = match text("verdict")? {
        Some(name) => Some(Box::new(border(row, &name)?)),
        None => None,
    };
    Ok(entry)
}

fn border(row: &SqliteRow, name: &str) -> Result<BorderNote, StoreError> {
    let text = |name: &str| get::<Option<String>>(row, name);
    let kind = VERDICTS.into_iter().find(|kind| kind.as_str() == name);
    Ok(BorderNote {
        network: text("network")?.and_then(|place| place.parse().ok()),
        network_differs: text("network_differs")?.and_then(|code| code.parse().ok()),
        asn: get::<Option<i64>>(row, "asn")?.and_then(|asn| u32::try_from(asn).ok()),
        address: text("address")?.map(String::into_boxed_str),
        verdict: kind.ok_or_else(|| unknown("a verdict", name))?,
        rule: Cow::Owned(text("rule")?.unwrap_or_default()),
        policy: text("policy")?.map(Into::into),
    })
}

fn get<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(StoreError::sql("read a row of the ledger"))
}

fn unknown(what: &'static str, found: &str) -> StoreError {
    StoreError::Unknown { what, found: found.to_owned() }
}

/// A target is whole or not there.
pub(crate) fn target(vendor: Option<String>, model: Option<String>) -> Option<Target> {
    Some(Target { vendor: vendor?.into(), model: model?.into() })
}

pub(crate) fn outcome(name: &str) -> Result<Outcome, StoreError> {
    Outcome::ALL.into_iter().find(|o| o.as_str() == name).ok_or_else(|| unknown("an outcome", name))
}

/// Sums of money by the code of their currency. What is in a currency that this version does not
/// know is left out.
pub(crate) fn amounts(what: &'static str, sums: Vec<(String, i64, i64)>) -> Vec<Money> {
    let read = |(code, upper, lower): (String, i64, i64)| {
        Ok(Money { micros: WideSum::new(upper, lower).signed(), currency: currency(&code)? })
    };
    readable(what, sums.into_iter().map(read))
}

pub(crate) fn currency(code: &str) -> Result<Currency, StoreError> {
    [Currency::Cny, Currency::Usd].into_iter().find(|c| c.as_str() == code).ok_or_else(|| unknown("a currency", code))
}

pub(crate) fn level(name: &str) -> Result<LossLevel, StoreError> {
    LEVELS.into_iter().find(|l| l.as_str() == name).ok_or_else(|| unknown("a loss level", name))
}

pub(crate) fn class(name: &str) -> Result<ErrorClass, StoreError> {
    ErrorClass::ALL.into_iter().find(|c| c.as_str() == name).ok_or_else(|| unknown("an error class", name))
}
