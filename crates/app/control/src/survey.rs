//! Traffic into a survey: rows of the ledger and captures, and what captured requests would lose on each candidate.
//!
//! Rules: a request that the ledger counted is not counted again by its capture, which then only says what it looked like;
//! only what callers asked counts, never repeats, shadows or replays; losses are counted by encoding the very requests, the
//! way the gateway would send them, and a request that cannot be read is counted as refused and not passed over.

#[cfg(test)]
mod tests;

use banjia_movement::plan::{Facts, LossCount, Losses};
use banjia_movement::survey::{Language, ObservedExchange, RequestShape, Survey, Traffic, fold};
use banjia_store::{Capture, Row};
use banjia_types::calendar;
use banjia_types::{LossLevel, Operation, RouteName, Target, TrafficKind, UnknownOperation};
use banjia_wire::{BodyLimits, Head, Profile, encode};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The most exchanges that one survey is made of.
pub const EXCHANGES_MAX: usize = 5_000_000;
/// A prompt's language is judged by so many of its letters.
const LETTERS_MAX: usize = 4_000;
/// Objects whose members are parameters of their own.
const INSIDE: [&str; 3] = ["response_format", "stream_options", "reasoning"];

/// Profiles by the vendor's name.
pub type Profiles = BTreeMap<String, Arc<Profile>>;

/// Makes a survey.
#[derive(Debug, Default)]
pub struct Surveyor {
    survey: Survey,
    counted: HashSet<String>,
    read: HashSet<String>,
}

impl Surveyor {
    /// Counts a row of the ledger. Rows come before captures. Rows of no route are passed over: nobody was asked.
    pub fn row(&mut self, row: &Row) {
        let (Some(route), true) = (&row.route, self.has_room()) else { return };
        if !self.counted.insert(row.request_id.to_string()) {
            return;
        }
        let traffic = Traffic {
            at: row.accepted_at,
            took_ms: row.ended_at.since(row.accepted_at).as_millis() as u64,
            target: row.target.clone(),
            endpoint: row.endpoint.clone().into_owned(),
            stream: row.stream,
            usage: row.usage,
            cost: row.cost,
        };
        fold(&mut self.survey, ObservedExchange { route: route.clone(), traffic: Some(traffic), shape: None });
    }

    /// Reads a capture.
    pub fn capture(&mut self, capture: &Capture) {
        if capture.leg != TrafficKind::Live || !self.has_room() || !self.read.insert(capture.id.clone()) {
            return;
        }
        let traffic = (!self.counted.contains(&capture.id)).then(|| Traffic {
            at: capture.at,
            took_ms: capture.total_ms.into(),
            target: Some(capture.target.clone()),
            endpoint: capture.endpoint.clone(),
            stream: capture.stream,
            usage: capture.usage,
            cost: capture.cost,
        });
        fold(&mut self.survey, ObservedExchange { route: capture.route.clone(), traffic, shape: Some(shape(capture)) });
    }

    fn has_room(&self) -> bool {
        self.counted.len() + self.read.len() < EXCHANGES_MAX
    }

    /// Whether exchanges were left out because there were too many.
    pub fn is_full(&self) -> bool {
        !self.has_room()
    }

    /// The survey.
    pub fn done(self) -> Survey {
        self.survey
    }
}

/// What a captured request looks like.
pub fn shape(capture: &Capture) -> RequestShape {
    let request = &capture.request;
    let mut params = Vec::new();
    for (name, value) in request.as_object().into_iter().flatten() {
        if !["model", "messages", "input"].contains(&name.as_str()) && !value.is_null() {
            params.push(format!("{name}: {}", kind(value)));
        }
        for (inner, value) in value.as_object().filter(|_| INSIDE.contains(&name.as_str())).into_iter().flatten() {
            params.push(format!("{name}.{inner}: {}", kind(value)));
        }
    }
    let tools = request["tools"].as_array().into_iter().flatten();
    let tool = |tool: &Value| tool["function"]["name"].as_str().or(tool["type"].as_str()).map(str::to_owned);
    let format = request["response_format"]["type"].as_str();
    let vector = capture.answer.as_ref().and_then(|answer| answer["data"][0]["embedding"].as_array());
    let length = request["dimensions"].as_u64().or(vector.map(|vector| vector.len() as u64));
    RequestShape {
        params,
        tools: tools.filter_map(tool).collect(),
        schema: format.is_some_and(|format| format.starts_with("json")),
        images: texts(request).any(|part| matches!(part, PromptPart::Image)),
        language: language(request),
        request_bytes: request.to_string().len() as u64,
        dimensions: length.and_then(|length| u32::try_from(length).ok()),
        client: capture.client.clone(),
    }
}

enum PromptPart<'a> {
    Text(&'a str),
    Image,
}

/// The texts and images of a prompt.
fn texts(request: &Value) -> impl Iterator<Item = PromptPart<'_>> {
    let messages = request["messages"].as_array().into_iter().flatten();
    let contents = messages.map(|message| &message["content"]).chain([&request["input"]]);
    contents.flat_map(|content| {
        let parts = content.as_array().into_iter().flatten().filter_map(|part| match part["type"].as_str() {
            Some("image_url") => Some(PromptPart::Image),
            _ => part.as_str().or(part["text"].as_str()).map(PromptPart::Text),
        });
        content.as_str().map(PromptPart::Text).into_iter().chain(parts)
    })
}

