//! Keys in files: their places and kinds, never the keys.
//!
//! # Rules
//! - Keys are searched for in the bytes, including comments. An obvious example does not count.
//! - A fingerprint is 32 bits of a hash: enough to find the same key again, and useless without the
//!   key.

use crate::finding::{Confidence, Finding, Kind};
use crate::rules::ScanRules;
use regex::Regex;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// A text with fewer different characters is no key.
const VARIETY_MIN: usize = 8;

/// The keys in a text, each with its first byte.
pub(crate) fn find(text: &[u8], is_of_interest: bool, rules: &ScanRules) -> Vec<(usize, Finding)> {
    let mut found: Vec<(usize, Finding)> = Vec::new();
    let mut ends: Vec<(usize, usize)> = Vec::new();
    for form in rules.keys.iter().filter(|form| form.is_anywhere || is_of_interest) {
        for hit in form.regex.find_iter(text) {
            let is_told = ends.iter().any(|(start, end)| hit.start() < *end && hit.end() > *start);
            if is_told || is_example(hit.as_bytes(), rules) {
                continue;
            }
            ends.push((hit.start(), hit.end()));
            let confidence = if form.is_likely { Confidence::Likely } else { Confidence::Certain };
            let mut finding = Finding::new(Kind::Key, confidence);
            finding.name = Some(form.kind.clone());
            finding.fingerprint = Some(fingerprint(hit.as_bytes()));
            found.push((hit.start(), finding));
        }
    }
    found
}

/// A text of the source for a report. Dropped if it contains a key or is longer than a name.
pub(crate) fn clean(text: &str, rules: &ScanRules) -> String {
    let has_key = rules.keys.iter().any(|form| form.regex.is_match(text.as_bytes()));
    let is_name = text.len() <= 120 && !text.chars().any(char::is_control);
    if has_key || !is_name { "(not shown)".to_owned() } else { text.to_owned() }
}

/// The forms of keys as one expression: a part of the data, so that nobody who only masks reads all
/// of it.
static ANY_KEY: LazyLock<Regex> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Form {
        pattern: String,
    }
    #[derive(Deserialize)]
    struct Forms {
        key: Vec<Form>,
    }
    let forms: Forms = toml::from_str(include_str!("../data/places.toml")).expect("the tests of this crate read it");
    let any: Vec<_> = forms.key.iter().map(|form| format!("(?-u:{})", form.pattern)).collect();
    Regex::new(&any.join("|")).expect("the tests of this crate compile it")
});

/// The text with every key in it replaced by `***`. Unlike in a scan, examples of keys count, in
/// every kind of text.
pub fn mask_keys(text: &str) -> Cow<'_, str> {
    ANY_KEY.replace_all(text, "***")
}

/// Whether the text contains a key.
pub fn has_key(text: &str) -> bool {
    ANY_KEY.is_match(text)
}

fn is_example(key: &[u8], rules: &ScanRules) -> bool {
    let text = String::from_utf8_lossy(key).to_ascii_lowercase();
    let variety = text.bytes().collect::<HashSet<_>>().len();
    variety < VARIETY_MIN
        || !text.bytes().any(|byte| byte.is_ascii_digit())
        || rules.placeholders.iter().any(|word| text.contains(word.as_str()))
}

fn fingerprint(key: &[u8]) -> String {
    let digest = Sha256::digest(key);
    digest.iter().take(4).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written to it");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(usize, String)> {
        let found = find(text.as_bytes(), true, ScanRules::embedded());
        found.into_iter().map(|(at, finding)| (at, finding.name.unwrap())).collect()
    }

    #[test]
    fn keys_are_found_by_form_and_never_shown() {
        let key = "sk-proj-9hQ2mZ7LxV4tB8nRk3Ws-Tq6Yd1Fj5Pc0Ge";
        let text = format!(
            "key = '{key}'  # and in a comment: bce-v3/ALTAK-Wk29sLq07Zx/{}",
            "0f9e8d7c6b5a4938271605f4e3d2c1b0a9988776"
        );
        let found = find(text.as_bytes(), true, ScanRules::embedded());
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].0, 7);
        let shown = format!("{found:?}");
        assert!(!shown.contains("9hQ2mZ7L") && !shown.contains("0f9e8d7c"), "{shown}");
        assert_eq!(found[0].1.fingerprint.as_deref().map(str::len), Some(8));
    }

    #[test]
    fn examples_and_words_with_dashes_are_no_keys() {
        for text in [
            "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "sk-your-key-goes-here-1234567890",
            "sk-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
            "task-9hQ2mZ7LxV4tB8nRk3WsTq6Yd1",
            "sk-proj-example9hQ2mZ7LxV4tB8nRk3Ws",
            "risk-assessment-of-the-whole-business",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    #[test]
    fn keys_of_every_form_are_masked() {
        for key in [
            "sk-proj-9hQ2mZ7LxV4tB8nRk3Ws-Tq6Yd1Fj5Pc0Ge",
            "sk-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
            "bce-v3/ALTAK-Wk29sLq07Zx/0f9e8d7c6b5a4938271605f4e3d2c1b0a9988776",
            "0f9e8d7c6b5a4938271605f4e3d2c1b0.AbCdEfGh12345678",
            &format!("bj-{}", "0f9e8d7c".repeat(8)),
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert!(has_key(key), "{key}");
            assert_eq!(mask_keys(&format!("say {key:?}, twice {key}")), "say \"***\", twice ***");
        }
        assert_eq!(mask_keys("密钥sk-proj-9hQ2mZ7LxV4tB8nRk3Ws。"), "密钥***。");
        assert_eq!(mask_keys("risk-assessment and sk-..."), "risk-assessment and sk-...");
    }

    #[test]
    fn a_text_with_a_key_is_not_shown() {
        let rules = ScanRules::embedded();
        assert_eq!(clean("gpt-4o", rules), "gpt-4o");
        assert_eq!(clean("x sk-proj-9hQ2mZ7LxV4tB8nRk3Ws", rules), "(not shown)");
    }
}
