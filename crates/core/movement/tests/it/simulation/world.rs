//! Two replicas, a store that compares and sets, gateways with callers, vendors with faults, clocks
//! that step, and people.

use super::dice::Dice;
use super::rules::{Book, ObservedExchange};
use crate::scene::{fine, spec};
use banjia_movement::balance::{Balance, Lost};
use banjia_movement::gate::{Evidence, ParityVerdict};
use banjia_movement::spec::MoveSpec;
use banjia_movement::stage::{
    Action, ActiveDestination, Event, Impossible, Move, Order, apply, create, override_to, pause, redate, rehearse,
    resume, step, switch,
};
use banjia_types::{Money, Outcome, RouteMove, Share, Stage, Tally, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const TEXT: &str = r#"
id = "simulated"
deadline = "2027-01-15T13:00"
source_until = "2027-01-15T19:00"
[[routes]]
route = "chat"
source = "old/large"
destination = "new/large"
second = "other/large"
[gates]
parity = { meaning = 0.05 }
spend_max_total = "1000 CNY"
[canary]
steps = [0.05, 0.5]
[[blackouts]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "22:00"
until = "06:00"
"#;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// There are few texts and many histories; reading the same text ten thousand times would prove
/// nothing more.
fn read_once(text: String) -> MoveSpec {
    static READ: Mutex<BTreeMap<String, MoveSpec>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    read.entry(text).or_insert_with_key(|text| spec(text)).clone()
}

/// A process that ticks. It performs one action at a time, and may die before each.
#[derive(Default)]
struct Replica {
    skew: i64,
    queue: VecDeque<Action>,
    expected: u64,
    evidence: Evidence,
}

pub(super) struct Simulation {
    dice: Dice,
    pub(super) length: u64,
    now: i64,
    log: Vec<Event>,
    mv: Move,
    book: Book,
    replicas: [Replica; 2],
    paged: BTreeSet<u64>,
    faults: Faults,
    gateway: Gateway,
    seen: ObservedExchange,
}

/// What is wrong with the world at present.
#[derive(Default)]
struct Faults {
    is_source_down: bool,
    is_source_refusing: bool,
    errors: [u64; 2],
    latency: [u64; 2],
    is_worse: [bool; 2],
    is_down: [bool; 2],
    is_cut: [bool; 2],
    requests: u64,
    captures: u64,
    spent: i64,
}

/// A gateway: its view of the course, its clock, its books.
#[derive(Default)]
struct Gateway {
    skew: i64,
    route_move: Option<RouteMove>,
    is_source_cut: bool,
    minutes: BTreeMap<i64, Tally>,
    open: Vec<i64>,
    lost: Vec<Lost>,
    started: i64,
    asked: u64,
}

impl Simulation {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut text = TEXT.to_owned();
        if dice.percent(40) {
            text = text.replacen("source_until", "on_deadline = \"hold\"\nsource_until", 1);
        }
        if dice.percent(30) {
            text = text.replacen("second = \"other/large\"\n", "", 1);
        }
        if dice.percent(20) {
            text = text.replacen("source_until = \"2027-01-15T19:00\"\n", "", 1);
        }
        let spec = read_once(text);
        let before = dice.between(1, 14).cast_signed() * HOUR;
        let now = spec.deadline.0 - before;
        let faults =
            Faults { requests: 1_000, captures: 500, latency: [900, 900], errors: [2, 2], ..Faults::default() };
        let length = dice.between(20, 45);
        let book = Book::new(&spec);
        let mv = Move::new(spec);
        let gateway = Gateway { started: now, ..Gateway::default() };
        let mut world = Self {
            dice,
            length,
            now,
            log: Vec::new(),
            mv,
            book,
            replicas: Default::default(),
            paged: BTreeSet::new(),
            faults,
            gateway,
            seen: ObservedExchange::new(),
        };
        let first = create(&world.mv, "ann", Timestamp(now));
        assert!(world.append(0, first, None));
        world
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_insert(0) += 1;
    }

    /// Compare and set; every event that comes through is held against the rules.
    fn append(&mut self, expected: u64, event: Event, evidence: Option<&Evidence>) -> bool {
        if self.log.len() as u64 != expected {
            self.count("an append that lost the race");
            return false;
        }
        let before = self.mv.state().clone();
        apply(&mut self.mv, &event).unwrap_or_else(|why| panic!("what was due can follow: {why}: {event:?}"));
        for what in self.book.check(&event, &before, &self.mv, evidence) {
            self.count(what);
        }
        // Dates reach the gateways at once; the rest of a course may come later.
        let is_dated = matches!(event.what, banjia_movement::stage::What::Redated { .. });
        self.log.push(event);
        if is_dated {
            self.gateway.route_move = self.mv.route_move(&"chat".into(), &[]);
        }
        true
    }

    pub(super) fn turn(&mut self) {
        self.now += self.dice.between(1, 60).cast_signed() * MINUTE;
        self.change_clocks();
        self.change_vendors();
        self.people();
        for _ in 0..self.dice.between(1, 5) {
            let which = self.dice.between(0, 2) as usize;
            self.act(which);
        }
        if self.dice.percent(80) {
            self.gateway.route_move = self.mv.route_move(&"chat".into(), &[]);
        }
        self.callers();
    }

    fn change_clocks(&mut self) {
        let skews = [0, 0, 0, -30 * MINUTE, 20 * MINUTE, -6 * HOUR, -48 * HOUR, 2 * HOUR];
        for which in 0..3 {
            if !self.dice.percent(10) {
                continue;
            }
            let skew = *self.dice.pick(&skews);
            let clock = match which {
                2 => &mut self.gateway.skew,
                _ => &mut self.replicas[which].skew,
            };
            let is_back = skew < *clock;
            *clock = skew;
            if is_back {
                self.count("a clock that stepped back");
            }
        }
    }

    fn change_vendors(&mut self) {
        let dice = &mut self.dice;
        let faults = &mut self.faults;
        faults.captures += dice.between(0, 100);
        if dice.percent(10) {
            faults.is_source_down = dice.percent(50);
        }
        if dice.percent(2) {
            faults.is_source_refusing = true;
        }
        // A person may lift the gateway's cut. That does not bring the source of a move back.
        if self.book.is_dead && dice.percent(20) {
            (self.gateway.is_source_cut, faults.is_source_refusing, faults.is_source_down) = (false, false, false);
        }
        if dice.percent(5) {
            faults.requests = *dice.pick(&[1_000, 1_000, 1_000, 40, 0]);
        }
        if dice.percent(3) {
            faults.spent = *dice.pick(&[500_000_000, 1_000_000_001]);
        }
        for which in 0..2 {
            if dice.percent(15) {
                faults.errors[which] = *dice.pick(&[0, 2, 15, 19, 22, 200, 1_000]);
                faults.latency[which] = *dice.pick(&[500, 900, 900, 1_600, 5_000]);
                faults.is_worse[which] = dice.percent(20);
                faults.is_down[which] = dice.percent(15);
                faults.is_cut[which] = dice.percent(10);
            }
        }
    }

    /// What a shell would gather now.
    fn evidence(&mut self, at: Timestamp) -> Evidence {
        let mut evidence = fine(&self.mv, at);
        let faults = &self.faults;
        evidence.source_cut = self.gateway.is_source_cut.then(|| "unsupported_country_region_territory".to_owned());
        evidence.spend_total = vec![Money { micros: faults.spent, currency: banjia_types::Currency::Cny }];
        let route = evidence.routes.get_mut("chat").unwrap();
        route.captures = faults.captures;
        for (target, seen) in &mut route.targets {
            let which = match target.vendor.as_str() {
                "old" => {
                    (seen.is_down, seen.is_cut) = (faults.is_source_down, self.gateway.is_source_cut);
                    continue;
                }
                "new" => 0,
                _ => 1,
            };
            seen.requests = faults.requests;
            seen.errors = faults.errors[which] * faults.requests / 1_000;
            seen.latency_p95_ms = Some(faults.latency[which]);
            (seen.is_down, seen.is_cut) = (faults.is_down[which], faults.is_cut[which]);
            let meaning = seen.parity.get_mut("meaning").unwrap();
            meaning.verdict = if faults.is_worse[which] { ParityVerdict::Worse } else { ParityVerdict::NotWorse };
        }
        evidence
    }

    /// One replica does one thing: it looks, performs its next action, or dies.
    fn act(&mut self, which: usize) {
        let at = Timestamp(self.now + self.replicas[which].skew);
        if self.dice.percent(8) && !self.replicas[which].queue.is_empty() {
            self.replicas[which].queue.clear();
            self.count("a crash between two actions");
        }
        let Some(action) = self.replicas[which].queue.pop_front() else {
            let evidence = self.evidence(at);
            let queue = step(&self.mv, &evidence, at).into();
            self.replicas[which] = Replica { queue, expected: self.mv.version(), evidence, ..self.replicas[which] };
            // Most often a tick is not interrupted.
            while self.dice.percent(70) && !self.replicas[which].queue.is_empty() {
                self.act_queued(which);
            }
            return;
        };
        self.replicas[which].queue.push_front(action);
        self.act_queued(which);
    }

    fn act_queued(&mut self, which: usize) {
        let Some(action) = self.replicas[which].queue.pop_front() else { return };
        match action {
            Action::Page(page) => {
                self.paged.insert(page.number);
            }
            Action::Append(event) => {
                let (expected, evidence) = (self.replicas[which].expected, self.replicas[which].evidence.clone());
                if self.append(expected, event, Some(&evidence)) {
                    self.replicas[which].expected += 1;
                } else {
                    self.replicas[which].queue.clear();
                }
            }
        }
    }

    fn people(&mut self) {
        if !self.dice.percent(12) {
            return;
        }
        let order = Order { by: "ann", reason: "she knows why", at: Timestamp(self.now) };
        let mv = &self.mv;
        let later = Timestamp(mv.state().last_at.0.max(self.now) + self.dice.between(1, 20).cast_signed() * HOUR);
        let event: Result<Event, Impossible> = match self.dice.between(0, 9) {
            0 => pause(mv, order),
            1 | 2 => resume(mv, order),
            3 => redate(mv, later, later + Duration::from_hours(self.dice.between(0, 5)), order),
            4 => {
                let stage = *self.dice.pick(&[Stage::Record, Stage::Shadow, Stage::Canary, Stage::Live, Stage::Sealed]);
                override_to(mv, stage, None, order)
            }
            5 | 6 => rehearse(mv, Share::of(500), Duration::from_mins(self.dice.between(1, 90)), order),
            7 => switch(
                mv,
                &"chat".into(),
                if self.dice.percent(50) { ActiveDestination::First } else { ActiveDestination::Second },
                order,
            ),
            _ => override_to(mv, Stage::Live, None, order),
        };
        if let Ok(event) = event {
            let expected = self.mv.version();
            assert!(self.append(expected, event, None));
        }
    }

    fn callers(&mut self) {
        for _ in 0..self.dice.between(1, 6) {
            let draw = self.dice.draw();
            self.caller(draw);
        }
        // Some requests are long; they end in a later turn.
        let mut open = std::mem::take(&mut self.gateway.open);
        open.retain(|minute| {
            let is_open = self.dice.percent(30);
            if !is_open {
                let outcome = *self.dice.pick(&Outcome::ALL);
                self.gateway.minutes.entry(*minute).or_default().count(outcome);
            }
            is_open
        });
        self.gateway.open = open;
        if self.dice.percent(2) {
            let (from, until) = (Timestamp(self.gateway.started), Timestamp(self.now));
            let open = self.gateway.open.len() as u64;
            self.gateway.lost.push(Lost { from, until, open, writes_failed_at: None });
            self.gateway.open.clear();
            self.gateway.started = self.now;
        }
    }

    /// One request through the gateway, by its course, its clock and its own cuts.
    fn caller(&mut self, draw: u64) {
        let Some(route_move) = self.gateway.route_move.clone() else { return };
        let clock = Timestamp(self.now + self.gateway.skew);
        let minute = self.now - self.now % MINUTE;
        self.gateway.minutes.entry(minute).or_default().accepted += 1;
        self.gateway.open.push(minute);
        let is_rehearsal =
            route_move.rehearsal.is_some_and(|rehearsal| clock < rehearsal.until && rehearsal.share.holds(draw));
        let asks_source = route_move.may_ask_source(clock)
            && !self.gateway.is_source_cut
            && !route_move.share.holds(draw)
            && !is_rehearsal;
        if !asks_source {
            return;
        }
        self.gateway.asked += 1;
        self.count("a request to the source");
        assert!(clock.0 < self.book.source_until, "a request to the source after its date");
        assert!(!route_move.is_source_dead);
        if route_move.stage == self.mv.stage() && route_move.source_until == Some(self.mv.state().source_until) {
            assert!(self.mv.stage() < Stage::Live, "a live move's callers are with the destination");
        }
        let is_fresh = self.gateway.route_move == self.mv.route_move(&"chat".into(), &[]);
        assert!(!is_fresh || !(self.book.is_dead || self.book.is_passed), "a request to a dead source");
        if self.faults.is_source_refusing {
            // The reflex: the gateway cuts the vendor, and this request goes on elsewhere.
            self.gateway.is_source_cut = true;
        }
    }

    /// After the last turn the clocks are right, both replicas tick in peace, and everything must
    /// have come to rest.
    pub(super) fn end(mut self) -> ObservedExchange {
        self.replicas = Default::default();
        let past = self.mv.state().last_at.0.max(self.now).max(self.mv.state().source_until.0) + 48 * HOUR;
        self.now = past;
        let evidence = self.evidence(Timestamp(past));
        for action in step(&self.mv, &evidence, Timestamp(past)) {
            match action {
                Action::Page(page) => {
                    self.paged.insert(page.number);
                }
                Action::Append(event) => {
                    let expected = self.mv.version();
                    assert!(self.append(expected, event, Some(&evidence)));
                }
            }
        }
        assert_eq!(step(&self.mv, &evidence, Timestamp(past)), [], "a second look adds nothing");
        let state = self.mv.state();
        let is_cut = self.mv.spec().on_deadline == banjia_movement::spec::OnDeadline::Cut;
        assert!(state.stage == Stage::Live || (!is_cut && state.is_held), "the deadline was met or is held");
        assert!(
            !self.mv.route_move(&"chat".into(), &[]).unwrap().may_ask_source(Timestamp(0)),
            "the source's date has passed"
        );
        let called = self.log.iter().zip(1..).filter(|(event, _)| event.urgency().is_some());
        for (event, number) in called {
            assert!(self.paged.contains(&number), "nobody was called for {event:?}");
        }
        let again = Move::replay(self.mv.spec().clone(), &self.log).unwrap();
        assert_eq!(again, self.mv, "the log gives the same move");
        self.balance();
        self.seen
    }

    fn balance(&mut self) {
        for minute in std::mem::take(&mut self.gateway.open) {
            self.gateway.minutes.entry(minute).or_default().count(Outcome::Answered);
        }
        let minutes = self.gateway.minutes.iter().map(|(at, tally)| (Timestamp(*at), *tally));
        let killed: u64 = self.gateway.lost.iter().map(|lost| lost.open).sum();
        let sum = Balance::new(minutes, self.gateway.lost.clone()).sum();
        assert!(sum.is_accounted_for(), "{sum:?}");
        assert_eq!((sum.lost, sum.is_exact()), (killed, killed == 0));
    }
}
