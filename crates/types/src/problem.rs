//! Problems of a text that a person wrote, with their places.

use std::fmt;
use std::ops::Range;

/// One problem of a text: a profile, a list, a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The bytes of the text that have the problem.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at `span` of `text`.
    pub fn at(text: &str, span: Range<usize>, message: impl Into<String>, hint: Option<String>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let line = before.matches('\n').count() + 1;
        Self { line, column, span, message: message.into(), hint }
    }

    /// A problem found by serde or a parser, from its message and place. Adds near names if a key
    /// is unknown.
    pub fn from_parser(text: &str, span: Option<Range<usize>>, message: &str) -> Self {
        let message = message.lines().next().unwrap_or_default();
        let hint = near_name(message);
        Self::at(text, span.unwrap_or(0..0), message, hint)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// Suggests a name. Serde quotes the unknown name first and then the allowed ones, each in
/// backticks.
fn near_name(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let found = quoted.next().filter(|_| message.starts_with("unknown "))?;
    nearest(found, quoted)
}

/// Returns `did you mean ...` if one of `allowed` is close enough to be a typing error.
pub fn nearest<'a>(found: &str, allowed: impl Iterator<Item = &'a str>) -> Option<String> {
    allowed
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(3) / 3)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}
