//! Splits the text of lists and policies into sections. Each section, and each entry of a list, is
//! read on its own, so one mistake hides no other.

use banjia_types::{Problem, nearest};
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Longest text that is read: a list of every place in the world takes a hundredth of it.
pub(crate) const TEXT_BYTES_MAX: usize = 1 << 20;

/// Reads sections and notes what is wrong with them.
pub(crate) struct Reader<'t> {
    pub(crate) text: &'t str,
    pub(crate) problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, problems: Vec::new() }
    }

    /// Notes a problem at `span`.
    pub(crate) fn problem(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let hint = Some(hint.into()).filter(|hint: &String| !hint.is_empty());
        self.problems.push(Problem::at(self.text, span, message, hint));
    }

    /// The top of the text split into what `lists` names, element by element, and the rest as one
    /// `T`.
    pub(crate) fn top<T: DeserializeOwned>(&mut self, lists: &[&str]) -> Option<(T, Vec<Element<'t>>)> {
        if self.text.len() > TEXT_BYTES_MAX {
            self.problem(0..0, format!("the text is longer than {TEXT_BYTES_MAX} bytes"), "split it");
            return None;
        }
        let table = match DeTable::parse(self.text) {
            Ok(table) => table,
            Err(error) => {
                self.problems.push(Problem::from_parser(self.text, error.span(), error.message()));
                return None;
            }
        };
        let span = table.span();
        let mut rest = DeTable::new();
        let mut elements = Vec::new();
        for (key, value) in table.into_inner() {
            let Some(name) = lists.iter().find(|name| **name == key.get_ref().as_ref()) else {
                rest.insert(key, value);
                continue;
            };
            let at = value.span();
            match value.into_inner() {
                DeValue::Array(array) => {
                    elements.extend(array.into_iter().map(|value| Element { list: (*name).to_owned(), value }));
                }
                _ => self.problem(at, format!("{name} is a list of tables"), format!("begin each with [[{name}]]")),
            }
        }
        let rest = self.one(Spanned::new(span, DeValue::Table(rest)))?;
        Some((rest, elements))
    }

    /// One value; what is wrong with it is noted.
    pub(crate) fn one<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'t>>) -> Option<T> {
        let place = value.span();
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => Some(read),
            Err(error) => {
                let span = error.span().or(Some(place));
                self.problems.push(Problem::from_parser(self.text, span, error.message()));
                None
            }
        }
    }
}

/// One table of a list.
pub(crate) struct Element<'t> {
    pub(crate) list: String,
    pub(crate) value: Spanned<DeValue<'t>>,
}

/// A hint that names the nearest of `known`, or all of them.
pub(crate) fn did_you_mean<'a>(found: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    nearest(found, known.clone()).unwrap_or_else(|| format!("known are: {}", known.collect::<Vec<_>>().join(", ")))
}
