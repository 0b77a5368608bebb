//! Runs one exchange: performs what it asks, tells it what happened, and is itself the body of a streamed answer.
//!
//! Rules: the exchange decides and the drive does; the clock and the alarm live here; there is one alarm; nothing is spawned
//! for a request that goes well. Dropping a drive that is not over means that the client left: the vendor's answer is
//! cancelled and the entry closed as abandoned.

mod border_cutoff;
mod deadline_timer;
mod named;
mod output_buffer;
mod recording;
mod respond;

use crate::admit::Accepted;
use crate::attempt::{Attempt, AttemptError, FullResponse, Progress, VendorCall};
use crate::body::ByteStream;
use crate::border::BorderCheck;
use crate::clock::moment;
use crate::error::Failure;
use crate::held::Hold;
use crate::ledger::Entry;
use crate::live::LiveRoute;
use crate::lock::lock;
use crate::request::InferenceRequest;
use crate::route_move::TargetRole;
use crate::snapshot::Key;
use crate::state::State;
use banjia_traffic::{
    Action, Actions, Candidate, Cause, ChooseInput, Event, Exchange, ExchangeError, FrameClass, Hints, Observation,
    Plan, PlannedTarget, Priority, RehearsalPhase, RetryRules, RoutingDecision, StickyKey, Why, choose,
};
use banjia_types::{AccountId, ErrorClass, Loss, Moment, Money, Outcome};
use banjia_wire::{Frame, FrameKind, ReportedUsage, VendorError};
use border_cutoff::BorderCutoff;
use bytes::Bytes;
use deadline_timer::DeadlineTimer;
use output_buffer::OutputBuffer;
use recording::Recording;
use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Pieces of a stream from this size on are counted until they are written.
const LARGE_PIECE_BYTES: usize = 64 * 1024;

/// See the module's text.
pub(crate) struct Drive {
    state: Arc<State>,
    live: Arc<LiveRoute>,
    account: AccountId,
    ask: Arc<InferenceRequest>,
    exchange: Exchange<Bytes>,
    attempt: Option<Attempt>,
    deadline_timer: DeadlineTimer,
    /// The moment of what is being handled: read once for each thing that happens.
    now: Moment,
    /// Whether a target is not asked because of a border.
    is_barred: bool,
    /// What the route's move asks of this request; none where it does not move.
    way: Option<RoutingDecision>,
    /// What the first vendor's list says of a caller that no vendor serves.
    unserved: Option<String>,
    /// When the border ends the stream, by a policy that says so.
    border_cutoff: BorderCutoff,
    /// Frames between an attempt and the exchange; kept for its capacity.
    frames: Vec<Frame>,
    /// The memory of a stream that was gathered before it leaves.
    hold: Option<Hold>,
    out: OutputBuffer,
    entry: Entry,
    reservation: Option<crate::admit::Reservation>,
    conversation: Option<StickyKey>,
    /// Where the conversation would sit if nothing were remembered.
    home: Option<usize>,
    /// Whether it was remembered to sit somewhere.
    placed: bool,
    /// What each failed request came to, for the client.
    failures: Vec<(u32, Failure)>,
    /// The error that is answered, once it is known.
    failure: Option<Failure>,
    /// Whether the target's answers go through untouched, with the vendor's own ids.
    names_itself: bool,
    told: ResponseSummary,
    /// What is recorded of it; none for those that are not.
    kept: Option<Box<Recording>>,
}

/// What is known of the answer, for its headers and the ledger.
#[derive(Default)]
struct ResponseSummary {
    goal: Option<usize>,
    why: Option<Why>,
    /// Whether a vendor's block was only rehearsed.
    is_rehearsed: bool,
    /// Whether it was rehearsed on this conversation before, and the drill is over.
    is_after_rehearsal: bool,
    losses: Vec<Loss>,
    usage: ReportedUsage,
    cost: Option<Money>,
    content: bool,
    /// When the present target was asked.
    begun: Moment,
    /// From sending to the first content.
    first_content: Duration,
}

impl ResponseSummary {
    /// Why it went the way that it went, in one word.
    fn reason(&self) -> Option<&'static str> {
        match self {
            Self { is_rehearsed: true, .. } => Some("rehearsal"),
            Self { is_after_rehearsal: true, .. } => Some("after_rehearsal"),
            Self { why, .. } => why.map(Why::as_str),
        }
    }
}

