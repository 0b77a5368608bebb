//! One streamed answer of a vendor, from the request to its last byte.

use super::chat::checked::Checks;
use super::chat::shape::StreamEmulation;
use super::chat::unmet;
use crate::call::{AttemptError, VendorCall, Work, add_up, not_sent, server_error};
use crate::held::Hold;
use banjia_upstream::ReplyBody;
use banjia_wire::chat::{self, FirstChoice};
use banjia_wire::{Decoder, Encoded, Frame, FrameKind, Notes, ReportedUsage};
use bytes::Bytes;
use futures_util::future::try_join_all;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Maximum time to wait for the end of the connection after the end of the answer.
const FINISH_WITHIN: Duration = Duration::from_secs(1);
/// Maximum size of a stream that may be sent only after it was checked.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One vendor's stream, from its request to its frames.
pub(super) struct UpstreamStream {
    state: State,
    decoder: Decoder,
}

enum State {
    Opening(Work<ReplyBody>),
    Reading(ReplyBody),
    Over,
}

impl UpstreamStream {
    pub(super) fn new(vendor_call: &VendorCall, body: Bytes, notes: &Notes) -> Self {
        let decoder = Decoder::new(&vendor_call.vendor().profile, notes, vendor_call.request.identity());
        let vendor_call = vendor_call.clone();
        let opening: Work<ReplyBody> = Box::pin(async move { vendor_call.open(body, true).await });
        Self { state: State::Opening(opening), decoder }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub(super) fn usage(&self) -> ReportedUsage {
        self.decoder.usage()
    }

    /// Reads the next part of the answer that has arrived.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, frames: &mut Vec<Frame>) -> Poll<Result<(), AttemptError>> {
        if let State::Opening(opening) = &mut self.state {
            match ready!(opening.as_mut().poll(cx)) {
                Ok(body) => self.state = State::Reading(body),
                Err(error) => {
                    self.state = State::Over;
                    return Poll::Ready(Err(error));
                }
            }
        }
        let State::Reading(body) = &mut self.state else { return Poll::Ready(Ok(())) };
        match ready!(body.poll_chunk(cx)) {
            Some(Ok(chunk)) => self.decoder.feed(&chunk, frames),
            Some(Err(error)) => {
                self.state = State::Over;
                return Poll::Ready(Err(not_sent(&error).into()));
            }
            None => {
                self.state = State::Over;
                self.decoder.end(frames);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads the connection to its end if that is near, so that it goes back to the pool.
    pub(super) fn finish(self, cx: &mut Context<'_>, after: &TaskTracker) {
        let State::Reading(mut body) = self.state else { return };
        if let Poll::Ready(None | Some(Err(_))) = body.poll_chunk(cx) {
            return;
        }
        after.spawn(async move {
            let rest = async { while let Some(Ok(_)) = body.next_chunk().await {} };
            if tokio::time::timeout(FINISH_WITHIN, rest).await.is_err() {
                tracing::debug!("a vendor keeps the connection open after the end of its stream");
            }
        });
    }
}

/// A stream that was read to its end before any of it is sent.
pub(crate) struct Gathered {
    pub(crate) frames: Vec<Frame>,
    pub(crate) usage: ReportedUsage,
    /// The memory of the frames.
    pub(crate) hold: Hold,
}

/// Reads a stream whose form was promised to its end, checks it, and asks once for a better one.
pub(super) async fn held(vendor_call: VendorCall, encoded: Encoded, checks: Checks) -> Result<Gathered, AttemptError> {
    let Encoded { body, notes, .. } = encoded;
    let body = vendor_call.with_reasoning(body, &notes);
    let streams = (0..notes.requests()).map(|_| held_stream(&vendor_call, body.clone(), &notes, &checks));
    let streams = try_join_all(streams).await?;
    let usage = add_up(streams.iter().map(|upstream_stream| upstream_stream.usage));
    let mut shape = StreamEmulation::new(&notes, &vendor_call.state.held);
    let mut frames = Vec::new();
    let mut hold = Hold::new(&vendor_call.state.held);
    for (number, upstream_stream) in (0_u32..).zip(streams) {
        let from = frames.len();
        frames.extend(upstream_stream.frames);
        hold.join(upstream_stream.hold);
        if let Some(shape) = &mut shape {
            shape.apply(number, &mut frames, from);
        }
    }
    if let Some(shape) = &mut shape {
        shape.keep_reasoning(&vendor_call.state.reasoning, &vendor_call.account);
    }
    Ok(Gathered { frames, usage, hold })
}

async fn held_stream(
    vendor_call: &VendorCall,
    body: Bytes,
    notes: &Notes,
    checks: &Checks,
) -> Result<Gathered, AttemptError> {
    let Gathered { mut frames, mut usage, mut hold } = read(vendor_call, body, notes).await?;
    let mut choice = FirstChoice::of_stream(&frames);
    let findings = checks.findings(&mut choice);
    if !findings.is_empty() {
        let repair = vendor_call.repair(&choice, &findings)?;
        let first = chat::shown_usage(&frames);
        let second = read(vendor_call, repair.body, &repair.notes).await?;
        (frames, hold) = (second.frames, second.hold);
        usage = usage + second.usage;
        if let Some(first) = first {
            chat::add_to_shown_usage(&mut frames, &first);
        }
        choice = FirstChoice::of_stream(&frames);
        let findings = checks.findings(&mut choice);
        if !findings.is_empty() {
            return Err(unmet(&findings).into());
        }
    }
    if let Some(text) = choice.changed_text() {
        chat::replace_text(&mut frames, text);
    }
    Ok(Gathered { frames, usage, hold })
}

async fn read(vendor_call: &VendorCall, body: Bytes, notes: &Notes) -> Result<Gathered, AttemptError> {
    let mut hold = Hold::new(&vendor_call.state.held);
    let mut upstream_stream = UpstreamStream::new(vendor_call, body, notes);
    let (mut frames, mut seen, mut bytes) = (Vec::new(), 0, 0);
    while !upstream_stream.is_over() {
        poll_fn(|cx| upstream_stream.poll(cx, &mut frames)).await?;
        for frame in &frames[seen..] {
            bytes += frame.bytes.len();
            if let FrameKind::Error(error) = &frame.kind {
                return Err(error.clone().into());
            }
        }
        seen = frames.len();
        if bytes > HELD_BYTES_MAX {
            return Err(server_error("the answer is too long to be checked").into());
        }
        if !hold.grow_to(bytes) {
            return Err(vendor_call.no_memory());
        }
    }
    let usage = upstream_stream.usage();
    Ok(Gathered { frames, usage, hold })
}
