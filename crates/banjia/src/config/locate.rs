//! From a path such as `routes[0].targets[1]` to the place in the text.
//!
//! Rule: the longest part of the path that exists in the text decides, so a problem about a key that is not there points
//! at the table that lacks it.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The byte range of what `path` names in `text`; none when `text` is no TOML, or has not even its
/// first part.
pub(crate) fn in_text(text: &str, path: &str) -> Option<Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    span(table.get_ref(), path)
}

/// The byte range of what `path` names in `root`; `None` when not even its first part is there.
pub(super) fn span(root: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let mut steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty());
    let mut here: &Spanned<DeValue<'_>> = root.get(steps.next()?)?;
    for step in steps {
        let next = match here.get_ref() {
            DeValue::Table(table) => table.get(step),
            DeValue::Array(array) => step.parse().ok().and_then(|index: usize| array.get(index)),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    Some(here.span())
}
