//! The source's own account of what was used: its export, to be compared with what the gateway saw.
//!
//! # Shapes that are read
//! - Pages of OpenAI's usage API (`data[].results[]` in buckets; API document 2.3.0) and of its
//!   costs API.
//! - Lists of rows.
//! - CSV or TSV tables as its dashboard exports them (columns `start_time`, `model`,
//!   `num_model_requests`, `input_tokens`, `input_cached_tokens`, `output_tokens`; seen in public
//!   copies of 2025-10).
//!
//! # Rules
//! - Columns are found by any of their known names, in any case and order. An empty field counts as
//!   absent.
//! - All problems are reported at once, each with its line or place.
//! - Text, rows and problems are bounded.
//! - Days are UTC, as the source counts them.

mod compare;
mod table;
#[cfg(test)]
mod tests;

pub use compare::{Compared, Comparison, compare};

use banjia_types::{Currency, Timestamp};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The longest export that is read, in bytes.
pub const EXPORT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Maximum number of rows.
const ROWS_MAX: usize = 1_000_000;
/// Maximum number of problems that are reported. The rest are counted.
const PROBLEMS_MAX: usize = 100;
/// The model of rows without one.
pub const NO_MODEL: &str = "(not said)";

/// Totals by day and model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportProblem {
    /// The line of a table, or the number of the row in JSON; both from 1. 0 for the whole export.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for ExportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            line => write!(f, "line {line}: {}", self.message),
        }
    }
}

/// Totals by day and model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Export {
    /// By day (UTC) and model.
    pub days: BTreeMap<NaiveDate, BTreeMap<String, ExportDay>>,
}

/// One model on one day, by the source's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExportDay {
    /// Number of requests.
    pub requests: u64,
    /// Prompt tokens, including cached ones.
    pub input: u64,
    /// Number of these that were cached.
    pub cached: u64,
    /// Response tokens.
    pub output: u64,
    /// What was billed, in millionths by currency.
    pub micros: BTreeMap<Currency, i64>,
}

/// Reads an export, JSON or a table.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(text: &str) -> Result<Export, Vec<ExportProblem>> {
    if text.len() > EXPORT_BYTES_MAX {
        let message = format!("the export is longer than {EXPORT_BYTES_MAX} bytes; export fewer days at once");
        return Err(vec![ExportProblem { line: 0, message }]);
    }
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader { export: Export::default(), problems: Vec::new(), rows: 0, more: 0 };
    match text.trim_start().bytes().next() {
        None => reader.problem(0, "the export is empty"),
        Some(b'{' | b'[') => table::read_json(text, &mut reader),
        Some(_) => table::read_table(text, &mut reader),
    }
    if reader.more > 0 {
        let message = format!("and {} more problems", reader.more);
        reader.problems.push(ExportProblem { line: 0, message });
    }
    if reader.problems.is_empty() { Ok(reader.export) } else { Err(reader.problems) }
}

struct Reader {
    export: Export,
    problems: Vec<ExportProblem>,
    rows: usize,
    more: usize,
}

/// The known fields, by the names that exports use.
const FIELDS: [(Field, &[&str]); 8] = [
    (Field::Day, &["start_time", "start_time_iso", "date", "day", "usage_date", "timestamp", "aggregation_timestamp"]),
    (Field::Model, &["model", "model_name", "snapshot_id", "line_item"]),
    (Field::Requests, &["num_model_requests", "requests", "n_requests", "request_count"]),
    (Field::Input, &["input_tokens", "prompt_tokens", "n_context_tokens_total"]),
    (Field::Cached, &["input_cached_tokens", "cached_tokens", "cached_input_tokens"]),
    (Field::Output, &["output_tokens", "completion_tokens", "n_generated_tokens_total"]),
    (Field::Cost, &["amount_value", "cost", "cost_usd", "amount", "cost_in_major"]),
    (Field::Currency, &["amount_currency", "currency"]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Day,
    Model,
    Requests,
    Input,
    Cached,
    Output,
    Cost,
    Currency,
}

/// The field that a column name stands for.
fn field(name: &str) -> Option<Field> {
    let name: String =
        name.trim().chars().map(|c| if c == ' ' || c == '-' { '_' } else { c.to_ascii_lowercase() }).collect();
    FIELDS.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(field, _)| *field)
}

