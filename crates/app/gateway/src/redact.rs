//! Takes keys and personal data out of texts before they are stored.
//!
//! Rules:
//! - What is found is counted and replaced by a fixed word (`[email]`), so that two recordings stay
//!   comparable.
//! - A number with a wrong check digit stays, if its kind has a check digit.
//! - A text that is JSON itself (the arguments of a tool call, a structured answer) is read as
//!   JSON, so that it stays JSON.
//! - Patterns are matched in linear time and bounded in size. A pattern that matches the empty text
//!   is refused, because it would match everywhere.
//! - Names and ids of the protocol stay: a tool's result must still find its call.

mod data;
mod numbers;

use crate::config::{PatternConfig, RedactConfig};
use crate::problem::Problem;
use numbers::{is_card, is_phone, is_resident, stands_alone};
use regex::{Captures, Regex, RegexBuilder};
use serde_json::Value;

pub(crate) use data::lacks_data;

/// The compiled size of one pattern.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// Characters of one pattern.
const PATTERN_LEN_MAX: usize = 1_000;
/// Patterns of the operator's own.
const PATTERNS_MAX: usize = 64;
/// How many levels of JSON inside of a text are read.
const NESTED_MAX: u32 = 4;

/// Keys by their form: usual prefixes, tokens of three parts, key files.
const KEYS: &str = r"(?x)
    (?-u:\b)(?:sk|bj|pk|rk|ak|key)-[A-Za-z0-9_-]{16,}
  | (?-u:\b)(?:gh[pousr]_|github_pat_|glpat-|hf_|xox[abeprs]-|AKIA|ASIA|AIza|LTAI)[A-Za-z0-9_-]{12,}
  | (?-u:\b)[0-9a-f]{32}\.[A-Za-z0-9]{16}(?-u:\b)
  | (?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}
  | -----BEGIN\ [A-Z\x20]{0,40}PRIVATE\ KEY-----(?s:.*?)(?:-----END\ [A-Z\x20]{0,40}PRIVATE\ KEY-----|\z)";
/// A token after its scheme; the scheme stays.
const BEARER: &str = r"(?i)((?-u:\b)bearer[ \t]+)[A-Za-z0-9._~+/=-]{8,}";
const EMAIL: &str = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}";
/// GB 11643-1999: 17 digits and a check character.
const RESIDENT: &str = r"[1-9][0-9]{16}[0-9Xx]";
/// ISO/IEC 7812: bank cards begin with 3 to 6 and have up to 19 digits, often in groups.
const CARD: &str = r"[3-6][0-9](?:[ -]?[0-9]){11,17}";
/// Mobile numbers of mainland China, and numbers in the international form (E.164).
const PHONE: &str = r"(?x)
    (?:(?:\+|00)86[\ -]?)?1[3-9][0-9][\ -]?[0-9]{4}[\ -]?[0-9]{4}
  | \+[1-9](?:[\ .()-]{0,2}[0-9]){7,14}";

/// One pattern and its replacement.
#[derive(Debug)]
struct Rule {
    pattern: Regex,
    /// The replacement; `$1` is the first group.
    word: String,
    holds: fn(&str) -> bool,
    /// Whether a match must not touch a letter or a digit on either side.
    alone: bool,
}

/// Whether the rule is on, its pattern, its replacement, the check of a match, and whether a match
/// must stand alone.
type Known = (bool, &'static str, &'static str, fn(&str) -> bool, bool);

/// Takes keys and personal data out of texts, as the configuration says.
#[derive(Debug, Default)]
pub struct Redactor {
    rules: Vec<Rule>,
    keeps_data: bool,
}

