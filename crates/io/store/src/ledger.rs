//! A row of the ledger: what is kept of one accepted request.
//!
//! Rules: a row holds names, numbers and reasons, never a text of the client's or the vendor's.
//! Making one allocates nothing but its losses: names are shared.

use banjia_types::{
    AccountId, Country, ErrorClass, KeyId, Loss, Money, Operation, Outcome, Place, RequestId, RouteName, Target,
    Timestamp, Usage, VerdictKind,
};
use std::borrow::Cow;
use std::sync::Arc;

/// One accepted request, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The request.
    pub request_id: RequestId,
    /// When it was accepted. [`crate::Slot::accept`] has the last word, so that both books use the
    /// same minute.
    pub accepted_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The customer.
    pub account: Option<AccountId>,
    /// The credential used.
    pub key: Option<KeyId>,
    /// The route asked for, when there is such a route.
    pub route: Option<RouteName>,
    /// The last target that was tried: for an answered request, the one that answered.
    pub target: Option<Target>,
    /// `chat`, `embeddings`, ...
    pub endpoint: Cow<'static, str>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The class of the error that it ended with.
    pub class: Option<ErrorClass>,
    /// The status that the client saw; 0 when it saw none.
    pub status: u16,
    /// Requests sent to vendors for it.
    pub attempts: u32,
    /// Tokens, when the vendor said.
    pub usage: Option<Usage>,
    /// What it cost, when the price is known.
    pub cost: Option<Money>,
    /// What was lost on the target.
    pub losses: Vec<Loss>,
    /// The targets that failed it, in order, with how; another one may have answered afterwards.
    pub failures: Vec<(Target, ErrorClass)>,
    /// From acceptance to the first content, in milliseconds.
    pub first_content_ms: Option<u32>,
    /// Why it ended so and why there, for a person. No client or vendor text.
    pub reason: Option<Cow<'static, str>>,
    /// What the border saw and said; none where no policy is in force.
    pub border: Option<Box<BorderNote>>,
}

/// What the border saw of a request and said to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BorderNote {
    /// The place of the network that it came from.
    pub network: Option<Place>,
    /// What the second witness said when it said something else.
    pub network_differs: Option<Country>,
    /// The autonomous system.
    pub asn: Option<u32>,
    /// The address, cut to its network: /24 for IPv4, /48 for IPv6.
    pub address: Option<Box<str>>,
    /// The verdict.
    pub verdict: VerdictKind,
    /// The rule that decided.
    pub rule: Cow<'static, str>,
    /// The policy, `id@version`.
    pub policy: Option<Arc<str>>,
}

impl Row {
    /// A row with what every request has; the rest is empty, to be set.
    pub fn new(request_id: RequestId, accepted_at: Timestamp, ended_at: Timestamp, outcome: Outcome) -> Self {
        Self {
            request_id,
            accepted_at,
            ended_at,
            account: None,
            key: None,
            route: None,
            target: None,
            endpoint: Cow::Borrowed(Operation::ChatCompletions.as_str()),
            stream: false,
            outcome,
            class: None,
            status: 0,
            attempts: 0,
            usage: None,
            cost: None,
            losses: Vec::new(),
            failures: Vec::new(),
            first_content_ms: None,
            reason: None,
            border: None,
        }
    }
}
