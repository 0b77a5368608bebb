//! Rows of the ledger into the database and out of it.
//!
//! Rules: a batch is one statement with one argument, a JSON array of arrays in the order of the columns; a row that is
//! already there is left as it is, so that a batch may be written again when nobody knows whether it arrived.
//! Why JSON: every argument costs an allocation and a call on another thread, and a row has 23 of them.

use crate::{Row, StoreError};
use banjia_types::{Currency, ErrorClass, Loss, LossLevel, Money, Outcome, RequestId, Target, Timestamp, Usage};
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::borrow::Cow;
use std::fmt::Display;
use uuid::Uuid;

pub(crate) const INSERT: &str = "INSERT INTO ledger (request_id, accepted_at, ended_at, account, api_key, route, vendor, \
    model, endpoint, stream, outcome, class, status, attempts, prompt_tokens, completion_tokens, cached_tokens, \
    reasoning_tokens, cost_micros, currency, losses, first_content_ms, reason) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
    value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, \
    value ->> 16, value ->> 17, value ->> 18, value ->> 19, value ->> 20, value ->> 21, value ->> 22 \
    FROM json_each($1) WHERE true ON CONFLICT (request_id) DO NOTHING";

pub(crate) const LAST: &str = "SELECT * FROM ledger ORDER BY accepted_at DESC, request_id DESC LIMIT $1";

const COLUMNS: usize = 23;

/// Every loss level, for reading one back.
const LEVELS: [LossLevel; 5] =
    [LossLevel::Exact, LossLevel::Emulated, LossLevel::Degraded, LossLevel::Dropped, LossLevel::Refused];

/// The argument of [`INSERT`].
pub(crate) fn to_json(rows: &[Row]) -> Result<String, serde_json::Error> {
    struct Columns<'a>(&'a Row);
    impl Serialize for Columns<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let (row, mut seq) = (self.0, to.serialize_seq(Some(COLUMNS))?);
            seq.serialize_element(&Text(&row.request_id))?;
            seq.serialize_element(&row.accepted_at.0)?;
            seq.serialize_element(&row.ended_at.0)?;
            seq.serialize_element(&row.account)?;
            seq.serialize_element(&row.key)?;
            seq.serialize_element(&row.route)?;
            seq.serialize_element(&row.target.as_ref().map(|t| &t.vendor))?;
            seq.serialize_element(&row.target.as_ref().map(|t| &t.model))?;
            seq.serialize_element(&row.endpoint)?;
            seq.serialize_element(&i64::from(row.stream))?;
            seq.serialize_element(row.outcome.as_str())?;
            seq.serialize_element(&row.class.map(ErrorClass::as_str))?;
            seq.serialize_element(&row.status)?;
            seq.serialize_element(&row.attempts)?;
            let usage = row.usage.as_ref();
            for tokens in [usage.map(|u| u.prompt), usage.map(|u| u.completion), usage.map(|u| u.cached)] {
                seq.serialize_element(&tokens.map(counted))?;
            }
            seq.serialize_element(&usage.map(|u| counted(u.reasoning)))?;
            seq.serialize_element(&row.cost.map(|c| c.micros))?;
            seq.serialize_element(&row.cost.map(|c| c.currency.as_str()))?;
            seq.serialize_element(&(!row.losses.is_empty()).then_some(&row.losses))?;
            seq.serialize_element(&row.first_content_ms)?;
            seq.serialize_element(&row.reason)?;
            seq.end()
        }
    }
    struct Batch<'a>(&'a [Row]);
    impl Serialize for Batch<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(self.0.iter().map(Columns))
        }
    }
    serde_json::to_string(&Batch(rows))
}

/// A count as the database holds it.
fn counted(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

struct Text<'a, T>(&'a T);

impl<T: Display> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self.0)
    }
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
    entry.usage = number("prompt_tokens")?
        .map(|prompt| -> Result<_, StoreError> {
            Ok(Usage {
                prompt: prompt.cast_unsigned(),
                completion: number("completion_tokens")?.unwrap_or(0).cast_unsigned(),
                cached: number("cached_tokens")?.unwrap_or(0).cast_unsigned(),
                reasoning: number("reasoning_tokens")?.unwrap_or(0).cast_unsigned(),
            })
        })
        .transpose()?;
    if let (Some(micros), Some(code)) = (number("cost_micros")?, text("currency")?) {
        entry.cost = Some(Money { micros, currency: currency(&code)? });
    }
    entry.losses = match text("losses")? {
        Some(json) => serde_json::from_str::<Vec<Loss>>(&json).map_err(|_| unknown("losses", &json))?,
        None => Vec::new(),
    };
    entry.first_content_ms = number("first_content_ms")?.and_then(|ms| u32::try_from(ms).ok());
    entry.reason = text("reason")?.map(Cow::Owned);
    Ok(entry)
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

pub(crate) fn currency(code: &str) -> Result<Currency, StoreError> {
    [Currency::Cny, Currency::Usd].into_iter().find(|c| c.as_str() == code).ok_or_else(|| unknown("a currency", code))
}

pub(crate) fn level(name: &str) -> Result<LossLevel, StoreError> {
    LEVELS.into_iter().find(|l| l.as_str() == name).ok_or_else(|| unknown("a loss level", name))
}

fn class(name: &str) -> Result<ErrorClass, StoreError> {
    ErrorClass::ALL.into_iter().find(|c| c.as_str() == name).ok_or_else(|| unknown("an error class", name))
}
