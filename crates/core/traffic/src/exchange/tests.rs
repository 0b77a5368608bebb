//! The promises of the module: over every sequence of events up to a length, and one by one.

use super::*;
use std::collections::BTreeSet;

const T0: Moment = Moment(86_400_000);
const FIRST: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(20);
const DEADLINE: Duration = Duration::from_secs(25);
const PAUSE: Duration = Duration::from_millis(100);

/// A frame that knows which request it belongs to and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    send: u32,
    class: FrameClass,
    number: usize,
}

fn plan(targets: &[(usize, usize, u32)]) -> Plan {
    Plan {
        targets: targets
            .iter()
            .map(|&(target, vendor, attempts_max)| PlannedTarget { target, vendor, attempts_max })
            .collect(),
        retry: RetryRules { backoff_first: PAUSE, backoff_max: PAUSE, retry_after_max: Duration::from_secs(1) },
        jitter: 1.0,
        first_content_within: FIRST,
        idle_within: IDLE,
        deadline_within: DEADLINE,
        held_frames_max: 2,
        held_bytes_max: 100,
    }
}

/// What the outside may do in one step.
#[derive(Clone, Copy, Debug)]
enum Step {
    Frame(FrameClass),
    /// A frame of a request that was left, or was never sent.
    Stray(FrameClass),
    Failed(ErrorClass),
    StrayFailed,
    Unfit,
    /// The alarm rings, on time.
    Alarm,
    /// The alarm rings too early.
    Early,
    ClientGone,
}

/// Watches an exchange from outside and fails when a promise is broken.
#[derive(Default)]
struct Witness {
    sends: u32,
    ends: Vec<Outcome>,
    emitted: Vec<Frame>,
    sent_to: Vec<usize>,
    content: bool,
    /// How the client was told that there is no answer, as the end that must follow.
    told: Option<Outcome>,
    gone: bool,
    cut_vendors: BTreeSet<usize>,
    left: BTreeSet<u32>,
    alarm: Option<Moment>,
    now: Moment,
}

impl Witness {
    fn see(&mut self, actions: Actions<Frame>, plan: &Plan) {
        for action in actions {
            assert!(self.ends.is_empty(), "nothing follows the end, but {action:?}");
            match action {
                Action::Send { send, target, attempt } => self.see_send(send, target, attempt, plan),
                Action::Emit(frame) => {
                    assert_eq!(frame.send, self.sends, "a frame of an abandoned request left");
                    assert!(!self.left.contains(&frame.send), "a frame left after its request was cancelled");
                    assert!(self.told.is_none());
                    self.emitted.push(frame);
                }
                Action::Wait { until } => {
                    assert!(until > self.now || plan.deadline_within.is_zero(), "an alarm in the past");
                    self.alarm = Some(until);
                }
                Action::BlockVendor { target } => {
                    let planned = plan.targets.iter().find(|planned| planned.target == target);
                    self.cut_vendors.insert(planned.expect("a reflex names a planned target").vendor);
                }
                Action::Cancel { send } => {
                    assert_eq!(send, self.sends);
                    assert!(self.left.insert(send), "cancelled twice");
                }
                Action::Refuse(refusal) => {
                    assert!(self.emitted.is_empty(), "refused after something had left");
                    assert!(refusal.send <= self.sends);
                    assert_eq!(self.told.replace(Outcome::Refused), None);
                }
                Action::Break { send, .. } => {
                    assert_eq!(send, self.sends);
                    assert!(self.content, "broken although nothing had left");
                    assert_eq!(self.told.replace(Outcome::Failed), None);
                }
                Action::End(outcome) => self.ends.push(outcome),
            }
        }
        self.check_end();
    }

