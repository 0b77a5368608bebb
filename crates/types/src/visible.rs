//! Texts of others, made safe to show: clients, vendors, files and databases may hold characters
//! that command a terminal.
//!
//! Hidden characters are control characters (C0, DEL, C1) and those that change the direction or
//! the lines of a text (Unicode's bidirectional controls, line and paragraph separators). Each is
//! shown as `\u` and four hexadecimal digits. That is also how JSON writes it, so a JSON text stays
//! the same value.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is not seen, and commands a terminal or changes how the text around it is
/// seen.
pub const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{206f}'
    )
}

/// A text without hidden characters, apart from line breaks and tabs.
pub fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, |character| !matches!(character, '\n' | '\t') && is_hidden(character))
}

/// A value without hidden characters, on one line: line breaks and tabs are shown too.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    replaced(text, is_hidden)
}

/// As [`visible`], for a text that this program has coloured: `ESC [ 1 ; 31 m` and the like stay.
/// Values of others must be made visible before they come into such a text.
pub fn visible_styled(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        let (before, after) = rest.split_at(at);
        made.push_str(&visible(before));
        let length = style_length(after);
        let (style, after) = after.split_at(length.unwrap_or(1));
        if length.is_some() {
            made.push_str(style);
        } else {
            push_escaped(&mut made, '\u{1b}');
        }
        rest = after;
    }
    made.push_str(&visible(rest));
    made
}

/// A text of the same length in bytes and with the same line breaks, for places that are counted in
/// bytes: each byte of a hidden character becomes a question mark.
pub fn visible_in_place(text: &str) -> Cow<'_, str> {
    let hides = |character| !matches!(character, '\n' | '\r' | '\t') && is_hidden(character);
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let shown = |character: char| {
        let (shown, count) = if hides(character) { ('?', character.len_utf8()) } else { (character, 1) };
        std::iter::repeat_n(shown, count)
    };
    Cow::Owned(text.chars().flat_map(shown).collect())
}

fn replaced(text: &str, hides: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hides) {
        return Cow::Borrowed(text);
    }
    let mut made = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hides(character) {
            push_escaped(&mut made, character);
        } else {
            made.push(character);
        }
    }
    Cow::Owned(made)
}

fn push_escaped(made: &mut String, character: char) {
    let done = match character {
        '\n' => made.write_str("\\n"),
        '\t' => made.write_str("\\t"),
        // All hidden characters have at most four digits.
        other => write!(made, "\\u{:04x}", u32::from(other)),
    };
    done.expect("writing to a text does not fail");
}

/// The length of the style sequence (SGR of ECMA-48) at the beginning of a text.
fn style_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|character: char| !character.is_ascii_digit() && character != ';')?;
    parameters.get(end..)?.starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_commands_are_shown_as_text() {
        assert_eq!(visible("a\u{1b}[2J\u{1b}]0;x\u{7}b\rc\u{8}"), "a\\u001b[2J\\u001b]0;x\\u0007b\\u000dc\\u0008");
        assert_eq!(visible("\u{7f}\u{9b}31m\u{85}\0"), "\\u007f\\u009b31m\\u0085\\u0000");
    }

    #[test]
    fn direction_overrides_are_shown_as_text() {
        for hidden in ['\u{202e}', '\u{202a}', '\u{2066}', '\u{2069}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{206f}'] {
            assert_eq!(visible(&format!("x{hidden}y")), format!("x\\u{:04x}y", u32::from(hidden)));
        }
    }

    #[test]
    fn ordinary_texts_are_left_as_they_are() {
        for text in ["", "plain", "两行\n\t你好", "שלום عليكم", "e\u{301} 👩\u{200d}💻", "a\\u001b"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn a_value_stays_on_one_line() {
        assert_eq!(visible_line("one\ntwo\tthree\r\n"), "one\\ntwo\\tthree\\u000d\\n");
    }

    #[test]
    fn styles_stay_and_other_sequences_do_not() {
        let text = "\u{1b}[1;31merror:\u{1b}[0m x\u{1b}[2J\u{1b}[31\u{1b}[m\u{1b}";
        let wanted = "\u{1b}[1;31merror:\u{1b}[0m x\\u001b[2J\\u001b[31\u{1b}[m\\u001b";
        assert_eq!(visible_styled(text), wanted);
    }

    #[test]
    fn a_text_in_place_keeps_its_length() {
        let text = "a\u{1b}b\u{9b}c\u{202e}\r\n你";
        assert_eq!(visible_in_place(text), "a?b??c???\r\n你");
    }

    #[test]
    fn no_hidden_character_passes() {
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let kept = |made: &str| made.chars().filter(|character| is_hidden(*character)).collect::<String>();
        assert_eq!(kept(&visible(&all)), "\t\n");
        assert_eq!(kept(&visible_line(&all)), "");
        assert_eq!(kept(&visible_styled(&all)), "\t\n");
        assert_eq!(kept(&visible_in_place(&all)), "\t\n\r");
    }
}
