//! One streamed answer of a vendor, from the request to its last byte.

use super::vendor_call::{VendorCall, not_sent};
use crate::attempt::{AttemptError, Work, add_up};
use crate::emulate::checked::{Checks, Said};
use crate::emulate::shape::{StreamEmulation, event, payload};
use crate::emulate::unmet;
use crate::held::Hold;
use banjia_upstream::ReplyBody;
use banjia_wire::{Decoder, Encoded, Frame, FrameKind, Notes, ReportedUsage};
use bytes::Bytes;
use futures_util::future::try_join_all;
use serde_json::Value;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// How long the end of a connection is waited for after the answer's own end.
const FINISH_WITHIN: Duration = Duration::from_secs(1);
/// The most that is held of a stream that may leave only after it was checked.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

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
        let decoder = Decoder::new(&vendor_call.vendor().profile, notes);
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

    /// Reads one part of the answer.
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

    /// Reads the connection to its end when that is near, so that it goes back to the pool.
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

/// A stream that was read to its end before any of it is given out.
pub(super) struct Gathered {
    pub(super) frames: Vec<Frame>,
    pub(super) usage: ReportedUsage,
    /// The memory of the frames.
    pub(super) hold: Hold,
}

/// A stream whose form was promised: read to its end, checked, mended once, and only then given out.
pub(super) async fn held(vendor_call: VendorCall, encoded: Encoded, checks: Checks) -> Result<Gathered, AttemptError> {
    let Encoded { body, notes, .. } = encoded;
    let body = vendor_call.with_reasoning(body, &notes);
    let legs = (0..notes.requests()).map(|_| held_leg(&vendor_call, body.clone(), &notes, &checks));
    let legs = try_join_all(legs).await?;
    let usage = add_up(legs.iter().map(|upstream_stream| upstream_stream.usage));
    let mut shape = StreamEmulation::of(&notes, &vendor_call.state.held);
    let mut frames = Vec::new();
    let mut hold = Hold::new(&vendor_call.state.held);
    for (number, upstream_stream) in (0_u32..).zip(legs) {
        let from = frames.len();
        frames.extend(upstream_stream.frames);
        hold.join(upstream_stream.hold);
        if let Some(shape) = &mut shape {
            shape.apply(number, &mut frames, from);
        }
    }
    if let Some(shape) = &mut shape {
        shape.keep_reasoning(&vendor_call.state.replay, &vendor_call.account);
    }
    Ok(Gathered { frames, usage, hold })
}

async fn held_leg(
    vendor_call: &VendorCall,
    body: Bytes,
    notes: &Notes,
    checks: &Checks,
) -> Result<Gathered, AttemptError> {
    let Gathered { mut frames, mut usage, mut hold } = read(vendor_call, body, notes).await?;
    let mut said = said(&frames);
    let findings = checks.findings(&mut said);
    if !findings.is_empty() {
        let repair = vendor_call.repair(&said, &findings)?;
        let first = usage_value(&frames);
        let second = read(vendor_call, repair.body, &repair.notes).await?;
        (frames, hold) = (second.frames, second.hold);
        usage = usage + second.usage;
        add_usage(&mut frames, first);
        said = self::said(&frames);
        let findings = checks.findings(&mut said);
        if !findings.is_empty() {
            return Err(unmet(&findings).into());
        }
    }
    if let Some(text) = said.changed_text() {
        replace_text(&mut frames, text);
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
            return Err(super::server_error("the answer is too long to be checked").into());
        }
        if !hold.grow_to(bytes) {
            return Err(vendor_call.no_memory());
        }
    }
    let usage = upstream_stream.usage();
    Ok(Gathered { frames, usage, hold })
}

fn said(frames: &[Frame]) -> Said {
    let mut said = Said::default();
    for chunk in frames.iter().filter_map(|frame| payload(&frame.bytes)) {
        said.add_chunk(&chunk);
    }
    said
}

/// The usage chunk that the client would have seen of a request that is not shown.
fn usage_value(frames: &[Frame]) -> Option<Value> {
    frames.iter().rev().find_map(|frame| {
        let mut chunk = payload(&frame.bytes)?;
        chunk.get_mut("usage").map(Value::take).filter(|usage| !usage.is_null())
    })
}

fn add_usage(frames: &mut [Frame], first: Option<Value>) {
    let Some(first) = first else { return };
    let shown = frames.iter_mut().rev().find_map(|frame| {
        let chunk = payload(&frame.bytes)?;
        chunk.get("usage").is_some_and(|usage| !usage.is_null()).then_some((frame, chunk))
    });
    if let Some((frame, mut chunk)) = shown {
        crate::emulate::choices::sum_numbers(&mut chunk["usage"], &first);
        frame.bytes = event(&chunk);
    }
}

/// Puts the whole text into the first chunk that has text, and takes it out of the others.
fn replace_text(frames: &mut Vec<Frame>, text: &str) {
    let mut left = Some(text);
    frames.retain_mut(|frame| {
        let Some(mut chunk) = payload(&frame.bytes) else { return true };
        let has_text = chunk.pointer("/choices/0/delta/content").and_then(Value::as_str).is_some_and(|t| !t.is_empty());
        if !has_text {
            return true;
        }
        let keep = left.is_some() || !matches!(frame.kind, FrameKind::Content);
        if let Some(place) = chunk.pointer_mut("/choices/0/delta/content") {
            *place = Value::from(left.take().unwrap_or_default());
        }
        frame.bytes = event(&chunk);
        keep
    });
}