    fn see_send(&mut self, send: u32, target: usize, attempt: u32, plan: &Plan) {
        assert!(self.emitted.is_empty() && !self.content, "another target after content");
        assert_eq!(send, self.sends + 1);
        assert!(send == 1 || self.left.contains(&(send - 1)), "the request before is still under way");
        assert!(send == 1 || self.now < T0 + plan.deadline_within, "sent after the deadline");
        let planned = plan.targets.iter().find(|planned| planned.target == target).expect("a planned target");
        assert!(!self.cut_vendors.contains(&planned.vendor), "asked again after a region block");
        assert!(attempt <= planned.attempts_max.max(1));
        let place = |target: usize| plan.targets.iter().position(|planned| planned.target == target);
        assert!(self.sent_to.last().is_none_or(|&last| place(last) <= place(target)), "went back");
        self.sent_to.push(target);
        self.sends = send;
    }

    fn check_end(&self) {
        assert!(self.ends.len() <= 1, "ended twice");
        let Some(outcome) = self.ends.first() else {
            assert!(!self.gone, "the client is gone and it did not end");
            assert!(self.content || self.emitted.is_empty(), "a frame left before the first content");
            return;
        };
        let expected = match (self.told, self.gone) {
            (None, false) => {
                assert_eq!(self.emitted.last().map(|frame| frame.class), Some(FrameClass::Done));
                Outcome::Answered
            }
            (None, true) => Outcome::Abandoned,
            (Some(told), gone) => {
                assert!(!gone, "ended in two ways");
                told
            }
        };
        assert_eq!(*outcome, expected);
    }
}

/// One exchange with its witness.
struct Run {
    plan: Plan,
    exchange: Exchange<Frame>,
    witness: Witness,
    /// What the present target has sent since it was asked.
    arrived: Vec<Frame>,
    number: usize,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let (exchange, actions) = Exchange::new(plan.clone(), T0);
        let mut run =
            Self { plan, exchange, witness: Witness { now: T0, ..Witness::default() }, arrived: Vec::new(), number: 0 };
        run.witness.see(actions, &run.plan);
        run
    }

    fn step(&mut self, step: Step) {
        let send = self.witness.sends;
        let was_over = self.exchange.is_over();
        let live = !was_over && !self.witness.left.contains(&send);
        let event = match step {
            Step::Frame(class) => {
                let frame = self.frame(send, class);
                if live {
                    self.arrived.push(frame);
                    self.witness.content |= matches!(class, FrameClass::Content | FrameClass::Done);
                }
                Event::Frame { send, class, bytes: 10, frame }
            }
            Step::Stray(class) => {
                let stray = if send > 1 { send - 1 } else { send + 1 };
                Event::Frame { send: stray, class, bytes: 10, frame: self.frame(stray, class) }
            }
            Step::Failed(class) => Event::Failed { send, class, retry_after: None },
            Step::StrayFailed => {
                Event::Failed { send: send.saturating_sub(1), class: ErrorClass::Region, retry_after: None }
            }
            Step::Unfit => Event::Unfit { send },
            Step::Alarm => {
                self.witness.now = self.witness.alarm.unwrap_or(T0).max(self.witness.now);
                Event::Elapsed
            }
            Step::Early => Event::Elapsed,
            Step::ClientGone => {
                self.witness.gone |= !was_over;
                Event::ClientGone
            }
        };
        let actions = self.exchange.on(event, self.witness.now);
        assert!(!was_over || actions.is_empty(), "it spoke after its end");
        self.witness.see(actions, &self.plan);
        if self.witness.sends != send {
            self.arrived.clear();
        }
        self.check_complete();
    }

    /// Once content has left, everything that the target sent has left, in order.
    fn check_complete(&self) {
        if self.witness.content && !self.witness.left.contains(&self.witness.sends) {
            assert_eq!(self.witness.emitted, self.arrived, "a frame was lost, doubled or moved");
        }
    }

    fn frame(&mut self, send: u32, class: FrameClass) -> Frame {
        self.number += 1;
        Frame { send, class, number: self.number }
    }

    fn steps(mut self, steps: &[Step]) -> Self {
        for &step in steps {
            self.step(step);
        }
        self
    }
}

