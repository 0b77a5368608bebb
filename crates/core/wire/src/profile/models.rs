//! What is known of a vendor's models.

use super::Cite;
use banjia_types::Price;

/// A name, or the beginning of names when it was written with a trailing `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    open: bool,
}

impl Pattern {
    /// Reads `glm-4.7` or `glm-4*`. A `*` elsewhere stands for itself.
    pub fn new(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(start) => Self { text: start.to_owned(), open: true },
            None => Self { text: text.to_owned(), open: false },
        }
    }

    /// Whether `name` is meant.
    pub fn matches(&self, name: &str) -> bool {
        if self.open { name.starts_with(&self.text) } else { name == self.text }
    }

    /// Whether it is one name and not a family.
    pub fn is_exact(&self) -> bool {
        !self.open
    }

    /// The name, or the beginning of the names.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Of two patterns that match, the heavier one is the more precise.
    pub(crate) fn weight(&self) -> (bool, usize) {
        (!self.open, self.text.len())
    }
}

/// One model, or a family of them.
#[derive(Clone, Debug)]
pub struct ModelFacts {
    /// Its name at the vendor.
    pub name: Pattern,
    /// Tokens of prompt and answer together.
    pub context: Option<u64>,
    /// Tokens of the answer.
    pub output_max: Option<u64>,
    /// What it costs, in the vendor's own currency.
    pub price: Option<Price>,
    /// What it costs on hosts that bill in another currency.
    pub price_abroad: Option<Price>,
    /// The day on which the vendor switches it off, `YYYY-MM-DD`.
    pub shutdown_date: Option<String>,
    /// What to take instead, when the vendor or we know it.
    pub successor: Option<String>,
    /// A warning for whoever routes to it.
    pub warning: Option<String>,
    /// Whether it reads images; `None` when unknown.
    pub images: Option<bool>,
    /// Set for embedding models.
    pub embedding: Option<EmbeddingFacts>,
    /// Where this is known from.
    pub cite: Cite,
}

/// What an embedding model takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbeddingFacts {
    /// Lengths of the vectors that it can give, the default first. Empty when unknown.
    pub dimensions: Vec<u32>,
    /// Whether the request may choose among them.
    pub takes_dimensions: bool,
    /// Texts in one call.
    pub texts_max: Option<usize>,
    /// Tokens in one text.
    pub text_tokens_max: Option<usize>,
    /// Tokens in one call.
    pub call_tokens_max: Option<usize>,
}
