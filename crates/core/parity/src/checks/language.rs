//! The language of a text, by its script alone.
//!
//! The check is cheap and coarse on purpose. It distinguishes a response in the wrong language from
//! one in the right language for the pairs that are most frequent in moves (Chinese and English),
//! and returns `Other` if it is unsure. Code and addresses are Latin in any language, so a modest
//! share of Han letters makes a text Chinese.

/// The language of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Han letters without kana or hangul.
    Chinese,
    /// Latin letters almost all without marks, as in English. A few foreign words do not change
    /// that.
    English,
    /// Any other language, a mixture, or too few letters.
    Other,
}

/// With fewer letters the language is unknown.
const LETTERS_MIN: usize = 4;

/// The language of `text`.
pub fn language(text: &str) -> Language {
    let (mut han, mut east, mut plain, mut other) = (0_usize, 0_usize, 0_usize, 0_usize);
    for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
        match letter {
            '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{323af}' => han += 1,
            '\u{3040}'..='\u{30ff}' | '\u{ac00}'..='\u{d7af}' => east += 1,
            'a'..='z' | 'A'..='Z' => plain += 1,
            _ => other += 1,
        }
    }
    // One Han letter carries about as much as three Latin ones.
    let weight = han * 3 + plain + other + east * 3;
    let is_clear = han + east + plain + other >= LETTERS_MIN && east * 30 < weight;
    if is_clear && han * 15 >= weight {
        Language::Chinese
    } else if is_clear && plain * 5 >= weight * 4 && other * 50 <= weight {
        Language::English
    } else {
        Language::Other
    }
}
