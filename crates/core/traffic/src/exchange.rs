//! The life of one request, from the choice of its targets to its one end.
//!
//! [`Exchange`] is told what happened ([`Event`]) and says what to do next ([`Action`]). It opens nothing, waits for nothing
//! and never asks the time.
//!
//! Promises, proven over all event sequences up to a length in the tests:
//!
//! 1. It ends exactly once, and after [`Action::End`] it says nothing more.
//! 2. Frames before the first content are held back, within a bound. A target that sends more than the bound has failed.
//! 3. After the first content has left there is no other target: a failure then is [`Action::Break`] and `failed`.
//! 4. A frame of an abandoned target never leaves.
//! 5. A client that went away is `abandoned`, not `failed`.
//! 6. A vendor that answers with a region block is reported ([`Action::BlockVendor`]) and not asked again in this exchange, not
//!    through any other of its targets either.
//! 7. A wrong request, a blocked text and a prompt that is too long go back to the client at once: they are the client's
//!    to mend, and another vendor would cost the same answer again.
//! 8. Nothing is sent after the deadline, and no pause reaches beyond it.
//!
//! Which error the client sees when every target failed: the one that tells it most about what to do. First what passes by
//! itself (rate, overload, server), then a parameter that no willing target can honour, then what only the operator can
//! mend (quota, a missing model, a credential, a region). Among equals the last. So a client is asked to wait before it is
//! asked to change its request, and it is not told of the operator's unpaid bill while a busy vendor may soon answer.
//!
//! Why one timer: the shell keeps a single alarm, set by [`Action::Wait`]. Frames do not move it; when it rings too early
//! it is set again. A stream of a thousand chunks so costs no thousand timers.

mod actions;
mod rank;
#[cfg(test)]
mod tests;

use crate::retry::RetryRules;
pub use actions::{Action, Actions};
use banjia_types::{ErrorClass, Moment, Outcome};
pub use rank::{Cause, Refusal};
use std::time::Duration;

/// What a request may do, fixed when it is accepted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Targets in the order in which they are asked, as [`crate::choose()`] gave it.
    pub targets: Vec<PlannedTarget>,
    /// Pauses between requests to one target.
    pub retry: RetryRules,
    /// The number between 0 and 1 that spreads the pauses of this request.
    pub jitter: f64,
    /// A target whose first content (or whole answer, when not streamed) does not come within this time has failed.
    pub first_content_within: Duration,
    /// The longest silence inside a stream once content has begun.
    pub idle_within: Duration,
    /// The first content must come within this time, counted from acceptance, retries and other targets included.
    pub deadline_within: Duration,
    /// Frames held back before the first content.
    pub held_frames_max: usize,
    /// Bytes held back before the first content.
    pub held_bytes_max: usize,
}

impl Plan {
    /// Frames that may be held back when nobody says otherwise: a vendor sends a handful.
    pub const HELD_FRAMES_MAX: usize = 1_024;
    /// Bytes that may be held back when nobody says otherwise.
    pub const HELD_BYTES_MAX: usize = 1024 * 1024;
}

/// One target of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedTarget {
    /// The caller's number for it: its place in the route's list.
    pub target: usize,
    /// Targets with the same number belong to one vendor, and a region block of one is a block of all.
    pub vendor: usize,
    /// Requests to it, the first included; 0 is taken as 1.
    pub attempts_max: u32,
}

/// What a frame means for the life of the request. The frame itself is never looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameClass {
    /// Nothing that a client would miss: a role, a comment, an empty delta.
    Lifecycle,
    /// Text, a tool call, reasoning, a refusal: from here on there is no other target.
    Content,
    /// The finish reason.
    Finish,
    /// Token counts.
    Usage,
    /// The answer is complete. A whole answer that is not streamed is one such frame.
    Done,
}

