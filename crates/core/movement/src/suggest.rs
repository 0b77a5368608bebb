//! Targets that are close to a source's model: dated suggestions from `data/model-map.toml`.
//!
//! # Rules
//! - A suggestion is a place to begin, never a decision.
//! - Each suggestion has its source and date.
//! - A model name with a date suffix counts as the model.

use banjia_types::Target;
use serde::Deserialize;

const MAP: &str = include_str!("../data/model-map.toml");

/// One suggested target.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// The suggested target.
    pub target: Target,
    /// The public document that it comes from.
    pub source: String,
    /// The date of that document.
    pub as_of: String,
    /// True if the source is weak or the only one.
    #[serde(default)]
    pub unconfirmed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Map {
    model: Vec<Model>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    from: String,
    to: Vec<Suggestion>,
}

/// The suggestions for a model of the source. Empty if none is known.
pub fn suggestions(model: &str) -> Vec<Suggestion> {
    let map: Map = toml::from_str(MAP).expect("a test reads the map that is built in");
    let matches = |from: &str| {
        let rest = model.strip_prefix(from);
        rest.is_some_and(|rest| rest.is_empty() || is_date(rest))
    };
    map.model.into_iter().find(|entry| matches(&entry.from)).map(|entry| entry.to).unwrap_or_default()
}

fn is_date(rest: &str) -> bool {
    let rest = rest.strip_prefix('-').unwrap_or_default();
    rest.len() >= 4 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dated_name_is_the_same_model() {
        let plain = suggestions("gpt-4o");
        assert!(
            plain.len() >= 3
                && plain.iter().all(|suggestion| !suggestion.source.is_empty() && suggestion.as_of.starts_with("202"))
        );
        assert_eq!(suggestions("gpt-4o-2024-08-06"), plain);
        assert_ne!(suggestions("gpt-4o-mini"), plain);
        assert!(suggestions("gpt-4o-latest").is_empty() && suggestions("nobody-knows").is_empty());
    }
}
