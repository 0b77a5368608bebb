//! One request of an exchange: encoded for one target, sent, and its answer read.
//!
//! Rules:
//! - An attempt reports what happened ([`Progress`]), and the exchange decides.
//! - Dropping an attempt cancels its requests.
//! - A plain stream goes from the vendor's socket to frames without a task, a channel or a copy.

mod upstream_stream;
mod vendor_call;

pub(crate) use vendor_call::{VendorCall, server_error};

use crate::embeddings;
use crate::emulate;
use crate::emulate::checked::{BadSchema, Checks};
use crate::emulate::shape::StreamEmulation;
use crate::error::Failure;
use crate::held::Hold;
use banjia_types::{Loss, Moment, Operation};
use banjia_wire::{Encoded, Frame, ReportedUsage, VendorError};
use bytes::Bytes;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_util::task::TaskTracker;
use upstream_stream::{Gathered, UpstreamStream};

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

/// What a poll of an attempt brought.
pub(crate) enum Progress {
    /// Frames were added.
    Frames,
    /// The whole answer arrived.
    Whole(FullResponse),
    /// The vendor failed.
    Failed(VendorError),
    /// The target cannot honour this request.
    Unfit(Failure),
    /// The gateway cannot continue with this request.
    Stopped(Failure),
    /// A stream has no more frames.
    Over,
}

impl From<AttemptError> for Progress {
    fn from(trouble: AttemptError) -> Self {
        match trouble {
            AttemptError::Vendor(error) => Self::Failed(error),
            AttemptError::Unfit(failure) => Self::Unfit(*failure),
            AttemptError::Stopped(failure) => Self::Stopped(*failure),
        }
    }
}

/// One attempt to get the answer from one target.
pub(crate) struct Attempt {
    /// Its number within the exchange.
    pub(crate) send: u32,
    /// The index of its target in the route.
    pub(crate) goal: usize,
    pub(crate) begun: Moment,
    pub(crate) losses: Vec<Loss>,
    /// Whether its outcome was reported to the target's circuit breaker.
    pub(crate) observed: bool,
    vendor_call: VendorCall,
    state: State,
    /// The memory of a gathered stream's frames.
    hold: Option<Hold>,
}

enum State {
    Unfit(Option<Failure>),
    Withheld(Option<AttemptError>),
    Whole(Work<FullResponse>),
    /// A stream that may be sent only after it was checked.
    Held(Work<Gathered>),
    Stream(Stream),
    Over(ReportedUsage),
}

struct Stream {
    streams: Vec<UpstreamStream>,
    shape: Option<Box<StreamEmulation>>,
}

impl Attempt {
    /// Encodes the request and prepares its sending. Nothing is sent before the first
    /// [`Attempt::poll`].
    pub(crate) fn begin(vendor_call: VendorCall, send: u32, goal: usize, begun: Moment) -> Self {
        let mut attempt = Self {
            send,
            goal,
            begun,
            losses: Vec::new(),
            observed: false,
            vendor_call,
            state: State::Unfit(None),
            hold: None,
        };
        attempt.state = match attempt.prepare() {
            Ok(state) => state,
            Err(failure) => State::Unfit(Some(failure)),
        };
        attempt
    }

    /// An attempt that has failed already and sends nothing. The target's circuit breaker ignores
    /// it.
    pub(crate) fn withheld(
        vendor_call: VendorCall,
        send: u32,
        goal: usize,
        begun: Moment,
        trouble: AttemptError,
    ) -> Self {
        let state = State::Withheld(Some(trouble));
        Self { send, goal, begun, losses: Vec::new(), observed: true, vendor_call, state, hold: None }
    }

