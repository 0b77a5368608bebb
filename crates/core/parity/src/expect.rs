//! Expectations that a person wrote down: exact text, contained texts, patterns, JSON paths, a
//! language, a refusal, tool calls.
//!
//! # Rules
//! - The written form ([`Expect`]) is read strictly, so a misspelt word is an error.
//! - Patterns run in linear time and bounded memory, whatever the response is.
//! - Every part of an expectation must hold.

use crate::checks::{Language, Why};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json_path::JsonPath;

/// Maximum memory of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// An expectation as it is written in a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The answer's text, spaces at both ends left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// Texts that the answer contains, whatever their letters' case.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub contains: Texts,
    /// A pattern that is found in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// Paths that select something in the answer, which is then JSON.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jsonpath: Vec<PathExpect>,
    /// The language that the answer is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Whether the answer refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<bool>,
    /// The tools that the answer calls, in any order; an empty list says that none is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ToolExpect>>,
}

/// One text or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// One text.
    One(String),
    /// Several texts.
    Many(Vec<String>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Texts {
    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// A JSON path (RFC 9535) and the value it must select.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathExpect {
    /// The path.
    pub path: String,
    /// What each selected value equals; without it, selecting something is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
}

/// An expected tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolExpect {
    /// The tool's name.
    pub name: String,
    /// Its arguments; without them only the choice is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
}

/// A compiled expectation.
#[derive(Clone, Debug)]
pub struct Expectation {
    written: Expect,
    contains: Vec<String>,
    regex: Option<Regex>,
    paths: Vec<(JsonPath, Option<Value>)>,
}

impl Expect {
    /// Compiles the expectation.
    ///
    /// # Errors
    /// A pattern or a path that cannot be read, or an expectation without content.
    pub fn compile(self) -> Result<Expectation, Why> {
        if self == Self::default() {
            return Err(Why::new(
                "",
                "it expects nothing: give exact, contains, regex, jsonpath, language, refusal or tools",
            ));
        }
        let compile = |pattern: &String| {
            RegexBuilder::new(pattern)
                .size_limit(PATTERN_BYTES_MAX)
                .build()
                .map_err(|error| Why::new("/regex", format!("the pattern cannot be read: {error}")))
        };
        let regex = self.regex.as_ref().map(compile).transpose()?;
        let mut paths = Vec::new();
        for (number, expect) in self.jsonpath.iter().enumerate() {
            let path = JsonPath::parse(&expect.path).map_err(|error| {
                Why::new(format!("/jsonpath/{number}/path"), format!("{:?} is not a JSON path: {error}", expect.path))
            })?;
            paths.push((path, expect.equals.clone()));
        }
        let contains = self.contains.as_slice().iter().map(|text| text.to_lowercase()).collect();
        Ok(Expectation { written: self, contains, regex, paths })
    }
}

impl Expectation {
    /// Whether a text fulfils the expectations about texts. `None` if there are none.
    pub fn holds(&self, text: &str) -> Option<bool> {
        let written = &self.written;
        if written.exact.is_none() && self.contains.is_empty() && self.regex.is_none() && self.paths.is_empty() {
            return None;
        }
        let exact = written.exact.as_ref().is_none_or(|exact| exact.trim() == text.trim());
        let lower = if self.contains.is_empty() { String::new() } else { text.to_lowercase() };
        let contains = self.contains.iter().all(|part| lower.contains(part));
        let pattern = self.regex.as_ref().is_none_or(|regex| regex.is_match(text));
        Some(exact && contains && pattern && (self.paths.is_empty() || self.selects(text)))
    }

    fn selects(&self, text: &str) -> bool {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return false };
        self.paths.iter().all(|(path, equals)| {
            let found = path.query(&value).all();
            !found.is_empty() && equals.as_ref().is_none_or(|equals| found.iter().all(|node| *node == equals))
        })
    }

    /// The expected language.
    pub fn language(&self) -> Option<Language> {
        self.written.language
    }

    /// Whether a refusal is expected.
    pub fn refusal(&self) -> Option<bool> {
        self.written.refusal
    }

    /// The expected tool calls.
    pub fn tools(&self) -> Option<&[ToolExpect]> {
        self.written.tools.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(text: &str) -> Expectation {
        serde_json::from_str::<Expect>(text).unwrap().compile().unwrap()
    }

    #[test]
    fn every_part_of_an_expectation_must_hold() {
        let exact = expectation(r#"{"exact": "Paris"}"#);
        assert_eq!((exact.holds(" Paris\n"), exact.holds("paris")), (Some(true), Some(false)));
        let both = expectation(r#"{"contains": ["PARIS", "seine"], "regex": "^The"}"#);
        assert_eq!((both.holds("The Seine in Paris"), both.holds("Seine, Paris")), (Some(true), Some(false)));
        let path = expectation(r#"{"jsonpath": [{"path": "$.city", "equals": "Kunming"}, {"path": "$.days[*]"}]}"#);
        assert_eq!(path.holds(r#"{"city": "Kunming", "days": [1]}"#), Some(true));
        assert_eq!(path.holds(r#"{"city": "Kunming", "days": []}"#), Some(false));
        assert_eq!(path.holds("Kunming"), Some(false));
        let tools = expectation(
            r#"{"tools": [{"name": "f", "arguments": {"a": 1}}], "language": "chinese", "refusal": false}"#,
        );
        assert_eq!((tools.holds("anything"), tools.language()), (None, Some(Language::Chinese)));
        assert_eq!((tools.tools().unwrap()[0].name.as_str(), tools.refusal()), ("f", Some(false)));
    }

    #[test]
    fn unusable_expectations_are_errors() {
        let error_of = |text: &str| serde_json::from_str::<Expect>(text).unwrap().compile().unwrap_err().to_string();
        assert!(error_of("{}").starts_with("it expects nothing"));
        assert!(error_of(r#"{"regex": "("}"#).starts_with("at /regex: the pattern cannot be read"));
        assert!(error_of(r#"{"jsonpath": [{"path": "city"}]}"#).contains("\"city\" is not a JSON path"));
        assert!(serde_json::from_str::<Expect>(r#"{"contain": "x"}"#).is_err());
        assert!(error_of(r#"{"regex": "(((a{90}){90}){90}){90}"}"#).contains("cannot be read"));
    }
}
