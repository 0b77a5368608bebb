//! Parts of one known key, taken out of a vendor's words.
//!
//! Rules:
//! - Every part of the key of at least half its length is replaced, in upper and lower case.
//! - A key of several parts (`id.secret`, `bce-v3/ALTAK-x/sk-y`) is not safe when only its public
//!   part is hidden, so the same holds for each long part by itself.
//! - The same holds for the key's percent-encoded form and for its base64, at any place of a longer
//!   base64 text.
//! - Shorter parts stay: vendors show `sk-12...cdef` so that a person can tell which key is meant.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The text in the place of a key.
const SHOWN: &str = "[key]";
/// Keys of fewer bytes than this are replaced as a whole only: half of them would be an everyday
/// word.
const KEY_BYTES_MIN: usize = 8;
/// A part of a key from this length on is a secret of its own.
const PART_BYTES_MIN: usize = 16;

/// `text` without the parts of `key` that would help to guess it.
pub fn mask_key(text: &str, key: &str) -> String {
    if key.is_empty() || text.is_empty() {
        return text.to_owned();
    }
    if key.len() < KEY_BYTES_MIN {
        return text.replace(key, SHOWN);
    }
    let lower = text.to_ascii_lowercase();
    let mut hidden = vec![false; text.len()];
    for form in forms(key) {
        hide(&lower, &form, &mut hidden);
    }
    shown(text, &hidden)
}

/// The key in every form in which a vendor may repeat it, in lower case.
fn forms(key: &str) -> Vec<String> {
    let mut forms = vec![key.to_owned()];
    forms.extend(parts(key).map(str::to_owned));
    let percent: String = key.bytes().map(percent_encoded).collect();
    if percent != key {
        forms.push(percent);
    }
    for before in 0..3 {
        forms.extend(base64_inside(key, before));
    }
    let url_safe: Vec<_> = forms
        .iter()
        .filter(|form| form.contains(['+', '/']))
        .map(|form| form.replace('+', "-").replace('/', "_"))
        .collect();
    forms.extend(url_safe);
    for form in &mut forms {
        form.make_ascii_lowercase();
    }
    forms.dedup();
    forms
}

/// The long parts of a structured key. The last part behind a dot, a slash or a colon is the
/// secret, also when it is short.
fn parts(key: &str) -> impl Iterator<Item = &str> {
    let last = key.rsplit(['.', '/', ':']).next().filter(|part| part.len() < key.len() && part.len() >= KEY_BYTES_MIN);
    let long =
        key.split(['.', '/', ':', '-', '_']).filter(|part| part.len() < key.len() && part.len() >= PART_BYTES_MIN);
    last.into_iter().chain(long)
}

fn percent_encoded(byte: u8) -> String {
    let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if is_plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// The key's base64 when `before` bytes stand before it in its group of three: only the digits that
/// the key alone decides.
fn base64_inside(key: &str, before: usize) -> Option<String> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(key.as_bytes());
    let text = STANDARD_NO_PAD.encode(&bytes);
    let from = (before * 8).div_ceil(6);
    let until = bytes.len() * 8 / 6;
    text.get(from..until).map(str::to_owned)
}

/// Marks the bytes of `text` that belong to a part of `form` of at least half its length.
fn hide(text: &str, form: &str, hidden: &mut [bool]) {
    let (text, form) = (text.as_bytes(), form.as_bytes());
    let part = form.len().div_ceil(2);
    if part == 0 {
        return;
    }
    for (start, window) in text.windows(part).enumerate() {
        if memchr::memmem::find(form, window).is_some()
            && let Some(found) = hidden.get_mut(start..start + part)
        {
            found.fill(true);
        }
    }
}

/// The text with one mark for each run of hidden bytes.
fn shown(text: &str, hidden: &[bool]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut is_inside = false;
    for (at, c) in text.char_indices() {
        // A character is hidden as soon as one of its bytes is: a key may hold more than ASCII.
        let is_hidden = hidden.get(at..at + c.len_utf8()).is_some_and(|bytes| bytes.contains(&true));
        if !is_hidden {
            shown.push(c);
        } else if !is_inside {
            shown.push_str(SHOWN);
        }
        is_inside = is_hidden;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    const KEYS: [&str; 4] = [
        "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8t",
        "0123456789abcdef0123456789abcdef.Zq8WxYv7UtSr6QpO",
        "bce-v3/ALTAK-h7Jk2Lm9Pq/4f5e6d7c8b9a0f1e2d3c4b5a6f7e8d9c0b1a2f3e",
        "a+b/c=d+e/f=g+h/i=j+k/l=",
    ];

    #[test]
    fn half_a_key_is_masked_wherever_it_is_cut() {
        for key in KEYS {
            let half = key.len().div_ceil(2);
            for from in 0..=key.len() - half {
                let part = key.get(from..from + half).unwrap();
                for said in [part.to_owned(), part.to_uppercase(), format!("bad key {part}, sorry")] {
                    let masked = mask_key(&said, key);
                    assert!(masked.contains("[key]"), "{said}: {masked}");
                    assert!(!masked.to_lowercase().contains(&part.to_lowercase()), "{masked}");
                }
            }
        }
    }

    #[test]
    fn the_secret_part_of_a_key_is_masked_by_itself() {
        for (said, key) in [
            ("signature of Zq8WxYv7", KEYS[1]),
            ("signature of v7UtSr6QpO", KEYS[1]),
            ("ak 4f5e6d7c8b9a0f1e2d3c4", KEYS[2]),
        ] {
            assert!(mask_key(said, key).contains("[key]"), "{said}");
        }
    }

    #[test]
    fn an_encoded_key_is_masked() {
        for key in KEYS {
            let percent: String = key.bytes().map(percent_encoded).collect();
            assert_eq!(mask_key(&format!("?key={percent}&x=1"), key), "?key=[key]&x=1");
            for before in ["", "u", "u:", "Bearer ", "Bearer: "] {
                let plain = format!("{before}{key} and more");
                for said in [STANDARD.encode(&plain), URL_SAFE.encode(&plain)] {
                    let masked = mask_key(&said, key);
                    assert!(masked.contains("[key]") && masked.len() < said.len() - key.len() / 2, "{said}: {masked}");
                }
            }
        }
    }

    #[test]
    fn what_tells_which_key_is_meant_stays() {
        for said in ["sk-proj-Ab...qRs8t", "the model glm-4.6 is unknown", "", "请求过多"] {
            assert_eq!(mask_key(said, KEYS[0]), said);
        }
        assert_eq!(mask_key("the key k1 is bad", "k1"), "the key [key] is bad");
        assert_eq!(mask_key("nothing", ""), "nothing");
    }

    proptest! {
        #[test]
        fn no_text_and_no_key_panics(text in ".{0,80}", key in ".{0,40}") {
            let masked = mask_key(&text, &key);
            prop_assert!(key.is_empty() || key.len() < KEY_BYTES_MIN || !masked.contains(&key) || key.contains("[key]"));
        }
    }
}
