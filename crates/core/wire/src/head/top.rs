//! The top level of a body: its names and, unparsed, their values.

use super::{BadBody, BodyLimits, Names};
use memchr::memchr2;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

/// Names and raw values in the body's order.
#[derive(Debug)]
pub(super) struct Top<'a> {
    pub(super) names: Names,
    values: Vec<&'a str>,
}

impl<'a> Top<'a> {
    pub(super) fn read(text: &'a str, limits: &BodyLimits) -> Result<Self, BadBody> {
        // A refusal of ours has to travel through serde's error type; it is put here on the way.
        let refusal = RefCell::new(None);
        let mut json = serde_json::Deserializer::from_str(text);
        let top = json
            .deserialize_map(TopVisitor { limits, refusal: &refusal })
            .and_then(|top| json.end().map(|()| top))
            .map_err(|error| refusal.take().unwrap_or_else(|| not_json(text, &error)))?;
        if depth_exceeds(text.as_bytes(), limits.depth_max) {
            return Err(BadBody::unreadable(format!(
                "The body nests deeper than the {} levels that are read here.",
                limits.depth_max
            )));
        }
        Ok(top)
    }

    /// The raw value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.names.iter().zip(self.values.iter().copied())
    }
}

fn not_json(text: &str, error: &serde_json::Error) -> BadBody {
    let message = match text.trim_ascii_start().bytes().next() {
        None => "The body is empty; a JSON object is expected.".to_owned(),
        Some(b'{') => format!("The body is not valid JSON: {error}."),
        Some(_) => "The body must be a JSON object.".to_owned(),
    };
    BadBody::unreadable(message)
}

struct TopVisitor<'l> {
    limits: &'l BodyLimits,
    refusal: &'l RefCell<Option<BadBody>>,
}

impl TopVisitor<'_> {
    fn refuse<E: Error>(&self, bad: BadBody) -> E {
        *self.refusal.borrow_mut() = Some(bad);
        E::custom("refused")
    }
}

impl<'de> Visitor<'de> for TopVisitor<'_> {
    type Value = Top<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
        let mut top = Top { names: Names::default(), values: Vec::with_capacity(16) };
        while let Some(name) = map.next_key_seed(Key)? {
            if top.values.len() >= self.limits.names_max {
                let limit = self.limits.names_max;
                return Err(self.refuse(BadBody::unreadable(format!("The body has more than {limit} parameters."))));
            }
            if top.names.iter().any(|found| found == name) {
                let message = format!("The parameter '{name}' stands more than once in the body.");
                return Err(self.refuse(BadBody { param: Some(name.into_owned()), ..BadBody::unreadable(message) }));
            }
            top.names.push(&name);
            top.values.push(map.next_value::<&RawValue>()?.get());
        }
        Ok(top)
    }
}

/// A name, borrowed unless it is written with escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Whether valid JSON nests deeper than `depth_max`. Jumps over strings, which is where a prompt's
/// bytes are.
fn depth_exceeds(json: &[u8], depth_max: usize) -> bool {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(json, at),
            _ => {}
        }
    }
    false
}

/// The place after the quote that closes the string whose first byte is at `at`.
fn string_end(json: &[u8], mut at: usize) -> usize {
    while let Some(found) = json.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}
