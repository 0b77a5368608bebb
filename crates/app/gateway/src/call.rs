//! Everything needed to call one target, and the outcomes of a call.

use crate::error::Failure;
use crate::held::Hold;
use crate::live::LiveRoute;
use crate::overload::Cause;
use crate::reasoning::ReasoningCollector;
use crate::request::InferenceRequest;
use crate::snapshot::Vendor;
use crate::state::State;
use banjia_types::{AccountId, ErrorClass, Operation};
use banjia_upstream::{Call, Reply, ReplyBody, SendError};
use banjia_wire::chat::{self, FirstChoice};
use banjia_wire::{
    Answer, BodyLimits, Encoded, Head, Notes, Refusal, ReportedUsage, VendorError, classify, decode_answer, encode,
};
use bytes::Bytes;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Maximum size of an error answer that is read.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// Maximum size of a whole answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(crate) type Work<T> = Pin<Box<dyn Future<Output = Result<T, AttemptError>> + Send>>;

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The vendor failed.
    Vendor(VendorError),
    /// This target cannot honour the request, and asking it again would not help.
    Unfit(Box<Failure>),
    /// This gateway cannot continue with the request, and no other target would help.
    Stopped(Box<Failure>),
}

impl From<VendorError> for AttemptError {
    fn from(error: VendorError) -> Self {
        Self::Vendor(error)
    }
}

