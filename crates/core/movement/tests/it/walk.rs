//! A move from its first event on, rule by rule.

use crate::scene::{SHORT, created, fine, kinds, minutes, seen, tick};
use banjia_movement::gate::{Evidence, ParityVerdict, RehearsalEvidence};
use banjia_movement::stage::{Impossible, LiveBy, Move, Order, apply, override_to, pause, redate, rehearse, resume};
use banjia_types::{Share, Stage, Timestamp};
use std::time::Duration;

fn order(at: Timestamp) -> Order<'static> {
    Order { by: "ann", reason: "the board wants it", at }
}

/// A move in `canary`, and when.
fn in_canary(text: &str) -> (Move, Timestamp) {
    let (mut mv, at) = created(text);
    let evidence = fine(&mv, at);
    assert_eq!(kinds(&tick(&mut mv, &evidence, at)), ["advanced", "advanced"]);
    assert_eq!((mv.stage(), mv.state().share), (Stage::Canary, Share::of(500)));
    (mv, at)
}

#[test]
fn gates_lead_one_step_at_a_time_to_live() {
    let (mut mv, at) = in_canary(SHORT);
    let evidence = fine(&mv, at);
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(29))), [""; 0], "each share is watched");
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(30))), ["share_set"]);
    let events = tick(&mut mv, &evidence, at + minutes(60));
    assert_eq!(kinds(&events), ["advanced", "paged"]);
    assert!(events[0].because.len() >= 10, "the numbers of every gate stand in the event");
    assert_eq!((mv.stage(), mv.state().live_by), (Stage::Live, Some(LiveBy::Gates)));
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(600))), [""; 0]);
}

#[test]
fn a_tripped_gate_steps_back_with_growing_cooldown() {
    let (mut mv, mut at) = in_canary(SHORT);
    for hours in [1, 2, 4, 8, 16, 24] {
        let mut evidence = fine(&mv, at);
        seen(&mut evidence, "chat", "new/large").errors = 21;
        assert_eq!(kinds(&tick(&mut mv, &evidence, at)), [""; 0], "over the limit, perhaps by chance");
        seen(&mut evidence, "chat", "new/large").errors = 100;
        assert_eq!(kinds(&tick(&mut mv, &evidence, at)), ["stepped_back", "paged"]);
        assert_eq!((mv.stage(), mv.state().share), (Stage::Shadow, Share::NONE));
        let evidence = fine(&mv, at);
        let cooled = at + Duration::from_hours(hours);
        assert_eq!(kinds(&tick(&mut mv, &evidence, cooled - minutes(1))), [""; 0]);
        assert_eq!(kinds(&tick(&mut mv, &evidence, cooled))[0], "advanced");
        at = cooled;
    }
}

#[test]
fn a_source_block_makes_the_move_live_for_good() {
    for stage in [Stage::Record, Stage::Shadow, Stage::Canary] {
        let (mut mv, at) = created(SHORT);
        if stage > Stage::Record {
            let event = override_to(&mv, stage, None, order(at)).unwrap();
            apply(&mut mv, &event).unwrap();
        }
        let mut evidence = fine(&mv, at);
        evidence.source_cut = Some("unsupported_country".to_owned());
        seen(&mut evidence, "chat", "new/large").is_down = true;
        assert_eq!(kinds(&tick(&mut mv, &evidence, at)), ["source_died", "paged"]);
        let route_move = mv.route_move(&"chat".into(), &[]).unwrap();
        assert_eq!((route_move.stage, route_move.share, route_move.is_source_dead), (Stage::Live, Share::ALL, true));
        assert_eq!(route_move.destination.to_string(), "other/large", "the first one is down");
        assert_eq!(route_move.second.unwrap().to_string(), "new/large");
        let back = override_to(&mv, Stage::Canary, None, order(at)).unwrap_err();
        assert_eq!(back, Impossible::NoSource);
        // The other one breaks too: back to the first, not to the source; and only after a window.
        let mut evidence = fine(&mv, at);
        seen(&mut evidence, "chat", "other/large").errors = 500;
        assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(14))), ["warned", "paged"]);
        assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(15))), ["switched", "paged"]);
    }
}

