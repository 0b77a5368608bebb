//! The life of one request, from the choice of its targets to its one end.
//!
//! [`Exchange`] is a state machine. The caller reports what happened ([`Event`]) and executes what
//! it returns ([`Action`]). The exchange does no I/O, does not sleep and reads no clock.
//!
//! # Promises
//! The tests prove them for all event sequences up to a length:
//!
//! 1. It ends exactly once, and returns nothing after [`Action::End`].
//! 2. Frames before the first content are held back, within a bound. A target that sends more than
//!    the bound has failed.
//! 3. After the first content was emitted no other target is asked. A failure then is
//!    [`Action::Break`] and `failed`.
//! 4. A frame of a cancelled attempt is never emitted.
//! 5. If the client closes the connection, the outcome is `abandoned`, not `failed`.
//! 6. A vendor that answers with a region block is reported ([`Action::BlockVendor`]) and not asked
//!    again in this exchange, through none of its targets.
//! 7. A bad request, blocked content and a prompt that is too long are returned to the client at
//!    once. Only the client can fix them, and another vendor would charge for the same error.
//! 8. Nothing is sent after the deadline, and no pause lasts beyond it.
//!
//! # Which error the client gets
//! If every target failed, the client gets the error that is most useful to it. Among equals the
//! last one wins. The order is:
//!
//! 1. Errors that pass by themselves (rate limit, overload, server error).
//! 2. A parameter that no target supports.
//! 3. Errors that only the operator can fix (quota, unknown model, credential, region).
//!
//! So a client is asked to wait before it is asked to change its request, and it does not see the
//! operator's unpaid bill while a busy vendor may soon answer.
//!
//! # Why one timer
//! The caller keeps a single timer, set by [`Action::Wait`]. Frames do not move it. If it fires too
//! early, it is set again. So a stream of a thousand chunks sets no thousand timers.

mod actions;
mod rank;
#[cfg(test)]
mod tests;

use crate::retry::RetryRules;
pub use actions::{Action, Actions};
use banjia_types::{ErrorClass, Moment, Outcome};
pub use rank::{Cause, ExchangeError};
use std::time::Duration;

/// What a request may do. It is fixed when the request is accepted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Targets in the order in which they are asked, from [`crate::choose()`].
    pub targets: Vec<PlannedTarget>,
    /// Pauses between two requests to the same target.
    pub retry: RetryRules,
    /// A random number between 0 and 1 that spreads the pauses of this request.
    pub jitter: f64,
    /// A target fails if its first content (or its whole response, if not streamed) takes longer.
    pub first_content_within: Duration,
    /// The longest silence inside a stream after content has begun.
    pub idle_within: Duration,
    /// The first content must arrive within this time after acceptance, over all retries and
    /// targets.
    pub deadline_within: Duration,
    /// Number of frames that are held back before the first content.
    pub held_frames_max: usize,
    /// Bytes that are held back before the first content.
    pub held_bytes_max: usize,
}

impl Plan {
    /// Default for `held_frames_max`. Vendors send a handful.
    pub const HELD_FRAMES_MAX: usize = 1_024;
    /// Default for `held_bytes_max`.
    pub const HELD_BYTES_MAX: usize = 1024 * 1024;
}

/// One target of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedTarget {
    /// Identifies the target for the caller: its index in the route's list.
    pub target: usize,
    /// Targets with the same number belong to one vendor. A region block of one blocks all of them.
    pub vendor: usize,
    /// Maximum number of requests to it, including the first. 0 counts as 1.
    pub attempts_max: u32,
}

/// What a frame means for the life of the request. The exchange never reads the frame itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameClass {
    /// Nothing that a client would miss: a role, a comment, an empty delta.
    Lifecycle,
    /// Text, a tool call, reasoning or a refusal. From here on no other target is asked.
    Content,
    /// The finish reason.
    Finish,
    /// Token counts.
    Usage,
    /// The response is complete. A response that is not streamed is one such frame.
    Done,
}

