//! What is used: many exchanges folded into one survey.
//!
//! # Rules
//! - A survey is a sum, so folding in any order and merging in any grouping give the same result.
//! - Peaks are computed exactly from the starts and ends of exchanges.
//! - An exchange that is known only from the ledger counts as traffic and not as a request that was
//!   read. So statements about parameters rest on requests that were read.
//! - A use that was never seen is not called unused. If none of `n` requests shows it, at most
//!   `3/n` of the traffic uses it, with 95 % confidence.
//! - Names of parameters, tools and clients are kept, texts never.
//! - A survey grows with the exchanges that are folded into it. The caller bounds these.

mod coverage;
mod peaks;
#[cfg(test)]
mod tests;

pub use coverage::{Coverage, RARE_BELOW, Rare, coverage, share_at_most};
pub use peaks::{Peaks, peaks};

use banjia_types::{Currency, Money, Operation, RouteName, Target, Timestamp, Usage};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Upper bounds (exclusive) of the bins of prompt lengths, in tokens. They include every length at
/// which a vendor's price changes (profiles of 2026-09), so each bin has one price.
pub const PROMPT_BOUNDS: [u64; 13] =
    [250, 1_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 200_000, 256_000, 512_000, 1_000_000, 2_000_000];
/// Upper bounds (exclusive) of the bins of response lengths, in tokens.
pub const ANSWER_BOUNDS: [u64; 9] = [50, 200, 500, 1_000, 4_000, 8_000, 16_000, 32_000, 64_000];
/// Maximum length of a name, in characters.
const NAME_CHARS_MAX: usize = 96;
const MINUTE_MS: i64 = 60_000;

/// The language of a prompt, as the caller detected it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Chinese.
    Zh,
    /// English, or another language in Latin letters: letters alone cannot distinguish them.
    En,
    /// Anything else, and prompts without letters.
    Other,
}

/// One exchange, as far as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedExchange {
    /// The requested route.
    pub route: RouteName,
    /// The traffic it caused. `None` if another source has counted it and only its shape is new.
    pub traffic: Option<Traffic>,
    /// The shape of the request. `None` if only a row of the ledger exists.
    pub shape: Option<RequestShape>,
}

/// The traffic of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// When it was accepted.
    pub at: Timestamp,
    /// From acceptance to the end, in milliseconds.
    pub took_ms: u64,
    /// The target that answered. `None` if it reached none.
    pub target: Option<Target>,
    /// `chat` or `embeddings`.
    pub endpoint: String,
    /// Whether a stream was requested.
    pub stream: bool,
    /// Tokens, if the vendor reported them.
    pub usage: Option<Usage>,
    /// The cost, if known.
    pub cost: Option<Money>,
}

/// The shape of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestShape {
    /// Parameters with the kind of their value, such as `temperature: number`. Nested ones are
    /// dotted.
    pub params: Vec<String>,
    /// Names of the tools on offer.
    pub tools: Vec<String>,
    /// Whether the response had to match a schema or be JSON.
    pub schema: bool,
    /// Whether it contains images.
    pub images: bool,
    /// The language of the prompt.
    pub language: Language,
    /// Size of the request, in bytes.
    pub request_bytes: u64,
    /// The length of the vectors that the client asked for, or that were returned.
    pub dimensions: Option<u32>,
    /// The client program, from its `user-agent`.
    pub client: Option<String>,
}

/// What is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {
    /// When the first request was accepted.
    pub first: Option<Timestamp>,
    /// When the last request was accepted.
    pub last: Option<Timestamp>,
    /// By day (UTC) and model at the vendor that answered. A source's own export is compared with
    /// it.
    pub days: BTreeMap<NaiveDate, BTreeMap<String, DayUse>>,
    /// By route.
    pub routes: BTreeMap<RouteName, RouteUse>,
}

/// One model on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayUse {
    /// Number of requests.
    pub requests: u64,
    /// Their tokens.
    pub usage: Usage,
}

