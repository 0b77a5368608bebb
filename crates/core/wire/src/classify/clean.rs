//! A vendor's words, fit to be logged and shown: one line, bounded, without keys.

/// The longest message that is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 500;
/// From this length on, a word of letters and digits without a dash is taken for a key.
const KEY_CHARS_MIN: usize = 40;
/// How keys begin: OpenAI and its like, Baidu, a JSON web token.
const KEY_STARTS: [&str; 3] = ["sk-", "bce-v3/", "eyJ"];

/// `text` in one line of bounded length, each key in it replaced.
pub(crate) fn clean(text: &str) -> String {
    // Replacing shortens more than it lengthens; a little more than the bound is enough to look at.
    let start: String = text.chars().take(MESSAGE_CHARS_MAX * 2).collect();
    let mut cleaned = String::with_capacity(start.len());
    let mut after_bearer = false;
    for word in start.split_inclusive(|c: char| !is_of_word(c)) {
        let bare = word.trim_end_matches(|c: char| !is_of_word(c));
        let end = word.get(bare.len()..).unwrap_or_default();
        cleaned.push_str(if is_key(bare) || (after_bearer && bare.len() >= 8) { "[key]" } else { bare });
        cleaned.extend(end.chars().map(|c| if c.is_control() { ' ' } else { c }));
        if !bare.is_empty() {
            after_bearer = bare.eq_ignore_ascii_case("bearer");
        }
    }
    let cleaned = cleaned.trim();
    match cleaned.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", cleaned.get(..end).unwrap_or_default()),
        None => cleaned.to_owned(),
    }
}

/// Vendors show keys with stars in them.
fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '*' | '+' | '=')
}

fn is_key(word: &str) -> bool {
    let starts = KEY_STARTS.iter().any(|start| {
        let mut places = word.match_indices(start).map(|(place, _)| place);
        places.any(|place| {
            let before = place.checked_sub(1).and_then(|before| word.as_bytes().get(before));
            word.len() > place + start.len() + 3 && !before.is_some_and(u8::is_ascii_alphanumeric)
        })
    });
    let dense = word.len() >= KEY_CHARS_MIN
        && !word.contains(['-', '/', '_'])
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic());
    starts || dense
}