/// What happened. `send` is the number of the request from [`Action::Send`]. Events of an earlier
/// request are ignored.
#[derive(Clone, Debug)]
pub enum Event<F> {
    /// A part of the response arrived.
    Frame {
        /// The number of the request.
        send: u32,
        /// What the frame means.
        class: FrameClass,
        /// The size in bytes, for the bound on held frames.
        bytes: usize,
        /// The frame itself.
        frame: F,
    },
    /// The vendor returned an error, the connection broke, or the response could not be read.
    Failed {
        /// The number of the request.
        send: u32,
        /// The class of the error. It alone decides what happens next.
        class: ErrorClass,
        /// How long the vendor asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The target does not support this request: its profile refused it, or it would lose more than
    /// the route allows. Nothing was sent.
    Unfit {
        /// The number of the request.
        send: u32,
    },
    /// The moment of the last [`Action::Wait`] has passed.
    Elapsed,
    /// The client closed its connection.
    ClientGone,
}

/// The state of an exchange.
#[derive(Debug)]
enum State {
    /// A request is in flight and no content has arrived.
    Waiting { until: Moment },
    /// The exchange pauses between two requests to the same target.
    Pausing { until: Moment },
    /// Content has been emitted.
    Streaming { last: Moment },
    /// The exchange is over.
    Ended,
}

/// What to do after a target failed before its first content.
enum Next {
    Again(Moment),
    Other,
    Stop,
}

/// The life of one request. The module's text lists its promises.
#[derive(Debug)]
pub struct Exchange<F> {
    plan: Plan,
    deadline: Moment,
    state: State,
    /// Index of the present target in the plan.
    at: usize,
    /// Number of requests to the present target so far.
    attempt: u32,
    /// The number of the present request, counted from 1.
    send: u32,
    /// The caller's number for the target of that request.
    asked: Option<usize>,
    held: Vec<F>,
    held_bytes: usize,
    /// Vendors that returned a region block.
    cut: Vec<usize>,
    /// The failure that the client would get now.
    shown: Option<ExchangeError>,
    first_content: Option<Moment>,
}

impl<F> Exchange<F> {
    /// Begins an exchange. A plan without targets is refused at once.
    pub fn new(plan: Plan, now: Moment) -> (Self, Actions<F>) {
        let mut exchange = Self {
            deadline: now + plan.deadline_within,
            plan,
            state: State::Ended,
            at: 0,
            attempt: 0,
            send: 0,
            asked: None,
            held: Vec::new(),
            held_bytes: 0,
            cut: Vec::new(),
            shown: None,
            first_content: None,
        };
        let mut out = Actions::new();
        exchange.send_or_refuse(now, &mut out);
        (exchange, out)
    }

    /// Processes an event and returns what to do, in order.
    pub fn on(&mut self, event: Event<F>, now: Moment) -> Actions<F> {
        let mut out = Actions::new();
        match (event, &self.state) {
            (_, State::Ended) => {}
            (Event::ClientGone, _) => self.abandon(&mut out),
            (Event::Elapsed, _) => self.elapsed(now, &mut out),
            (Event::Frame { send, .. } | Event::Failed { send, .. } | Event::Unfit { send }, state)
                if send != self.send || matches!(state, State::Pausing { .. }) => {}
            (Event::Frame { class, frame, .. }, State::Streaming { .. }) => self.pass(class, frame, now, &mut out),
            (Event::Frame { class, bytes, frame, .. }, _) => self.hold(class, bytes, frame, now, &mut out),
            (Event::Failed { class, retry_after, .. }, _) => {
                let failure = self.refusal(class, Cause::Vendor, retry_after);
                self.failed(failure, now, &mut out);
            }
            (Event::Unfit { .. }, _) => {
                let failure = self.refusal(ErrorClass::BadRequest, Cause::Unfit, None);
                self.failed(failure, now, &mut out);
            }
        }
        out
    }

    /// Number of requests sent so far, over all targets.
    pub const fn sends(&self) -> u32 {
        self.send
    }

    /// The target of the present or last request, as the caller's number.
    pub const fn target(&self) -> Option<usize> {
        self.asked
    }

    /// When the first content (or the whole response) arrived.
    pub const fn first_content(&self) -> Option<Moment> {
        self.first_content
    }

    /// Whether the exchange has ended.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}

/// The transitions. Each one sets the next state or ends the exchange.
impl<F> Exchange<F> {
    /// Before the first content: holds the frame, or emits everything that was held.
    fn hold(&mut self, class: FrameClass, bytes: usize, frame: F, now: Moment, out: &mut Actions<F>) {
        if matches!(class, FrameClass::Content | FrameClass::Done) {
            self.first_content = Some(now);
            self.state = State::Streaming { last: now };
            for held in std::mem::take(&mut self.held) {
                out.push(Action::Emit(held));
            }
            if class == FrameClass::Content {
                out.push(Action::Wait { until: now + self.plan.idle_within });
            }
            return self.pass(class, frame, now, out);
        }
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if self.held.len() >= self.plan.held_frames_max || self.held_bytes > self.plan.held_bytes_max {
            let failure = self.refusal(ErrorClass::Server, Cause::HeldTooMuch, None);
            return self.failed(failure, now, out);
        }
        self.held.push(frame);
    }