/// The use of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteUse {
    /// Number of requests.
    pub requests: u64,
    /// Number of these that are streams.
    pub streams: u64,
    /// Number of requests that were read, not only counted.
    pub shapes: u64,
    /// Requests by endpoint.
    pub endpoints: BTreeMap<String, u64>,
    /// By the target that answered.
    pub targets: BTreeMap<Target, TargetUse>,
    /// Of the requests read, the number that use each parameter.
    pub params: BTreeMap<String, u64>,
    /// Of the requests read, the number that offer each tool.
    pub tools: BTreeMap<String, u64>,
    /// Of the requests read, the number that offer any tool.
    pub with_tools: u64,
    /// Of the requests read, the number that ask for JSON or a schema.
    pub with_schema: u64,
    /// Of the requests read, the number that contain images.
    pub with_images: u64,
    /// Of the requests read, the languages.
    pub languages: BTreeMap<Language, u64>,
    /// Of the requests read, the clients.
    pub clients: BTreeMap<String, u64>,
    /// Of the requests read, lengths of vectors.
    pub dimensions: BTreeMap<u32, u64>,
    /// The longest request, in bytes.
    pub request_bytes_max: u64,
    /// Requests with known tokens by [`bin`].
    pub bins: BTreeMap<u16, DayUse>,
    /// The longest prompt, in tokens.
    pub prompt_max: u64,
    /// The longest answer, in tokens.
    pub answer_max: u64,
    /// The longest prompt and answer together, in tokens.
    pub total_max: u64,
    /// Sum of the times that requests took, in milliseconds.
    pub took_ms: u64,
    /// Requests and tokens by the minute of acceptance (minutes since 1970).
    pub minutes: BTreeMap<i64, Minute>,
    /// The change of the number of open requests, by millisecond. Changes that add up to zero are
    /// not kept.
    pub changes: BTreeMap<i64, i64>,
}

/// The use of one target of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetUse {
    /// Number of requests.
    pub requests: u64,
    /// Number of these with known tokens.
    pub counted: u64,
    /// Their tokens.
    pub usage: Usage,
    /// Number of these with a known cost.
    pub priced: u64,
    /// The known costs, in millionths by currency.
    pub micros: BTreeMap<Currency, i64>,
}

/// The use of a route in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Minute {
    /// Number of requests.
    pub requests: u64,
    /// Number of tokens, as far as known.
    pub tokens: u64,
}

/// The bin of a usage. It depends on both lengths, because prices do.
pub fn bin(usage: &Usage) -> u16 {
    let place = |bounds: &[u64], tokens: u64| bounds.partition_point(|bound| *bound <= tokens) as u16;
    place(&PROMPT_BOUNDS, usage.prompt) * 100 + place(&ANSWER_BOUNDS, usage.completion)
}

/// Adds one exchange.
pub fn fold(survey: &mut Survey, seen: ObservedExchange) {
    if seen.traffic.is_none() && seen.shape.is_none() {
        return;
    }
    let route = survey.routes.entry(seen.route).or_default();
    if let Some(shape) = seen.shape {
        route.read(shape);
    }
    let Some(traffic) = seen.traffic else { return };
    survey.first = survey.first.into_iter().chain([traffic.at]).min();
    survey.last = survey.last.into_iter().chain([traffic.at]).max();
    if let Some(target) = &traffic.target {
        let day = survey.days.entry(traffic.at.date()).or_default().entry(target.model.to_string()).or_default();
        *day = day.plus(DayUse { requests: 1, usage: traffic.usage.unwrap_or_default() });
    }
    route.count(traffic);
}

impl DayUse {
    fn plus(self, other: Self) -> Self {
        Self { requests: self.requests.saturating_add(other.requests), usage: self.usage + other.usage }
    }
}

impl RouteUse {
    fn read(&mut self, shape: RequestShape) {
        self.shapes += 1;
        self.with_tools += u64::from(!shape.tools.is_empty());
        self.with_schema += u64::from(shape.schema);
        self.with_images += u64::from(shape.images);
        self.request_bytes_max = self.request_bytes_max.max(shape.request_bytes);
        once_each(&mut self.params, shape.params);
        once_each(&mut self.tools, shape.tools);
        once_each(&mut self.clients, shape.client.into_iter().collect());
        *self.languages.entry(shape.language).or_default() += 1;
        if let Some(dimensions) = shape.dimensions {
            *self.dimensions.entry(dimensions).or_default() += 1;
        }
    }

