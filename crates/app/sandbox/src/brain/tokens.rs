//! Tokens, roughly: a word with the space before it, a Chinese character, a mark. Long words count more than once.

/// The longest token, in characters.
const TOKEN_CHARS_MAX: usize = 7;

/// Text in tokens; joined again they are the text.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut current = String::new();
    for letter in text.chars() {
        let joins = match current.chars().last() {
            None => true,
            Some(' ') => current.trim().is_empty() && letter.is_alphanumeric() && !wide(letter),
            Some(last) => {
                last.is_alphanumeric()
                    && !wide(last)
                    && letter.is_alphanumeric()
                    && !wide(letter)
                    && current.chars().count() < TOKEN_CHARS_MAX
            }
        };
        if !joins {
            tokens.push(std::mem::take(&mut current));
        }
        current.push(letter);
    }
    if !current.is_empty() {
        tokens.push(current);
    }
    tokens
}

/// How many tokens a text has.
pub(crate) fn count(text: &str) -> usize {
    split(text).len()
}

/// Whether a character is written without spaces around words.
pub(crate) fn wide(letter: char) -> bool {
    matches!(letter, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}