    fn prepare(&mut self) -> Result<State, Failure> {
        let vendor_call = &self.vendor_call;
        let mut encoded = vendor_call.encode().map_err(Failure::refusal)?;
        self.losses = std::mem::take(&mut encoded.losses);
        if let Some(loss) = vendor_call.live.route.losses.first_refused(&self.losses) {
            let message = format!("`{}` cannot be honoured: {}.", loss.param, loss.why);
            return Err(Failure::bad_request(&loss.param, message).code("unsupported_parameter"));
        }
        if vendor_call.ask.endpoint == Operation::Embeddings {
            return Ok(State::Whole(Box::pin(embeddings::answer(vendor_call.clone(), encoded))));
        }
        let checks = Checks::of(&encoded.notes, || vendor_call.client_tools())
            .map_err(|BadSchema(message)| Failure::bad_request("response_format", message))?;
        Ok(match (vendor_call.ask.head.stream, checks) {
            (false, checks) => State::Whole(emulate::whole(vendor_call.clone(), encoded, checks)),
            (true, Some(checks)) => State::Held(Box::pin(upstream_stream::held(vendor_call.clone(), encoded, checks))),
            (true, None) => State::Stream(Stream::new(vendor_call, encoded)),
        })
    }

    /// Reads what has arrived. Frames are added to `frames`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, frames: &mut Vec<Frame>) -> Poll<Progress> {
        let progress = match &mut self.state {
            State::Over(_) => return Poll::Pending,
            State::Unfit(failure) => Poll::Ready(Progress::Unfit(failure.take().unwrap_or_else(Failure::internal))),
            State::Withheld(trouble) => {
                Poll::Ready(trouble.take().map_or_else(|| Progress::Unfit(Failure::internal()), Progress::from))
            }
            State::Stream(stream) => return stream.poll(cx, frames),
            State::Whole(work) => work.as_mut().poll(cx).map(|done| done.map_or_else(Progress::from, Progress::Whole)),
            State::Held(work) => match std::task::ready!(work.as_mut().poll(cx)) {
                Err(trouble) => Poll::Ready(trouble.into()),
                Ok(Gathered { frames: gathered, usage, hold }) => {
                    frames.extend(gathered);
                    self.hold = Some(hold);
                    self.state = State::Over(usage);
                    return Poll::Ready(Progress::Frames);
                }
            },
        };
        if progress.is_ready() {
            self.state = State::Over(ReportedUsage::Missing);
        }
        progress
    }

    /// Takes the memory that its frames are accounted in.
    pub(crate) fn take_hold(&mut self) -> Option<Hold> {
        self.hold.take()
    }

    /// The usage of a stream, as far as the vendor has reported it.
    pub(crate) fn usage(&self) -> ReportedUsage {
        match &self.state {
            State::Stream(stream) => add_up(stream.streams.iter().map(UpstreamStream::usage)),
            State::Over(usage) => *usage,
            _ => ReportedUsage::Missing,
        }
    }

    /// Ends a complete stream: reads the connection to its end, so that it can be used again.
    pub(crate) fn finish(self, cx: &mut Context<'_>, after: &TaskTracker) {
        let Self { vendor_call, state, .. } = self;
        let State::Stream(mut stream) = state else { return };
        if let Some(shape) = &mut stream.shape {
            shape.keep_reasoning(&vendor_call.state.reasoning, &vendor_call.account);
        }
        for upstream_stream in stream.streams {
            upstream_stream.finish(cx, after);
        }
    }
}

impl Stream {
    fn new(vendor_call: &VendorCall, encoded: Encoded) -> Self {
        let Encoded { body, notes, .. } = encoded;
        let body = vendor_call.with_reasoning(body, &notes);
        let streams = (0..notes.requests()).map(|_| UpstreamStream::new(vendor_call, body.clone(), &notes)).collect();
        Self { streams, shape: StreamEmulation::new(&notes, &vendor_call.state.held) }
    }

    fn poll(&mut self, cx: &mut Context<'_>, frames: &mut Vec<Frame>) -> Poll<Progress> {
        let (mut moved, mut open) = (false, false);
        for (number, upstream_stream) in (0_u32..).zip(&mut self.streams) {
            if upstream_stream.is_over() {
                continue;
            }
            open = true;
            let from = frames.len();
            match upstream_stream.poll(cx, frames) {
                Poll::Pending => {}
                Poll::Ready(Err(trouble)) => return Poll::Ready(trouble.into()),
                Poll::Ready(Ok(())) => {
                    moved = true;
                    if let Some(shape) = &mut self.shape {
                        shape.apply(number, frames, from);
                    }
                }
            }
        }
        match (moved, open) {
            (true, _) => Poll::Ready(Progress::Frames),
            (false, true) => Poll::Pending,
            (false, false) => Poll::Ready(Progress::Over),
        }
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
