//! Sends an answer at its pace, and breaks it on the way when a fault says so.
//!
//! Rules: a fault inside a stream strikes in the middle, after content has gone out; a stream that stalls ends when the
//! client leaves; nothing here grows with time (the endless line is one buffer sent again and again).

use crate::answer::{Answer, Body, Event};
use crate::faults::{Fault, SLOW_TOKEN};
use crate::pace::{self, Dial};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The body type of every answer.
pub(crate) type Sent = UnsyncBoxBody<Bytes, io::Error>;

/// One thing to do on the way.
enum Step {
    /// Wait as the pace says for a piece of content, then send.
    Content(Bytes),
    /// Send.
    Send(Bytes),
    /// Never go on.
    Stall,
    /// Drop the connection.
    Cut,
    /// Send this for ever.
    Repeat(Bytes),
}

/// What a fault may put into the middle of a stream.
pub(crate) struct Breakage {
    pub(crate) fault: Option<Fault>,
    /// The vendor's own event for an error in a stream (and, at some vendors, what follows it).
    pub(crate) in_stream: Vec<Event>,
}

/// The media type and the body of an answer.
pub(crate) fn play(answer: Answer, breakage: &Breakage, dial: Arc<Dial>) -> (&'static str, Option<usize>, Sent) {
    let began = Instant::now();
    let slow = breakage.fault == Some(Fault::Slow);
    match answer.body {
        Body::Json { value, pieces } => {
            let bytes = Bytes::from(value.to_string());
            let (steps, len) = whole(&bytes, breakage.fault);
            ("application/json", len, run(steps, dial, began, slow, pieces.max(1)))
        }
        Body::Bytes { media_type, bytes } => {
            let (steps, len) = whole(&bytes, breakage.fault);
            (media_type, len, run(steps, dial, began, slow, 1))
        }
        Body::Events(events) => {
            let steps = streamed(events, breakage);
            ("text/event-stream", None, run(steps, dial, began, slow, 1))
        }
    }
}

/// The steps of an answer that comes in one piece, and its length when it is told in advance.
fn whole(bytes: &Bytes, fault: Option<Fault>) -> (Vec<Step>, Option<usize>) {
    let half = bytes.slice(..bytes.len() / 2);
    match fault {
        Some(Fault::Cut) => (vec![Step::Content(half), Step::Cut], Some(bytes.len())),
        Some(Fault::Stall) => (vec![Step::Content(half), Step::Stall], Some(bytes.len())),
        Some(Fault::Malformed) => (vec![Step::Content(half.clone())], Some(half.len())),
        Some(Fault::Garbage) => (vec![Step::Content(garbage())], Some(garbage().len())),
        Some(Fault::Empty) => (Vec::new(), Some(0)),
        Some(Fault::LongLine) => (vec![Step::Content(half), Step::Repeat(endless())], None),
        _ => (vec![Step::Content(bytes.clone())], Some(bytes.len())),
    }
}

/// The steps of a stream, with the fault in its middle.
fn streamed(events: Vec<Event>, breakage: &Breakage) -> Vec<Step> {
    let contents = events.iter().filter(|event| event.content).count();
    let strike_after = contents.div_ceil(2).max(1);
    let mut steps = Vec::with_capacity(events.len() + 1);
    let mut sent = 0;
    if breakage.fault == Some(Fault::Empty) {
        return steps;
    }
    for event in events {
        if event.content && sent == strike_after && strike(&mut steps, breakage) {
            return steps;
        }
        sent += usize::from(event.content);
        steps.push(if event.content { Step::Content(event.bytes) } else { Step::Send(event.bytes) });
    }
    if sent <= strike_after {
        // The stream had too little content for a middle: the fault takes the place of the end.
        if breakage.fault.is_some() {
            steps.truncate(strike_after + 1);
        }
        strike(&mut steps, breakage);
    }
    steps
}

/// Puts the fault into the steps; true when the stream ends with it.
fn strike(steps: &mut Vec<Step>, breakage: &Breakage) -> bool {
    match breakage.fault {
        Some(Fault::Cut) => steps.push(Step::Cut),
        Some(Fault::Stall) => steps.push(Step::Stall),
        Some(Fault::Malformed) => {
            steps.push(Step::Content(Bytes::from_static(b"data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"del\n\n")));
        }
        Some(Fault::Garbage) => steps.push(Step::Content(garbage())),
        Some(Fault::LongLine) => {
            steps.push(Step::Send(Bytes::from_static(b"data: {\"id\":\"")));
            steps.push(Step::Repeat(endless()));
        }
        Some(Fault::ContentStream | Fault::NetworkError) => {
            steps.extend(breakage.in_stream.iter().map(|event| Step::Content(event.bytes.clone())));
        }
        _ => return false,
    }
    true
}

fn run(steps: Vec<Step>, dial: Arc<Dial>, began: Instant, slow: bool, pieces: usize) -> Sent {
    if !slow
        && dial.get() == pace::Pace::default()
        && steps.iter().all(|step| matches!(step, Step::Content(_)))
        && steps.len() <= 1
    {
        let bytes = steps
            .into_iter()
            .next()
            .map_or_else(Bytes::new, |step| if let Step::Content(bytes) = step { bytes } else { Bytes::new() });
        return Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    }
    let state = Run { steps: steps.into_iter(), dial, began, slow, pieces, first: true, repeat: None };
    let frames: BoxStream<'static, io::Result<Frame<Bytes>>> = stream::unfold(state, next).boxed();
    StreamBody::new(frames).boxed_unsync()
}

struct Run {
    steps: std::vec::IntoIter<Step>,
    dial: Arc<Dial>,
    began: Instant,
    slow: bool,
    pieces: usize,
    first: bool,
    repeat: Option<Bytes>,
}

async fn next(mut run: Run) -> Option<(io::Result<Frame<Bytes>>, Run)> {
    if let Some(again) = run.repeat.clone() {
        tokio::task::yield_now().await;
        return Some((Ok(Frame::data(again)), run));
    }
    match run.steps.next()? {
        Step::Send(bytes) => Some((Ok(Frame::data(bytes)), run)),
        Step::Content(bytes) => {
            breathe(&mut run).await;
            Some((Ok(Frame::data(bytes)), run))
        }
        Step::Stall => std::future::pending().await,
        Step::Cut => Some((Err(io::Error::new(io::ErrorKind::ConnectionReset, "the sandbox cuts this answer")), run)),
        Step::Repeat(bytes) => {
            run.repeat = Some(bytes.clone());
            Some((Ok(Frame::data(bytes)), run))
        }
    }
}

async fn breathe(run: &mut Run) {
    let pace = run.dial.get();
    let token = if run.slow { SLOW_TOKEN } else { pace.per_token };
    if run.first {
        run.first = false;
        let rest = u32::try_from(run.pieces - 1).unwrap_or(u32::MAX);
        let due = pace.first_token.saturating_add(token.saturating_mul(rest));
        pace::wait(due.saturating_sub(run.began.elapsed()).max(if run.slow { token } else { Duration::ZERO })).await;
    } else {
        pace::wait(token).await;
    }
}

fn garbage() -> Bytes {
    Bytes::from_static(b"\x00\xff\xfe<<<\x80 502 upstream \xc3\x28 sorry>>>\x1b[2J\r\r\n\xf0\x9f")
}

/// A part of a line without an end.
fn endless() -> Bytes {
    Bytes::from(vec![b'x'; 32 * 1024])
}