#[test]
fn a_deadline_cuts_to_the_best_target_at_each_stage() {
    for stage in [Stage::Record, Stage::Shadow, Stage::Canary] {
        for (first, second, expected) in
            [(true, true, "new/large"), (false, true, "other/large"), (false, false, "new/large")]
        {
            let (mut mv, at) = created(SHORT);
            if stage > Stage::Record {
                let event = override_to(&mv, stage, None, order(at)).unwrap();
                apply(&mut mv, &event).unwrap();
            }
            let deadline = mv.state().deadline;
            let mut evidence = fine(&mv, deadline);
            for (target, passes) in [("new/large", first), ("other/large", second)] {
                let verdict = if passes { ParityVerdict::NotWorse } else { ParityVerdict::Worse };
                seen(&mut evidence, "chat", target).parity.get_mut("meaning").unwrap().verdict = verdict;
            }
            let events = tick(&mut mv, &evidence, deadline);
            assert_eq!(kinds(&events)[0], "cut");
            assert_eq!(mv.route_move(&"chat".into(), &[]).unwrap().destination.to_string(), expected);
            assert_eq!((mv.stage(), mv.state().live_by), (Stage::Live, Some(LiveBy::Deadline)));
            let is_told = events[0].reason.contains("no target passes its gates for chat");
            assert_eq!(is_told, !first && !second, "{}", events[0].reason);
        }
    }
}

#[test]
fn a_move_that_holds_stays_and_its_source_still_ends() {
    let (mut mv, _) = in_canary(&SHORT.replace("source_until", "on_deadline = \"hold\"\nsource_until"));
    let deadline = mv.state().deadline;
    let evidence = fine(&mv, deadline);
    assert_eq!(kinds(&tick(&mut mv, &evidence, deadline)), ["held", "paged"]);
    let until = mv.state().source_until;
    assert_eq!(kinds(&tick(&mut mv, &evidence, until - minutes(1))), [""; 0], "gates hold, and nothing goes forward");
    let route_move = mv.route_move(&"chat".into(), &[]).unwrap();
    assert!(route_move.may_ask_source(until - minutes(1)) && !route_move.may_ask_source(until), "without any event");
    assert_eq!(kinds(&tick(&mut mv, &evidence, until)), ["source_passed", "paged"]);
    let route_move = mv.route_move(&"chat".into(), &[]).unwrap();
    assert!(!route_move.may_ask_source(until - minutes(60)), "a clock that steps back does not bring the source back");
    assert_eq!(route_move.stage, Stage::Canary);
    // Later dates, said by a person, do.
    let event = redate(&mv, until + minutes(600), until + minutes(600), order(until)).unwrap();
    apply(&mut mv, &event).unwrap();
    assert!(mv.route_move(&"chat".into(), &[]).unwrap().may_ask_source(until + minutes(1)));
    assert_eq!(kinds(&tick(&mut mv, &evidence, until + minutes(1))), ["share_set", "warned", "paged"]);
}

#[test]
fn a_pause_and_a_blackout_stop_steps_forward_only() {
    let dark = format!("{SHORT}[[blackouts]]\nfrom = \"2027-01-01\"\nuntil = \"2027-01-15\"\n");
    for text in [SHORT, dark.as_str()] {
        let (mut mv, at) = created(text);
        let event = override_to(&mv, Stage::Canary, Some(Share::of(5_000)), order(at)).unwrap();
        apply(&mut mv, &event).unwrap();
        if text == SHORT {
            let event = pause(&mv, order(at)).unwrap();
            apply(&mut mv, &event).unwrap();
            assert!(matches!(pause(&mv, order(at)), Err(Impossible::IsPaused { .. })));
        }
        let mut evidence = fine(&mv, at);
        assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(600)))[..], ["paged"], "the override was told");
        seen(&mut evidence, "small", "new/small").is_down = true;
        assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(601)))[0], "stepped_back");
        let deadline = mv.state().deadline;
        assert!(kinds(&tick(&mut mv, &evidence, deadline)).contains(&"cut".to_owned()));
        assert_eq!(resume(&mv, order(at)).is_ok(), text == SHORT);
    }
}

#[test]
fn an_override_replaces_gates_but_not_health() {
    let (mut mv, at) = created(SHORT);
    assert_eq!(
        override_to(&mv, Stage::Live, None, Order { reason: " ", ..order(at) }),
        Err(Impossible::NoReason(2_000))
    );
    let event = override_to(&mv, Stage::Live, None, order(at)).unwrap();
    apply(&mut mv, &event).unwrap();
    let mut evidence = fine(&mv, at);
    seen(&mut evidence, "chat", "new/large").errors = 900;
    assert_eq!(kinds(&tick(&mut mv, &evidence, at)), ["warned", "paged"], "people are told, once");
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(60))), [""; 0]);
    seen(&mut evidence, "chat", "new/large").is_down = true;
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(61)))[0], "stepped_back");
}

