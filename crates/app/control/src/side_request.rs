//! Asking a target outside of a caller's request, as the control plane sees it: a question, a reply, a function between them.
//!
//! Rules: the function is the gateway's, lent by the binary, because only there a request is put into a vendor's words and every
//! bound (border, dates, residency, cuts, tools, pace) is kept. What comes back is ready to be kept: texts are redacted already.

use banjia_types::{AccountId, ErrorClass, Money, Outcome, Place, RouteName, Target, Usage};
use serde_json::Value;

/// What is to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The route whose target it is.
    pub route: RouteName,
    /// Who is asked.
    pub target: Target,
    /// `chat` or `embeddings`.
    pub endpoint: String,
    /// The request in OpenAI's words.
    pub body: Value,
    /// Whose request it was: it decides whether the target's vendor serves it.
    pub account: Option<AccountId>,
    /// From which network's place its end user called, by the ledger: it decides as well. None where the ledger does not know.
    pub network: Option<Place>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The answer in OpenAI's form, redacted; none when there was none.
    pub answer: Option<Value>,
    /// Places of the answer that were redacted.
    pub redactions: u32,
    /// `answered`, or `refused` with a class.
    pub outcome: Outcome,
    /// The class of the error.
    pub class: Option<ErrorClass>,
    /// What was wrong, for a person.
    pub said: Option<String>,
    /// Of a refusal: whether the same question may go otherwise at another time.
    pub may_differ_later: bool,
    /// Tokens, as the vendor counted.
    pub usage: Option<Usage>,
    /// What it cost, where the price is known.
    pub cost: Option<Money>,
    /// From sending to the end, in milliseconds.
    pub total_ms: u32,
}

/// Why nothing was sent, for a person. Equal reasons are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotSent(pub String);
