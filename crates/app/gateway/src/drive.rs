//! Runs one exchange: performs its actions, reports events to it, and is itself the body of a streamed
//! response.
//!
//! - The exchange decides, and the drive acts. The clock and the one timer are here.
//! - No task is spawned for a request that succeeds.
//! - Dropping a drive that has not ended means that the client left. The vendor's response is cancelled
//!   and the entry closed as abandoned.

mod border_cutoff;
mod deadline_timer;
mod output_buffer;
mod recording;
mod respond;
mod routing;

use crate::admission::Accepted;
use crate::admit::Reservation;
use crate::attempt::{Attempt, Progress};
use crate::body::ByteStream;
use crate::call::{AttemptError, FullResponse, VendorCall, server_error};
use crate::clock::moment;
use crate::error::Failure;
use crate::ledger::Entry;
use crate::live::LiveRoute;
use crate::lock::lock;
use crate::request::InferenceRequest;
use crate::route_move::TargetRole;
use crate::snapshot::Key;
use crate::state::State;
use banjia_traffic::{
    Action, Actions, Cause, Event, Exchange, ExchangeError, FrameClass, Hints, Observation, Plan, PlannedTarget,
    RehearsalPhase, RetryRules, StickyKey, Why,
};
use banjia_types::{AccountId, ErrorClass, Loss, Moment, Money, Outcome};
use banjia_wire::{Frame, FrameKind, ReportedUsage, VendorError};
use border_cutoff::BorderCutoff;
use bytes::Bytes;
use deadline_timer::{DeadlineTimer, Due};
use output_buffer::OutputBuffer;
use recording::Recording;
use routing::Routing;
use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// One request's exchange with its vendors, and the body of its response.
pub(crate) struct Drive {
    state: Arc<State>,
    route: Arc<LiveRoute>,
    account: AccountId,
    request: Arc<InferenceRequest>,
    exchange: Exchange<Bytes>,
    attempt: Option<Attempt>,
    deadline_timer: DeadlineTimer,
    border_cutoff: BorderCutoff,
    /// The time of the event that is being handled. It is read once for each event.
    now: Moment,
    routing: Routing,
    /// Frames between an attempt and the exchange. It is a field to keep its capacity.
    frames: Vec<Frame>,
    output: OutputBuffer,
    head: HeadState,
    /// When bytes for the client were last added.
    last_output: Moment,
    entry: Entry,
    /// Given back to the limits at the end.
    reservation: Option<Reservation>,
    failures: Failures,
    summary: ResponseSummary,
    /// `None` if the exchange is not recorded.
    recording: Option<Box<Recording>>,
}

/// Where the head of a streamed response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadState {
    /// It waits for the first content or an error.
    Waiting,
    /// The vendor is silent for so long that the head is sent now.
    Due,
    /// It was sent. An error can only be an event now.
    Sent,
}

/// Keeps a silent stream open at the proxies between us and the client. Clients ignore comments
/// (WHATWG HTML, server-sent events).
const HEARTBEAT: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The failures of an exchange.
#[derive(Default)]
struct Failures {
    /// One for each failed attempt, with its number.
    by_send: Vec<(u32, Failure)>,
    /// The error that the client receives, once it is known.
    final_failure: Option<Failure>,
}

impl Failures {
    fn push(&mut self, send: u32, failure: Failure) {
        self.by_send.push((send, failure));
    }

    /// The failure of an attempt.
    fn of_send(&self, send: u32) -> Option<Failure> {
        self.by_send.iter().rfind(|(number, _)| *number == send).map(|(_, failure)| failure.clone())
    }
}

/// What is known of the response, for its headers and the ledger.
#[derive(Default)]
struct ResponseSummary {
    /// The index of the target that was called last.
    target_ix: Option<usize>,
    why: Option<Why>,
    /// True if the source's block was rehearsed on this request.
    is_rehearsed: bool,
    /// True if the block was rehearsed on this conversation before, and the rehearsal is over.
    is_after_rehearsal: bool,
    losses: Vec<Loss>,
    usage: ReportedUsage,
    cost: Option<Money>,
    has_content: bool,
    /// When the current target was called.
    begun: Moment,
    /// The time from sending to the first content.
    first_content: Duration,
}

