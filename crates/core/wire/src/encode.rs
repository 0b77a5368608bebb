//! A client's request in a vendor's words, with everything it loses on the way.
//!
//! Rules:
//! - Nothing is changed in silence (each change is a [`Loss`] with a level and a reason).
//! - What no rule names passes untouched, in its place and with its digits.
//! - A parameter that is `null` is one that was not sent, as in OpenAI's API.
//! - A profile that touches nothing costs no parsing.
//! - The order is: thinking, parameters as the profile lists them, roles, words added to the system
//!   message, message quirks.
//!
//! Why one engine for all vendors: the same habit is mended once.

mod body;
mod draft;
mod embeddings;
mod emulate;
mod messages;
mod rules;
#[cfg(test)]
mod tests;
mod thinking;

pub(crate) use body::{Body, Cell};
pub(crate) use draft::Draft;
pub(crate) use messages::text_of;

use crate::decode::TokenBounds;
use crate::head::{Head, splice_model};
use crate::notes::Notes;
use crate::profile::{Profile, UsagePlacement};
use banjia_types::{Loss, Operation};
use bytes::Bytes;
use std::fmt;

/// A request ready to send.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The body for the vendor.
    pub body: Bytes,
    /// What changed, with levels and reasons. Empty when nothing did.
    pub losses: Vec<Loss>,
    /// What must be undone or finished in the answer.
    pub notes: Notes,
}

/// A request that this target cannot answer at all: a 400 that names the parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The parameter at fault, as the client named it.
    pub param: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal because of `param`.
    pub(crate) fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: param.into(), message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.param, self.message)
    }
}

/// Puts `body` into the words of `profile`'s vendor, for its `model`. `head` must be the peek of
/// the same body.
///
/// # Errors
/// A parameter that this target cannot honour in any way.
pub fn encode(
    profile: &Profile,
    operation: Operation,
    model: &str,
    head: &Head,
    body: &Bytes,
) -> Result<Encoded, Refusal> {
    let notes = Notes {
        include_usage: head.stream && head.include_usage,
        token_bounds: TokenBounds::of(profile, body.len()),
        ..Notes::default()
    };
    if !touches(profile, operation, model, head) {
        return Ok(Encoded { body: splice_model(body, head, model), losses: Vec::new(), notes });
    }
    let mut draft = Draft::open(profile, model, head, body, notes)?;
    match operation {
        Operation::ChatCompletions => {
            thinking::apply(&mut draft, &head.model);
            rules::apply(&mut draft, operation)?;
            messages::apply(&mut draft)?;
            ask_for_usage(&mut draft);
        }
        Operation::Embeddings => {
            embeddings::check_dimensions(&mut draft)?;
            rules::apply(&mut draft, operation)?;
        }
        _ => return Err(unsupported(operation)),
    }
    Ok(draft.close())
}

/// A [`Head`] exists only of operations whose bodies are read, so only a caller's mistake comes
/// here.
fn unsupported(operation: Operation) -> Refusal {
    Refusal::new("body", format!("requests of the operation `{operation}` cannot be translated"))
}

/// Whether the profile has anything to say about a request with these names. If not, its bytes go
/// out as they are.
fn touches(profile: &Profile, operation: Operation, model: &str, head: &Head) -> bool {
    if profile.pass_through {
        return false;
    }
    let by_rule = profile
        .params
        .iter()
        .filter(|rule| rule.operation == operation)
        .any(|rule| head.has(&rule.name) || rule.default.is_some() || rule.quirk.is_some_and(|quirk| quirk.adds));
    let chat = operation == Operation::ChatCompletions
        && (!profile.messages.roles.is_empty()
            || !profile.messages.quirks.is_empty()
            || profile.thinking(model).is_some()
            || (head.stream && !head.include_usage && profile.stream.usage == UsagePlacement::OwnChunk));
    let dimensions = operation == Operation::Embeddings && head.has("dimensions");
    by_rule || chat || dimensions
}

/// The gateway counts and prices every stream, so usage is asked for whether or not the client
/// wants to see it.
fn ask_for_usage(draft: &mut Draft<'_>) {
    if draft.stream && draft.profile.stream.usage == UsagePlacement::OwnChunk {
        let mut options = match draft.body.get("stream_options") {
            Some(serde_json::Value::Object(options)) => options.clone(),
            _ => serde_json::Map::new(),
        };
        if options.get("include_usage") != Some(&serde_json::Value::Bool(true)) {
            options.insert("include_usage".into(), true.into());
            draft.body.set("stream_options", options.into());
        }
    }
}