impl From<Failure> for AttemptError {
    fn from(failure: Failure) -> Self {
        Self::Unfit(Box::new(failure))
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct FullResponse {
    pub(crate) body: Bytes,
    pub(crate) usage: ReportedUsage,
}

/// One target and the request for it. Cheap to clone.
///
/// An attempt may send several requests (parts of a batch, choices, a second try at a promised
/// form). Each of them first checks whether the target may still be called.
#[derive(Clone)]
pub(crate) struct VendorCall {
    pub(crate) state: Arc<State>,
    pub(crate) request: Arc<InferenceRequest>,
    pub(crate) account: AccountId,
    pub(crate) route: Arc<LiveRoute>,
    /// The index of the target in the route.
    pub(crate) target_ix: usize,
}

impl VendorCall {
    pub(crate) fn vendor(&self) -> &Arc<Vendor> {
        &self.route.targets[self.target_ix].vendor
    }

    /// The vendor's name for the model.
    pub(crate) fn model(&self) -> &str {
        self.route.targets[self.target_ix].target.model.as_str()
    }

    /// Checks whether the target may be called now.
    ///
    /// # Errors
    /// The vendor has refused our region, or the target is a move's source and its end date has
    /// passed.
    pub(crate) fn may_ask(&self) -> Result<(), Failure> {
        if self.route.targets[self.target_ix].block.is_blocked() {
            return Err(Failure::broken(ErrorClass::Region));
        }
        let Some(route_move) = self.route.route_move.as_deref() else { return Ok(()) };
        if route_move.may_ask(self.target_ix, self.state.clock.now()) { Ok(()) } else { Err(Failure::source_left()) }
    }

    /// The client's request in the form that this target takes.
    pub(crate) fn encode(&self) -> Result<Encoded, Refusal> {
        self.encode_this(&self.request.head, &self.request.body)
    }

    /// Another request for the same target, encoded.
    pub(crate) fn encode_this(&self, head: &Head, body: &Bytes) -> Result<Encoded, Refusal> {
        encode(&self.vendor().profile, self.request.operation, self.model(), head, body)
    }

    /// The client's tools.
    pub(crate) fn client_tools(&self) -> Value {
        member(&self.request.body, "tools")
    }

    /// Puts back the reasoning that this vendor wants with a tool's result.
    pub(crate) fn with_reasoning(&self, body: Bytes, notes: &Notes) -> Bytes {
        if notes.replay_reasoning { self.state.reasoning.put_back(&self.account, body) } else { body }
    }

    /// Keeps the reasoning beside the tool calls of a whole answer.
    pub(crate) fn keep_reasoning_of(&self, answer: &Value) {
        for choice in answer.get("choices").and_then(Value::as_array).into_iter().flatten() {
            let mut gather = ReasoningCollector::default();
            gather.add(choice.get("message").unwrap_or(&Value::Null));
            gather.keep(&self.state.reasoning, &self.account);
        }
    }

    /// The request for a better answer: the client's, with the failed answer and what is wrong with
    /// it.
    pub(crate) fn repair(&self, failed: &FirstChoice, findings: &[String]) -> Result<Encoded, VendorError> {
        let request =
            serde_json::from_slice(&self.request.body).ok().and_then(|value| chat::repair(value, failed, findings));
        let request = request.ok_or_else(|| server_error("the answer could not be mended"))?;
        let body = Bytes::from(request.to_string());
        let head = Head::peek(&body, Operation::ChatCompletions, &BodyLimits::default())
            .map_err(|bad| server_error(&bad.message))?;
        let mut encoded = self.encode_this(&head, &body).map_err(|refusal| server_error(&refusal.message))?;
        encoded.body = self.with_reasoning(encoded.body, &encoded.notes);
        Ok(encoded)
    }

    /// Sends the request and waits for the head of a good answer.
    pub(crate) async fn open(&self, body: Bytes, stream: bool) -> Result<ReplyBody, AttemptError> {
        self.may_ask()?;
        // Bytes that are not the client's are counted: a vendor that reads slowly keeps them in
        // memory.
        let is_own = body.as_ptr_range() != self.request.body.as_ptr_range();
        let body = if is_own { self.state.held.count(body) } else { body };
        let endpoint =
            self.vendor().url(self.request.operation).ok_or_else(|| no_such_endpoint(self.request.operation))?;
        let call = Call {
            credential: self.vendor().credential.as_ref(),
            stream,
            request_id: Some(&self.request.header),
            // The caller has the deadline: an exchange its timer, a side request or the end of a
            // connection its time-out.
            timeouts: None,
            ..Call::post(endpoint, body)
        };
        let reply = self.state.upstream.send(call).await.map_err(|error| not_sent(&error))?;
        if (200..300).contains(&reply.status) {
            return Ok(reply.body);
        }
        Err(self.error_of(reply).await.into())
    }

    async fn error_of(&self, reply: Reply) -> VendorError {
        let Reply { status, headers, body } = reply;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let millis = text("retry-after-ms").map(|millis| format!("{millis}ms"));
        let retry_after = millis.as_deref().or_else(|| text("retry-after"));
        let mut hold = Hold::new(&self.state.held);
        let body = body.collect_while(ERROR_BYTES_MAX, |bytes| hold.grow_to(bytes)).await.unwrap_or_default();
        classify(&self.vendor().profile, status, retry_after, &body)
    }

    /// Sends the request and reads the whole answer. Its bytes count against the memory budget as
    /// long as they live.
    pub(crate) async fn answer(&self, body: Bytes, notes: &Notes) -> Result<Answer, AttemptError> {
        let reply = self.open(body, false).await?;
        let mut hold = Hold::new(&self.state.held);
        let body = match reply.collect_while(ANSWER_BYTES_MAX, |bytes| hold.grow_to(bytes)).await {
            Ok(body) => hold.cover(body),
            Err(SendError::NoRoom { .. }) => return Err(self.no_memory()),
            Err(error) => return Err(not_sent(&error).into()),
        };
        let mut answer =
            decode_answer(&self.vendor().profile, notes, self.request.operation, self.request.identity(), &body)?;
        if answer.body.as_ptr_range() != body.as_ptr_range() {
            answer.body = self.state.held.count(answer.body);
        }
        Ok(answer)
    }

    /// The error for an answer without memory. No other target is called: its answer would find no
    /// memory either.
    pub(crate) fn no_memory(&self) -> AttemptError {
        self.state.overload.count(Cause::Memory);
        AttemptError::Stopped(Box::new(Failure::no_memory()))
    }
}

fn no_such_endpoint(operation: Operation) -> VendorError {
    let message = format!("the vendor offers no endpoint for `{operation}`");
    VendorError { class: ErrorClass::ModelGone, ..server_error(&message) }
}

/// A failure of the connection, as a vendor's failure.
pub(crate) fn not_sent(error: &SendError) -> VendorError {
    server_error(&error.to_string())
}

/// A failure of the vendor's that carries no code.
pub(crate) fn server_error(message: &str) -> VendorError {
    VendorError {
        class: ErrorClass::Server,
        status: 0,
        code: None,
        message: message.to_owned(),
        param: None,
        retry_after: None,
    }
}

/// The usage of several answers together.
pub(crate) fn add_up(usages: impl IntoIterator<Item = ReportedUsage>) -> ReportedUsage {
    usages.into_iter().fold(ReportedUsage::Missing, |sum, usage| sum + usage)
}

/// A member of the client's request, parsed; null if it is missing.
pub(crate) fn member(body: &[u8], name: &str) -> Value {
    let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
    request.get_mut(name).map(Value::take).unwrap_or_default()
}
