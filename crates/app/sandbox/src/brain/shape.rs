//! A value that a JSON Schema accepts, with what the prompt names in the places where it fits.
//!
//! Rules: `$ref` (local), `anyOf`, `oneOf`, `allOf`, `enum`, `const`, bounds, lengths, formats and nested objects are
//! honoured; recursion ends at a depth; every declared property is filled while the depth allows, required ones always.

use super::facts::Prompt;
use serde_json::{Map, Number, Value, json};

/// Where optional members and array items stop being filled.
const DEPTH_SOFT_MAX: usize = 5;
/// Where everything stops: a schema that demands itself for ever has no instance.
const DEPTH_HARD_MAX: usize = 12;

/// What is taken from the prompt so far.
struct Maker<'a> {
    root: &'a Value,
    prompt: &'a Prompt,
    texts: Vec<String>,
    text_at: usize,
    number_at: usize,
}

/// Makes an instance. `focus` is a name that the first text shall be (one of several parallel calls).
pub(super) fn instance(schema: &Value, prompt: &Prompt, focus: Option<&str>) -> Value {
    let mut texts: Vec<String> = focus.into_iter().map(str::to_owned).collect();
    if focus.is_none() {
        texts.extend(prompt.quoted.iter().cloned());
        texts.extend(prompt.names.iter().cloned());
    }
    let mut maker = Maker { root: schema, prompt, texts, text_at: 0, number_at: 0 };
    maker.value(schema, "", 0)
}

