//! Which language a text is written in, by its script alone.
//!
//! Cheap and coarse on purpose: it tells an answer in the wrong language from one in the right language for the pairs that
//! a move meets most (Chinese and English), and says `Other` when it does not know. Code and addresses are Latin whatever
//! the language, so a modest share of Han letters makes a text Chinese.

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Han letters without kana or hangul.
    Chinese,
    /// Latin letters almost all without marks, which is how English is written; a few foreign words do not change that.
    English,
    /// Anything else, mixed, or too short to say.
    Other,
}

/// Letters below which nothing is said.
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
    let told = han + east + plain + other >= LETTERS_MIN && east * 30 < weight;
    if told && han * 15 >= weight {
        Language::Chinese
    } else if told && plain * 5 >= weight * 4 && other * 50 <= weight {
        Language::English
    } else {
        Language::Other
    }
}