#[test]
fn a_rehearsal_ends_with_its_result() {
    let (mut mv, at) = in_canary(SHORT);
    let event = rehearse(&mv, Share::of(100), minutes(60), order(at)).unwrap();
    apply(&mut mv, &event).unwrap();
    assert!(matches!(rehearse(&mv, Share::of(100), minutes(5), order(at)), Err(Impossible::InRehearsal { .. })));
    let mut evidence = fine(&mv, at);
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(45))), [""; 0], "no step forward in a rehearsal");
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(60))), [""; 0], "the way back is not seen yet");
    let rehearsal = RehearsalEvidence { blocked: 10, answered: 10, back: 4, back_answered: 4 };
    evidence.rehearsal = Some(rehearsal);
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(61)))[0], "rehearsal_ended");
    let found = mv.state().rehearsal_finding.unwrap();
    assert!(found.is_there_proven() && found.is_back_proven() && !found.is_cut_short);
}

#[test]
fn a_clock_that_steps_back_changes_nothing() {
    let (mut mv, at) = in_canary(SHORT);
    let evidence = fine(&mv, at);
    tick(&mut mv, &evidence, at + minutes(30));
    assert_eq!(kinds(&tick(&mut mv, &evidence, at - Duration::from_hours(100))), [""; 0]);
    let deadline = mv.state().deadline;
    tick(&mut mv, &evidence, deadline);
    let before = mv.clone();
    assert_eq!(kinds(&tick(&mut mv, &evidence, at)), [""; 0]);
    assert_eq!(mv, before);
}

#[test]
fn a_log_replays_to_the_same_move() {
    let (mut mv, at) = created(SHORT);
    let mut log = vec![banjia_movement::stage::create(&Move::new(mv.spec().clone()), "ann", at)];
    let mut evidence = fine(&mv, at);
    log.extend(tick(&mut mv, &evidence, at));
    evidence.source_cut = Some("region".to_owned());
    log.extend(tick(&mut mv, &evidence, at + minutes(1)));
    let texts: Vec<String> = log.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let read: Vec<_> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(log, read);
    assert_eq!(Move::replay(mv.spec().clone(), &read).unwrap(), mv);
    let (number, why) = Move::replay(mv.spec().clone(), read.iter().skip(1)).unwrap_err();
    assert_eq!((number, why), (1, Impossible::NotCreated));
}

#[test]
fn stored_names_are_those_of_the_first_version() {
    let (mut mv, at) = created(SHORT);
    let evidence = Evidence { rehearsal: Some(RehearsalEvidence::default()), ..fine(&mv, at) };
    let events = tick(&mut mv, &evidence, at);
    let log = serde_json::to_value(&events).unwrap();
    assert_eq!(log[0]["because"][0]["says"], "holds");
    assert_eq!(serde_json::to_value(&evidence).unwrap()["drill"]["blocked"], 0);
    assert!(serde_json::to_value(mv.state()).unwrap().get("drill").is_some());
}

#[test]
fn missing_evidence_stops_only_steps_forward() {
    let (mut mv, at) = in_canary(SHORT);
    let mut evidence = fine(&mv, at);
    evidence.missing = vec!["the costs: the database is broken".to_owned()];
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(30))), [""; 0], "the share would be due");
    let mut breaking = evidence.clone();
    seen(&mut breaking, "chat", "new/large").errors = 100;
    assert_eq!(kinds(&tick(&mut mv.clone(), &breaking, at + minutes(30))), ["stepped_back", "paged"]);
    evidence.missing.clear();
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(30))), ["share_set"]);
}

#[test]
fn a_deadline_acts_without_any_evidence() {
    let (mut mv, _) = in_canary(SHORT);
    let missing = (0..9).map(|number| format!("part {number}: {}", "x".repeat(10_000))).collect();
    let evidence = Evidence { missing, ..Evidence::default() };
    let deadline = mv.state().deadline;
    let events = tick(&mut mv, &evidence, deadline);
    assert_eq!(kinds(&events), ["cut", "paged"]);
    assert_eq!((mv.stage(), mv.state().live_by), (Stage::Live, Some(LiveBy::Deadline)));
    let reason = &events[0].reason;
    assert!(reason.contains("evidence is missing: part 0") && reason.contains("and more"), "{reason}");
    assert!(reason.len() < 1_500, "a reason is bounded");
    let passed = mv.state().source_until;
    assert_eq!(kinds(&tick(&mut mv, &evidence, passed))[0], "source_passed");
}

#[test]
fn a_rehearsals_end_waits_for_missing_evidence() {
    let (mut mv, at) = in_canary(SHORT);
    let begun = rehearse(&mv, Share::of(500), minutes(30), order(at)).unwrap();
    apply(&mut mv, &begun).unwrap();
    let evidence = Evidence { missing: vec!["the rehearsal: broken".to_owned()], ..fine(&mv, at) };
    assert_eq!(kinds(&tick(&mut mv, &evidence, at + minutes(99))), [""; 0]);
    let events = tick(&mut mv, &evidence, at + minutes(100));
    assert_eq!(kinds(&events)[0], "rehearsal_ended");
    assert!(events[0].reason.contains("evidence is missing"), "{}", events[0].reason);
}
