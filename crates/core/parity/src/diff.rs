//! Two texts side by side, with the differences marked.
//!
//! The marks are parts of text and no markup, so the caller must escape them. Sizes are bounded,
//! because the time of a comparison grows with the product of the text and its differences.

use serde::{Deserialize, Serialize};
use similar::{Algorithm, ChangeTag, TextDiff};

/// Maximum number of letters of each text that are shown.
pub const SHOWN_MAX: usize = 4_000;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPart {
    /// The text.
    pub text: String,
    /// Whether the other side lacks it.
    pub differs: bool,
}

/// Splits both texts into parts, by words. Longer texts are cut, with a mark.
pub fn side_by_side(first: &str, second: &str) -> (Vec<TextPart>, Vec<TextPart>) {
    let (first, second) = (cut(first), cut(second));
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).diff_unicode_words(first.as_str(), second.as_str());
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Equal => {
                add(&mut left, change.value(), false);
                add(&mut right, change.value(), false);
            }
            ChangeTag::Delete => add(&mut left, change.value(), true),
            ChangeTag::Insert => add(&mut right, change.value(), true),
        }
    }
    (left, right)
}

/// Joins neighbours of the same state. That gives fewer marks, and spaces between changed words
/// count as changed.
fn add(parts: &mut Vec<TextPart>, text: &str, differs: bool) {
    match parts.last_mut() {
        Some(last) if last.differs == differs => last.text.push_str(text),
        _ => parts.push(TextPart { text: text.to_owned(), differs }),
    }
}

/// The first [`SHOWN_MAX`] letters.
pub(crate) fn cut(text: &str) -> String {
    let mut letters = text.chars();
    let mut shown: String = letters.by_ref().take(SHOWN_MAX).collect();
    if letters.next().is_some() {
        shown.push_str(" […]");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_is_marked_on_its_own_side() {
        let (left, right) = side_by_side("the cat sat here", "the dog sat here");
        let marked =
            |parts: &[TextPart]| parts.iter().filter(|p| p.differs).map(|p| p.text.clone()).collect::<Vec<_>>();
        assert_eq!((marked(&left), marked(&right)), (vec!["cat".to_owned()], vec!["dog".to_owned()]));
        let (left, right) = side_by_side("今天天气很好", "今天天气不好");
        assert_eq!((marked(&left).concat(), marked(&right).concat()), ("很".to_owned(), "不".to_owned()));
        let (long, _) = side_by_side(&"a ".repeat(9_000), "b");
        assert!(long.iter().map(|part| part.text.chars().count()).sum::<usize>() < SHOWN_MAX + 10);
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole_text(one in ".{0,60}", other in ".{0,60}") {
            let (left, right) = side_by_side(&one, &other);
            let whole = |parts: &[TextPart]| parts.iter().map(|part| part.text.as_str()).collect::<String>();
            prop_assert_eq!(whole(&left), one);
            prop_assert_eq!(whole(&right), other);
        }
    }
}