impl Drive {
    /// Chooses targets and begins.
    pub(crate) fn begin(
        state: Arc<State>,
        live: Arc<LiveRoute>,
        key: &Key,
        ask: InferenceRequest,
        conversation: Option<&str>,
        accepted: Accepted,
    ) -> Box<Self> {
        let Accepted { entry, reservation, crossing, at: now } = accepted;
        let conversation = sticky_key(&live, key, &ask, conversation);
        let place = conversation.and_then(|key| state.place(key, now));
        let sticky =
            place.as_ref().and_then(|place| live.route.targets.iter().position(|target| target.target == *place));
        let moving = live.route_move.as_deref();
        let way = moving.map(|route_move| route_move.way(conversation.map(|key| key.0), ask.id, entry.row.accepted_at));
        let part = |goal| moving.map_or(TargetRole::None, |route_move| route_move.part(goal));
        let may_stay = |goal: &usize| part(*goal) != TargetRole::Source || way.is_none_or(|way| way.may_stay_at_source);
        let candidates: Vec<_> = live
            .goals
            .iter()
            .enumerate()
            .map(|(number, goal)| Candidate {
                is_excluded: part(number) == TargetRole::Source && way.is_some_and(|way| way.is_source_excluded),
                priority: way.map_or(Priority::Route, |way| part(number).turn(&way)),
                // A vendor that does not serve this caller is not asked on any leg, as if it had refused already.
                is_cut: goal.border.is_cut()
                    || goal.vendor.serves.as_ref().is_some_and(|list| !crossing.is_served_by(list)),
                breaker: lock(&goal.breaker).state(&state.health, now),
            })
            .collect();
        let choice = choose(&ChooseInput { candidates: &candidates, sticky: sticky.filter(may_stay) });
        let is_barred = candidates.iter().any(|candidate| candidate.is_cut);
        let is_unserved = candidates.iter().all(|candidate| candidate.is_cut);
        let unserved = if is_unserved { first_refusal(&live, &crossing) } else { None };
        let may_ask = |place: &usize| !candidates[*place].is_cut && !candidates[*place].is_excluded;
        let home = (0..candidates.len()).filter(may_ask).min_by_key(|&place| candidates[place].priority);
        let plan = plan(&live, &ask, &choice.order);
        let (exchange, actions) = Exchange::new(plan, now);
        let why = choice.order.first().map(|&first| choice.why[first]);
        let kept = Recording::begin(&live, &state, &ask, &crossing);
        let border_cutoff = BorderCutoff::new(if ask.head.stream { crossing.stream_ends_in() } else { None });
        let mut drive = Box::new(Self {
            state,
            live,
            account: key.account.clone(),
            ask: Arc::new(ask),
            exchange,
            attempt: None,
            deadline_timer: DeadlineTimer::default(),
            now,
            is_barred,
            way,
            unserved,
            border_cutoff,
            frames: Vec::new(),
            hold: None,
            out: OutputBuffer::default(),
            entry,
            reservation: Some(reservation),
            conversation,
            home,
            placed: place.is_some(),
            failures: Vec::new(),
            failure: None,
            names_itself: false,
            told: ResponseSummary {
                why,
                is_after_rehearsal: way.is_some_and(|way| way.rehearsal == RehearsalPhase::Over),
                ..ResponseSummary::default()
            },
            kept,
        });
        drive.perform(actions);
        drive
    }

    /// Large pieces are counted until they are written: a gathered stream leaves at once, and a
    /// client may read slowly.
    fn until_written(&mut self, bytes: Bytes) -> Bytes {
        if bytes.len() < LARGE_PIECE_BYTES {
            return bytes;
        }
        match self.hold.take() {
            Some(hold) => hold.cover(bytes),
            None => self.state.held.count(bytes),
        }
    }