/// What happened. `send` names the request it belongs to, as [`Action::Send`] gave it; what belongs to an earlier one is
/// ignored.
#[derive(Clone, Debug)]
pub enum Event<F> {
    /// A part of the answer arrived.
    Frame {
        /// Of which request.
        send: u32,
        /// What it means.
        class: FrameClass,
        /// Its size, for the bound on what is held back.
        bytes: usize,
        /// The part itself.
        frame: F,
    },
    /// The vendor answered with an error, the connection broke, or the answer could not be read.
    Failed {
        /// Of which request.
        send: u32,
        /// The class by which everything is decided.
        class: ErrorClass,
        /// How long the vendor asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The target cannot honour this request: it was refused by the profile, or would lose more than the route allows.
    /// Nothing was sent.
    Unfit {
        /// Of which request.
        send: u32,
    },
    /// The moment of the last [`Action::Wait`] has come.
    Elapsed,
    /// The client closed its connection.
    ClientGone,
}

/// Where an exchange stands.
#[derive(Debug)]
enum State {
    /// A request is under way and no content has been seen.
    Waiting { until: Moment },
    /// Between two requests to the same target.
    Pausing { until: Moment },
    /// Content has left.
    Streaming { last: Moment },
    /// It is over.
    Ended,
}

/// What is to be done after a target failed before its first content.
enum Next {
    Again(Moment),
    Other,
    Stop,
}

/// One request's life. See the module's text for what it promises.
#[derive(Debug)]
pub struct Exchange<F> {
    plan: Plan,
    deadline: Moment,
    state: State,
    /// The place in the plan's list.
    at: usize,
    /// Requests to the present target so far.
    attempt: u32,
    /// The number of the present request; counts up from 1.
    send: u32,
    /// The caller's number for the target of that request.
    asked: Option<usize>,
    held: Vec<F>,
    held_bytes: usize,
    /// Vendors that answered with a region block.
    cut: Vec<usize>,
    /// The failure that would be shown.
    shown: Option<Refusal>,
    first_content: Option<Moment>,
}

impl<F> Exchange<F> {
    /// Begins. A plan without targets is refused at once.
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

    /// Takes in what happened and says what to do, in order.
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

    /// Requests sent so far, over all targets.
    pub const fn sends(&self) -> u32 {
        self.send
    }

    /// The target of the present or last request, by the caller's number.
    pub const fn target(&self) -> Option<usize> {
        self.asked
    }

    /// When the first content (or the whole answer) came.
    pub const fn first_content(&self) -> Option<Moment> {
        self.first_content
    }

    /// Whether it has ended.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}

/// The steps. Each either leaves the state as it should be or ends the exchange.
impl<F> Exchange<F> {
    /// Before the first content: keeps the frame, or lets everything go.
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

    /// After the first content: every frame leaves as it came.
    fn pass(&mut self, class: FrameClass, frame: F, now: Moment, out: &mut Actions<F>) {
        out.push(Action::Emit(frame));
        if class == FrameClass::Done {
            self.end(Outcome::Answered, out);
        } else {
            self.state = State::Streaming { last: now };
        }
    }

    /// The present request came to nothing.
    fn failed(&mut self, failure: Refusal, now: Moment, out: &mut Actions<F>) {
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

    /// The same target again, another, or none.
    fn next(&self, failure: Refusal, now: Moment) -> Next {
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

    /// Sends to the present target, or to the first after it whose vendor is not cut; refuses when there is none.
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

    /// The alarm rang: for good, or too early and it is set again.
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
        let nothing_to_ask =
            Refusal { send: 0, target: None, class: ErrorClass::Server, cause: Cause::NoTarget, retry_after: None };
        out.push(Action::Refuse(self.shown.unwrap_or(nothing_to_ask)));
        self.end(Outcome::Refused, out);
    }

    fn end(&mut self, outcome: Outcome, out: &mut Actions<F>) {
        self.state = State::Ended;
        self.held = Vec::new();
        out.push(Action::End(outcome));
    }

    fn refusal(&self, class: ErrorClass, cause: Cause, retry_after: Option<Duration>) -> Refusal {
        Refusal { send: self.send, target: self.asked, class, cause, retry_after }
    }
}
