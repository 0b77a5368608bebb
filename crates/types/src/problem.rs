//! What is wrong with a text that a person wrote, and where.

use std::fmt;
use std::ops::Range;

/// One fault in a text: a profile, a list, a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The bytes of the text that are at fault.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
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

    /// A problem that serde or a parser found, by its message and place, with near names when a key is unknown.
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

/// Serde quotes the unknown name first and then the allowed ones, each in backticks.
fn near_name(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let found = quoted.next().filter(|_| message.starts_with("unknown "))?;
    nearest(found, quoted)
}

/// `did you mean ...` when one of `allowed` is near enough to be a slip of the fingers.
pub fn nearest<'a>(found: &str, allowed: impl Iterator<Item = &'a str>) -> Option<String> {
    allowed
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(3) / 3)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}
