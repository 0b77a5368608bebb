//! What a prompt names: quoted texts, names, numbers, a JSON Schema, an object written out.

use super::tokens::wide;
use serde_json::Value;
use std::collections::BTreeSet;

/// Chinese places that are recognised without quotation marks; longer ones stand before their parts.
const PLACES: [&str; 24] = [
    "浙江省杭州市",
    "杭州",
    "上海",
    "北京",
    "深圳",
    "广州",
    "成都",
    "武汉",
    "南京",
    "西安",
    "重庆",
    "天津",
    "苏州",
    "香港",
    "台北",
    "澳门",
    "东京",
    "巴黎",
    "伦敦",
    "纽约",
    "旧金山",
    "柏林",
    "新加坡",
    "悉尼",
];
/// Words with a capital that begin a sentence and name nothing.
const OPENERS: [&str; 64] = [
    "A",
    "An",
    "And",
    "Answer",
    "Are",
    "Ask",
    "Call",
    "Can",
    "Compute",
    "Convert",
    "Could",
    "Create",
    "Describe",
    "Do",
    "Does",
    "Extract",
    "Find",
    "For",
    "From",
    "Generate",
    "Get",
    "Give",
    "Hello",
    "Hi",
    "How",
    "I",
    "If",
    "In",
    "Is",
    "It",
    "JSON",
    "Let",
    "List",
    "Look",
    "Make",
    "My",
    "Name",
    "Now",
    "Parse",
    "Please",
    "Plan",
    "Respond",
    "Return",
    "Say",
    "Schema",
    "Search",
    "Show",
    "Summarize",
    "Tell",
    "The",
    "Then",
    "There",
    "This",
    "To",
    "Translate",
    "Use",
    "User",
    "Using",
    "We",
    "Weather",
    "What",
    "When",
    "Where",
    "Write",
];
const NUMBER_WORDS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];
/// How many opening braces are tried in the search for an object.
const BRACES_TRIED_MAX: usize = 64;
/// How much of a turn is searched for names and numbers.
const READ_CHARS_MAX: usize = 20_000;

/// The parts of a conversation that decide the answer.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// The text of the last user turn.
    pub(super) user: String,
    /// The text of all system turns.
    pub(super) system: String,
    /// Results of tools after the last user turn.
    pub(super) results: Vec<String>,
    /// Names of the tools called after the last user turn.
    pub(super) called: BTreeSet<String>,
    /// Short descriptions of pictures and other media in the last user turn.
    pub(super) media: Vec<String>,
    pub(super) quoted: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) numbers: Vec<f64>,
    pub(super) chinese: bool,
}

impl Prompt {
    pub(super) fn read(messages: &[Value]) -> Self {
        let mut prompt = Self::default();
        let role = |message: &Value| message.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
        for message in messages {
            match role(message).as_str() {
                "system" | "developer" => {
                    prompt.system.push_str(&text_of(message));
                    prompt.system.push('\n');
                }
                "user" => {
                    prompt.user = text_of(message);
                    prompt.media = media_of(message);
                    prompt.results.clear();
                    prompt.called.clear();
                }
                "tool" | "function" => prompt.results.push(text_of(message)),
                _ => prompt.called.extend(called_in(message)),
            }
        }
        let text: String = prompt.user.chars().take(READ_CHARS_MAX).collect();
        prompt.quoted = quoted(&text);
        prompt.names = names(&text);
        prompt.numbers = numbers(&text);
        prompt.chinese = text.chars().any(wide);
        prompt
    }

    /// A JSON Schema of an object written in the system turns or the last user turn.
    pub(super) fn schema(&self) -> Option<Value> {
        [&self.user, &self.system].into_iter().find_map(|text| objects(text).find_map(as_schema))
    }

    /// An object that the user wrote out, with single quotation marks too.
    pub(super) fn literal_object(&self) -> Option<Value> {
        objects(&self.user).next().or_else(|| objects(&self.user.replace('\'', "\"")).next())
    }

    /// An object with the keys that the user put in quotation marks and called keys.
    pub(super) fn keyed_object(&self) -> Option<Value> {
        let asks = ["keys", "fields", "字段", "键"].iter().any(|word| self.user.contains(word));
        let member = |key: &String| (key.clone(), Value::from(format!("a {key} made up by the sandbox")));
        (asks && !self.quoted.is_empty()).then(|| Value::Object(self.quoted.iter().map(member).collect()))
    }

    /// Whether two or more named things are asked for at once.
    pub(super) fn several(&self) -> bool {
        self.names.len() > 1
            && ["和", "与", "以及", "、", " and ", "both", ","].iter().any(|mark| self.user.contains(mark))
    }
}

/// The schema in a value: itself, or what stands under `schema` or `parameters`.
fn as_schema(value: Value) -> Option<Value> {
    if value.get("properties").is_some_and(Value::is_object) {
        return Some(value);
    }
    if value.get("$ref").is_some() && (value.get("$defs").is_some() || value.get("definitions").is_some()) {
        return Some(value);
    }
    ["schema", "json_schema", "parameters"].iter().find_map(|name| value.get(name).cloned().and_then(as_schema))
}

