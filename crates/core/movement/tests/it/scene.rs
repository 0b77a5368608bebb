//! A move and evidence for it.

use banjia_movement::gate::{Evidence, Parity, ParityVerdict, RouteEvidence, TargetEvidence};
use banjia_movement::spec::MoveSpec;
use banjia_movement::stage::{Action, Event, Move, apply, create, step};
use banjia_types::{Target, Timestamp};
use std::time::Duration;

/// The example's text, which the repository shows to people.
pub(crate) const EXAMPLE: &str = include_str!("../../../../../examples/moves/leave-by-spring.toml");

/// A short move of two routes: one with a second destination, one without.
pub(crate) const SHORT: &str = r#"
id = "short"
deadline = "2027-01-15"
source_until = "2027-01-16"
[[routes]]
route = "chat"
source = "old/large"
destination = "new/large"
second = "other/large"
[[routes]]
route = "small"
source = "old/small"
destination = "new/small"
[gates]
parity = { meaning = 0.05 }
spend_max_total = "1000 CNY"
[canary]
steps = [0.05, 0.5]
"#;

pub(crate) fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub(crate) fn spec(text: &str) -> MoveSpec {
    MoveSpec::parse(text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A created move, ten days before its deadline.
pub(crate) fn created(text: &str) -> (Move, Timestamp) {
    let mut mv = Move::new(spec(text));
    let at = mv.spec().deadline - Duration::from_hours(240);
    let event = create(&mv, "ann", at);
    apply(&mut mv, &event).unwrap();
    (mv, at)
}

/// Evidence with which every gate of every target holds.
pub(crate) fn fine(mv: &Move, at: Timestamp) -> Evidence {
    let mut evidence = Evidence::default();
    for moved in &mv.spec().routes {
        let mut route = RouteEvidence { captures: 1_000, ..RouteEvidence::default() };
        for target in [Some(&moved.source), Some(&moved.destination), moved.second.as_ref()].into_iter().flatten() {
            let verdict = |_: &String| Parity { verdict: ParityVerdict::NotWorse, pairs: 500, difference: 10_000, at };
            let parity = mv.spec().gates.parity.keys().map(|axis| (axis.clone(), verdict(axis))).collect();
            let seen =
                TargetEvidence { requests: 1_000, errors: 2, latency_p95_ms: Some(900), parity, ..Default::default() };
            route.targets.insert(target.clone(), seen);
        }
        evidence.routes.insert(moved.route.clone(), route);
    }
    evidence
}

/// What is known of one target.
pub(crate) fn seen<'e>(evidence: &'e mut Evidence, route: &str, target: &str) -> &'e mut TargetEvidence {
    let target: Target = target.parse().unwrap();
    evidence.routes.get_mut(route).unwrap().targets.get_mut(&target).unwrap()
}

/// Performs a step and gives back its events; asked again, a step must have nothing to add.
pub(crate) fn tick(mv: &mut Move, evidence: &Evidence, now: Timestamp) -> Vec<Event> {
    let mut events = Vec::new();
    for action in step(mv, evidence, now) {
        if let Action::Append(event) = action {
            apply(mv, &event).unwrap();
            events.push(event);
        }
    }
    assert_eq!(step(mv, evidence, now), [], "a second look adds nothing");
    events
}

/// The kinds of events, as the log names them.
pub(crate) fn kinds(events: &[Event]) -> Vec<String> {
    let kind = |event: &Event| serde_json::to_value(event).unwrap()["kind"].as_str().unwrap().to_owned();
    events.iter().map(kind).collect()
}