    fn count(&mut self, traffic: Traffic) {
        self.requests += 1;
        self.streams += u64::from(traffic.stream);
        *self.endpoints.entry(cut(traffic.endpoint)).or_default() += 1;
        let minute = self.minutes.entry(traffic.at.0.div_euclid(MINUTE_MS)).or_default();
        minute.requests += 1;
        minute.tokens = minute.tokens.saturating_add(traffic.usage.map_or(0, |usage| usage.total()));
        // An exchange that took no measurable time was open for a moment nevertheless.
        let took = traffic.took_ms.max(1);
        self.took_ms = self.took_ms.saturating_add(took);
        change(&mut self.changes, traffic.at.0, 1);
        change(&mut self.changes, traffic.at.0.saturating_add(i64::try_from(took).unwrap_or(i64::MAX)), -1);
        if let Some(usage) = traffic.usage {
            let bin = self.bins.entry(bin(&usage)).or_default();
            *bin = bin.plus(DayUse { requests: 1, usage });
            self.prompt_max = self.prompt_max.max(usage.prompt);
            self.answer_max = self.answer_max.max(usage.completion);
            self.total_max = self.total_max.max(usage.total());
        }
        if let Some(target) = traffic.target {
            let used = self.targets.entry(target).or_default();
            used.requests += 1;
            used.counted += u64::from(traffic.usage.is_some());
            used.usage += traffic.usage.unwrap_or_default();
            if let Some(cost) = traffic.cost {
                used.priced += 1;
                let sum = used.micros.entry(cost.currency).or_default();
                *sum = sum.saturating_add(cost.micros);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.streams = self.streams.saturating_add(other.streams);
        self.shapes = self.shapes.saturating_add(other.shapes);
        self.with_tools = self.with_tools.saturating_add(other.with_tools);
        self.with_schema = self.with_schema.saturating_add(other.with_schema);
        self.with_images = self.with_images.saturating_add(other.with_images);
        self.took_ms = self.took_ms.saturating_add(other.took_ms);
        self.request_bytes_max = self.request_bytes_max.max(other.request_bytes_max);
        self.prompt_max = self.prompt_max.max(other.prompt_max);
        self.answer_max = self.answer_max.max(other.answer_max);
        self.total_max = self.total_max.max(other.total_max);
        add(&mut self.endpoints, other.endpoints);
        add(&mut self.params, other.params);
        add(&mut self.tools, other.tools);
        add(&mut self.languages, other.languages);
        add(&mut self.clients, other.clients);
        add(&mut self.dimensions, other.dimensions);
        for (key, more) in other.bins {
            let bin = self.bins.entry(key).or_default();
            *bin = bin.plus(more);
        }
        for (key, more) in other.minutes {
            let minute = self.minutes.entry(key).or_default();
            minute.requests = minute.requests.saturating_add(more.requests);
            minute.tokens = minute.tokens.saturating_add(more.tokens);
        }
        for (at, by) in other.changes {
            change(&mut self.changes, at, by);
        }
        for (target, more) in other.targets {
            let used = self.targets.entry(target).or_default();
            used.requests = used.requests.saturating_add(more.requests);
            used.counted = used.counted.saturating_add(more.counted);
            used.usage += more.usage;
            used.priced = used.priced.saturating_add(more.priced);
            for (currency, micros) in more.micros {
                let sum = used.micros.entry(currency).or_default();
                *sum = sum.saturating_add(micros);
            }
        }
    }

    /// The tokens of all requests whose tokens are known, and the number of these requests.
    pub fn counted(&self) -> DayUse {
        self.bins.values().fold(DayUse::default(), |sum, bin| sum.plus(*bin))
    }

    /// Whether this is a route of embeddings.
    pub fn is_embeddings(&self) -> bool {
        self.endpoints
            .iter()
            .max_by_key(|(_, requests)| **requests)
            .is_some_and(|(name, _)| name == Operation::Embeddings.as_str())
    }

    /// The target that answered most: the source of a move.
    pub fn source(&self) -> Option<(&Target, &TargetUse)> {
        self.targets.iter().max_by_key(|(_, used)| used.requests)
    }
}

impl Survey {
    /// Adds another survey. The two must not contain the same exchange.
    pub fn merge(&mut self, other: Self) {
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.into_iter().chain(other.last).max();
        for (day, models) in other.days {
            let into = self.days.entry(day).or_default();
            for (model, more) in models {
                let day = into.entry(model).or_default();
                *day = day.plus(more);
            }
        }
        for (name, route) in other.routes {
            self.routes.entry(name).or_default().merge(route);
        }
    }
}

fn once_each(counts: &mut BTreeMap<String, u64>, mut names: Vec<String>) {
    for name in &mut names {
        *name = cut(std::mem::take(name));
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
}

/// Cuts long names. They come from clients, and the beginning is enough.
fn cut(name: String) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((at, _)) => format!("{}…", name.get(..at).unwrap_or_default()),
        None => name,
    }
}

fn add<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, count) in from {
        let sum = into.entry(key).or_default();
        *sum = sum.saturating_add(count);
    }
}

fn change(changes: &mut BTreeMap<i64, i64>, at: i64, by: i64) {
    let sum = changes.entry(at).or_default();
    *sum = sum.saturating_add(by);
    if *sum == 0 {
        changes.remove(&at);
    }
}