/// The objects that are written out in a text.
fn objects(text: &str) -> impl Iterator<Item = Value> + '_ {
    text.match_indices('{').take(BRACES_TRIED_MAX).filter_map(|(at, _)| {
        let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<Value>();
        values.next()?.ok().filter(Value::is_object)
    })
}

/// The text of a message: a string, or the text parts joined.
pub(super) fn text_of(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> =
                parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str).or(part.as_str())).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// How many pictures a message holds.
pub(super) fn images_of(message: &Value) -> usize {
    media_of(message).len()
}

fn media_of(message: &Value) -> Vec<String> {
    let parts = message.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(medium).collect()
}

fn medium(part: &Value) -> Option<String> {
    let image = part.get("image_url").or_else(|| part.get("image"));
    if let Some(image) = image {
        let address = image.as_str().or_else(|| image.get("url").and_then(Value::as_str)).unwrap_or_default();
        return Some(match address.strip_prefix("data:") {
            Some(data) => {
                let (kind, bytes) = data.split_once(',').unwrap_or((data, ""));
                format!("{} of about {} bytes", kind.split(';').next().unwrap_or("image"), bytes.len() * 3 / 4)
            }
            None => format!("a picture at {}", address.chars().take(80).collect::<String>()),
        });
    }
    ["input_audio", "audio", "video_url", "video", "file", "file_url"]
        .iter()
        .find(|kind| part.get(**kind).is_some())
        .map(|kind| format!("a part of type {kind}"))
}

fn called_in(message: &Value) -> Vec<String> {
    let calls = message.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    calls.iter().filter_map(|call| call.get("function")?.get("name")?.as_str().map(str::to_owned)).collect()
}

fn quoted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, close) in [('"', '"'), ('“', '”'), ('「', '」'), ('\'', '\''), ('`', '`'), ('‘', '’')] {
        let mut pieces = text.split(open);
        if open == close {
            // An apostrophe inside a word opens nothing: the piece before must end outside of a word.
            let mut before = pieces.next().unwrap_or_default();
            for piece in pieces.by_ref() {
                let opens = !before.chars().last().is_some_and(char::is_alphanumeric);
                if opens
                    && !piece.is_empty()
                    && piece.len() < text.len() - before.len() - 1
                    && piece.chars().count() <= 200
                {
                    found.push(piece.to_owned());
                    before = "x";
                } else {
                    before = piece;
                }
            }
        } else {
            found.extend(pieces.skip(1).filter_map(|rest| rest.split_once(close)).map(|(inside, _)| inside.to_owned()));
        }
    }
    found.retain(|inside| !inside.trim().is_empty() && !inside.contains('{'));
    found
}

/// Runs of words with capitals ("San Francisco"), and known Chinese places.
fn names(text: &str) -> Vec<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for place in PLACES {
        for (at, _) in text.match_indices(place) {
            if !found.iter().any(|(start, name)| (*start..start + name.len()).contains(&at)) {
                found.push((at, place.to_owned()));
            }
        }
    }
    found.sort();
    let mut found: Vec<String> = found.into_iter().map(|(_, name)| name).collect();
    let mut run: Vec<&str> = Vec::new();
    let mut after_comma = false;
    for word in text.split(|c: char| c.is_whitespace() || c == '(' || c == ')') {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let bare = bare.strip_suffix("'s").unwrap_or(bare);
        // "San Francisco, CA": the state after a comma says where a place is and is none of its own.
        let is_state = after_comma && bare.len() == 2 && bare.bytes().all(|letter| letter.is_ascii_uppercase());
        let capital = bare.chars().next().is_some_and(char::is_uppercase) && !OPENERS.contains(&bare) && !is_state;
        after_comma = word.ends_with(',');
        if capital {
            run.push(bare);
        }
        if !run.is_empty() && (!capital || !word.ends_with(char::is_alphanumeric)) {
            found.push(run.join(" "));
            run.clear();
        }
    }
    if !run.is_empty() {
        found.push(run.join(" "));
    }
    let mut seen = BTreeSet::new();
    found.retain(|name| seen.insert(name.clone()));
    found
}

fn numbers(text: &str) -> Vec<f64> {
    let mut found = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ','))) {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let plain = bare.replace(',', "");
        if let Ok(number) = plain.parse::<f64>() {
            if number.is_finite() {
                found.push(number);
            }
        } else if let Some(at) = NUMBER_WORDS.iter().position(|name| name.eq_ignore_ascii_case(bare)) {
            found.push(at as f64);
        } else if let Some(digits) =
            plain.split(|c: char| !c.is_ascii_digit() && c != '.').find(|piece| piece.parse::<f64>().is_ok())
        {
            found.extend(digits.parse::<f64>().ok());
        }
    }
    found
}