/// By letters: a Chinese text with Latin names in it is Chinese.
fn language(request: &Value) -> Language {
    let (mut han, mut latin, mut other) = (0, 0, 0);
    let letters = texts(request).filter_map(|part| if let PromptPart::Text(text) = part { Some(text) } else { None });
    for letter in letters.flat_map(str::chars).filter(|c| c.is_alphabetic()).take(LETTERS_MAX) {
        match letter {
            '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' => han += 1,
            'a'..='z' | 'A'..='Z' => latin += 1,
            _ => other += 1,
        }
    }
    match (han * 5, latin, other) {
        (han, latin, other) if han > 0 && han >= latin.max(other) => Language::Zh,
        (_, latin, other) if latin > other => Language::En,
        _ => Language::Other,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Counts what captured requests would lose.
#[derive(Debug)]
pub struct LossCounter<'a> {
    profiles: &'a Profiles,
    candidates: &'a BTreeMap<RouteName, Vec<Target>>,
    found: BTreeMap<(RouteName, Target), Counting>,
    read: HashSet<String>,
}

#[derive(Debug, Default)]
struct Counting {
    losses: Losses,
    counts: BTreeMap<(String, LossLevel), (u64, String)>,
}

impl<'a> LossCounter<'a> {
    /// For these candidates; those of unknown vendors stay without figures.
    pub fn new(profiles: &'a Profiles, candidates: &'a BTreeMap<RouteName, Vec<Target>>) -> Self {
        Self { profiles, candidates, found: BTreeMap::new(), read: HashSet::new() }
    }

    /// Encodes one captured request for each candidate of its route.
    pub fn capture(&mut self, capture: &Capture) {
        let Some(targets) = self.candidates.get(&capture.route).filter(|_| capture.leg == TrafficKind::Live) else {
            return;
        };
        if self.read.len() >= EXCHANGES_MAX || !self.read.insert(capture.id.clone()) {
            return;
        }
        let body = Bytes::from(capture.request.to_string());
        let read = head(&capture.endpoint, &body);
        for target in targets {
            let Some(profile) = self.profiles.get(target.vendor.as_str()) else { continue };
            let into = self.found.entry((capture.route.clone(), target.clone())).or_default();
            into.losses.tested += 1;
            let encoded = match &read {
                Ok((operation, head)) => encode(profile, *operation, target.model.as_str(), head, &body)
                    .map_err(|refusal| (refusal.param, refusal.message)),
                Err(refused) => Err(refused.clone()),
            };
            match encoded {
                Ok(encoded) => into.add(encoded.losses.into_iter().map(|loss| (loss.param, loss.level, loss.why))),
                Err((param, why)) => into.add([(param, LossLevel::Refused, why)]),
            }
        }
    }

    /// What was counted.
    pub fn done(self) -> BTreeMap<(RouteName, Target), Losses> {
        self.found.into_iter().map(|(key, counting)| (key, counting.done())).collect()
    }
}

/// The operation and the head of a captured request. The error is the parameter at fault, and why;
/// a capture of an operation without a known name counts as refused under `(endpoint)`.
fn head(endpoint: &str, body: &Bytes) -> Result<(Operation, Head), (String, String)> {
    let operation = endpoint
        .parse::<Operation>()
        .map_err(|unknown: UnknownOperation| ("(endpoint)".to_owned(), unknown.to_string()))?;
    match Head::peek(body, operation, &BodyLimits::default()) {
        Ok(head) => Ok((operation, head)),
        Err(bad) => Err((bad.param.unwrap_or_else(|| "(body)".into()), bad.message)),
    }
}

impl Counting {
    fn add(&mut self, losses: impl IntoIterator<Item = (String, LossLevel, String)>) {
        let mut worst = LossLevel::Exact;
        let mut seen = HashSet::new();
        for (param, level, why) in losses {
            worst = worst.max(level);
            if seen.insert((param.clone(), level)) {
                self.counts.entry((param, level)).or_insert((0, why)).0 += 1;
            }
        }
        match worst {
            LossLevel::Refused => self.losses.refused += 1,
            LossLevel::Dropped => self.losses.dropped += 1,
            LossLevel::Degraded => self.losses.degraded += 1,
            LossLevel::Exact | LossLevel::Emulated => {}
        }
    }

    fn done(self) -> Losses {
        let count = |((param, level), (requests, why)): ((String, LossLevel), (u64, String))| LossCount {
            param,
            level,
            requests,
            why,
        };
        let mut counts: Vec<LossCount> = self.counts.into_iter().map(count).collect();
        counts.sort_by(|a, b| b.level.cmp(&a.level).then(b.requests.cmp(&a.requests)));
        Losses { counts, ..self.losses }
    }
}

/// What a profile knows of a model.
pub fn facts(profile: &Profile, model: &str) -> Facts {
    let Some(known) = profile.model(model) else {
        let cite = profile.cite();
        return Facts {
            source: format!("{} ({}); it does not speak of this model", cite.source, cite.as_of),
            ..Facts::default()
        };
    };
    let day = known.shutdown_date.as_ref().and_then(|date| calendar::read(date).ok());
    Facts {
        price: known.price.clone().or_else(|| known.price_abroad.clone()),
        context: known.context,
        answer_max: known.output_max,
        images: known.images,
        dimensions: known.embedding.as_ref().map(|facts| facts.dimensions.clone()).unwrap_or_default(),
        // The day as it begins where days begin first among the vendors' own clocks is not known: UTC is taken.
        shutdown: day.map(|day| calendar::moment(day, chrono_tz::Tz::UTC)),
        source: format!("{} ({})", known.cite.source, known.cite.as_of),
        unconfirmed: known.cite.unconfirmed,
        warning: known.warning.clone(),
        ..Facts::default()
    }
}
