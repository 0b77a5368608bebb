//! Every sequence of events up to a length: what can follow keeps the move in shape, what cannot
//! leaves it untouched.

use crate::scene::{SHORT, created, fine, spec};
use banjia_movement::stage::{ActiveDestination, Death, Event, Impossible, Move, RouteChoice, Warning, What, apply};
use banjia_types::{Share, Stage, Timestamp};
use std::time::Duration;

const LENGTH: usize = 3;

/// One of each kind, and several of those that name a stage.
fn pool(mv: &Move) -> Vec<What> {
    let at = mv.state().deadline;
    let choice = |route: &str, to| RouteChoice { route: route.into(), to, is_passing: false };
    let choices = vec![choice("chat", ActiveDestination::Second), choice("small", ActiveDestination::First)];
    let stages = [Stage::Record, Stage::Shadow, Stage::Canary, Stage::Live, Stage::Sealed];
    let mut pool: Vec<What> = stages
        .into_iter()
        .map(|to| What::Overridden {
            from: mv.stage(),
            to,
            share: match to {
                Stage::Canary => Share::of(500),
                Stage::Live => Share::ALL,
                _ => Share::NONE,
            },
        })
        .collect();
    pool.extend(stages.into_iter().map(|to| What::Advanced { from: mv.stage(), to }));
    pool.extend([
        What::Created { spec: mv.spec().hash().to_owned() },
        What::ShareSet { from: mv.state().share, to: Share::of(5_000) },
        What::SteppedBack { from: mv.stage() },
        What::Switched { route: "chat".into(), to: ActiveDestination::Second },
        What::Switched { route: "small".into(), to: ActiveDestination::Second },
        What::Paused,
        What::Resumed,
        What::Redated { deadline: at + Duration::from_hours(1), source_until: at + Duration::from_hours(2) },
        What::SourceDied { death: Death::Cut { seen: "region".to_owned() }, choices: choices.clone() },
        What::SourceDied { death: Death::Cut { seen: "region".to_owned() }, choices: Vec::new() },
        What::SourcePassed,
        What::Cut { from: mv.stage(), choices },
        What::Held,
        What::RehearsalBegan { share: Share::of(100), until: at - Duration::from_hours(239) },
        What::CredentialsRemoved { vendor: "old".into(), names: Vec::new() },
        What::Sealed { report: "00".to_owned() },
        What::Warned { warning: Warning::DeadlineNear { hours: 24 } },
        What::Paged { through: mv.version() },
    ]);
    pool
}

fn in_shape(mv: &Move) {
    let state = mv.state();
    match state.stage {
        Stage::Record | Stage::Shadow => assert_eq!(state.share, Share::NONE),
        Stage::Canary => assert!(state.share > Share::NONE && state.share < Share::ALL),
        Stage::Live | Stage::Sealed => assert_eq!(state.share, Share::ALL),
    }
    assert_eq!(state.live_by.is_some(), state.stage >= Stage::Live, "{state:?}");
    assert!(state.death.is_none() || state.stage >= Stage::Live, "a dead source answers nobody");
    assert!(state.stage != Stage::Sealed || state.credentials_removed.is_some());
    assert!(state.rehearsal.is_none() || state.stage < Stage::Live);
    assert!(state.deadline <= state.source_until);
}

fn follow(mv: &Move, depth: usize, times: &[Timestamp], seen: &mut u64) {
    for (what, at) in pool(mv).into_iter().flat_map(|what| times.iter().map(move |at| (what.clone(), *at))) {
        let because = match what {
            What::Advanced { .. } | What::ShareSet { .. } => mv.gates_ahead(&fine(mv, at), at),
            _ => Vec::new(),
        };
        let event = Event { at, by: "ann".to_owned(), reason: "why not".to_owned(), because, what };
        let mut after = mv.clone();
        *seen += 1;
        if apply(&mut after, &event).is_err() {
            assert_eq!(after, *mv, "{event:?} cannot follow and changed the move");
            continue;
        }
        in_shape(&after);
        assert_eq!(after.version(), mv.version() + 1);
        if depth > 1 {
            follow(&after, depth - 1, times, seen);
        }
    }
}

#[test]
fn every_sequence_of_events_keeps_the_move_in_shape() {
    for text in [SHORT.to_owned(), SHORT.replace("source_until", "on_deadline = \"hold\"\nsource_until")] {
        let (mv, at) = created(&text);
        let times = [at, mv.state().deadline, mv.state().source_until];
        let mut seen = 0;
        follow(&mv, LENGTH, &times, &mut seen);
        assert!(seen > 10_000, "{seen} sequences");
    }
}

#[test]
fn a_log_of_another_text_is_refused() {
    let (mv, at) = created(SHORT);
    let other = spec(&SHORT.replace("short", "other"));
    let first = banjia_movement::stage::create(&mv, "ann", at);
    let (number, why) = Move::replay(other, [&first]).unwrap_err();
    assert!(number == 1 && matches!(why, Impossible::OtherText { .. }), "{why}");
}
