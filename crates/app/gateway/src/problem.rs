//! What is wrong in a configuration, and near names for its hints.

use std::fmt;

/// One thing that is wrong, or worth a warning, in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a path into [`crate::config::Config`]: `routes[0].targets[1]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), hint: Some(hint.into()).filter(|h: &String| !h.is_empty()) }
    }
}

/// The known name that is nearest to `wanted`, if one is near enough to be a misspelling.
pub(crate) fn near<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest(wanted, known, 1).pop()
}

/// Up to `count` known names near to `wanted`, nearest first.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    const ALIKE: f64 = 0.75;
    let mut scored: Vec<_> = known
        .map(|name| (strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(count).map(|(_, name)| name).collect()
}