impl ResponseSummary {
    /// The reason for the target, as the ledger stores it.
    fn reason(&self) -> Option<&'static str> {
        match self {
            Self { is_rehearsed: true, .. } => Some("rehearsal"),
            Self { is_after_rehearsal: true, .. } => Some("after_rehearsal"),
            Self { why, .. } => why.map(Why::as_str),
        }
    }

    /// The reason for the target, as clients read it. The ledger keeps its older word for a move.
    fn shown_reason(&self) -> Option<&'static str> {
        match self {
            Self { is_rehearsed: false, is_after_rehearsal: false, why: Some(Why::RouteMove), .. } => Some("move"),
            _ => self.reason(),
        }
    }
}

impl Drive {
    /// Chooses targets and begins the exchange.
    pub(crate) fn begin(
        state: Arc<State>,
        route: Arc<LiveRoute>,
        key: &Key,
        request: InferenceRequest,
        conversation: Option<&str>,
        accepted: Accepted,
    ) -> Box<Self> {
        let Accepted { entry, reservation, check, moment: now, heartbeat } = accepted;
        let conversation = sticky_key(&route, key, &request, conversation);
        let (routing, choice) = Routing::choose(&state, &route, conversation, &request, &check, (now, &entry));
        let (exchange, actions) = Exchange::new(plan(&route, &request, &choice.order), now);
        let summary = ResponseSummary {
            why: choice.order.first().map(|&first| choice.why[first]),
            is_after_rehearsal: routing.decision.is_some_and(|decision| decision.rehearsal == RehearsalPhase::Over),
            ..ResponseSummary::default()
        };
        let recording = Recording::begin(&route, &state, &request, &check);
        let border_cutoff = BorderCutoff::new(if request.head.stream { check.stream_ends_in() } else { None });
        let heartbeat = heartbeat.filter(|_| request.head.stream);
        let mut drive = Box::new(Self {
            state,
            route,
            account: key.account.clone(),
            request: Arc::new(request),
            exchange,
            attempt: None,
            deadline_timer: DeadlineTimer::new(heartbeat),
            border_cutoff,
            now,
            routing,
            frames: Vec::new(),
            output: OutputBuffer::default(),
            head: HeadState::Waiting,
            last_output: now,
            entry,
            reservation: Some(reservation),
            failures: Failures::default(),
            summary,
            recording,
        });
        drive.perform(actions);
        drive
    }

