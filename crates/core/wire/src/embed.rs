//! Embedding inputs cut to a vendor's limit, and its answers put together again.
//!
//! Rules:
//! - The order of the texts is the order of the vectors.
//! - A vector is never approximated.
//!
//! OpenAI's clients send token lists and ask for base64 by default, so both are everyday traffic.

#[cfg(test)]
mod tests;

use crate::encode::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::decode::ReportedUsage;

/// Most inputs in one request (OpenAI's own limit, embeddings reference 2026).
const INPUTS_MAX: usize = 2_048;

/// What is to be embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Texts.
    Texts(Vec<String>),
    /// Token ids of the client's tokenizer, to be decoded before anybody else can read them.
    Tokens(Vec<Vec<u32>>),
}

impl Inputs {
    /// How many vectors are asked for.
    pub fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(lists) => lists.len(),
        }
    }

    /// Whether nothing is asked for. Never true of what [`parse_inputs`] gave.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads `input` of an embeddings request: a text, texts, a list of tokens, or lists of tokens.
///
/// # Errors
/// A missing, empty, oversized or mixed input.
pub fn parse_inputs(body: &Bytes) -> Result<Inputs, Refusal> {
    #[derive(serde::Deserialize)]
    struct Request {
        #[serde(default)]
        input: Value,
    }
    let refuse = |message: &str| Refusal::new("input", message);
    let request: Request =
        serde_json::from_slice(body).map_err(|error| Refusal::new("body", format!("no JSON object: {error}")))?;
    let inputs = match request.input {
        Value::String(text) => Inputs::Texts(vec![text]),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Inputs::Texts(items.into_iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
        }
        Value::Array(items) if items.iter().all(Value::is_number) => {
            Inputs::Tokens(vec![tokens(&items).ok_or_else(|| refuse("token ids are whole numbers from 0"))?])
        }
        Value::Array(items) => {
            let lists: Option<Vec<_>> = items.iter().map(|item| tokens(item.as_array()?)).collect();
            Inputs::Tokens(lists.ok_or_else(|| refuse("must be a text, texts, token ids or lists of token ids"))?)
        }
        Value::Null => return Err(refuse("is missing")),
        _ => return Err(refuse("must be a text, texts, token ids or lists of token ids")),
    };
    let empty = match &inputs {
        Inputs::Texts(texts) => texts.is_empty() || texts.iter().any(String::is_empty),
        Inputs::Tokens(lists) => lists.is_empty() || lists.iter().any(Vec::is_empty),
    };
    match inputs.len() {
        _ if empty => Err(refuse("must not be empty")),
        count if count > INPUTS_MAX => Err(refuse(&format!("holds {count} inputs; at most {INPUTS_MAX} are taken"))),
        _ => Ok(inputs),
    }
}

fn tokens(items: &[Value]) -> Option<Vec<u32>> {
    items.iter().map(|item| item.as_u64().and_then(|id| u32::try_from(id).ok())).collect()
}

/// Cuts texts into batches that one call may hold, in order.
pub fn split_inputs(texts: &[String], batch_max: Option<usize>) -> impl Iterator<Item = &[String]> {
    texts.chunks(batch_max.unwrap_or(INPUTS_MAX).max(1))
}

/// The same request for other texts. A body that is no object comes back as it was.
pub fn with_inputs(body: &Bytes, texts: &[String]) -> Bytes {
    let Ok(mut request) = crate::encode::Body::parse(body) else { return body.clone() };
    request.set("input", json!(texts));
    request.print().into()
}

/// Why answers could not be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// An answer is not what an embeddings answer looks like.
    #[error("answer {batch} of the vendor is no embeddings answer")]
    NotEmbeddings {
        /// Which answer, from 0.
        batch: usize,
    },
    /// An answer has more or fewer vectors than it was asked for.
    #[error("answer {batch} of the vendor holds {found} vectors instead of {wanted}")]
    Count {
        /// Which answer, from 0.
        batch: usize,
        /// Vectors asked for.
        wanted: usize,
        /// Vectors found.
        found: usize,
    },
}

/// One answer from those of the batches, in order: `(answer, texts asked for)`. `model` is the name
/// that the client asked for; `base64` is [`crate::Notes::base64_embeddings`]; `usage` is that of
/// all answers together.
///
/// # Errors
/// An answer that is no embeddings answer, or has the wrong number of vectors: an index must not
/// shift.
pub fn join_embeddings(
    model: &str,
    answers: &[(Bytes, usize)],
    usage: ReportedUsage,
    base64: bool,
) -> Result<Bytes, JoinError> {
    let mut data = Vec::new();
    for (batch, (answer, wanted)) in answers.iter().enumerate() {
        let bad = || JoinError::NotEmbeddings { batch };
        let answer: Value = serde_json::from_slice(answer).map_err(|_| bad())?;
        let items = answer["data"].as_array().ok_or_else(bad)?;
        if items.len() != *wanted {
            return Err(JoinError::Count { batch, wanted: *wanted, found: items.len() });
        }
        let mut ordered: Vec<&Value> = items.iter().collect();
        ordered.sort_by_key(|item| item["index"].as_u64());
        for item in ordered {
            let vector = vector(&item["embedding"], base64).ok_or_else(bad)?;
            data.push(json!({"object": "embedding", "index": data.len(), "embedding": vector}));
        }
    }
    let mut joined = Map::new();
    joined.insert("object".into(), "list".into());
    joined.insert("data".into(), data.into());
    joined.insert("model".into(), model.into());
    // Clients expect the member; it is left out only where any number in it would be wrong.
    if usage != ReportedUsage::Implausible {
        let prompt = usage.known().unwrap_or_default().prompt;
        joined.insert("usage".into(), json!({"prompt_tokens": prompt, "total_tokens": prompt}));
    }
    Ok(Value::Object(joined).to_string().into())
}

fn vector(embedding: &Value, base64: bool) -> Option<Value> {
    match embedding {
        Value::Array(numbers) if base64 => {
            let floats: Option<Vec<f32>> = numbers.iter().map(|n| n.as_f64().map(|n| n as f32)).collect();
            Some(floats_to_base64(&floats?).into())
        }
        Value::Array(numbers) => numbers.iter().all(Value::is_number).then(|| embedding.clone()),
        Value::String(text) if base64 => base64_to_floats(text).map(|_| embedding.clone()),
        Value::String(text) => Some(json!(base64_to_floats(text)?)),
        _ => None,
    }
}

/// Floats as OpenAI's SDKs read them: little-endian, 32 bits each, in base64.
pub fn floats_to_base64(floats: &[f32]) -> String {
    STANDARD.encode(floats.iter().flat_map(|float| float.to_le_bytes()).collect::<Vec<u8>>())
}

/// The reverse; `None` when the text is no base64 or does not end on a whole float.
pub fn base64_to_floats(text: &str) -> Option<Vec<f32>> {
    let bytes = STANDARD.decode(text).ok()?;
    let (floats, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| floats.iter().map(|float| f32::from_le_bytes(*float)).collect())
}