/// Runs every sequence of `alphabet` up to `length` and gives their number. Sequences share their
/// beginnings by running each from the start: an exchange is cheap, and cloning it would test the
/// clone.
fn all_sequences(plan: &Plan, alphabet: &[Step], length: u32) -> u64 {
    let mut count = 0;
    for length in 0..=length {
        let total = (alphabet.len() as u64).pow(length);
        for number in 0..total {
            let mut run = Run::new(plan.clone());
            let mut rest = number;
            for _ in 0..length {
                run.step(alphabet[(rest % alphabet.len() as u64) as usize]);
                rest /= alphabet.len() as u64;
            }
            count += 1;
        }
    }
    count
}

#[test]
fn sequences_of_frames_and_timeouts_keep_promises() {
    let alphabet = [
        Step::Frame(FrameClass::Lifecycle),
        Step::Frame(FrameClass::Content),
        Step::Frame(FrameClass::Done),
        Step::Failed(ErrorClass::Server),
        Step::Stray(FrameClass::Content),
        Step::Alarm,
    ];
    // 6^0 + ... + 6^7
    assert_eq!(all_sequences(&plan(&[(0, 0, 2), (1, 1, 1)]), &alphabet, 7), 335_923);
}

#[test]
fn sequences_of_blocks_and_refusals_keep_promises() {
    let alphabet = [
        Step::Frame(FrameClass::Finish),
        Step::Frame(FrameClass::Usage),
        Step::Frame(FrameClass::Content),
        Step::Frame(FrameClass::Done),
        Step::Failed(ErrorClass::Region),
        Step::Failed(ErrorClass::BadRequest),
        Step::Failed(ErrorClass::Rate),
        Step::StrayFailed,
        Step::Stray(FrameClass::Done),
        Step::Unfit,
        Step::Early,
        Step::ClientGone,
    ];
    for targets in [&[(4, 0, 2), (2, 0, 2), (3, 1, 2)][..], &[(0, 0, 0), (1, 1, 1)], &[]] {
        all_sequences(&plan(targets), &alphabet, 5);
    }
}

const TWO: [(usize, usize, u32); 2] = [(0, 0, 2), (1, 1, 2)];

fn refusal(run: &mut Run, last: Step) -> ExchangeError {
    let send = run.witness.sends;
    let event = match last {
        Step::Failed(class) => Event::Failed { send, class, retry_after: None },
        Step::Unfit => Event::Unfit { send },
        _ => Event::Elapsed,
    };
    let found = run.exchange.on(event, run.witness.now).into_iter().find_map(|action| match action {
        Action::Refuse(refusal) => Some(refusal),
        _ => None,
    });
    found.expect("it refuses")
}