    /// Goes on until there is something for the client or the exchange is over.
    fn pump(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.exchange.is_over() {
                if let Some(attempt) = self.attempt.take() {
                    attempt.finish(cx, &self.state.after);
                }
                return Poll::Ready(());
            }
            if !self.out.is_empty() {
                return Poll::Ready(());
            }
            if let Some(attempt) = &mut self.attempt
                && let Poll::Ready(progress) = attempt.poll(cx, &mut self.frames)
            {
                let send = attempt.send;
                if let Some(hold) = attempt.take_hold() {
                    self.hold = Some(hold);
                }
                self.now = moment();
                self.take_in(send, progress);
            } else if self.border_cutoff.poll(cx).is_ready() {
                self.now = moment();
                self.end_by_border();
            } else if let Poll::Ready(now) = self.deadline_timer.poll(cx) {
                self.now = now;
                let actions = self.exchange.on(Event::Elapsed, self.now);
                self.perform(actions);
            } else {
                return Poll::Pending;
            }
        }
    }

    fn take_in(&mut self, send: u32, progress: Progress) {
        match progress {
            Progress::Frames => self.take_frames(send),
            Progress::Whole(FullResponse { body, usage }) => {
                self.told.usage = usage;
                self.frame(send, FrameClass::Done, body);
            }
            Progress::Failed(error) => self.failed(send, &error),
            Progress::Unfit(failure) => {
                // Nothing was sent, so nothing is known of the target; a probe that it took is given back.
                self.observe(Observation::Abandoned);
                self.failures.push((send, failure));
                let actions = self.exchange.on(Event::Unfit { send }, self.now);
                self.perform(actions);
            }
            Progress::Stopped(failure) => self.stop(send, failure),
            // The decoder ends every stream with `Done` or an error; should it ever not, the answer is not whole.
            Progress::Over => self.failed(send, &crate::attempt::server_error("the stream ended without an end")),
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
                    self.told.usage = self.attempt.as_ref().map(Attempt::usage).unwrap_or_default();
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
        let bytes =
            if self.names_itself { bytes } else { named::named(bytes, self.ask.id, self.entry.row.accepted_at) };
        let actions = self.exchange.on(Event::Frame { send, class, bytes: bytes.len(), frame: bytes }, self.now);
        if !self.told.content && self.exchange.first_content().is_some() {
            self.content_began();
        }
        self.perform(actions);
    }

    /// The first content came: from here on this target answers.
    fn content_began(&mut self) {
        self.told.content = true;
        let Some(attempt) = &mut self.attempt else { return };
        let goal = attempt.goal;
        self.told.first_content = self.now.since(attempt.begun);
        self.told.losses = std::mem::take(&mut attempt.losses);
        // A drill leaves no trace: its conversations go back to where they were.
        let is_away = self.placed || self.home != Some(goal);
        if let Some(key) = self.conversation.filter(|_| is_away && !self.told.is_rehearsed) {
            self.state.remember(key, &self.live.route.targets[goal].target, self.now);
        }
    }

    fn failed(&mut self, send: u32, error: &VendorError) {
        let Some(goal) = self.attempt.as_ref().map(|attempt| attempt.goal) else { return };
        let vendor = &self.live.goals[goal].vendor;
        let failure = Failure::vendor(error, vendor.secret.as_ref());
        tracing::info!(
            request = %self.ask.id,
            target = %self.live.route.targets[goal].target,
            class = %error.class,
            status = error.status,
            message = failure.vendor_said(),
            "a target failed"
        );
        self.failures.push((send, failure));
        let seen = if self.told.content {
            Observation::Broken
        } else {
            Observation::Failed { class: error.class, retry_after: error.retry_after }
        };
        self.observe(seen);
        let event = Event::Failed { send, class: error.class, retry_after: error.retry_after };
        let actions = self.exchange.on(event, self.now);
        self.perform(actions);
    }

    /// Tells the present target's health how its request went, once.
    fn observe(&mut self, seen: Observation) {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| !attempt.observed) else { return };
        attempt.observed = true;
        let class = match seen {
            Observation::Failed { class, .. } => Some(class),
            Observation::Broken => Some(ErrorClass::Server),
            Observation::Answered { .. } | Observation::Abandoned => None,
        };
        if let Some(class) = class {
            self.entry.row.failures.push((self.live.route.targets[attempt.goal].target.clone(), class));
        }
        lock(&self.live.goals[attempt.goal].breaker).observe(seen, &self.state.health, self.now);
    }

    fn perform(&mut self, actions: Actions<Bytes>) {
        for action in actions {
            match action {
                Action::Emit(bytes) => {
                    if let Some(kept) = &mut self.kept {
                        kept.tee.push(&bytes);
                    }
                    self.out.push(bytes);
                }
                Action::Wait { until } => self.deadline_timer.set(until),
                Action::Send { send, target, .. } => self.send(send, target),
                Action::Cancel { .. } => self.cancel(),
                Action::BlockVendor { target } => self.reflex(target),
                Action::Refuse(refusal) => self.failure = Some(self.refusal(&refusal)),
                Action::Break { send, class } => {
                    let failure = self.failures.iter().rfind(|(of, _)| *of == send).map(|(_, failure)| failure.clone());
                    let failure = failure.unwrap_or_else(|| Failure::broken(class));
                    self.out.push(failure.event());
                    self.failure = Some(failure);
                }
                Action::End(outcome) => self.end(outcome),
            }
        }
    }

    fn send(&mut self, send: u32, goal: usize) {
        let now = self.now;
        self.told.goal = Some(goal);
        self.told.usage = ReportedUsage::Missing;
        let caller = self.caller(goal);
        if let Some(trouble) = self.withheld(&caller) {
            self.attempt = Some(Attempt::withheld(caller, send, goal, now, trouble));
            return;
        }
        let target = &self.live.goals[goal];
        lock(&target.breaker).begin(&self.state.health, now);
        self.told.begun = now;
        self.names_itself = target.vendor.profile.is_pass_through();
        self.attempt = Some(Attempt::begin(caller, send, goal, now));
    }

    /// Why nobody is asked: the vendor was cut or the source left since the targets were chosen, or its block is rehearsed.
    /// None when the target is to be asked.
    fn withheld(&mut self, caller: &VendorCall) -> Option<AttemptError> {
        if let Err(failure) = caller.may_ask() {
            return Some(failure.into());
        }
        let is_source = self.live.route_move.as_deref()?.part(caller.goal) == TargetRole::Source;
        if !is_source || self.way.is_none_or(|way| way.rehearsal != RehearsalPhase::Now) {
            return None;
        }
        self.told.is_rehearsed = true;
        Some(rehearsed_block().into())
    }

    /// Leaves the request under way. One whose end nobody told was too slow.
    fn cancel(&mut self) {
        let late = Observation::Failed { class: ErrorClass::Server, retry_after: None };
        self.observe(if self.told.content { Observation::Broken } else { late });
        if let Some(attempt) = self.attempt.take() {
            self.told.usage = self.told.usage.or(attempt.usage());
        }
    }

    /// The moment came after which a stream may not go on.
    fn end_by_border(&mut self) {
        if let Some(send) = self.attempt.as_ref().map(|attempt| attempt.send) {
            self.stop(send, Failure::not_served_here());
        }
    }

    /// Ends the exchange for a reason that is no target's failure: no target's health changes, and
    /// no other target is asked.
    fn stop(&mut self, send: u32, failure: Failure) {
        self.observe(Observation::Abandoned);
        self.failures.push((send, failure));
        let actions =
            self.exchange.on(Event::Failed { send, class: ErrorClass::BadRequest, retry_after: None }, self.now);
        self.perform(actions);
    }

    fn caller(&self, goal: usize) -> VendorCall {
        VendorCall {
            state: self.state.clone(),
            ask: self.ask.clone(),
            account: self.account.clone(),
            live: self.live.clone(),
            goal,
        }
    }

    fn reflex(&mut self, goal: usize) {
        if self.told.is_rehearsed
            && self.live.route_move.as_deref().is_some_and(|it| it.part(goal) == TargetRole::Source)
        {
            return;
        }
        let said = self.failures.last().map(|(_, failure)| failure.vendor_said().to_owned()).unwrap_or_default();
        let target = &self.live.route.targets[goal].target;
        self.state.reflex(&self.live.goals[goal].vendor, target, self.ask.id, &said);
    }

    fn refusal(&self, refusal: &ExchangeError) -> Failure {
        let told = self.failures.iter().rfind(|(send, _)| *send == refusal.send).map(|(_, failure)| failure.clone());
        match refusal.cause {
            Cause::Vendor | Cause::Unfit => told.unwrap_or_else(|| Failure::broken(refusal.class)),
            Cause::TimedOut => Failure::too_late(),
            Cause::HeldTooMuch => Failure::broken(ErrorClass::Server),
            Cause::NoTarget if self.unserved.is_some() => Failure::not_served_here(),
            Cause::NoTarget if self.is_barred => Failure::broken(ErrorClass::Region),
            Cause::NoTarget if self.way.is_some_and(|way| way.is_source_excluded) => Failure::source_left(),
            Cause::NoTarget => Failure::broken(ErrorClass::Overload),
        }
    }

    /// The one end: the books are closed.
    fn end(&mut self, outcome: Outcome) {
        self.observe(Observation::Answered { first_content: self.told.first_content });
        let target = self.told.goal.map(|goal| &self.live.route.targets[goal]);
        let usage = self.told.usage.known();
        self.told.cost = usage.and_then(|usage| Some(target?.price.as_ref()?.cost(&usage)));
        if let (ReportedUsage::Implausible, Some(target)) = (self.told.usage, target) {
            self.told.losses.push(self.state.implausible.note(&target.target, self.ask.id));
        }
        if let Some(cost) =
            self.told.cost.filter(|_| self.ask.tell_cost && self.ask.head.stream && outcome == Outcome::Answered)
        {
            self.out.push(Bytes::from(format!(": x-banjia-cost: {cost}\n\n")));
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
        row.cost = self.told.cost;
        row.losses.clone_from(&self.told.losses);
        row.first_content_ms = first_content.map(|age| u32::try_from(age.as_millis()).unwrap_or(u32::MAX));
        row.class = self.failure.as_ref().and_then(|failure| failure.class);
        row.status = match (outcome, &self.failure) {
            (Outcome::Refused, Some(failure)) => failure.status.as_u16(),
            (Outcome::Abandoned, _) if !self.told.content => 0,
            _ => 200,
        };
        row.reason = self.told.reason().map(Cow::Borrowed);
        if self.kept.is_some() {
            self.keep(outcome);
        }
        self.entry.close(outcome);
    }
}