impl Redactor {
    /// Compiles the rules of the configuration.
    ///
    /// # Errors
    /// Each pattern that cannot be used, with its place in the configuration.
    pub fn compile(config: &RedactConfig) -> Result<Self, Vec<Problem>> {
        let mut rules = Vec::new();
        let mut problems = Vec::new();
        if config.patterns.len() > PATTERNS_MAX {
            let message = format!("{} patterns are more than the {PATTERNS_MAX} that are taken", config.patterns.len());
            problems.push(Problem::new("capture.redact.patterns", message, "join some with |"));
        }
        for (i, pattern) in config.patterns.iter().enumerate().take(PATTERNS_MAX) {
            match own(pattern) {
                Ok(rule) => rules.push(rule),
                Err((key, message)) => {
                    let hint = "see the syntax of the regex crate: no look-around, no back-references";
                    problems.push(Problem::new(format!("capture.redact.patterns[{i}].{key}"), message, hint));
                }
            }
        }
        let any = |_: &str| true;
        let known: [Known; 6] = [
            (config.keys, KEYS, "[key]", any, false),
            (config.keys, BEARER, "${1}[key]", any, false),
            (config.emails, EMAIL, "[email]", any, false),
            (config.ids, RESIDENT, "[id]", is_resident, true),
            (config.cards, CARD, "[card]", is_card, true),
            (config.phones, PHONE, "[phone]", is_phone, true),
        ];
        for (is_on, pattern, word, holds, alone) in known {
            if is_on {
                let pattern = Regex::new(pattern).expect("our own patterns are tested");
                rules.push(Rule { pattern, word: word.to_owned(), holds, alone });
            }
        }
        if problems.is_empty() { Ok(Self { rules, keeps_data: config.keep_data }) } else { Err(problems) }
    }

    /// Redacts every text below `value`. Returns the number of replacements.
    pub fn redact(&self, value: &mut Value) -> u32 {
        self.walk(value, None, 0)
    }

    fn walk(&self, value: &mut Value, member: Option<&str>, nested: u32) -> u32 {
        match value {
            Value::String(text) => self.text(text, member, nested),
            Value::Array(values) => values.iter_mut().map(|value| self.walk(value, member, nested)).sum(),
            Value::Object(members) => members
                .iter_mut()
                .filter(|(name, value)| !(is_protocol(name) && value.is_string()))
                .map(|(name, value)| self.walk(value, Some(name), nested))
                .sum(),
            // A number of the protocol is a count or a time. One inside of a text may be personal.
            Value::Number(number) if nested > 0 => {
                let mut text = number.to_string();
                let count = self.plain(&mut text);
                if count > 0 {
                    *value = Value::String(text);
                }
                count
            }
            _ => 0,
        }
    }

    fn text(&self, text: &mut String, member: Option<&str>, nested: u32) -> u32 {
        if nested < NESTED_MAX
            && matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['))
            && let Ok(mut inner) = serde_json::from_str::<Value>(text)
        {
            let count = self.walk(&mut inner, member, nested + 1);
            if count > 0 {
                *text = inner.to_string();
            }
            return count;
        }
        let data = if self.keeps_data { 0 } else { data::take_out(text, member) };
        data + self.plain(text)
    }

    fn plain(&self, text: &mut String) -> u32 {
        let mut count = 0;
        for rule in &self.rules {
            if !rule.pattern.is_match(text) {
                continue;
            }
            let whole = std::mem::take(text);
            let made = rule.pattern.replace_all(&whole, |found: &Captures<'_>| {
                let all = found.get(0).map(|part| part.range()).unwrap_or_default();
                let part = whole.get(all.clone()).unwrap_or_default();
                if !(rule.holds)(part) || (rule.alone && !stands_alone(&whole, all)) {
                    return part.to_owned();
                }
                count += 1;
                let mut word = String::new();
                found.expand(&rule.word, &mut word);
                word
            });
            *text = made.into_owned();
        }
        count
    }
}

fn own(config: &PatternConfig) -> Result<Rule, (&'static str, String)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if config.name.is_empty() || !config.name.chars().all(is_word) {
        return Err(("name", "a name is made of letters, digits, _ and -".to_owned()));
    }
    if config.pattern.len() > PATTERN_LEN_MAX {
        return Err(("pattern", format!("a pattern has at most {PATTERN_LEN_MAX} characters")));
    }
    let built = RegexBuilder::new(&config.pattern).size_limit(PATTERN_BYTES_MAX).nest_limit(50).build();
    let pattern = built.map_err(|error| ("pattern", error.to_string().replace('\n', " ")))?;
    if pattern.is_match("") {
        return Err(("pattern", "it matches a text of no length, so it would match everywhere".to_owned()));
    }
    Ok(Rule { pattern, word: format!("[{}]", config.name), holds: |_| true, alone: false })
}

/// Members whose texts belong to the protocol and not to a person.
fn is_protocol(name: &str) -> bool {
    matches!(
        name,
        "id" | "tool_call_id" | "object" | "model" | "role" | "type" | "finish_reason" | "system_fingerprint"
    )
}

#[cfg(test)]
mod tests;