impl Maker<'_> {
    fn value(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEPTH_HARD_MAX {
            return Value::Null;
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(options) = schema.get("enum").and_then(Value::as_array) {
            return self.option(options);
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.resolve(target);
            return self.value(&target, name, depth + 1);
        }
        for union in ["anyOf", "oneOf"] {
            if let Some(options) = schema.get(union).and_then(Value::as_array) {
                let null = |option: &&Value| option.get("type").and_then(Value::as_str) == Some("null");
                let pick = if depth > DEPTH_SOFT_MAX { options.iter().find(null) } else { None };
                let pick = pick.or_else(|| options.iter().find(|option| !null(option))).or_else(|| options.first());
                let pick = pick.cloned().unwrap_or_default();
                return self.value(&pick, name, depth + 1);
            }
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.all_of(schema, parts, name, depth);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" | "number" => self.number(schema),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => Value::String(self.text(schema, name)),
        }
    }

    fn all_of(&mut self, schema: &Value, parts: &[Value], name: &str, depth: usize) -> Value {
        let mut whole = Map::new();
        for part in parts {
            match self.value(part, name, depth + 1) {
                Value::Object(members) => whole.extend(members),
                other => return other,
            }
        }
        if let Value::Object(members) = self.object(schema, depth) {
            whole.extend(members);
        }
        Value::Object(whole)
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut members = Map::new();
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                if required.contains(&name.as_str()) || (depth < DEPTH_SOFT_MAX && wanted(property)) {
                    members.insert(name.clone(), self.value(property, name, depth + 1));
                }
            }
        }
        for name in required {
            if !members.contains_key(name) {
                members.insert(name.to_owned(), Value::String("value".to_owned()));
            }
        }
        if members.is_empty()
            && let Some(free) = schema.get("additionalProperties").filter(|free| free.is_object())
        {
            members.insert("key".to_owned(), self.value(free, "key", depth + 1));
        }
        Value::Object(members)
    }

    fn array(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if let Some(prefix) = schema.get("prefixItems").and_then(Value::as_array) {
            return Value::Array(prefix.iter().map(|item| self.value(item, name, depth + 1)).collect());
        }
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let item = schema.get("items").cloned().unwrap_or_else(|| json!({"type": "string"}));
        let natural = match kind(&item) {
            "integer" | "number" => self.prompt.numbers.len().saturating_sub(self.number_at).clamp(1, 16) as u64,
            "string" if !self.texts.is_empty() => self.texts.len().saturating_sub(self.text_at).clamp(1, 8) as u64,
            _ => 1,
        };
        let len = if depth > DEPTH_SOFT_MAX { least } else { natural.clamp(least, most.max(least)) }.min(64);
        let mut items = Vec::new();
        for _ in 0..len {
            let mut value = self.value(&item, name, depth + 1);
            if schema.get("uniqueItems").and_then(Value::as_bool) == Some(true) && items.contains(&value) {
                value = match value {
                    Value::String(text) => Value::String(format!("{text}{}", items.len())),
                    Value::Number(_) => json!(items.len()),
                    other => other,
                };
            }
            items.push(value);
        }
        Value::Array(items)
    }

    fn number(&mut self, schema: &Value) -> Value {
        let whole = kind(schema) == "integer";
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let step = if whole { 1.0 } else { 0.5 };
        let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|edge| edge + step));
        let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|edge| edge - step));
        let named = self.prompt.numbers.get(self.number_at).copied();
        self.number_at += 1;
        let mut number = named.unwrap_or(1.0);
        if let Some(most) = most {
            number = number.min(most);
        }
        if let Some(least) = least {
            number = number.max(least);
        }
        if let Some(multiple) = bound("multipleOf").filter(|multiple| *multiple > 0.0) {
            number = (number / multiple).ceil() * multiple;
        }
        if whole {
            return json!(number.round() as i64);
        }
        Number::from_f64(number).map_or(json!(1), Value::Number)
    }

    fn option(&self, options: &[Value]) -> Value {
        let user = self.prompt.user.to_lowercase();
        let mentioned = options
            .iter()
            .find(|option| option.as_str().is_some_and(|text| !text.is_empty() && user.contains(&text.to_lowercase())));
        mentioned.or_else(|| options.first()).cloned().unwrap_or_default()
    }

    fn text(&mut self, schema: &Value, name: &str) -> String {
        let formatted = match schema.get("format").and_then(Value::as_str) {
            Some("date") => Some("2026-11-24"),
            Some("date-time") => Some("2026-11-24T08:00:00Z"),
            Some("time") => Some("08:00:00Z"),
            Some("duration") => Some("PT1H"),
            Some("email" | "idn-email") => Some("someone@example.com"),
            Some("uri" | "url" | "iri" | "uri-reference") => Some("https://example.com/"),
            Some("uuid") => Some("018f2c5e-7d3a-7b1c-9e4f-2a6b8c0d1e2f"),
            Some("ipv4") => Some("192.0.2.1"),
            Some("ipv6") => Some("2001:db8::1"),
            Some("hostname") => Some("example.com"),
            _ => None,
        };
        if let Some(text) = formatted {
            return text.to_owned();
        }
        let text = self.texts.get(self.text_at).cloned().unwrap_or_else(|| self.filler(name));
        self.text_at += 1;
        let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(10_000) as usize;
        let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(10_000) as usize;
        let mut text: String = text.chars().take(most).collect();
        while text.chars().count() < least {
            text.push('x');
        }
        text
    }

    /// A text when the prompt names nothing: a sentence about the property in the prompt's language.
    fn filler(&self, name: &str) -> String {
        let name = if name.is_empty() { "value" } else { name };
        if self.prompt.chinese { format!("{name}的内容") } else { format!("some {}", name.replace('_', " ")) }
    }

    fn resolve(&self, target: &str) -> Value {
        let pointer = target.trim_start_matches('#');
        self.root.pointer(pointer).cloned().unwrap_or_default()
    }
}

/// The type of a schema: the first that is not null; an object when it has properties.
fn kind(schema: &Value) -> &str {
    let declared = match schema.get("type") {
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    };
    declared.unwrap_or_else(|| {
        if schema.get("properties").is_some() {
            "object"
        } else if schema.get("items").is_some() {
            "array"
        } else {
            "string"
        }
    })
}

/// Optional members are filled unless they have a default or may be null.
fn wanted(property: &Value) -> bool {
    let null_allowed = property
        .get("anyOf")
        .and_then(Value::as_array)
        .is_some_and(|options| options.iter().any(|option| option.get("type").and_then(Value::as_str) == Some("null")));
    property.get("default").is_none() && !null_allowed
}
