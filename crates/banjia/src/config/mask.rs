//! Hides possible secrets in messages.
//!
//! - A quoted line is starred but for the words that the program defines and the value that the
//!   finding is about. That value is shown only if it stands under a known key that holds no
//!   secret, and is plain.
//! - In a sentence every value of the file that may not be shown is replaced by `***`, and so is
//!   every text that came from the environment or from a file, and every text that looks like a key
//!   to a scan.
//! - Comments are starred too: a key that is commented out is a key.
//! - If the text does not parse, only words are shown: where its values begin and end is unknown.
//!
//! A quoted line keeps its length in bytes, so places stay right.

mod plain;
mod words;

use plain::is_plain;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use words::{is_known, is_like_a_key};

/// Keys whose values are secrets.
pub(super) const SECRET_KEYS: [&str; 6] = ["credential", "key", "pepper", "password", "private_key", "secret"];
/// Keys whose values are not shown either: an address with a secret in it; a hash, where people put
/// the key itself.
const HIDDEN_KEYS: [&str; 2] = ["url", "hash"];
/// Replaces a hidden value in a sentence.
const STARS: &str = "***";
/// Shorter values are no secrets, and starring them would make sentences unreadable.
const SECRET_CHARS_MIN: usize = 4;
/// Characters between the parts of an address.
const BETWEEN_PARTS: [char; 6] = ['/', ':', '@', '?', '&', '='];

/// A text, and the places in it that may be shown.
#[derive(Clone)]
pub(crate) struct Mask {
    original: String,
    /// The original with everything starred but known words.
    starred: String,
    /// Places of values and keys that may be shown, in their order.
    open: Vec<Range<usize>>,
    /// Values that a sentence must not hold, also those that are not in the text itself.
    hidden: Vec<String>,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask")
    }
}

impl Mask {
    /// The mask of a TOML text, which need not parse.
    pub(crate) fn new(text: &str) -> Self {
        let mut mask = Self { original: text.to_owned(), starred: starred(text), open: Vec::new(), hidden: Vec::new() };
        let (tree, errors) = DeTable::parse_recoverable(text);
        mask.table(tree.get_ref(), false);
        mask.open.sort_unstable_by_key(|range| (range.start, range.end));
        if !errors.is_empty() {
            mask.open.clear();
            let pieces = text.lines().flat_map(|line| line.split(['"', '\'']));
            for piece in pieces.filter(|piece| piece.chars().count() >= SECRET_CHARS_MIN && !is_plain(piece)) {
                mask.hide(piece);
            }
        }
        mask
    }

    /// The text as it was given, for counting lines and columns.
    pub(super) fn original(&self) -> &str {
        &self.original
    }

    /// No sentence may hold this value.
    pub(super) fn hide(&mut self, value: &str) {
        if value.chars().count() < SECRET_CHARS_MIN || is_known(value) {
            return;
        }
        let escaped = format!("{value:?}");
        let escaped = escaped.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
        if escaped != value {
            self.hidden.push(escaped.to_owned());
        }
        self.hidden.push(value.to_owned());
        // A sentence may hold a part of an address or of a target.
        let is_address = value.contains("://");
        for part in value.split(BETWEEN_PARTS).filter(|part| part.chars().count() >= SECRET_CHARS_MIN) {
            if part != value && !["http", "https"].contains(&part) && !is_known(part) && (is_address || !is_plain(part))
            {
                self.hidden.push(part.to_owned());
            }
        }
    }

    /// The text with everything starred but known words and what may be shown within `span`.
    pub(super) fn quote(&self, span: &Range<usize>) -> String {
        let mut text = self.starred.clone();
        let from = self.open.partition_point(|range| range.start < span.start);
        for range in self.open.iter().skip(from).take_while(|range| range.start < span.end) {
            if range.end <= span.end
                && let Some(value) = self.original.get(range.clone())
            {
                text.replace_range(range.clone(), value);
            }
        }
        text
    }

    /// A sentence about the text, without what it must not hold.
    pub(crate) fn sentence(&self, sentence: &str) -> String {
        let mut said = sentence.to_owned();
        for value in self.hidden.iter().filter(|value| sentence.contains(value.as_str())) {
            said = said.replace(value.as_str(), STARS);
        }
        let is_between = |c: char| c.is_whitespace() || "\"'`,;(){}".contains(c);
        let words = said.split(is_between).map(|word| word.trim_end_matches(['.', ':', '?', '!']));
        let mut unfit: Vec<_> = words
            .flat_map(|word| word.split(BETWEEN_PARTS).chain([word]))
            .filter(|word| word.chars().count() >= SECRET_CHARS_MIN && !is_plain(word))
            .filter(|word| word.contains('\\') || self.original.contains(word))
            .map(str::to_owned)
            .collect();
        unfit.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
        for word in unfit {
            said = said.replace(&word, STARS);
        }
        banjia_scan::mask_keys(&said).into_owned()
    }

    fn table(&mut self, table: &DeTable<'_>, is_hidden: bool) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if is_like_a_key(name) {
                self.open.push(key.span());
            } else if !is_plain(name) {
                self.hide(name);
            }
            let is_secret = SECRET_KEYS.contains(&name) || HIDDEN_KEYS.contains(&name);
            // A value under a name that nobody knows may be anything.
            self.value(value, is_hidden || is_secret || !is_known(name));
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, is_hidden: bool) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, is_hidden),
            DeValue::Array(array) => array.iter().for_each(|element| self.value(element, is_hidden)),
            DeValue::String(text) if is_reference(text) => self.open.push(value.span()),
            DeValue::String(text) if is_hidden || text.contains("${") || !is_plain(text) => self.hide(text),
            DeValue::String(_) => self.open.push(value.span()),
            _ if is_hidden => {
                let raw = self.original.get(value.span()).unwrap_or_default().to_owned();
                self.hide(&raw);
            }
            _ => self.open.push(value.span()),
        }
    }
}

/// Returns true for the place of a secret: `${NAME}`, or `file:` and a plain path.
fn is_reference(text: &str) -> bool {
    if let Some(path) = text.strip_prefix("file:") {
        return !path.contains("${") && is_plain(path);
    }
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(is_variable)
}

/// Returns true for a usual name of an environment variable.
pub(super) fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
        && is_plain(name)
}

/// An address without a name, a password, a query and a fragment.
pub(crate) fn url(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return STARS.to_owned() };
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if is_bare && url.fragment().is_none() && is_plain(text) {
        return text.to_owned();
    }
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    if cleared.is_err() || !is_plain(url.as_str()) {
        return url.host_str().filter(|host| is_plain(host)).unwrap_or(STARS).to_owned();
    }
    url.to_string()
}

/// Stars everything but white space, the signs of TOML, known words, and names of environment
/// variables after `${`.
fn starred(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(name) = variable_at(rest) {
            let (reference, after) = rest.split_at("${".len() + name.len());
            made.push_str(reference);
            rest = after;
            continue;
        }
        let end = if is_of_word(c) { rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()) } else { c.len_utf8() };
        let (part, after) = rest.split_at(end);
        if is_known(part) || c.is_whitespace() || "=[]{},\"'.#".contains(c) {
            made.push_str(part);
        } else {
            made.extend(std::iter::repeat_n('*', part.len()));
        }
        rest = after;
    }
    made
}

/// The name of the environment variable if a text begins with `${NAME`.
fn variable_at(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?;
    let (name, _) = name.split_at(name.find(['}', ':', '"', '\n'])?);
    Some(name).filter(|name| is_variable(name))
}

#[cfg(test)]
mod tests;
