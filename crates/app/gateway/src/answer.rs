//! Begins the answer to a request that was encoded for one target.
//!
//! Rules:
//! - The shape of an operation's answer is decided here and nowhere else.
//! - Nothing is sent before the first poll, and dropping an answer cancels its requests.
//! - A plain stream goes from the vendor's socket to frames without a task, a channel or a copy.

mod chat;
mod embeddings;
mod upstream_stream;

pub(crate) use upstream_stream::Gathered;

use crate::call::{AttemptError, FullResponse, VendorCall, Work, add_up};
use crate::error::Failure;
use banjia_types::Operation;
use banjia_wire::{Encoded, Frame, ReportedUsage};
use chat::checked::{BadSchema, Checks};
use chat::shape::StreamEmulation;
use std::task::{Context, Poll};
use tokio_util::task::TaskTracker;
use upstream_stream::UpstreamStream;

/// An answer that was begun.
pub(crate) enum Answer {
    /// A whole answer.
    Whole(Work<FullResponse>),
    /// A stream that may be sent only after it was checked.
    Held(Work<Gathered>),
    /// A stream that is sent as it comes.
    Stream(Stream),
}

/// A stream that is sent as it comes: of several vendor's streams, if the vendor gives one choice
/// at a time.
pub(crate) struct Stream {
    streams: Vec<UpstreamStream>,
    emulation: Option<Box<StreamEmulation>>,
}

/// Begins the answer to the call's request.
///
/// # Errors
/// The client's schema cannot be compiled.
pub(crate) fn begin(call: &VendorCall, encoded: Encoded) -> Result<Answer, Failure> {
    let is_streamed = call.request.operation != Operation::Embeddings && call.request.head.stream;
    if !is_streamed {
        return Ok(Answer::Whole(whole(call.clone(), encoded)?));
    }
    Ok(match checks(call, &encoded)? {
        Some(checks) => Answer::Held(Box::pin(upstream_stream::held(call.clone(), encoded, checks))),
        None => Answer::Stream(Stream::new(call, encoded)),
    })
}

/// Begins a whole answer, whether or not the client wants a stream.
///
/// # Errors
/// The client's schema cannot be compiled.
pub(crate) fn whole(call: VendorCall, encoded: Encoded) -> Result<Work<FullResponse>, Failure> {
    if call.request.operation == Operation::Embeddings {
        return Ok(Box::pin(embeddings::answer(call, encoded)));
    }
    let checks = checks(&call, &encoded)?;
    Ok(chat::whole(call, encoded, checks))
}

fn checks(call: &VendorCall, encoded: &Encoded) -> Result<Option<Checks>, Failure> {
    Checks::of(&encoded.notes, || call.client_tools())
        .map_err(|BadSchema(message)| Failure::bad_request("response_format", message))
}

impl Stream {
    fn new(vendor_call: &VendorCall, encoded: Encoded) -> Self {
        let Encoded { body, notes, .. } = encoded;
        let body = vendor_call.with_reasoning(body, &notes);
        let streams = (0..notes.requests()).map(|_| UpstreamStream::new(vendor_call, body.clone(), &notes)).collect();
        Self { streams, emulation: StreamEmulation::new(&notes, &vendor_call.state.held) }
    }

    /// Reads what has arrived and adds its frames. `None` if there are no more.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut Vec<Frame>,
    ) -> Poll<Option<Result<(), AttemptError>>> {
        let (mut moved, mut open) = (false, false);
        for (number, upstream_stream) in (0_u32..).zip(&mut self.streams) {
            if upstream_stream.is_over() {
                continue;
            }
            open = true;
            let from = frames.len();
            match upstream_stream.poll(cx, frames) {
                Poll::Pending => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Ok(())) => {
                    moved = true;
                    if let Some(emulation) = &mut self.emulation {
                        emulation.apply(number, frames, from);
                    }
                }
            }
        }
        match (moved, open) {
            (true, _) => Poll::Ready(Some(Ok(()))),
            (false, true) => Poll::Pending,
            (false, false) => Poll::Ready(None),
        }
    }

    /// Returns the usage as far as the vendor has reported it.
    pub(crate) fn usage(&self) -> ReportedUsage {
        add_up(self.streams.iter().map(UpstreamStream::usage))
    }

    /// Ends a complete stream: reads the connection to its end, so that it can be used again.
    pub(crate) fn finish(mut self, call: &VendorCall, cx: &mut Context<'_>, after: &TaskTracker) {
        if let Some(emulation) = &mut self.emulation {
            emulation.keep_reasoning(&call.state.reasoning, &call.account);
        }
        for upstream_stream in self.streams {
            upstream_stream.finish(cx, after);
        }
    }
}