    /// Runs until there are bytes for the client or the exchange has ended.
    fn pump(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.exchange.is_over() {
                if let Some(attempt) = self.attempt.take() {
                    attempt.finish(cx, &self.state.after);
                }
                return Poll::Ready(());
            }
            if !self.output.is_empty() || self.head == HeadState::Due {
                return Poll::Ready(());
            }
            if let Some(attempt) = &mut self.attempt
                && let Poll::Ready(progress) = attempt.poll(cx, &mut self.frames)
            {
                let send = attempt.send;
                if let Some(hold) = attempt.take_hold() {
                    self.output.hold = Some(hold);
                }
                self.now = moment();
                self.take_in(send, progress);
            } else if self.border_cutoff.poll(cx).is_ready() {
                self.now = moment();
                self.end_by_border();
            } else if let Poll::Ready(due) = self.deadline_timer.poll(cx) {
                self.elapsed(due);
            } else {
                return Poll::Pending;
            }
        }
    }

    fn elapsed(&mut self, due: Due) {
        match due {
            Due::Deadline(now) => {
                self.now = now;
                let actions = self.exchange.on(Event::Elapsed, now);
                self.perform(actions);
            }
            Due::Heartbeat(_) if self.head == HeadState::Waiting => self.head = HeadState::Due,
            Due::Heartbeat(now) => {
                if self.deadline_timer.is_silent_since(self.last_output, now) {
                    self.last_output = now;
                    self.output.push(HEARTBEAT);
                }
            }
        }
    }

    fn take_in(&mut self, send: u32, progress: Progress) {
        match progress {
            Progress::Frames => self.take_frames(send),
            Progress::Whole(FullResponse { body, usage }) => {
                self.summary.usage = usage;
                self.frame(send, FrameClass::Done, body);
            }
            Progress::Failed(error) => self.failed(send, &error),
            Progress::Unfit(failure) => {
                // Nothing was sent, so the target's health is unknown. A probe that the attempt took is given back.
                self.observe(Observation::Abandoned);
                self.failures.push(send, failure);
                let actions = self.exchange.on(Event::Unfit { send }, self.now);
                self.perform(actions);
            }
            Progress::Stopped(failure) => self.stop(send, failure),
            // The decoder ends every stream with `Done` or an error. Without either the response is incomplete.
            Progress::Over => self.failed(send, &server_error("the stream ended without an end")),
        }
    }

    fn take_frames(&mut self, send: u32) {
        let mut frames = std::mem::take(&mut self.frames);
        for Frame { kind, bytes } in frames.drain(..) {
            let class = match kind {
                FrameKind::Lifecycle => FrameClass::Lifecycle,
                FrameKind::Content => FrameClass::Content,
                FrameKind::Finish => FrameClass::Finish,
                FrameKind::Usage => FrameClass::Usage,
                FrameKind::Done => {
                    self.summary.usage = self.attempt.as_ref().map(Attempt::usage).unwrap_or_default();
                    FrameClass::Done
                }
                FrameKind::Error(error) => {
                    self.failed(send, &error);
                    break;
                }
            };
            self.frame(send, class, bytes);
        }
        self.frames = frames;
    }

    fn frame(&mut self, send: u32, class: FrameClass, bytes: Bytes) {
        let actions = self.exchange.on(Event::Frame { send, class, bytes: bytes.len(), frame: bytes }, self.now);
        if !self.summary.has_content && self.exchange.first_content().is_some() {
            self.content_began();
        }
        self.perform(actions);
    }

    /// Handles the first content: from here on this target answers.
    fn content_began(&mut self) {
        self.summary.has_content = true;
        let Some(attempt) = &mut self.attempt else { return };
        let target_ix = attempt.target_ix;
        self.summary.first_content = self.now.since(attempt.begun);
        self.summary.losses = std::mem::take(&mut attempt.losses);
        if self.head == HeadState::Sent {
            self.output.push(self.late_description());
        }
        // A rehearsal leaves no trace: its conversations return to their target.
        let is_elsewhere = self.routing.was_pinned || self.routing.default_target != Some(target_ix);
        if let Some(key) = self.routing.conversation.filter(|_| is_elsewhere && !self.summary.is_rehearsed) {
            self.state.affinity.pin(key, &self.route.targets[target_ix].target, self.now);
        }
    }

    fn failed(&mut self, send: u32, error: &VendorError) {
        let Some(target_ix) = self.attempt.as_ref().map(|attempt| attempt.target_ix) else { return };
        let vendor = &self.route.targets[target_ix].vendor;
        let failure = Failure::vendor(error, vendor.secret.as_ref());
        tracing::info!(
            request = %self.request.id,
            target = %self.route.targets[target_ix].target,
            class = %error.class,
            status = error.status,
            message = failure.vendor_said(),
            "a target failed"
        );
        self.failures.push(send, failure);
        let seen = if self.summary.has_content {
            Observation::Broken
        } else {
            Observation::Failed { class: error.class, retry_after: error.retry_after }
        };
        self.observe(seen);
        let event = Event::Failed { send, class: error.class, retry_after: error.retry_after };
        let actions = self.exchange.on(event, self.now);
        self.perform(actions);
    }

    /// Reports the outcome of the attempt to the target's circuit breaker, once.
    fn observe(&mut self, seen: Observation) {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| !attempt.observed) else { return };
        attempt.observed = true;
        let class = match seen {
            Observation::Failed { class, .. } => Some(class),
            Observation::Broken => Some(ErrorClass::Server),
            Observation::Answered { .. } | Observation::Abandoned => None,
        };
        if let Some(class) = class {
            self.entry.row.failures.push((self.route.targets[attempt.target_ix].target.clone(), class));
        }
        lock(&self.route.targets[attempt.target_ix].breaker).observe(seen, &self.state.health, self.now);
    }

    fn perform(&mut self, actions: Actions<Bytes>) {
        for action in actions {
            match action {
                Action::Emit(bytes) => {
                    if let Some(recording) = &mut self.recording {
                        recording.buffer.push(&bytes);
                    }
                    self.last_output = self.now;
                    self.output.push(bytes);
                }
                Action::Wait { until } => self.deadline_timer.set(until, self.now),
                Action::Send { send, target, .. } => self.send(send, target),
                Action::Cancel { .. } => self.cancel(),
                Action::BlockVendor { target } => self.block_vendor(target),
                Action::Refuse(refusal) => {
                    let failure = self.refusal(&refusal);
                    if self.head == HeadState::Sent {
                        self.output.push(failure.event());
                    }
                    self.failures.final_failure = Some(failure);
                }
                Action::Break { send, class } => {
                    let failure = self.failures.of_send(send);
                    let failure = failure.unwrap_or_else(|| Failure::broken(class));
                    self.output.push(failure.event());
                    self.failures.final_failure = Some(failure);
                }
                Action::End(outcome) => self.end(outcome),
            }
        }
    }

    fn send(&mut self, send: u32, target_ix: usize) {
        let now = self.now;
        self.summary.target_ix = Some(target_ix);
        self.summary.usage = ReportedUsage::Missing;
        let call = self.call(target_ix);
        if let Some(error) = self.blocked(&call) {
            self.attempt = Some(Attempt::withheld(call, send, target_ix, now, error));
            return;
        }
        let target = &self.route.targets[target_ix];
        lock(&target.breaker).begin(&self.state.health, now);
        self.summary.begun = now;
        self.attempt = Some(Attempt::begin(call, send, target_ix, now));
    }

    /// Returns why the target is not called: its vendor was blocked or its end date passed since the
    /// targets were chosen, or its block is rehearsed. `None` if it may be called.
    fn blocked(&mut self, call: &VendorCall) -> Option<AttemptError> {
        if let Err(failure) = call.may_ask() {
            return Some(failure.into());
        }
        let is_source = self.route.route_move.as_deref()?.role(call.target_ix) == TargetRole::Source;
        if !is_source || self.routing.decision.is_none_or(|decision| decision.rehearsal != RehearsalPhase::Now) {
            return None;
        }
        self.summary.is_rehearsed = true;
        Some(rehearsed_block().into())
    }

    /// Cancels the in-flight attempt. If no outcome was recorded, it timed out.
    fn cancel(&mut self) {
        let late = Observation::Failed { class: ErrorClass::Server, retry_after: None };
        self.observe(if self.summary.has_content { Observation::Broken } else { late });
        if let Some(attempt) = self.attempt.take() {
            self.summary.usage = self.summary.usage.or(attempt.usage());
        }
    }

    /// Ends a stream that the border does not allow any longer.
    fn end_by_border(&mut self) {
        if let Some(send) = self.attempt.as_ref().map(|attempt| attempt.send) {
            self.stop(send, Failure::not_served_here());
        }
    }

    /// Ends the exchange for a reason that is no target's failure: no target's health changes, and
    /// no other target is asked.
    fn stop(&mut self, send: u32, failure: Failure) {
        self.observe(Observation::Abandoned);
        self.failures.push(send, failure);
        let actions =
            self.exchange.on(Event::Failed { send, class: ErrorClass::BadRequest, retry_after: None }, self.now);
        self.perform(actions);
    }

    fn call(&self, target_ix: usize) -> VendorCall {
        VendorCall {
            state: self.state.clone(),
            request: self.request.clone(),
            account: self.account.clone(),
            route: self.route.clone(),
            target_ix,
        }
    }

    fn block_vendor(&mut self, target_ix: usize) {
        if self.summary.is_rehearsed
            && self
                .route
                .route_move
                .as_deref()
                .is_some_and(|route_move| route_move.role(target_ix) == TargetRole::Source)
        {
            return;
        }
        let said =
            self.failures.by_send.last().map(|(_, failure)| failure.vendor_said().to_owned()).unwrap_or_default();
        let target = &self.route.targets[target_ix].target;
        self.state.block_vendor(&self.route.targets[target_ix].vendor, target, self.request.id, &said);
    }

    fn refusal(&self, refusal: &ExchangeError) -> Failure {
        let of_vendor = self.failures.of_send(refusal.send);
        match refusal.cause {
            Cause::Vendor | Cause::Unfit => of_vendor.unwrap_or_else(|| Failure::broken(refusal.class)),
            Cause::TimedOut => Failure::too_late(),
            Cause::HeldTooMuch => Failure::broken(ErrorClass::Server),
            Cause::NoTarget if self.routing.unserved.is_some() => Failure::not_served_here(),
            Cause::NoTarget if self.routing.is_blocked => Failure::broken(ErrorClass::Region),
            Cause::NoTarget if self.routing.decision.is_some_and(|decision| decision.is_source_excluded) => {
                Failure::source_left()
            }
            Cause::NoTarget => Failure::broken(ErrorClass::Overload),
        }
    }

    /// Ends the request: settles usage and cost, and closes its entry.
    fn end(&mut self, outcome: Outcome) {
        self.observe(Observation::Answered { first_content: self.summary.first_content });
        let target = self.summary.target_ix.map(|target_ix| &self.route.targets[target_ix]);
        let usage = self.summary.usage.known();
        self.summary.cost = usage.and_then(|usage| Some(target?.price.as_ref()?.cost(&usage)));
        if let (ReportedUsage::Implausible, Some(target)) = (self.summary.usage, target) {
            self.summary.losses.push(self.state.implausible.note(&target.target, self.request.id));
        }
        if let Some(cost) = self
            .summary
            .cost
            .filter(|_| self.request.tell_cost && self.request.head.stream && outcome == Outcome::Answered)
        {
            self.output.push(Bytes::from(format!(": x-banjia-cost: {cost}\n\n")));
        }
        if let (Some(usage), Some(reservation)) = (&usage, &mut self.reservation) {
            reservation.settle(usage);
        }
        self.reservation = None;
        let first_content = self.exchange.first_content().map(|at| self.entry.age(at));
        let row = &mut self.entry.row;
        row.target = target.map(|target| target.target.clone());
        row.attempts = self.exchange.sends();
        row.usage = usage;
        row.cost = self.summary.cost;
        row.losses.clone_from(&self.summary.losses);
        row.first_content_ms = first_content.map(|age| u32::try_from(age.as_millis()).unwrap_or(u32::MAX));
        row.class = self.failures.final_failure.as_ref().and_then(|failure| failure.class);
        row.status = match (outcome, &self.failures.final_failure) {
            (Outcome::Refused, Some(failure)) if self.head != HeadState::Sent => failure.status.as_u16(),
            (Outcome::Abandoned, _) if !self.summary.has_content && self.head != HeadState::Sent => 0,
            _ => 200,
        };
        row.reason = self.summary.reason().map(Cow::Borrowed);
        if self.recording.is_some() {
            self.record(outcome);
        }
        self.entry.close(outcome);
    }
}

