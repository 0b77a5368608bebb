//! What must hold whatever happens, written without the crate's own conditions.

use banjia_movement::gate::{Evidence, ParityVerdict};
use banjia_movement::spec::{MoveSpec, OnDeadline};
use banjia_movement::stage::{Event, Move, State, What};
use banjia_types::{Share, Stage, Target, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) type ObservedExchange = BTreeMap<String, u64>;

/// What the histories together must have met.
pub(super) const MUST_BE_SEEN: [&str; 28] = [
    "advanced to shadow",
    "advanced to canary",
    "advanced to live",
    "share_set",
    "stepped_back from canary",
    "stepped_back from live",
    "cut from record",
    "cut from shadow",
    "cut from canary",
    "held at record",
    "held at shadow",
    "held at canary",
    "source_died at record",
    "source_died at shadow",
    "source_died at canary",
    "source_died at live",
    "source_passed",
    "switched",
    "overridden",
    "paused",
    "resumed",
    "redated",
    "rehearsal_ended",
    "warned",
    "an append that lost the race",
    "a crash between two actions",
    "a clock that stepped back",
    "a request to the source",
];

/// What the log says, read by this file alone.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "a checklist, one line for each thing that happened")]
pub(super) struct Book {
    deadline: i64,
    pub(super) source_until: i64,
    is_paused: bool,
    pub(super) is_dead: bool,
    pub(super) is_passed: bool,
    is_cut: bool,
    is_held: bool,
    last_at: i64,
    stepped_back_at: Option<i64>,
    switched_at: BTreeMap<String, i64>,
}

impl Book {
    pub(super) fn new(spec: &MoveSpec) -> Self {
        Self { deadline: spec.deadline.0, source_until: spec.source_until.0, last_at: i64::MIN, ..Self::default() }
    }

    /// Checks one event that was appended, between the states before and after it. Evidence is what
    /// its author looked at; a person's order has none.
    pub(super) fn check(
        &mut self,
        event: &Event,
        before: &State,
        after: &Move,
        evidence: Option<&Evidence>,
    ) -> Vec<String> {
        let (spec, state, at) = (after.spec(), after.state(), event.at.0);
        assert!(at >= self.last_at, "time runs forward in a log");
        assert_eq!(state.version, before.version + 1);
        check_shape(after);
        let (from, to) = (before.stage, state.stage);
        let is_forward = matches!(event.what, What::Advanced { .. } | What::ShareSet { .. });
        if is_forward {
            self.check_forward(spec, event, before, evidence.expect("nobody orders a step of gates"));
        }
        let mut told = self.check_what(event, before, after, evidence);
        let by_itself = matches!(event.what, What::Advanced { .. } | What::Overridden { .. } | What::Cut { .. });
        let is_death = matches!(event.what, What::SourceDied { .. });
        if from < Stage::Live && to == Stage::Live {
            assert!(by_itself || is_death, "live by gates, an override, the deadline or the source's end");
        }
        if self.is_dead {
            assert!(to >= Stage::Live, "nobody goes back to a dead source");
        }
        self.last_at = at;
        told.push(kind(event));
        told
    }

    fn check_what(&mut self, event: &Event, before: &State, after: &Move, evidence: Option<&Evidence>) -> Vec<String> {
        let (spec, state, at) = (after.spec(), after.state(), event.at.0);
        let (from, to) = (before.stage, state.stage);
        let mut told = Vec::new();
        match &event.what {
            What::Advanced { .. } => {
                assert_eq!(to as u8, from as u8 + 1, "one stage at a time");
                told.push(format!("advanced to {to}"));
            }
            What::ShareSet { .. } => {
                assert_eq!((from, to), (Stage::Canary, Stage::Canary));
                assert!(state.share > before.share);
            }
            What::SteppedBack { .. } => {
                assert_eq!(to, Stage::Shadow);
                assert!(from == Stage::Canary || from == Stage::Live);
                assert!(!self.is_dead && !self.is_passed && at < self.source_until, "no way back to a dead source");
                self.stepped_back_at = Some(at);
                told.push(format!("stepped_back from {from}"));
            }
            What::Cut { .. } => {
                assert!(
                    at >= self.deadline && spec.on_deadline == OnDeadline::Cut && !self.is_cut && to == Stage::Live
                );
                check_choices(after, evidence.expect("the evidence of a cut"), event);
                self.is_cut = true;
                told.push(format!("cut from {from}"));
            }
            What::Held => {
                assert!(at >= self.deadline && spec.on_deadline == OnDeadline::Hold && !self.is_held && to == from);
                self.is_held = true;
                told.push(format!("held at {from}"));
            }
            What::SourceDied { .. } => {
                assert!(evidence.is_some_and(|evidence| evidence.source_cut.is_some()), "a death is seen");
                assert!(!self.is_dead && to >= Stage::Live);
                self.is_dead = true;
                told.push(format!("source_died at {from}"));
            }
            What::SourcePassed => {
                assert!(at >= self.source_until && !self.is_passed && to == from);
                self.is_passed = true;
            }
            What::Overridden { .. } => {
                assert!(!event.reason.trim().is_empty() && !event.by.is_empty());
                assert!(to >= from || to == Stage::Live || (!self.is_dead && !self.is_passed));
            }
            What::Redated { deadline, source_until } => {
                (self.deadline, self.source_until) = (deadline.0, source_until.0);
                (self.is_passed, self.is_cut, self.is_held) = (false, false, false);
            }
            What::Paused => self.is_paused = true,
            What::Resumed => self.is_paused = false,
            What::Switched { route, .. } => {
                if let (Some(then), Some(evidence)) = (self.switched_at.get(route.as_str()), evidence) {
                    let window = spec.gates.window.as_millis() as i64;
                    let left = evidence.routes[route].targets.values().any(|target| target.is_cut);
                    assert!(at - then >= window || left, "routes do not flap between targets");
                }
                self.switched_at.insert(route.as_str().to_owned(), at);
            }
            _ => assert_eq!(from, to),
        }
        told
    }

