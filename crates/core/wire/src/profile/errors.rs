//! A vendor's error answers, each with its class.

use super::{Cite, Pattern};
use banjia_types::ErrorClass;

/// One row of a vendor's error table. Every list that is not empty must fit; an empty list fits
/// everything.
#[derive(Clone, Debug)]
pub struct ErrorRule {
    /// Codes of the body (a number is compared as its text); a trailing `*` covers a family.
    pub code: Vec<Pattern>,
    /// The body's `type`.
    pub kind: Vec<Pattern>,
    /// HTTP statuses.
    pub status: Vec<u16>,
    /// Parts of the message, compared without regard to case; one of them must occur.
    pub message: Vec<String>,
    /// What it is.
    pub class: ErrorClass,
    /// Where this is known from.
    pub cite: Cite,
}

impl ErrorRule {
    /// Whether an error answer is this one.
    pub fn matches(&self, status: u16, code: Option<&str>, kind: Option<&str>, message: &str) -> bool {
        let fits = |wanted: &[Pattern], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|text| wanted.iter().any(|pattern| pattern.matches(text)))
        };
        (self.status.is_empty() || self.status.contains(&status))
            && fits(&self.code, code)
            && fits(&self.kind, kind)
            && (self.message.is_empty() || {
                let found = message.to_lowercase();
                self.message.iter().any(|part| found.contains(&part.to_lowercase()))
            })
    }
}
