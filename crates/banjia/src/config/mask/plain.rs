//! Tells plain texts (names, dates, addresses, words) from random ones.
//!
//! A message may repeat a plain text of a file. Every other text is starred, also under keys that
//! hold no secret.

/// The longest text that is plain.
const CHARS_MAX: usize = 200;
/// The longest word of one case. The longest that people use in names have about twenty letters.
const WORD_CHARS_MAX: usize = 20;
/// The longest number: a date and an hour.
const NUMBER_CHARS_MAX: usize = 12;
/// A word with digits in it may have fewer characters than this.
const MIXED_CHARS_MAX: usize = 11;
/// Capitals in a word that has small letters too. `DeepSeekV3` has three.
const CAPITALS_MAX: usize = 3;
/// Changes between digits, capitals and small letters inside of one word.
const CHANGES_IN_WORD_MAX: usize = 3;
/// Changes between letters and digits in the whole text. A name such as `qwen2.5-coder-7b-v0.1` has
/// five.
const CHANGES_MAX: usize = 7;
/// Beginnings that only secrets have.
const SECRET_STARTS: [&str; 13] =
    ["sk-", "sk_", "pk-", "pk_", "rk_", "whsec_", "bj-", "bce-v", "ghp_", "github_pat", "xox", "akia", "eyj"];

/// Returns true for a name, a date, an address or a few words.
pub(super) fn is_plain(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " -_./:@,+*<>[]()".contains(c);
    if text.chars().count() > CHARS_MAX || !text.chars().all(fits) || banjia_scan::has_key(text) {
        return false;
    }
    let has_at = text.contains('@');
    if (text.contains("://") && has_at) || (text.contains('+') && !has_at) {
        return false;
    }
    let lower = text.to_ascii_lowercase();
    let mut starts = lower.split(|c: char| !c.is_alphanumeric() && !"-_".contains(c));
    if starts.any(|word| SECRET_STARTS.iter().any(|start| word.starts_with(start) && word.len() > start.len())) {
        return false;
    }
    changes(text, |c| u8::from(c.is_numeric())) <= CHANGES_MAX
        && text.split(|c: char| !c.is_alphanumeric()).all(is_word)
}

/// Returns true if a run of letters and digits is not random.
fn is_word(word: &str) -> bool {
    let chars = word.chars().count();
    let has_digit = word.chars().any(char::is_numeric);
    let has_letter = word.chars().any(char::is_alphabetic);
    let chars_max = match (has_letter, has_digit) {
        (true, true) => MIXED_CHARS_MAX,
        (false, true) => NUMBER_CHARS_MAX,
        _ => WORD_CHARS_MAX,
    };
    if chars > chars_max {
        return false;
    }
    let class = |c: char| match c {
        c if c.is_numeric() => 0,
        c if c.is_uppercase() => 1,
        _ => 2,
    };
    let capitals = word.chars().filter(|c| c.is_uppercase()).count();
    let has_small = word.chars().any(char::is_lowercase);
    changes(word, class) <= CHANGES_IN_WORD_MAX && (capitals <= CAPITALS_MAX || !has_small)
}

/// Counts the changes of class between neighbouring letters and digits. A small letter after a
/// capital does not count: words begin so.
fn changes(text: &str, class: impl Fn(char) -> u8) -> usize {
    let letters: Vec<_> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    let counts = |a: char, b: char| class(a) != class(b) && !(a.is_uppercase() && b.is_lowercase());
    letters.iter().zip(letters.iter().skip(1)).filter(|(a, b)| counts(**a, **b)).count()
}

#[cfg(test)]
mod tests {
    use super::is_plain;
    use proptest::prelude::*;

    #[test]
    fn names_dates_and_addresses_are_plain() {
        for text in [
            "openai/gpt-4o-2024-08-06",
            "qwen2.5-coder-7b-instruct-v0.1",
            "claude-3-5-sonnet-20241022",
            "DeepSeek-V3",
            "MiniMax-M2",
            "doubao-1-5-pro-32k-250115",
            "openai-compatible/my-model",
            "http://models.example.com/v1",
            "https://open.bigmodel.cn/api/paas/v4",
            "127.0.0.1:8080",
            "[::1]:8080",
            "2026-10-31T00:00",
            "Example AI <notice@example.com>",
            "BANJIA_NO_SUCH_VARIABLE",
            "深圳市某某科技有限公司",
            "acme-production",
            "policy.*",
        ] {
            assert!(is_plain(text), "{text}");
        }
    }

    #[test]
    fn what_only_machines_make_is_not_plain() {
        for text in [
            "sk-this-must-not-show",
            "sk-1",
            "https://user:hunter2@host.example/v1",
            "https://host.example/v1?api_key=hunter2",
            "550e8400-e29b-41d4-a716-446655440000",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "0f9e8d7c6b5a4938.AbCdEfGh12345678",
            "aZ9kQ2xPwL",
            "A1B2-C3D4-E5F6-G7H8",
            "p@ss!w#rd",
            "Bearer sk-live-1",
            "xoxb-1234",
            "qWeRtYuIoPaSdF",
        ] {
            assert!(!is_plain(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn random_keys_are_not_plain(
            key in "[A-Za-z0-9]{24,48}|[0-9a-f]{32,64}|[A-Za-z0-9+/]{32,44}|sk-[a-z0-9]{8,20}"
        ) {
            prop_assert!(!is_plain(&key), "{}", key);
        }
    }
}
