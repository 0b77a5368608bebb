//! Embedding vectors: the sum of a fixed direction per word, so that texts with common words lie near each other.
//!
//! Rules: unit length; the same text gives the same vector at every vendor and size... of the same model, since vectors of
//! different models must never be comparable.

use crate::answer::{hash, mix};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What an `input` holds.
pub(crate) enum Input {
    Texts(Vec<String>),
    /// Lists of token ids, spelled out so that they can be hashed like texts; the number of tokens beside each.
    Tokens(Vec<(String, usize)>),
}

/// Reads `input`: a text, texts, token ids, or lists of token ids. None for anything else.
pub(crate) fn read(input: Option<&Value>) -> Option<Input> {
    match input? {
        Value::String(text) => Some(Input::Texts(vec![text.clone()])),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Some(Input::Texts(items.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
        }
        Value::Array(items) if items.iter().all(Value::is_u64) => Some(Input::Tokens(vec![spell(items)])),
        Value::Array(items) => {
            let lists: Option<Vec<_>> = items
                .iter()
                .map(|item| item.as_array().filter(|ids| ids.iter().all(Value::is_u64)).map(|ids| spell(ids)))
                .collect();
            lists.map(Input::Tokens)
        }
        _ => None,
    }
}

fn spell(ids: &[Value]) -> (String, usize) {
    (ids.iter().map(Value::to_string).collect::<Vec<_>>().join(" "), ids.len())
}

/// The vector of a text.
pub(crate) fn vector(model: &str, text: &str, dimensions: usize) -> Vec<f32> {
    let salt = hash(model);
    let mut sum = vec![0.0_f64; dimensions];
    let words = text.split_whitespace().map(str::to_lowercase).chain(std::iter::once(format!("={text}")));
    for word in words.take(512) {
        let mut state = mix(salt ^ hash(&word));
        for place in &mut sum {
            state = mix(state);
            *place += (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
        }
    }
    let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    sum.into_iter().map(|x| (x / length) as f32).collect()
}

/// A vector as JSON numbers, or as base64 of little-endian floats.
pub(crate) fn write(vector: &[f32], base64: bool) -> Value {
    if base64 {
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        return json!(STANDARD.encode(bytes));
    }
    json!(vector)
}

/// The `data` list of an OpenAI-like answer.
pub(crate) fn data(model: &str, texts: &[String], dimensions: usize, base64: bool) -> Vec<Value> {
    let one = |(at, text): (usize, &String)| json!({"object": "embedding", "index": at, "embedding": write(&vector(model, text, dimensions), base64)});
    texts.iter().enumerate().map(one).collect()
}