    fn check_forward(&self, spec: &MoveSpec, event: &Event, before: &State, evidence: &Evidence) {
        let at = event.at;
        assert!(!self.is_paused, "a pause stops steps forward");
        assert!(at.0 < self.deadline, "after the deadline nothing goes forward by itself");
        assert!(!is_dark(at), "a blackout stops steps forward");
        if let Some(back) = self.stepped_back_at {
            assert!(at.0 - back >= spec.canary.cooldown.as_millis() as i64, "a move that went back cools down");
        }
        if before.stage == Stage::Canary {
            assert!(at.since(before.entered_at) >= spec.canary.hold, "each share is watched");
        }
        for moved in &spec.routes {
            let target = match before.used.get(&moved.route) {
                Some(banjia_movement::stage::ActiveDestination::Second) => moved.second.as_ref().unwrap(),
                _ => &moved.destination,
            };
            assert!(
                is_fit(spec, evidence, moved.route.as_str(), target, before.stage, at),
                "{target} is not fit at {at}"
            );
        }
    }
}

/// The share belongs to the stage, and all routes are at the same one.
fn check_shape(after: &Move) {
    let state = after.state();
    match state.stage {
        Stage::Record | Stage::Shadow => assert_eq!(state.share, Share::NONE),
        Stage::Canary => assert!(state.share > Share::NONE && state.share < Share::ALL),
        Stage::Live | Stage::Sealed => assert_eq!(state.share, Share::ALL),
    }
    for route_move in after.route_moves(&[]) {
        assert_eq!((route_move.stage, route_move.share), (state.stage, state.share));
        assert_ne!(Some(&route_move.destination), route_move.second.as_ref());
    }
}

/// The nights of the simulated zone, which is UTC: see the text in `world`.
pub(super) fn is_dark(at: Timestamp) -> bool {
    let hour = at.0.div_euclid(3_600_000).rem_euclid(24);
    !(6..22).contains(&hour)
}

/// The gates, from the numbers.
fn is_fit(spec: &MoveSpec, evidence: &Evidence, route: &str, target: &Target, stage: Stage, now: Timestamp) -> bool {
    let route_seen = &evidence.routes[route];
    let seen = &route_seen.targets[target];
    if seen.is_cut || seen.is_down {
        return false;
    }
    if stage == Stage::Record {
        return route_seen.captures >= spec.record.captures_min;
    }
    let source = &route_seen.targets[&spec.route(&route.into()).unwrap().source];
    let rate = seen.errors as f64 / seen.requests as f64;
    let slower = seen.latency_p95_ms.unwrap() as f64 / source.latency_p95_ms.unwrap() as f64;
    let spent: i64 = evidence.spend_total.iter().map(|money| money.micros).sum();
    seen.requests >= spec.gates.requests_min
        && rate <= 0.02
        && slower <= 1.5
        && spent <= spec.gates.spend_max_total.unwrap().micros
        && seen.parity["meaning"].verdict == ParityVerdict::NotWorse
        && now.since(seen.parity["meaning"].at) <= Duration::from_hours(168)
}

/// A target that is not fit is taken only when none is.
fn check_choices(after: &Move, evidence: &Evidence, event: &Event) {
    let spec = after.spec();
    for moved in &spec.routes {
        let fit = |target: &Target| is_fit(spec, evidence, moved.route.as_str(), target, Stage::Canary, event.at);
        let chosen = after.target_in_use(moved);
        let is_any_fit = fit(&moved.destination) || moved.second.as_ref().is_some_and(fit);
        assert!(fit(chosen) || !is_any_fit, "the deadline takes a target that passes, if there is one");
    }
}

pub(super) fn kind(event: &Event) -> String {
    serde_json::to_value(&event.what).unwrap()["kind"].as_str().unwrap().to_owned()
}
