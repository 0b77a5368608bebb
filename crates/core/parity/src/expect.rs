//! What an answer must fulfil, written down by a person: exact text, contained texts, patterns, JSON paths, a language, a
//! refusal, tool calls.
//!
//! Rules: the written form ([`Expect`]) is read strictly, so a misspelt word is an error; patterns run in linear time and
//! in bounded memory, whatever the answer is; everything that is said must hold.

use crate::checks::{Language, Why};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json_path::JsonPath;

/// Memory that a compiled pattern may take.
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
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Texts {
    /// Whether there is none.
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

/// A JSON path (RFC 9535) and what it selects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathExpect {
    /// The path.
    pub path: String,
    /// What each selected value equals; without it, selecting something is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
}

/// A tool call that is expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolExpect {
    /// The tool's name.
    pub name: String,
    /// Its arguments; without them only the choice is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
}

/// An expectation, ready to be held against answers.
#[derive(Clone, Debug)]
pub struct Expectation {
    written: Expect,
    contains: Vec<String>,
    regex: Option<Regex>,
    paths: Vec<(JsonPath, Option<Value>)>,
}

impl Expect {
    /// Makes the expectation ready.
    ///
    /// # Errors
    /// A pattern or a path that cannot be read, or an expectation that expects nothing.
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
    /// Whether a text fulfils what is said about texts; none when nothing is said about them.
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

    /// The language that is expected.
    pub fn language(&self) -> Option<Language> {
        self.written.language
    }

    /// Whether a refusal is expected.
    pub fn refusal(&self) -> Option<bool> {
        self.written.refusal
    }

    /// The tool calls that are expected.
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
    fn everything_that_is_said_must_hold() {
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
    fn what_cannot_be_used_is_told() {
        let said = |text: &str| serde_json::from_str::<Expect>(text).unwrap().compile().unwrap_err().to_string();
        assert!(said("{}").starts_with("it expects nothing"));
        assert!(said(r#"{"regex": "("}"#).starts_with("at /regex: the pattern cannot be read"));
        assert!(said(r#"{"jsonpath": [{"path": "city"}]}"#).contains("\"city\" is not a JSON path"));
        assert!(serde_json::from_str::<Expect>(r#"{"contain": "x"}"#).is_err());
        assert!(said(r#"{"regex": "(((a{90}){90}){90}){90}"}"#).contains("cannot be read"));
    }
}