#[test]
fn held_frames_are_emitted_in_order() {
    let mut run = Run::new(plan(&TWO)).steps(&[Step::Frame(FrameClass::Lifecycle), Step::Frame(FrameClass::Lifecycle)]);
    assert_eq!(run.witness.emitted, []);
    run.step(Step::Frame(FrameClass::Content));
    assert_eq!(run.witness.emitted.iter().map(|frame| frame.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(run.exchange.first_content(), Some(T0));
    run.step(Step::Frame(FrameClass::Done));
    assert_eq!(run.witness.ends, [Outcome::Answered]);
}

#[test]
fn an_empty_response_is_answered() {
    let run = Run::new(plan(&TWO)).steps(&[
        Step::Frame(FrameClass::Lifecycle),
        Step::Frame(FrameClass::Finish),
        Step::Frame(FrameClass::Done),
    ]);
    assert_eq!((run.witness.emitted.len(), run.witness.ends), (3, vec![Outcome::Answered]));
}

#[test]
fn a_target_beyond_the_held_bound_fails() {
    let run = Run::new(plan(&TWO)).steps(&[Step::Frame(FrameClass::Lifecycle); 3]);
    assert_eq!(run.witness.sent_to, [0, 1]);
    assert_eq!(run.exchange.target(), Some(1));
    let mut large = Run::new(plan(&TWO));
    let frame = large.frame(1, FrameClass::Lifecycle);
    let event = Event::Frame { send: 1, class: FrameClass::Lifecycle, bytes: 101, frame };
    assert!(large.exchange.on(event, T0).iter().any(|action| matches!(action, Action::Send { target: 1, .. })));
}

#[test]
fn each_target_has_the_whole_held_bound() {
    let mut run = Run::new(plan(&TWO));
    for send in 1..=2 {
        let frame = run.frame(send, FrameClass::Lifecycle);
        let actions = run.exchange.on(Event::Frame { send, class: FrameClass::Lifecycle, bytes: 60, frame }, T0);
        assert!(actions.is_empty(), "request {send} was left");
        run.step(Step::Failed(ErrorClass::Quota));
    }
}

#[test]
fn a_whole_response_is_emitted_and_ends() {
    let mut run = Run::new(plan(&TWO));
    let frame = run.frame(1, FrameClass::Done);
    let actions = run.exchange.on(Event::Frame { send: 1, class: FrameClass::Done, bytes: 1 << 30, frame }, T0);
    assert_eq!(actions.into_iter().collect::<Vec<_>>(), [Action::Emit(frame), Action::End(Outcome::Answered)]);
}

#[test]
fn a_target_is_retried_before_the_next_is_asked() {
    let mut run = Run::new(plan(&TWO)).steps(&[Step::Failed(ErrorClass::Server)]);
    assert_eq!((run.witness.sent_to.as_slice(), run.witness.alarm), (&[0][..], Some(T0 + PAUSE)));
    run = run.steps(&[Step::Alarm, Step::Failed(ErrorClass::Server)]);
    assert_eq!(run.witness.sent_to, [0, 0, 1]);
    run = run.steps(&[Step::Failed(ErrorClass::Overload), Step::Alarm, Step::Failed(ErrorClass::Server)]);
    assert_eq!(run.witness.sent_to, [0, 0, 1, 1]);
    assert_eq!((run.witness.ends, run.exchange.sends()), (vec![Outcome::Refused], 4));
}

#[test]
fn a_lasting_failure_asks_the_next_target_at_once() {
    for class in [ErrorClass::Quota, ErrorClass::Auth, ErrorClass::ModelGone, ErrorClass::Region] {
        assert_eq!(Run::new(plan(&TWO)).steps(&[Step::Failed(class)]).witness.sent_to, [0, 1], "{class}");
    }
}

#[test]
fn client_errors_are_returned_at_once() {
    for class in [ErrorClass::BadRequest, ErrorClass::Content, ErrorClass::Context] {
        let mut run = Run::new(plan(&TWO));
        let shown = refusal(&mut run, Step::Failed(class));
        assert_eq!((shown.class, shown.send, shown.target, shown.cause), (class, 1, Some(0), Cause::Vendor));
        assert_eq!(run.exchange.sends(), 1);
    }
}

#[test]
fn a_long_retry_after_asks_the_next_target() {
    for (wish, sent) in [(1_000, 1), (1_001, 2)] {
        let mut run = Run::new(plan(&TWO));
        let retry_after = Some(Duration::from_millis(wish));
        let actions = run.exchange.on(Event::Failed { send: 1, class: ErrorClass::Rate, retry_after }, T0);
        run.witness.see(actions, &run.plan);
        assert_eq!(run.witness.sends, sent, "{wish} ms");
    }
}

#[test]
fn a_region_block_cuts_only_that_vendor() {
    let mut run = Run::new(plan(&[(7, 1, 3), (8, 1, 3), (9, 2, 3)])).steps(&[Step::Failed(ErrorClass::Region)]);
    assert_eq!((run.witness.sent_to.as_slice(), &run.witness.cut_vendors), (&[7, 9][..], &BTreeSet::from([1])));
    run.step(Step::Frame(FrameClass::Done));
    assert_eq!(run.witness.ends, [Outcome::Answered]);
    let mut alone = Run::new(plan(&[(7, 1, 3), (8, 1, 3)]));
    assert_eq!(refusal(&mut alone, Step::Failed(ErrorClass::Region)).class, ErrorClass::Region);
}

#[test]
fn a_region_block_inside_a_stream_is_reported() {
    let run = Run::new(plan(&TWO)).steps(&[Step::Frame(FrameClass::Content), Step::Failed(ErrorClass::Region)]);
    assert_eq!((run.witness.cut_vendors, run.witness.ends), (BTreeSet::from([0]), vec![Outcome::Failed]));
}

#[test]
fn slow_targets_fail_over_until_the_deadline() {
    let mut run = Run::new(plan(&[(0, 0, 9), (1, 1, 9), (2, 2, 9), (3, 3, 9)])).steps(&[Step::Alarm]);
    assert_eq!((run.witness.now, run.witness.sent_to.as_slice()), (T0 + FIRST, &[0, 1][..]));
    run = run.steps(&[Step::Frame(FrameClass::Lifecycle), Step::Alarm]);
    assert_eq!((run.witness.now, run.witness.alarm), (T0 + FIRST * 2, Some(T0 + DEADLINE)));
    run.step(Step::Alarm);
    assert_eq!((run.witness.sent_to.as_slice(), run.witness.ends), (&[0, 1, 2][..], vec![Outcome::Refused]));
}

#[test]
fn no_pause_lasts_beyond_the_deadline() {
    let run = Run::new(Plan { deadline_within: PAUSE, ..plan(&TWO) }).steps(&[Step::Failed(ErrorClass::Server)]);
    assert_eq!(run.witness.sent_to, [0, 1]);
    let longer = Plan { deadline_within: PAUSE + Duration::from_millis(1), ..plan(&TWO) };
    assert_eq!(Run::new(longer).steps(&[Step::Failed(ErrorClass::Server)]).witness.sent_to, [0]);
}

#[test]
fn frames_extend_the_idle_timer_without_setting_it() {
    let mut run = Run::new(plan(&TWO)).steps(&[Step::Frame(FrameClass::Content)]);
    assert_eq!(run.witness.alarm, Some(T0 + IDLE));
    run.witness.now = T0 + IDLE / 2;
    run.step(Step::Frame(FrameClass::Content));
    assert_eq!(run.witness.alarm, Some(T0 + IDLE));
    run.step(Step::Alarm);
    assert_eq!((run.witness.alarm, run.witness.ends.len()), (Some(T0 + IDLE / 2 + IDLE), 0));
    run.step(Step::Alarm);
    assert_eq!(run.witness.ends, [Outcome::Failed]);
}

#[test]
fn a_client_that_leaves_in_a_pause_is_abandoned() {
    let run = Run::new(plan(&TWO)).steps(&[Step::Failed(ErrorClass::Rate), Step::ClientGone, Step::Alarm]);
    assert_eq!((run.witness.ends, run.witness.left.len()), (vec![Outcome::Abandoned], 1));
}

#[test]
fn the_most_useful_failure_is_returned() {
    use ErrorClass::{Auth, ModelGone, Overload, Quota, Rate, Region, Server};
    let one_each = plan(&[(0, 0, 1), (1, 1, 1), (2, 2, 1)]);
    for (steps, shown_send) in [
        ([Step::Failed(Rate), Step::Failed(Server), Step::Failed(Auth)], 1),
        ([Step::Failed(Rate), Step::Failed(Overload), Step::Failed(Server)], 2),
        ([Step::Failed(Quota), Step::Unfit, Step::Failed(Region)], 2),
        ([Step::Failed(Quota), Step::Unfit, Step::Failed(Server)], 3),
        ([Step::Unfit, Step::Unfit, Step::Failed(ModelGone)], 2),
        ([Step::Failed(Quota), Step::Failed(Auth), Step::Failed(ModelGone)], 3),
        ([Step::Failed(Server), Step::Alarm, Step::Unfit], 2),
    ] {
        let mut run = Run::new(one_each.clone()).steps(&steps[..2]);
        let shown = refusal(&mut run, steps[2]);
        assert_eq!((shown.send, shown.target), (shown_send, Some(shown_send as usize - 1)), "{steps:?}");
    }
}

#[test]
fn a_plan_without_targets_is_refused_at_once() {
    let (exchange, actions) = Exchange::<Frame>::new(plan(&[]), T0);
    let actions: Vec<_> = actions.into_iter().collect();
    assert!(matches!(
        &actions[..],
        [Action::Refuse(ExchangeError { cause: Cause::NoTarget, send: 0, .. }), Action::End(_)]
    ));
    assert!(exchange.is_over());
}
