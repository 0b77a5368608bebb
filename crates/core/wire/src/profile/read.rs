//! Text of a profile to its sections. Each section, and each entry of a list, is read on its own,
//! so one slip hides no other.

use super::raw::{
    RawAuth, RawClients, RawEndpoints, RawError, RawHost, RawLimits, RawMessages, RawModel, RawParam, RawStream,
    RawThinking,
};
use banjia_types::{Problem, nearest};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Names allowed at the top of a profile.
const SECTIONS: [&str; 16] = [
    "as_of",
    "auth",
    "clients",
    "endpoint",
    "error",
    "extends",
    "host",
    "limits",
    "messages",
    "model",
    "param",
    "pass_through",
    "source",
    "stream",
    "thinking",
    "vendor",
];

/// A profile's sections, each with the place where it stands.
#[derive(Default)]
pub(super) struct Sections {
    pub(super) vendor: Option<(Range<usize>, String)>,
    pub(super) source: Option<String>,
    pub(super) as_of: Option<(Range<usize>, String)>,
    pub(super) extends: Option<(Range<usize>, String)>,
    pub(super) pass_through: Option<bool>,
    pub(super) hosts: Vec<(Range<usize>, String, RawHost)>,
    pub(super) auth: Option<RawAuth>,
    pub(super) endpoint: Option<RawEndpoints>,
    pub(super) clients: Option<RawClients>,
    pub(super) messages: Option<(Range<usize>, RawMessages)>,
    pub(super) stream: Option<(Range<usize>, RawStream)>,
    pub(super) limits: Option<RawLimits>,
    pub(super) params: Vec<(Range<usize>, RawParam)>,
    pub(super) thinking: Vec<(Range<usize>, RawThinking)>,
    pub(super) errors: Vec<(Range<usize>, RawError)>,
    pub(super) models: Vec<(Range<usize>, RawModel)>,
}

/// Reads every section; `None` only for text that is no TOML at all.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Option<Sections> {
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            problems.push(Problem::from_parser(text, error.span(), error.message()));
            return None;
        }
    };
    let mut sections = Sections::default();
    let mut reader = Reader { text, problems };
    for (key, value) in table {
        let at = key.span();
        reader.section(key.get_ref(), at, value, &mut sections);
    }
    Some(sections)
}

struct Reader<'a> {
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn section(&mut self, key: &str, at: Range<usize>, value: Spanned<DeValue<'_>>, into: &mut Sections) {
        match key {
            "vendor" => into.vendor = self.one(value).map(|text| (at, text)),
            "source" => into.source = self.one(value),
            "as_of" => into.as_of = self.one(value).map(|text| (at, text)),
            "extends" => into.extends = self.one(value).map(|text| (at, text)),
            "pass_through" => into.pass_through = self.one(value),
            "auth" => into.auth = self.one(value),
            "endpoint" => into.endpoint = self.one(value),
            "clients" => into.clients = self.one(value),
            "messages" => into.messages = self.one(value).map(|raw| (at, raw)),
            "stream" => into.stream = self.one(value).map(|raw| (at, raw)),
            "limits" => into.limits = self.one(value),
            "host" => into.hosts = self.hosts(value),
            "param" => into.params = self.list(value),
            "thinking" => into.thinking = self.list(value),
            "error" => into.errors = self.list(value),
            "model" => into.models = self.list(value),
            _ => {
                let hint = nearest(key, SECTIONS.into_iter());
                let message = format!("unknown section `{key}`, expected one of `{}`", SECTIONS.join("`, `"));
                self.problems.push(Problem::at(self.text, at, message, hint));
            }
        }
    }

    fn one<T: for<'de> Deserialize<'de>>(&mut self, value: Spanned<DeValue<'_>>) -> Option<T> {
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| self.problems.push(Problem::from_parser(self.text, error.span(), error.message())))
            .ok()
    }

    fn list<T: for<'de> Deserialize<'de>>(&mut self, value: Spanned<DeValue<'_>>) -> Vec<(Range<usize>, T)> {
        let at = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            let message = "expected a list of tables";
            self.problems.push(Problem::at(self.text, at, message, Some("write it in double brackets".into())));
            return Vec::new();
        };
        items
            .into_iter()
            .filter_map(|item| {
                let at = item.span();
                self.one(item).map(|raw| (at, raw))
            })
            .collect()
    }

    fn hosts(&mut self, value: Spanned<DeValue<'_>>) -> Vec<(Range<usize>, String, RawHost)> {
        let at = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.problems.push(Problem::at(self.text, at, "expected `[host.NAME]` tables", None));
            return Vec::new();
        };
        let mut hosts: Vec<(Range<usize>, String, RawHost)> = table
            .into_iter()
            .filter_map(|(name, host)| {
                let at = name.span();
                self.one(host).map(|raw| (at, name.get_ref().to_string(), raw))
            })
            .collect();
        hosts.sort_by_key(|(at, _, raw)| (!raw.default, at.start));
        hosts
    }
}
