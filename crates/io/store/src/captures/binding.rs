//! The plain columns of a capture's row, and how they are bound to its sealed texts.
//!
//! Rules:
//! - Every plain column is part of the associated data of both sealed texts, so that a changed
//!   column is noticed when the capture is opened. `seq` is not bound: the database chooses it.
//! - The encoding is canonical: each value has its kind in front, and each text its length.
//! - The form is part of the associated data. A changed `seal_version` selects other associated
//!   data, and nothing opens.

use super::Capture;
use crate::StoreError;
use banjia_types::{AccountId, ErrorClass, Target, TrafficKind, Usage};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// The form of rows that are written now.
pub(super) const FORM: i64 = 2;
/// The form of rows from before the column `seal_version`: only the place of a text is bound to it.
pub(super) const FORM_OF_PLACE: i64 = 1;

/// Begins the associated data.
const DOMAIN: &[u8] = b"banjia capture";

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
}

/// Names and kinds of the plain columns, in the order of the encoding. Another order or another
/// column is another form.
const COLUMNS: [(&str, Kind); 24] = [
    ("id", Kind::Text),
    ("leg", Kind::Text),
    ("number", Kind::Number),
    ("accepted_at", Kind::Number),
    ("account", Kind::Text),
    ("route", Kind::Text),
    ("vendor", Kind::Text),
    ("model", Kind::Text),
    ("endpoint", Kind::Text),
    ("stream", Kind::Number),
    ("client", Kind::Text),
    ("outcome", Kind::Text),
    ("class", Kind::Text),
    ("prompt_tokens", Kind::Number),
    ("completion_tokens", Kind::Number),
    ("cached_tokens", Kind::Number),
    ("reasoning_tokens", Kind::Number),
    ("cost_micros", Kind::Number),
    ("currency", Kind::Text),
    ("first_content_ms", Kind::Number),
    ("total_ms", Kind::Number),
    ("redactions", Kind::Number),
    ("request_bytes", Kind::Number),
    ("answer_bytes", Kind::Number),
];

/// The value of a plain column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plain<'a> {
    Null,
    Text(&'a str),
    Number(i64),
}

impl<'a> From<Option<&'a str>> for Plain<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<i64>> for Plain<'_> {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }
}

/// The plain columns of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlainColumns<'a>(pub(super) [Plain<'a>; COLUMNS.len()]);

impl<'a> PlainColumns<'a> {
    /// The columns of a capture that is to be written.
    pub(super) fn of(capture: &'a Capture, request_bytes: usize, answer_bytes: usize) -> Self {
        let size = |bytes: usize| Plain::Number(i64::try_from(bytes).unwrap_or(i64::MAX));
        let tokens = |of: fn(&Usage) -> u64| {
            Plain::from(capture.usage.as_ref().map(|usage| i64::try_from(of(usage)).unwrap_or(i64::MAX)))
        };
        Self([
            Plain::Text(&capture.id),
            Plain::Text(capture.leg.as_str()),
            Plain::Number(capture.number.into()),
            Plain::Number(capture.at.0),
            capture.account.as_ref().map(AccountId::as_str).into(),
            Plain::Text(capture.route.as_str()),
            Plain::Text(capture.target.vendor.as_str()),
            Plain::Text(capture.target.model.as_str()),
            Plain::Text(&capture.endpoint),
            Plain::Number(capture.stream.into()),
            capture.client.as_deref().into(),
            Plain::Text(capture.outcome.as_str()),
            capture.class.map(ErrorClass::as_str).into(),
            tokens(|usage| usage.prompt),
            tokens(|usage| usage.completion),
            tokens(|usage| usage.cached),
            tokens(|usage| usage.reasoning),
            capture.cost.map(|cost| cost.micros).into(),
            capture.cost.map(|cost| cost.currency.as_str()).into(),
            capture.first_content_ms.map(i64::from).into(),
            Plain::Number(capture.total_ms.into()),
            Plain::Number(capture.redactions.into()),
            size(request_bytes),
            size(answer_bytes),
        ])
    }

    /// The columns as they are stored.
    ///
    /// # Errors
    /// A value of another kind than this version writes.
    pub(super) fn read(row: &'a SqliteRow, id: &str) -> Result<Self, StoreError> {
        let mut columns = [const { Plain::Null }; COLUMNS.len()];
        for (column, (name, kind)) in columns.iter_mut().zip(COLUMNS) {
            let value = match kind {
                Kind::Text => row.try_get::<Option<&str>, _>(name).map(Plain::from),
                Kind::Number => row.try_get::<Option<i64>, _>(name).map(Plain::from),
            };
            *column = value.map_err(|_| StoreError::Changed { what: name, id: id.to_owned() })?;
        }
        Ok(Self(columns))
    }

    /// The associated data of a sealed text of this row. `has_answer` is part of it, so that an
    /// answer cannot be taken away.
    pub(super) fn associated_data(&self, has_answer: bool, sealed_column: &str) -> Vec<u8> {
        let mut data = Vec::with_capacity(512);
        data.extend_from_slice(DOMAIN);
        data.extend_from_slice(&FORM.to_le_bytes());
        put_text(&mut data, sealed_column);
        data.push(u8::from(has_answer));
        for column in &self.0 {
            match column {
                Plain::Null => data.push(0),
                Plain::Text(text) => {
                    data.push(1);
                    put_text(&mut data, text);
                }
                Plain::Number(number) => {
                    data.push(2);
                    data.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        data
    }
}

fn put_text(into: &mut Vec<u8>, text: &str) {
    into.extend_from_slice(&(text.len() as u64).to_le_bytes());
    into.extend_from_slice(text.as_bytes());
}

/// The associated data of [`FORM_OF_PLACE`]. A JSON text, so that no two places can be written
/// alike.
pub(super) fn place(id: &str, leg: TrafficKind, number: u32, target: &Target, sealed_column: &str) -> Vec<u8> {
    serde_json::json!(["capture", id, leg, number, target, sealed_column]).to_string().into_bytes()
}
