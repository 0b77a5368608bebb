//! Images, sounds and other files inside of recorded texts.
//!
//! The forms that vendors take: `data:` addresses, also in the midst of a text; base64 alone where
//! a part holds a file (`image_url.url` of Zhipu, `source.data` of Anthropic, `input_audio.data`,
//! `file.file_data`, `b64_json`); and base64 anywhere that begins like a file or is long.

use regex::{Captures, Regex};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Base64 in a text of at least this many characters is data, also without a known beginning.
const RUN_LEN_MIN: usize = 4 * 1024;
/// Base64 where a part holds a file is data from this length on.
const MEMBER_LEN_MIN: usize = 64;
/// Members that hold a file, by name.
const MEMBERS: [&str; 14] = [
    "data",
    "url",
    "file_data",
    "b64_json",
    "image_url",
    "video_url",
    "audio_url",
    "image",
    "video",
    "audio",
    "bytes",
    "base64",
    "content_base64",
    "image_base64",
];

/// The word that replaces data begins with the first, and its digest follows the second.
const WORD: &str = "[data ";
const DIGEST: &str = "sha256:";

/// `data:` addresses, and base64 that begins like PNG, JPEG, GIF, RIFF (WebP, WAV), PDF, ZIP, MP3,
/// Ogg or FLAC.
static INSIDE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?i:data:(?P<kind>[a-z]+/[a-z0-9.+-]{1,80})[^,\s"'<>)]{0,200},)[^\s"'<>)\]\\]+
      | (?-u:\b)(?:iVBORw0KGgo|R0lGOD|UklGR|JVBERi0|UEsDB|SUQz|T2dnUw|ZkxhQ)[A-Za-z0-9+/_-]{40,}={0,2}
      | /9j/[A-Za-z0-9+/_-]{40,}={0,2}"#,
    )
    .expect("our own patterns are tested")
});
static RUNS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9+/_=-]{64,}").expect("our own patterns are tested"));
static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\[data [!-~]{0,40} [0-9]{1,20} bytes sha256:[0-9a-f]{16}\]").expect("our own patterns are tested")
});

/// Takes data out of `text`, which may be the value of a member with this name. Returns the number
/// of places.
pub(super) fn take_out(text: &mut String, member: Option<&str>) -> u32 {
    if text.len() < MEMBER_LEN_MIN
        && !text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:"))
        && !text.contains("data:")
    {
        return 0;
    }
    let is_member = member.is_some_and(|name| MEMBERS.contains(&name)) && text.len() >= MEMBER_LEN_MIN;
    if (is_member || text.len() >= RUN_LEN_MIN) && text.bytes().all(is_base64) {
        *text = word("base64", text);
        return 1;
    }
    let mut count = 0;
    let mut replace = |found: &Captures<'_>| {
        count += 1;
        word(found.name("kind").map_or("base64", |kind| kind.as_str()), &found[0])
    };
    let made = INSIDE.replace_all(text, &mut replace).into_owned();
    *text = made;
    count + long_runs(text)
}

/// Replaces long runs of base64 in the midst of a text.
fn long_runs(text: &mut String) -> u32 {
    if text.len() < RUN_LEN_MIN {
        return 0;
    }
    let mut count = 0;
    let made = RUNS.replace_all(text, |found: &Captures<'_>| {
        let run = &found[0];
        if run.len() < RUN_LEN_MIN {
            return run.to_owned();
        }
        count += 1;
        word("base64", run)
    });
    *text = made.into_owned();
    count
}

/// The word for data of a kind.
fn word(kind: &str, data: &str) -> String {
    let kind: String = kind.chars().filter(char::is_ascii_graphic).take(40).collect();
    let mut word = format!("{WORD}{kind} {} bytes {DIGEST}", data.len());
    for byte in Sha256::digest(data.as_bytes()).iter().take(8) {
        write!(word, "{byte:02x}").expect("a text takes what is written into it");
    }
    word.push(']');
    word
}

/// Returns whether a text is nothing but the word for data.
fn is_word(text: &str) -> bool {
    text.starts_with(WORD) && text.ends_with(']') && text.contains(DIGEST)
}

/// Returns whether a recorded request lacks an image, a sound or another file that it had.
pub(crate) fn lacks_data(request: &Value) -> bool {
    match request {
        Value::String(text) => is_word(text) || (text.contains(WORD) && WORDS.is_match(text)),
        Value::Array(items) => items.iter().any(lacks_data),
        Value::Object(members) => members.values().any(lacks_data),
        _ => false,
    }
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'\n' | b'\r')
}
