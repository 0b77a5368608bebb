//! Messages about a value or a line that cannot be read: what it should be, and how to write it.
//!
//! - The parser's and serde's sentences speak of types of this program. These speak of the file.
//! - A hint may hold a number or a host of the file, which is then masked like all else.

use super::report::Finding;
use std::ops::Range;

/// Characters of Chinese typing that look like TOML's, with those that are meant.
const LOOKALIKES: [(&[char], &str, &str); 5] = [
    (
        &['“', '”', '„', '「', '」', '『', '』', '＂', '‘', '’', '＇'],
        "a Chinese quotation mark",
        "write straight quotes: \"...\"",
    ),
    (&['＝'], "a full-width equals sign", "write ="),
    (&['：'], "a full-width colon", "write = between a name and its value, and : inside of an address"),
    (&['，', '、', '；'], "a Chinese comma", "write , between the elements of a list"),
    (&['［', '］', '【', '】'], "a full-width bracket", "write [ and ]"),
];

/// The finding of a file in another format. `None` if it may be TOML.
pub(crate) fn other_format(shown: &str, text: &str) -> Option<Finding> {
    let end = shown.rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.unwrap_or_default();
    let (format, from, to) = if ["yaml", "yml"].contains(&end.as_str()) || is_yaml(text) {
        ("YAML", "`serve:` and `bind: x`", "`[serve]` and `bind = \"x\"`")
    } else if end == "json" || first.starts_with('{') {
        ("JSON", "`{\"serve\": {\"bind\": \"x\"}}`", "`[serve]` and `bind = \"x\"`")
    } else {
        return None;
    };
    let message = format!("this is {format}; the configuration is TOML");
    let hint = format!("write {to} in place of {from}; a file to begin with stands in docs/guide/configuration.md");
    let start = text.find(first).unwrap_or_default();
    Some(Finding::problem(Some(start..start + first.len()), message).hint(hint))
}

/// Returns whether a text's lines are `name:` and `name: value`, and none has an equals sign before
/// a colon.
fn is_yaml(text: &str) -> bool {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut pairs, mut others) = (0_usize, 0_usize);
    for line in lines {
        let name = line.trim_start_matches("- ").split_once(':');
        let is_pair = name.is_some_and(|(name, rest)| {
            let is_name = name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c)) && !name.is_empty();
            is_name && (rest.is_empty() || rest.starts_with(' '))
        });
        let is_element = line.starts_with("- ") || line == "---";
        if is_pair || is_element { pairs += 1 } else { others += 1 }
    }
    pairs > others
}

/// A finding about a place that is no TOML.
pub(crate) fn syntax(text: &str, span: Option<Range<usize>>, message: &str) -> Finding {
    let line = span.as_ref().map_or("", |span| line_at(text, span.start));
    for (chars, what, hint) in LOOKALIKES {
        if let Some(found) = line.chars().find(|c| chars.contains(c)) {
            return Finding::problem(span, format!("{found} is {what}")).hint(hint);
        }
    }
    let value = line.split_once('=').map_or("", |(_, value)| value.trim());
    let word = value.split([' ', '#', ',']).next().unwrap_or_default();
    let hint = match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "write true, in small letters and without quotes",
        "false" | "no" | "off" => "write false, in small letters and without quotes",
        _ if word.ends_with('%') => "write a part of a whole as a number from 0 to 1: a tenth is 0.1",
        _ => "TOML texts stand in quotes, and each table begins with [name] or [[name]]",
    };
    Finding::problem(span, message).hint(hint)
}

/// The line of `text` around a byte offset.
fn line_at(text: &str, offset: usize) -> &str {
    let offset = text.floor_char_boundary(offset);
    let (before, after) = text.split_at(offset);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = after.find('\n').map_or(text.len(), |at| offset + at);
    text.get(start..end).unwrap_or_default()
}

/// A finding about a value of the wrong kind, from serde's sentence without the value.
pub(crate) fn wrong_value(text: &str, span: Option<Range<usize>>, message: &str) -> Finding {
    let written = span.clone().and_then(|span| text.get(span)).unwrap_or_default().trim_matches('"');
    if message.contains("socket address") {
        return Finding::problem(span, "an address and a port belong here").hint(address_hint(written));
    }
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let bits = expected.strip_prefix(['u', 'i']).unwrap_or_default();
    let is_number = bits.starts_with(|c: char| c.is_ascii_digit());
    let (expected, hint) = match expected {
        "f64" | "f32" => ("a number", number_hint(written)),
        "usize" | "isize" => ("a whole number", whole_hint(written)),
        "a boolean" => ("true or false", "write true or false, without quotes".to_owned()),
        "a sequence" => ("a list", "put it in brackets: [...]".to_owned()),
        "a string" | "path string" | "a borrowed string" => ("a text", "put it in quotes: \"...\"".to_owned()),
        "a map" => ("a table", "write { name = value }, or a table of its own".to_owned()),
        _ if is_number || expected.contains("nonzero") => ("a whole number", whole_hint(written)),
        _ => return Finding::problem(span, message),
    };
    let kind = message.split_once(", expected ").map_or(message, |(kind, _)| kind);
    let kind = kind.trim_start_matches("invalid type: ").trim_start_matches("invalid value: ");
    let kind = kind.replace("string", "text").replace("sequence", "list").replace("map", "table");
    Finding::problem(span, format!("{expected} belongs here, and no {kind}")).hint(hint)
}

fn address_hint(written: &str) -> String {
    if let Some(port) = written.strip_prefix("localhost:").or(Some(written)).filter(|port| port.parse::<u16>().is_ok())
    {
        return format!("write \"127.0.0.1:{port}\" for this machine, \"0.0.0.0:{port}\" for all its networks");
    }
    match written.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && (host.is_empty() || host == "*") => {
            format!("write \"0.0.0.0:{port}\" for all networks of the machine, \"127.0.0.1:{port}\" for itself alone")
        }
        Some((_, port)) if port.parse::<u16>().is_ok() => {
            format!("a name is not looked up here: write the address, as in \"127.0.0.1:{port}\"")
        }
        _ => "write both, as in \"127.0.0.1:8080\"".to_owned(),
    }
}

fn number_hint(written: &str) -> String {
    let percent = written.strip_suffix(['%', '％']).and_then(|number| number.trim().parse::<f64>().ok());
    match percent {
        Some(percent) => format!("write {} without quotes: a part of a whole is a number from 0 to 1", percent / 100.0),
        None => "write a number without quotes, as in 0.1".to_owned(),
    }
}

fn whole_hint(written: &str) -> String {
    let digits: String = written.chars().take_while(char::is_ascii_digit).collect();
    if !digits.is_empty() && digits == written {
        return format!("write {digits} without quotes");
    }
    "write a whole number without quotes; its unit is in the name of the key (30 seconds are 30000 in a key that ends in _ms)"
        .to_owned()
}
