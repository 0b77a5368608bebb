//! What routing must know of a request body, without parsing the rest.
//!
//! Rules:
//! - One pass over the top level.
//! - Values stay where they are and only their spans are kept.
//! - A name that stands twice is refused, because two readers could each believe another one.
//! - Depth and number of names are bounded.
//! - What every client of OpenAI's API gets as a 400 is a 400 here, with the parameter named.
//!
//! Why not more: whether a value suits a vendor is the profile's to say, and unknown names must
//! survive.

mod check;
#[cfg(test)]
mod tests;
mod top;

use crate::operation::{self, AnswerKind};
use banjia_types::Operation;
use banjia_types::hash::{FNV_START, fnv1a};
use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;
use top::Top;

/// Bounds on a body's shape. Its size is bounded where it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// How deep objects and arrays may nest, the body itself being the first level.
    pub depth_max: usize,
    /// How many names the top level may have.
    pub names_max: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { depth_max: 64, names_max: 256 }
    }
}

/// Why a body is refused with a 400, in words for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBody {
    /// What is wrong and where.
    pub message: String,
    /// The parameter at fault.
    pub param: Option<String>,
    /// OpenAI's code for it.
    pub code: Option<&'static str>,
}

impl BadBody {
    fn of(param: &str, code: &'static str, message: String) -> Self {
        Self { message, param: Some(param.to_owned()), code: Some(code) }
    }

    fn unreadable(message: impl Into<String>) -> Self {
        Self { message: message.into(), param: None, code: None }
    }
}

impl fmt::Display for BadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What routing knows of one body. It speaks of that body alone: its spans are places in those
/// bytes.
#[derive(Clone, Debug)]
pub struct Head {
    /// The model that the client asks for.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether a stream is to end with a usage chunk (`stream_options.include_usage`).
    pub include_usage: bool,
    /// How many choices are asked for (`n`), at least 1.
    pub choices: u32,
    /// `user`, when it says something.
    pub user: Option<String>,
    /// `prompt_cache_key`, when it says something.
    pub prompt_cache_key: Option<String>,
    model_span: Range<usize>,
    /// `messages` or `input`.
    prompt_span: Range<usize>,
    names: Names,
}

/// The top-level names, one text and its cuts: a body with thirty names costs two allocations and
/// not thirty.
#[derive(Clone, Debug, Default)]
struct Names {
    text: String,
    ends: Vec<usize>,
}

impl Names {
    fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().filter_map(move |&end| self.text.get(std::mem::replace(&mut start, end)..end))
    }
}

impl Head {
    /// Reads the top level of `body`.
    ///
    /// # Errors
    /// The first thing that OpenAI's API would refuse with a 400, a body beyond `limits`, or an
    /// operation whose bodies are not read yet.
    pub fn peek(body: &Bytes, operation: Operation, limits: &BodyLimits) -> Result<Self, BadBody> {
        let text = std::str::from_utf8(body).map_err(|error| {
            BadBody::unreadable(format!("The body is not UTF-8: the bytes go wrong at offset {}.", error.valid_up_to()))
        })?;
        let top = Top::read(text, limits)?;
        let spec = operation::spec(operation);
        let prompt = spec.and_then(|spec| spec.prompt).ok_or_else(|| unread(operation))?;
        check::check(&top, operation, prompt)?;
        let model_raw = top.get("model").unwrap_or_default();
        let model = check::string("model", model_raw)?;
        let streams = spec.is_some_and(|spec| spec.answer == AnswerKind::JsonOrEvents);
        Ok(Self {
            model,
            stream: streams && top.get("stream") == Some("true"),
            include_usage: streams && check::include_usage(&top)?,
            choices: if streams { check::choices(&top)? } else { 1 },
            user: check::said(&top, "user")?,
            prompt_cache_key: check::said(&top, "prompt_cache_key")?,
            model_span: span_of(text, model_raw),
            prompt_span: span_of(text, top.get(prompt).unwrap_or_default()),
            names: top.names,
        })
    }

    /// Whether the body has this top-level name.
    pub fn has(&self, top_level_name: &str) -> bool {
        self.names().any(|name| name == top_level_name)
    }

    /// The top-level names, as they stand.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter()
    }

    /// A hash of the conversation's opening: the turns up to and with the first of the user. It
    /// stays the same while the conversation grows, and from one run of the program to the next.
    /// For embeddings: of the whole input.
    pub fn opening(&self, body: &Bytes) -> u64 {
        let turns = body.get(self.prompt_span.clone()).unwrap_or_default();
        let mut hash = FNV_START;
        match serde_json::from_slice::<Vec<&RawValue>>(turns) {
            Ok(turns) => {
                for turn in turns {
                    hash = fnv1a(hash, turn.get().as_bytes());
                    if is_of_user(turn) {
                        break;
                    }
                }
                hash
            }
            Err(_) => fnv1a(hash, turns),
        }
    }
}

fn unread(operation: Operation) -> BadBody {
    BadBody::unreadable(format!("This gateway does not read requests of the operation `{operation}`."))
}

fn is_of_user(turn: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct MessageRole<'a> {
        #[serde(borrow)]
        role: Option<&'a RawValue>,
    }
    serde_json::from_str::<MessageRole<'_>>(turn.get())
        .is_ok_and(|turn| turn.role.is_some_and(|role| role.get() == "\"user\""))
}

/// Where `part`, a piece of `text`, stands in it.
fn span_of(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    if part.is_empty() || start > text.len() { 0..0 } else { start..start + part.len() }
}

/// `body` with another model's name and nothing else changed. `head` must be the peek of the same
/// body.
pub fn splice_model(body: &Bytes, head: &Head, model: &str) -> Bytes {
    if head.model == model {
        return body.clone();
    }
    let (Some(before), Some(after)) = (body.get(..head.model_span.start), body.get(head.model_span.end..)) else {
        return body.clone();
    };
    let name = serde_json::Value::from(model).to_string();
    let mut spliced = BytesMut::with_capacity(before.len() + name.len() + after.len());
    spliced.put_slice(before);
    spliced.put_slice(name.as_bytes());
    spliced.put_slice(after);
    spliced.freeze()
}
