//! The share of the source's own figures that the gateway saw.

use super::Export;
use crate::survey::{DayUse, Survey};
use chrono::NaiveDate;
use serde::Serialize;
use std::collections::BTreeMap;

/// The source's export beside what was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// By the source's name of the model.
    pub models: Vec<Compared>,
    /// Days of the export within the survey's period. These are compared.
    pub days: u64,
    /// Days of the export outside that period.
    pub days_outside: u64,
}

/// One model over the compared days.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The source's name of the model.
    pub model: String,
    /// Requests that the source counted.
    pub exported_requests: u64,
    /// Requests that were seen.
    pub seen_requests: u64,
    /// Tokens that the source counted.
    pub exported_tokens: u64,
    /// Tokens that were seen.
    pub seen_tokens: u64,
}

impl Compared {
    /// The seen share of the source's traffic: of its requests, or of its tokens if it counted no
    /// requests. `None` if it counted neither. More than 1 means that clocks, days or models do not
    /// match.
    pub fn share(&self) -> Option<f64> {
        match (self.exported_requests, self.exported_tokens) {
            (0, 0) => None,
            (0, tokens) => Some(self.seen_tokens as f64 / tokens as f64),
            (requests, _) => Some(self.seen_requests as f64 / requests as f64),
        }
    }
}

/// Compares the days that both cover.
pub fn compare(export: &Export, survey: &Survey) -> Comparison {
    let (Some(first), Some(last)) = (survey.first, survey.last) else {
        return Comparison { days_outside: export.days.len() as u64, ..Comparison::default() };
    };
    let period = first.date()..=last.date();
    let (inside, outside): (Vec<_>, Vec<_>) = export.days.iter().partition(|(day, _)| period.contains(*day));
    let mut models: BTreeMap<&str, Compared> = BTreeMap::new();
    for (day, exported) in &inside {
        for (name, figures) in *exported {
            let row = models.entry(name).or_insert_with(|| Compared::of(name));
            row.exported_requests = row.exported_requests.saturating_add(figures.requests);
            row.exported_tokens = row.exported_tokens.saturating_add(figures.input.saturating_add(figures.output));
        }
        add_seen(**day, survey, &exported.keys().map(String::as_str).collect::<Vec<_>>(), &mut models);
    }
    Comparison { models: models.into_values().collect(), days: inside.len() as u64, days_outside: outside.len() as u64 }
}

impl Compared {
    fn of(model: &str) -> Self {
        Self { model: model.to_owned(), exported_requests: 0, seen_requests: 0, exported_tokens: 0, seen_tokens: 0 }
    }
}

/// Adds each seen model to the export's row of the same name, else to the one row of a dated
/// version of it.
fn add_seen<'a>(day: NaiveDate, survey: &Survey, names: &[&'a str], into: &mut BTreeMap<&'a str, Compared>) {
    let empty = BTreeMap::new();
    let seen: &BTreeMap<String, DayUse> = survey.days.get(&day).unwrap_or(&empty);
    for (model, used) in seen {
        let exact = names.iter().find(|name| **name == model);
        let Some(name) = exact.or_else(|| names.iter().find(|name| is_dated(name, model) || is_dated(model, name)))
        else {
            continue;
        };
        if let Some(row) = into.get_mut(name) {
            row.seen_requests = row.seen_requests.saturating_add(used.requests);
            row.seen_tokens = row.seen_tokens.saturating_add(used.usage.total());
        }
    }
}

/// Whether `name` is `model` with a date behind it: `gpt-4o-2024-08-06`, `gpt-4-0613`.
fn is_dated(name: &str, model: &str) -> bool {
    let rest = name.strip_prefix(model).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|rest| rest.len() >= 4 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}