impl ByteStream for Drive {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.pump(cx).map(|()| self.output.take_counted(&self.state.held))
    }

    fn is_over(&self) -> bool {
        self.exchange.is_over() && self.output.is_empty()
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        // If the gateway stops or has a bug, the client did not leave: the drop of the entry records that.
        if self.exchange.is_over() || std::thread::panicking() || self.state.drain.is_stopped() {
            return;
        }
        self.now = moment();
        let answered = Observation::Answered { first_content: self.summary.first_content };
        self.observe(if self.summary.has_content { answered } else { Observation::Abandoned });
        let actions = self.exchange.on(Event::ClientGone, self.now);
        self.perform(actions);
    }
}

/// The response of the source after its last day. Nothing is sent for it.
fn rehearsed_block() -> VendorError {
    VendorError {
        class: ErrorClass::Region,
        status: 403,
        code: Some("unsupported_country_region_territory".to_owned()),
        message: "Country, region, or territory not supported".to_owned(),
        param: None,
        retry_after: None,
    }
}

fn sticky_key(
    route: &LiveRoute,
    key: &Key,
    request: &InferenceRequest,
    conversation: Option<&str>,
) -> Option<StickyKey> {
    if !route.route.sticky || route.targets.len() < 2 {
        return None;
    }
    let head = &request.head;
    let is_named = conversation.is_some() || head.prompt_cache_key.is_some() || head.user.is_some();
    let hints = Hints {
        header: conversation,
        prompt_cache_key: head.prompt_cache_key.as_deref(),
        previous_response_id: None,
        user: head.user.as_deref(),
        opening: (!is_named).then(|| head.opening(&request.body)),
    };
    StickyKey::of(key.account.as_str(), route.route.name.as_str(), &hints)
}

fn plan(route: &LiveRoute, request: &InferenceRequest, order: &[usize]) -> Plan {
    let config = &route.route;
    // A response that is checked before it is sent, or is not streamed, has its first content when it is whole.
    let whole = !request.head.stream || request.head.has("response_format") || request.head.has("tool_choice");
    let planned = |&target: &usize| PlannedTarget {
        target,
        vendor: route.targets[target].block_ix,
        attempts_max: config.attempts_per_target_max,
    };
    Plan {
        targets: order.iter().map(planned).collect(),
        retry: RetryRules::default(),
        jitter: rand::random(),
        first_content_within: if whole { config.answer } else { config.first_content },
        idle_within: config.idle,
        deadline_within: config.deadline,
        held_frames_max: Plan::HELD_FRAMES_MAX,
        held_bytes_max: Plan::HELD_BYTES_MAX,
    }
}
