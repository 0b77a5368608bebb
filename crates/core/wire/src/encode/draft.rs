//! One request while it is being put into a vendor's words.

use super::body::Body;
use super::{Encoded, Refusal};
use crate::head::Head;
use crate::notes::Notes;
use crate::profile::{ModelFacts, Profile};
use banjia_types::{Loss, LossLevel};
use bytes::Bytes;

/// The request, what is known of its target, and what has been lost so far.
pub(crate) struct Draft<'a> {
    pub(crate) body: Body,
    pub(crate) notes: Notes,
    pub(crate) losses: Vec<Loss>,
    pub(crate) profile: &'a Profile,
    pub(crate) facts: Option<&'a ModelFacts>,
    pub(crate) model: &'a str,
    pub(crate) stream: bool,
    /// Whether the model will think, as far as the profile knows.
    pub(crate) thinking: bool,
    /// Sentences that the system message must say.
    pub(crate) instructions: Vec<String>,
}

impl<'a> Draft<'a> {
    pub(crate) fn open(
        profile: &'a Profile,
        model: &'a str,
        head: &Head,
        bytes: &Bytes,
        notes: Notes,
    ) -> Result<Self, Refusal> {
        let mut body = Body::parse(bytes).map_err(|error| Refusal::new("body", format!("no JSON object: {error}")))?;
        body.set("model", model.into());
        Ok(Self {
            body,
            notes,
            losses: Vec::new(),
            profile,
            facts: profile.model(model),
            model,
            stream: head.stream,
            thinking: false,
            instructions: Vec::new(),
        })
    }

    /// Notes a loss.
    pub(crate) fn lose(&mut self, param: &str, level: LossLevel, why: impl Into<String>) {
        self.losses.push(Loss::new(param, level, why));
    }

    /// Whether the request offers tools.
    pub(crate) fn has_tools(&mut self) -> bool {
        self.body.list("tools").is_some_and(|tools| !tools.is_empty())
    }

    pub(crate) fn close(self) -> Encoded {
        Encoded { body: self.body.print().into(), losses: self.losses, notes: self.notes }
    }
}
