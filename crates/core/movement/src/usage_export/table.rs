//! Reads rows from JSON and from tables.

use super::{Field, Reader, field};
use serde_json::{Map, Value};

/// Reads rows from a page (`data` with buckets and `results`), from several pages in a list, or
/// from a plain list of rows.
pub(super) fn read_json(text: &str, into: &mut Reader) {
    match serde_json::from_str::<Value>(text) {
        Err(error) => into.problem(error.line(), format!("this is no JSON: {error}")),
        Ok(value) => {
            let mut number = 0;
            walk(&value, &[], &mut number, into);
            if number == 0 && into.problems.is_empty() {
                into.problem(0, "there are no rows: expected a list of rows, or pages with `data`");
            }
        }
    }
}

/// Walks pages, buckets and results; nothing is nested deeper. The fields of a bucket apply to its
/// results.
fn walk(value: &Value, above: &[(Field, String)], number: &mut usize, into: &mut Reader) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, above, number, into)),
        Value::Object(members) => {
            let mut fields = own_fields(members);
            fields.extend(above.iter().cloned());
            if let Some(inner) = ["data", "results", "result"].iter().find_map(|name| members.get(*name)) {
                // A day without traffic is a bucket without results, and a row nevertheless.
                *number += usize::from(inner.as_array().is_some_and(Vec::is_empty));
                return walk(inner, &fields, number, into);
            }
            *number += 1;
            if into.has_room() {
                into.row(*number, &fields);
            }
        }
        _ => {
            *number += 1;
            into.problem(*number, "a row is an object with named fields");
        }
    }
}

fn own_fields(members: &Map<String, Value>) -> Vec<(Field, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let mut fields = Vec::new();
    for (name, value) in members {
        if let (Some(known), Some(text)) = (field(name), text(value)) {
            fields.push((known, text));
        }
        // The costs API returns {"amount": {"value": 0.06, "currency": "usd"}}.
        if let (Some(Field::Cost), Value::Object(amount)) = (field(name), value) {
            fields.extend(amount.get("value").and_then(text).map(|text| (Field::Cost, text)));
            fields.extend(amount.get("currency").and_then(text).map(|text| (Field::Currency, text)));
        }
    }
    fields
}

/// Reads rows from a table whose first line holds the column names.
pub(super) fn read_table(text: &str, into: &mut Reader) {
    let first = text.lines().next().unwrap_or_default();
    let mark = [b'\t', b';', b','].into_iter().max_by_key(|mark| first.bytes().filter(|byte| byte == mark).count());
    let mut table =
        csv::ReaderBuilder::new().delimiter(mark.unwrap_or(b',')).flexible(true).from_reader(text.as_bytes());
    let columns: Vec<Option<Field>> = match table.headers() {
        Ok(names) => names.iter().map(field).collect(),
        Err(error) => return into.problem(1, format!("the names of the columns cannot be read: {error}")),
    };
    let has = |wanted: Field| columns.contains(&Some(wanted));
    if !has(Field::Day) {
        into.problem(1, "no column is a day: name one `date` or `start_time`");
    }
    if ![Field::Requests, Field::Input, Field::Output, Field::Cost].into_iter().any(has) {
        into.problem(1, "no column holds figures: expected num_model_requests, input_tokens, output_tokens or cost");
    }
    if !into.problems.is_empty() {
        return;
    }
    for record in table.records() {
        if !into.has_room() {
            return;
        }
        match record {
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line) as usize;
                into.problem(line, format!("the row cannot be read: {error}"));
            }
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line) as usize;
                if record.len() != columns.len() {
                    into.problem(line, format!("{} fields for {} columns", record.len(), columns.len()));
                    continue;
                }
                let fields = columns.iter().zip(&record).filter_map(|(known, text)| Some(((*known)?, text.to_owned())));
                into.row(line, &fields.collect::<Vec<_>>());
            }
        }
    }
}
