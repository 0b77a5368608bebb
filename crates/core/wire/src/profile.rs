//! One vendor as data: the schema of `vendors/*.toml`, checked and compiled.
//!
//! Rules:
//! - Unknown keys are problems with a line and the allowed names.
//! - All problems of a file are reported at once.
//! - `extends` goes one level deep.
//! - Every fact has a source and a date.
//! - An unconfirmed fact never causes a hard failure.
//!
//! Why data and not code: the planner counts, dates, cites and compares these facts, and a new
//! vendor needs no rebuild.

mod compile;
mod errors;
mod models;
mod param;
mod raw;
mod read;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod thinking;

pub use banjia_types::Problem;
pub use errors::ErrorRule;
pub use models::{EmbeddingFacts, ModelFacts, Pattern};
pub use param::{Clamp, Emulation, ParamRule, ValueType, When};
pub use stream::{FinishMeaning, StreamHabits, UsagePlacement};
pub use thinking::{Effort, ThinkingGroup, ThinkingHabit};

use banjia_types::{ErrorClass, Operation, VendorName};
use std::collections::BTreeMap;

/// One vendor, compiled. Meant to be shared in an `Arc`.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) vendor: VendorName,
    pub(crate) cite: Cite,
    pub(crate) pass_through: bool,
    pub(crate) hosts: Vec<Host>,
    pub(crate) auth: Auth,
    pub(crate) paths: Paths,
    pub(crate) params: Vec<ParamRule>,
    pub(crate) messages: MessageRules,
    pub(crate) thinking: Vec<ThinkingGroup>,
    pub(crate) reasoning_clients: Vec<Pattern>,
    pub(crate) stream: StreamHabits,
    pub(crate) errors: Vec<ErrorRule>,
    pub(crate) models: Vec<ModelFacts>,
    /// The largest context of all models that state one: no search through the models for each
    /// request.
    pub(crate) context_max: Option<u64>,
    pub(crate) limits: Limits,
}

/// Where a fact comes from and how old it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cite {
    /// The public document, in words.
    pub source: String,
    /// The date of the document or of the look at it: `2026`, `2026-09` or `2026-09-24`.
    pub as_of: String,
    /// A weak or single source: never a reason for a refusal.
    pub unconfirmed: bool,
}

/// One of a vendor's hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The profile's name for it: `china`, `international`.
    pub name: String,
    /// Scheme, host and path prefix, without a slash at the end.
    pub base: String,
    /// Where the data stays, as an ISO 3166 code or a region of several, when the vendor says so.
    pub residency: Option<String>,
    /// Where this is known from.
    pub cite: Cite,
}

/// How a key is shown to the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// The bare key in a header of its own.
    Header {
        /// The header's name.
        name: String,
    },
}

/// Paths after the host's base, of the operations that the vendor has.
pub(crate) type Paths = BTreeMap<Operation, String>;

/// Rules on `messages` and the names of the quirks that shape them.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageRules {
    pub(crate) roles: BTreeMap<String, String>,
    pub(crate) quirks: Vec<(crate::quirks::Quirk, Vec<Pattern>)>,
}

/// Limits of the vendor's door, in the vendor's own units. `None` where the vendor names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Tools in one request.
    pub tools_max: Option<usize>,
    /// A non-stream answer is cut or refused after this many seconds.
    pub answer_seconds_max: Option<u64>,
}

impl Profile {
    /// Reads one profile. `file_stem` must equal its `vendor`; `find_base` gives the text of the
    /// profile that it extends. All problems are returned at once; the profile is `None` when one
    /// of them makes it unusable.
    pub fn parse(
        file_stem: &str,
        text: &str,
        find_base: &dyn Fn(&str) -> Option<String>,
    ) -> (Option<Self>, Vec<Problem>) {
        compile::compile(file_stem, text, find_base)
    }

    /// The vendor's name, as its file is called.
    pub fn vendor(&self) -> &VendorName {
        &self.vendor
    }

    /// Source and date of every fact that does not say otherwise.
    pub fn cite(&self) -> &Cite {
        &self.cite
    }

    /// Whether requests and answers go through byte for byte, the model's name aside.
    pub fn is_pass_through(&self) -> bool {
        self.pass_through
    }

    /// The vendor's hosts, the default one first. Empty when the base address comes from the
    /// configuration.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The host of this name, or the default one for `None`.
    pub fn host(&self, name: Option<&str>) -> Option<&Host> {
        match name {
            Some(name) => self.hosts.iter().find(|host| host.name == name),
            None => self.hosts.first(),
        }
    }

    /// The path of an operation after the host's base; `None` if the vendor has none.
    pub fn path(&self, operation: Operation) -> Option<&str> {
        self.paths.get(&operation).map(String::as_str)
    }

    /// How the key is shown.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// What is known of a model: its exact name, else the longest pattern that covers it.
    pub fn model(&self, model: &str) -> Option<&ModelFacts> {
        self.models.iter().filter(|facts| facts.name.matches(model)).max_by_key(|facts| facts.name.weight())
    }

    /// Every model that the profile speaks of, patterns included.
    pub fn models(&self) -> impl Iterator<Item = &ModelFacts> {
        self.models.iter()
    }

    /// Texts that one embeddings call may hold, when the vendor limits them.
    pub fn embedding_batch_max(&self, model: &str) -> Option<usize> {
        self.model(model)?.embedding.as_ref()?.texts_max
    }

    /// How the vendor's answers and streams differ from OpenAI's.
    pub fn stream(&self) -> &StreamHabits {
        &self.stream
    }

    /// The vendor's errors, in the order in which they are tried.
    pub fn errors(&self) -> &[ErrorRule] {
        &self.errors
    }

    /// The first error rule that an answer fits. `None` leaves the status to speak for itself.
    pub fn class_of(
        &self,
        status: u16,
        code: Option<&str>,
        kind: Option<&str>,
        message: &str,
    ) -> Option<(ErrorClass, &ErrorRule)> {
        let rule = self.errors.iter().find(|rule| rule.matches(status, code, kind, message))?;
        Some((rule.class, rule))
    }

    /// The parameter rules, in the order in which they are applied.
    pub fn params(&self) -> &[ParamRule] {
        &self.params
    }

    /// How a model of this vendor thinks and how that is switched.
    pub fn thinking(&self, model: &str) -> Option<&ThinkingGroup> {
        self.thinking.iter().find(|group| group.models.iter().any(|pattern| pattern.matches(model)))
    }

    /// Limits of the vendor's door.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// The profiles in the binary: file stem and text, sorted by stem.
pub fn embedded_profiles() -> &'static [(&'static str, &'static str)] {
    include!(concat!(env!("OUT_DIR"), "/profiles.rs"))
}
