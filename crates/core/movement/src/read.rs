//! Splits the text of a move into its sections. Each section, and each entry of a list, is read on
//! its own, so one mistake hides no other.

use banjia_types::{Problem, nearest};
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Longest text that is read. A move of a thousand routes takes a quarter of it.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Reads sections and collects their problems.
pub(crate) struct Reader<'t> {
    text: &'t str,
    sections: Vec<(Spanned<String>, Spanned<DeValue<'t>>)>,
    asked: Vec<&'static str>,
    is_table: bool,
    pub(crate) problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    /// Splits the text. If it is not TOML, that is the only problem.
    pub(crate) fn new(text: &'t str) -> Self {
        let mut reader = Self { text, sections: Vec::new(), asked: Vec::new(), is_table: false, problems: Vec::new() };
        if text.len() > TEXT_BYTES_MAX {
            reader.problem(0..0, format!("the text is longer than {TEXT_BYTES_MAX} bytes"), "split the move");
            return reader;
        }
        match DeTable::parse(text) {
            Ok(table) => {
                let named =
                    |key: Spanned<std::borrow::Cow<'_, str>>| Spanned::new(key.span(), key.get_ref().to_string());
                reader.is_table = true;
                reader.sections = table.into_inner().into_iter().map(|(key, value)| (named(key), value)).collect();
            }
            Err(error) => reader.problems.push(Problem::from_parser(text, error.span(), error.message())),
        }
        reader
    }

    /// Records a problem at `span`.
    pub(crate) fn problem(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let hint = Some(hint.into()).filter(|hint: &String| !hint.is_empty());
        self.problems.push(Problem::at(self.text, span, message, hint));
    }

    /// Reads the section with this name. `None` if it is absent or has a problem.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<Spanned<T>> {
        let value = self.raw(name)?;
        self.deserialize(value)
    }

    /// Reads a section and records a problem if it is absent.
    pub(crate) fn need<T: DeserializeOwned>(&mut self, name: &'static str, hint: &str) -> Option<Spanned<T>> {
        if self.sections.iter().any(|(key, _)| key.get_ref() == name) {
            return self.take(name);
        }
        self.asked.push(name);
        // A text that is not TOML has one problem already, and its sections are not known.
        if self.is_table {
            self.problem(0..0, format!("the move has no {name}"), hint);
        }
        None
    }

    /// Reads the tables of a list.
    pub(crate) fn list<T: DeserializeOwned>(&mut self, name: &'static str) -> Vec<Spanned<T>> {
        let Some(value) = self.raw(name) else { return Vec::new() };
        let at = value.span();
        if let DeValue::Array(array) = value.into_inner() {
            return array.into_iter().filter_map(|value| self.deserialize(value)).collect();
        }
        self.problem(at, format!("{name} is a list of tables"), format!("begin each with [[{name}]]"));
        Vec::new()
    }

    /// Whether the text has a section with this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.sections.iter().any(|(key, _)| key.get_ref() == name)
    }

    /// Records that a list is absent, or has no well-formed entry.
    pub(crate) fn lacks(&mut self, message: &str, hint: &str) {
        if self.is_table {
            self.problem(0..0, message, hint);
        }
    }

    /// Records every section that was never asked for, and returns all problems in the order of the
    /// text.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        for (key, _) in std::mem::take(&mut self.sections) {
            let message = format!("unknown field `{}`", key.get_ref());
            let hint = nearest(key.get_ref(), self.asked.iter().copied())
                .unwrap_or_else(|| format!("known are: {}", self.asked.join(", ")));
            self.problem(key.span(), message, hint);
        }
        self.problems.sort_by_key(|problem| problem.span.start);
        self.problems
    }

    fn raw(&mut self, name: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.asked.push(name);
        let at = self.sections.iter().position(|(key, _)| key.get_ref() == name)?;
        Some(self.sections.swap_remove(at).1)
    }

    fn deserialize<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'t>>) -> Option<Spanned<T>> {
        let place = value.span();
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => Some(Spanned::new(place, read)),
            Err(error) => {
                let span = error.span().or(Some(place));
                self.problems.push(Problem::from_parser(self.text, span, error.message()));
                None
            }
        }
    }
}