impl Reader {
    fn problem(&mut self, line: usize, message: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(ExportProblem { line, message: message.into() });
        } else {
            self.more += 1;
        }
    }

    /// Counts a row, and returns whether it may be read.
    fn has_room(&mut self) -> bool {
        self.rows += 1;
        if self.rows == ROWS_MAX + 1 {
            self.problem(0, format!("the export has more than {ROWS_MAX} rows; export fewer days at once"));
        }
        self.rows <= ROWS_MAX
    }

    /// Reads one row. For each kind the first field that is not empty counts.
    fn row(&mut self, line: usize, fields: &[(Field, String)]) {
        let get = |wanted: Field| {
            fields
                .iter()
                .filter(|(field, _)| *field == wanted)
                .map(|(_, text)| text.trim())
                .find(|text| !text.is_empty())
        };
        let counts = [Field::Requests, Field::Input, Field::Cached, Field::Output];
        if counts.iter().all(|field| get(*field).is_none()) && get(Field::Cost).is_none() {
            // Days without traffic are exported as rows without figures.
            return;
        }
        let day = match get(Field::Day) {
            None => return self.problem(line, "there is no day"),
            Some(text) => match day(text) {
                Some(day) => day,
                None => {
                    return self.problem(line, format!("{text:?} is no day; write 2024-07-09 or seconds since 1970"));
                }
            },
        };
        let model = get(Field::Model).unwrap_or(NO_MODEL).to_owned();
        let mut read = [0; 4];
        for (into, field) in read.iter_mut().zip(counts) {
            match get(field).map(count) {
                None => {}
                Some(Some(found)) => *into = found,
                Some(None) => {
                    let text = get(field).unwrap_or_default();
                    return self.problem(line, format!("{text:?} is no count of {field:?}"));
                }
            }
        }
        let cost = get(Field::Cost).map(|text| (text, micros(text)));
        if let Some((text, None)) = cost {
            return self.problem(line, format!("{text:?} is no amount of money"));
        }
        let currency = match get(Field::Currency).map(str::to_ascii_uppercase).as_deref() {
            None | Some("USD") => Currency::Usd,
            Some("CNY" | "RMB") => Currency::Cny,
            Some(other) => {
                return self.problem(line, format!("{other:?} is no currency that is known; CNY and USD are"));
            }
        };
        let [requests, input, cached, output] = read;
        if cached > input {
            return self.problem(line, format!("{cached} cached tokens of {input} input tokens: more than all"));
        }
        let into = self.export.days.entry(day).or_default().entry(model).or_default();
        into.requests = into.requests.saturating_add(requests);
        into.input = into.input.saturating_add(input);
        into.cached = into.cached.saturating_add(cached);
        into.output = into.output.saturating_add(output);
        if let Some((_, Some(micros))) = cost {
            let sum = into.micros.entry(currency).or_default();
            *sum = sum.saturating_add(micros);
        }
    }
}

fn day(text: &str) -> Option<NaiveDate> {
    if let Ok(number) = text.parse::<i64>() {
        // Seconds, or milliseconds when seconds would be beyond the year 5000.
        let ms = if number.unsigned_abs() > 100_000_000_000 { number } else { number.checked_mul(1_000)? };
        return (ms > 0).then(|| Timestamp(ms).date());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc().date_naive())
        .ok()
        .or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok().map(|time| time.date()))
        .or_else(|| text.parse().ok())
}

/// The largest count of one row. A thousand billion tokens a day is more than any vendor served to
/// one customer by 2026; what lies a thousand times above it is a slip.
const COUNT_MAX: u64 = 1_000_000_000_000_000;

/// Reads a count, also one that a spreadsheet wrote as `1,234` or `12.0`.
fn count(text: &str) -> Option<u64> {
    let text = text.replace(',', "");
    let text = text.split_once('.').map_or(text.as_str(), |(whole, rest)| {
        if rest.bytes().all(|digit| digit == b'0') { whole } else { text.as_str() }
    });
    text.parse().ok().filter(|count| *count <= COUNT_MAX)
}

/// Reads an amount in millionths, without floats. Digits beyond the sixth are cut off.
fn micros(text: &str) -> Option<i64> {
    let text = text.trim_start_matches(['$', '¥', '￥']).replace(',', "");
    let (sign, text) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if text.is_empty() || !digits(whole) || !digits(rest) {
        // A small cost may be written 1e-05.
        let number: f64 = text.parse().ok()?;
        return (number.is_finite() && number.abs() < 1e12).then(|| (number * 1e6).round() as i64 * sign);
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let parts: String = rest.chars().chain("000000".chars()).take(6).collect();
    whole.checked_mul(1_000_000)?.checked_add(parts.parse::<i64>().ok()?)?.checked_mul(sign)
}