impl ByteStream for Drive {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.pump(cx).map(|()| self.out.take().map(|bytes| self.until_written(bytes)))
    }

    fn is_over(&self) -> bool {
        self.exchange.is_over() && self.out.is_empty()
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        // When we stop, or broke, it is not the client who left: then the entry's own end says so.
        if self.exchange.is_over() || std::thread::panicking() || self.state.drain.is_stopped() {
            return;
        }
        self.now = moment();
        let answered = Observation::Answered { first_content: self.told.first_content };
        self.observe(if self.told.content { answered } else { Observation::Abandoned });
        let actions = self.exchange.on(Event::ClientGone, self.now);
        self.perform(actions);
    }
}

/// What the first vendor's list says that does not serve this caller.
fn first_refusal(live: &LiveRoute, crossing: &BorderCheck) -> Option<String> {
    live.goals.iter().filter_map(|goal| goal.vendor.serves.as_ref()).find_map(|list| crossing.refusal_by(list))
}

/// What the source will answer on its last day. Nothing leaves the gateway for it.
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

fn sticky_key(live: &LiveRoute, key: &Key, ask: &InferenceRequest, conversation: Option<&str>) -> Option<StickyKey> {
    if !live.route.sticky || live.route.targets.len() < 2 {
        return None;
    }
    let head = &ask.head;
    let said = conversation.is_some() || head.prompt_cache_key.is_some() || head.user.is_some();
    let hints = Hints {
        header: conversation,
        prompt_cache_key: head.prompt_cache_key.as_deref(),
        previous_response_id: None,
        user: head.user.as_deref(),
        opening: (!said).then(|| head.opening(&ask.body)),
    };
    StickyKey::of(key.account.as_str(), live.route.name.as_str(), &hints)
}

fn plan(live: &LiveRoute, ask: &InferenceRequest, order: &[usize]) -> Plan {
    let route = &live.route;
    // What is checked before it leaves, and what is not streamed, has its first content when it is whole.
    let whole = !ask.head.stream || ask.head.has("response_format") || ask.head.has("tool_choice");
    let planned = |&target: &usize| PlannedTarget {
        target,
        vendor: live.goals[target].border_number,
        attempts_max: route.attempts_per_target_max,
    };
    Plan {
        targets: order.iter().map(planned).collect(),
        retry: RetryRules::default(),
        jitter: rand::random(),
        first_content_within: if whole { route.answer } else { route.first_content },
        idle_within: route.idle,
        deadline_within: route.deadline,
        held_frames_max: Plan::HELD_FRAMES_MAX,
        held_bytes_max: Plan::HELD_BYTES_MAX,
    }
}