    /// After the first content: emits every frame unchanged.
    fn pass(&mut self, class: FrameClass, frame: F, now: Moment, out: &mut Actions<F>) {
        out.push(Action::Emit(frame));
        if class == FrameClass::Done {
            self.end(Outcome::Answered, out);
        } else {
            self.state = State::Streaming { last: now };
        }
    }

    /// Handles the failure of the present request.
    fn failed(&mut self, failure: ExchangeError, now: Moment, out: &mut Actions<F>) {
        out.push(Action::Cancel { send: self.send });
        self.held.clear();
        self.held_bytes = 0;
        if failure.class == ErrorClass::Region
            && let Some(planned) = self.plan.targets.get(self.at)
        {
            self.cut.push(planned.vendor);
            out.push(Action::BlockVendor { target: planned.target });
        }
        if matches!(self.state, State::Streaming { .. }) {
            out.push(Action::Break { send: self.send, class: failure.class });
            return self.end(Outcome::Failed, out);
        }
        self.shown = Some(self.shown.map_or(failure, |shown| shown.or_later(failure)));
        match self.next(failure, now) {
            Next::Again(until) => {
                self.state = State::Pausing { until };
                out.push(Action::Wait { until });
            }
            Next::Other => {
                self.at += 1;
                self.attempt = 0;
                self.send_or_refuse(now, out);
            }
            Next::Stop => self.refuse(out),
        }
    }

    /// Decides whether to retry the same target, ask another, or stop.
    fn next(&self, failure: ExchangeError, now: Moment) -> Next {
        match failure.cause {
            Cause::Unfit | Cause::TimedOut | Cause::HeldTooMuch | Cause::NoTarget => return Next::Other,
            Cause::Vendor if !failure.class.failover_helps() => return Next::Stop,
            Cause::Vendor => {}
        }
        let attempts_max = self.plan.targets.get(self.at).map_or(0, |planned| planned.attempts_max);
        if !failure.class.retry_helps() || self.attempt >= attempts_max {
            return Next::Other;
        }
        match self.plan.retry.pause(self.attempt, failure.retry_after, self.plan.jitter) {
            Some(pause) if now + pause < self.deadline => Next::Again(now + pause),
            _ => Next::Other,
        }
    }

    /// Sends to the present target, or to the first after it whose vendor is not blocked. Refuses
    /// if there is none.
    fn send_or_refuse(&mut self, now: Moment, out: &mut Actions<F>) {
        while self.plan.targets.get(self.at).is_some_and(|planned| self.cut.contains(&planned.vendor)) {
            self.at += 1;
        }
        let Some(planned) = self.plan.targets.get(self.at) else { return self.refuse(out) };
        if now >= self.deadline && self.send > 0 {
            return self.refuse(out);
        }
        self.attempt += 1;
        self.send += 1;
        self.asked = Some(planned.target);
        let until = (now + self.plan.first_content_within).min(self.deadline);
        self.state = State::Waiting { until };
        out.push(Action::Send { send: self.send, target: planned.target, attempt: self.attempt });
        out.push(Action::Wait { until });
    }

    /// Handles the timer. If it fired too early, it is set again.
    fn elapsed(&mut self, now: Moment, out: &mut Actions<F>) {
        let until = match self.state {
            State::Waiting { until } | State::Pausing { until } => until,
            State::Streaming { last } => last + self.plan.idle_within,
            State::Ended => return,
        };
        if now < until {
            return out.push(Action::Wait { until });
        }
        if matches!(self.state, State::Pausing { .. }) {
            return self.send_or_refuse(now, out);
        }
        let failure = self.refusal(ErrorClass::Server, Cause::TimedOut, None);
        self.failed(failure, now, out);
    }

    fn abandon(&mut self, out: &mut Actions<F>) {
        if matches!(self.state, State::Waiting { .. } | State::Streaming { .. }) {
            out.push(Action::Cancel { send: self.send });
        }
        self.end(Outcome::Abandoned, out);
    }

    fn refuse(&mut self, out: &mut Actions<F>) {
        let nothing_to_ask = ExchangeError {
            send: 0,
            target: None,
            class: ErrorClass::Server,
            cause: Cause::NoTarget,
            retry_after: None,
        };
        out.push(Action::Refuse(self.shown.unwrap_or(nothing_to_ask)));
        self.end(Outcome::Refused, out);
    }

    fn end(&mut self, outcome: Outcome, out: &mut Actions<F>) {
        self.state = State::Ended;
        self.held = Vec::new();
        out.push(Action::End(outcome));
    }

    fn refusal(&self, class: ErrorClass, cause: Cause, retry_after: Option<Duration>) -> ExchangeError {
        ExchangeError { send: self.send, target: self.asked, class, cause, retry_after }
    }
}
