//! One request of an exchange: encoded for one target, sent, and its answer read.
//!
//! Rules:
//! - An attempt reports what happened ([`Progress`]), and the exchange decides.
//! - Dropping an attempt cancels its requests.

use crate::answer::{self, Answer, Gathered};
use crate::call::{AttemptError, FullResponse, VendorCall};
use crate::error::Failure;
use crate::held::Hold;
use banjia_types::{Loss, Moment};
use banjia_wire::{Frame, ReportedUsage, VendorError};
use std::task::{Context, Poll};
use tokio_util::task::TaskTracker;

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
    pub(crate) target_ix: usize,
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
    Begun(Answer),
    Over(ReportedUsage),
}

impl Attempt {
    /// Encodes the request and prepares its sending. Nothing is sent before the first
    /// [`Attempt::poll`].
    pub(crate) fn begin(vendor_call: VendorCall, send: u32, target_ix: usize, begun: Moment) -> Self {
        let mut attempt = Self {
            send,
            target_ix,
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
        target_ix: usize,
        begun: Moment,
        trouble: AttemptError,
    ) -> Self {
        let state = State::Withheld(Some(trouble));
        Self { send, target_ix, begun, losses: Vec::new(), observed: true, vendor_call, state, hold: None }
    }

    fn prepare(&mut self) -> Result<State, Failure> {
        let vendor_call = &self.vendor_call;
        let mut encoded = vendor_call.encode().map_err(Failure::refusal)?;
        self.losses = std::mem::take(&mut encoded.losses);
        if let Some(loss) = vendor_call.route.route.losses.first_refused(&self.losses) {
            let message = format!("`{}` cannot be honoured: {}.", loss.param, loss.why);
            return Err(Failure::bad_request(&loss.param, message).code("unsupported_parameter"));
        }
        Ok(State::Begun(answer::begin(vendor_call, encoded)?))
    }

    /// Reads what has arrived. Frames are added to `frames`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, frames: &mut Vec<Frame>) -> Poll<Progress> {
        let progress = match &mut self.state {
            State::Over(_) => return Poll::Pending,
            State::Unfit(failure) => Poll::Ready(Progress::Unfit(failure.take().unwrap_or_else(Failure::internal))),
            State::Withheld(trouble) => {
                Poll::Ready(trouble.take().map_or_else(|| Progress::Unfit(Failure::internal()), Progress::from))
            }
            State::Begun(Answer::Stream(stream)) => {
                return stream.poll(cx, frames).map(|read| match read {
                    Some(Ok(())) => Progress::Frames,
                    Some(Err(error)) => error.into(),
                    None => Progress::Over,
                });
            }
            State::Begun(Answer::Whole(work)) => {
                work.as_mut().poll(cx).map(|done| done.map_or_else(Progress::from, Progress::Whole))
            }
            State::Begun(Answer::Held(work)) => match std::task::ready!(work.as_mut().poll(cx)) {
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
            State::Begun(Answer::Stream(stream)) => stream.usage(),
            State::Over(usage) => *usage,
            _ => ReportedUsage::Missing,
        }
    }

    /// Ends a complete stream: reads the connection to its end, so that it can be used again.
    pub(crate) fn finish(self, cx: &mut Context<'_>, after: &TaskTracker) {
        if let State::Begun(Answer::Stream(stream)) = self.state {
            stream.finish(&self.vendor_call, cx, after);
        }
    }
}
