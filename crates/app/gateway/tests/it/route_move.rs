//! Routes that move: each stage, the date, the share, the drill.

use crate::rig::{Answer, MOVING, Rig, hello};
use banjia_gateway::config::RouteConfig;
use banjia_sandbox::Fault;
use banjia_types::{Rehearsal, RouteMove, Share, Stage, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const SOURCE: &str = "openai/gpt-4o";
pub(crate) const DESTINATION: &str = "zhipu/glm-4.6";
const SECOND: &str = "alibaba/qwen-plus";

pub(crate) fn route_move(stage: Stage) -> RouteMove {
    let targets = (SOURCE.parse().unwrap(), DESTINATION.parse().unwrap());
    let second = Some(SECOND.parse().unwrap());
    RouteMove { second, ..RouteMove::new("leave", MOVING.into(), stage, targets) }
}

pub(crate) fn set(rig: &Rig, route_move: RouteMove) {
    rig.gateway.set_route_moves(BTreeMap::from([(route_move.route.clone(), route_move)])).unwrap();
}

async fn ask_as(rig: &Rig, user: &str) -> Answer {
    let mut body = hello(MOVING, false);
    body["user"] = json!(user);
    rig.chat(&body).await
}

pub(crate) fn target(answer: &Answer) -> String {
    answer.is(200).header("x-banjia-target").to_owned()
}

#[tokio::test]
async fn each_stage_of_a_move_chooses_its_target() {
    let rig = Rig::new().await;
    assert_eq!(rig.ask(MOVING, false).await.header("x-banjia-reason"), "", "a route that does not move says nothing");
    let share = |share| RouteMove { share, ..route_move(Stage::Canary) };
    for (route_move, expected) in [
        (route_move(Stage::Record), SOURCE),
        (route_move(Stage::Shadow), SOURCE),
        (share(Share::NONE), SOURCE),
        (share(Share::ALL), DESTINATION),
        (route_move(Stage::Live), DESTINATION),
        (route_move(Stage::Sealed), DESTINATION),
    ] {
        let stage = route_move.stage;
        set(&rig, route_move);
        for stream in [false, true] {
            let answer = rig.ask(MOVING, stream).await;
            assert_eq!(target(&answer), expected, "{stage}");
            assert_eq!(answer.header("x-banjia-reason"), "move", "{stage}");
        }
    }
    assert!(rig.rows().await.iter().take(12).all(|row| row.reason.as_deref() == Some("course")));
    rig.gateway.set_route_moves(BTreeMap::new()).unwrap();
    assert_eq!(target(&rig.ask(MOVING, false).await), SOURCE);
}

#[tokio::test]
async fn the_source_helps_out_only_before_its_date() {
    let rig = Rig::new().await;
    let canary = RouteMove { share: Share::ALL, ..route_move(Stage::Canary) };
    rig.fault("zhipu", Fault::Arrears);
    set(&rig, canary.clone());
    assert_eq!(target(&ask_as(&rig, "a").await), SOURCE, "the source is known to be well");
    set(&rig, route_move(Stage::Live));
    assert_eq!(target(&ask_as(&rig, "b").await), SECOND);
    assert_eq!(target(&ask_as(&rig, "a").await), SECOND, "nobody stays at the source from live on");
    rig.fault("alibaba", Fault::Arrears);
    assert_eq!(target(&ask_as(&rig, "c").await), SOURCE, "the last way out while the source is alive");
    let asked = rig.asked("openai");
    for dead in [
        RouteMove { is_source_dead: true, ..route_move(Stage::Live) },
        RouteMove { is_source_dead: true, ..canary },
        RouteMove { source_until: Some(rig.clock.now()), ..route_move(Stage::Record) },
        route_move(Stage::Sealed),
    ] {
        set(&rig, dead);
        ask_as(&rig, "d").await.is_error(429, Some("insufficient_quota"));
    }
    assert_eq!(rig.asked("openai"), asked);
    assert_eq!(rig.tally().await.missing(), 0);
}

#[tokio::test]
async fn the_date_stops_the_source_by_itself_under_traffic() {
    let rig = Rig::new().await;
    let date = Timestamp(1_720_483_200_000);
    rig.clock.set(date - Duration::from_hours(1));
    set(&rig, RouteMove { source_until: Some(date), ..route_move(Stage::Record) });
    for number in 0..10 {
        assert_eq!(target(&ask_as(&rig, &format!("user-{number}")).await), SOURCE);
    }
    let asked = rig.asked("openai");
    rig.clock.set(date);
    for number in 0..20 {
        let answer = ask_as(&rig, &format!("user-{number}")).await;
        assert_eq!(target(&answer), DESTINATION, "nobody set another course, and nobody ticked");
    }
    assert_eq!(rig.asked("openai"), asked);
    let tally = rig.tally().await;
    assert_eq!((tally.answered, tally.missing()), (30, 0));
}

#[tokio::test]
async fn a_growing_share_respects_pinned_targets() {
    let rig = Rig::new().await;
    let mut there: Vec<String> = Vec::new();
    for share in [0, 2_000, 5_000, 8_000, 10_000] {
        set(&rig, RouteMove { share: Share::of(share), ..route_move(Stage::Canary) });
        let mut now_there = Vec::new();
        for number in 0..40 {
            let user = format!("user-{number}");
            if target(&ask_as(&rig, &user).await) == DESTINATION {
                now_there.push(user);
            }
        }
        assert!(there.iter().all(|user| now_there.contains(user)), "{share}: a conversation was taken back");
        assert!(share == 0 || share == 10_000 || now_there.len() > there.len(), "{share}: {}", now_there.len());
        there = now_there;
    }
    assert_eq!(there.len(), 40);
    // One that failed over sits where it was answered, until the source is no place to be.
    rig.sandbox.faults.set("zhipu", Fault::Arrears, banjia_sandbox::When::Next(1));
    assert_eq!(target(&ask_as(&rig, "user-0").await), SOURCE);
}

#[tokio::test]
async fn a_move_that_does_not_fit_is_refused() {
    let rig = Rig::new().await;
    set(&rig, route_move(Stage::Live));
    let other = RouteMove { destination: "baidu/ernie-5.1".parse().unwrap(), ..route_move(Stage::Record) };
    let lost = RouteMove { route: "gpt-4".into(), ..route_move(Stage::Record) };
    let route_moves = BTreeMap::from([(other.route.clone(), other), (lost.route.clone(), lost)]);
    let problems = rig.gateway.set_route_moves(route_moves).unwrap_err();
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(said[0].starts_with("moves.leave.gpt-4: there is no such route") && said[0].contains("gpt-4o"), "{said:?}");
    assert!(
        said[1].starts_with("moves.leave.gpt-4o.destination: the destination baidu/ernie-5.1 is not among"),
        "{said:?}"
    );
    assert_eq!(target(&rig.ask(MOVING, false).await), DESTINATION);
    let same = RouteMove { destination: SOURCE.parse().unwrap(), ..route_move(Stage::Record) };
    assert_eq!(rig.gateway.set_route_moves(BTreeMap::from([(same.route.clone(), same)])).unwrap_err().len(), 1);
    // At its end a move's source leaves the configuration; from live on its course fits without it.
    let gone = RouteMove { source: "baidu/ernie-5.1".parse().unwrap(), ..route_move(Stage::Live) };
    set(&rig, gone.clone());
    assert_eq!(target(&rig.ask(MOVING, false).await), DESTINATION);
    let early = RouteMove { stage: Stage::Canary, ..gone };
    assert_eq!(rig.gateway.set_route_moves(BTreeMap::from([(early.route.clone(), early)])).unwrap_err().len(), 1);
    // A reload that takes the destination away still keeps the source from being asked after its date.
    set(&rig, RouteMove { source_until: Some(rig.clock.now()), ..route_move(Stage::Live) });
    rig.reload(|config| {
        config.routes.retain(|route| route.name.as_str() != MOVING);
        config.routes.push(RouteConfig::new(MOVING, [SOURCE]));
    });
    let asked = rig.asked("openai");
    rig.ask(MOVING, false).await.is_error(404, Some("model_not_found"));
    assert_eq!(rig.asked("openai"), asked);
}

#[tokio::test]
async fn the_same_model_elsewhere_is_the_source_too() {
    let rig = Rig::with(|config| {
        let mut twin = config.vendors[0].clone();
        twin.name = "twin".into();
        twin.profile = Some("openai".into());
        config.vendors.push(twin);
        config.routes.push(RouteConfig::new("twins", [SOURCE, "twin/gpt-4o", DESTINATION]));
    })
    .await;
    set(&rig, RouteMove { route: "twins".into(), second: None, is_source_dead: true, ..route_move(Stage::Live) });
    rig.fault("zhipu", Fault::Arrears);
    rig.ask("twins", false).await.is_error(429, Some("insufficient_quota"));
    assert_eq!(rig.asked("openai"), 0, "another key is no way to a source that has left");
    // Nor is it one when the source itself was taken out of the route, as its owner may do once the move is live.
    rig.reload(|config| {
        config.routes.retain(|route| route.name.as_str() != "twins");
        config.routes.push(RouteConfig::new("twins", ["twin/gpt-4o", DESTINATION]));
    });
    rig.ask("twins", false).await.is_error(429, Some("insufficient_quota"));
    assert_eq!(rig.asked("openai"), 0);
}

#[tokio::test]
async fn a_wrong_move_stops_no_other_move() {
    let rig = Rig::with(|config| config.routes.push(RouteConfig::new("broken", [SOURCE]))).await;
    let now = rig.clock.now();
    let broken = RouteMove { route: "broken".into(), second: None, source_until: Some(now), ..route_move(Stage::Live) };
    let route_moves = [broken, route_move(Stage::Live)].map(|route_move| (route_move.route.clone(), route_move));
    assert_eq!(rig.gateway.set_route_moves(BTreeMap::from(route_moves)).unwrap_err().len(), 1);
    assert_eq!(target(&rig.ask(MOVING, false).await), DESTINATION);
    rig.ask("broken", false).await.is_error(404, Some("model_not_found"));
    assert_eq!(rig.asked("openai"), 0);
}

#[tokio::test]
async fn a_denial_of_another_process_is_final_here() {
    let rig = Rig::new().await;
    assert_eq!(target(&rig.ask(MOVING, false).await), SOURCE);
    assert!(rig.store.record_cut(&"openai".into(), rig.clock.now(), &serde_json::json!({})).await.unwrap());
    rig.gateway.take_cuts().await.unwrap();
    assert_eq!(target(&rig.ask(MOVING, false).await), DESTINATION);
    assert_eq!(rig.asked("openai"), 1);
}

fn rehearsal(share: Share, until: Timestamp) -> RouteMove {
    RouteMove { rehearsal: Some(Rehearsal { share, until }), ..route_move(Stage::Record) }
}

#[tokio::test]
async fn a_rehearsed_block_answers_like_the_true_one() {
    let rig = Rig::new().await;
    let end = rig.clock.now() + Duration::from_hours(1);
    set(&rig, rehearsal(Share::of(5_000), end));
    let mut drilled = 0;
    for number in 0..40 {
        let answer = ask_as(&rig, &format!("user-{number}")).await;
        let is_drilled = answer.header("x-banjia-reason") == "rehearsal";
        drilled += u32::from(is_drilled);
        assert_eq!(target(&answer), if is_drilled { DESTINATION } else { SOURCE });
    }
    assert!((8..=32).contains(&drilled), "{drilled} of 40 at a share of a half");
    assert_eq!(rig.asked("openai"), u64::from(40 - drilled), "a rehearsed block asks nobody");
    let rows = rig.rows().await;
    let marked = rows.iter().filter(|row| row.reason.as_deref() == Some("rehearsal")).count();
    assert_eq!(marked, drilled as usize);
    assert!(rows.iter().all(|row| row.status == 200 && row.class.is_none()), "no client saw an error");
    assert!(rig.alerts.lock().unwrap().is_empty() && rig.store.cut_history().await.unwrap().is_empty());
    // After it everybody is where they were.
    rig.clock.set(end);
    let mut back = 0;
    for number in 0..40 {
        let answer = ask_as(&rig, &format!("user-{number}")).await;
        assert_eq!(target(&answer), SOURCE);
        back += u32::from(answer.header("x-banjia-reason") == "after_rehearsal");
    }
    assert_eq!(back, drilled, "the drill's conversations are known until its end is in the log");
    set(&rig, route_move(Stage::Record));
    let answer = ask_as(&rig, "user-0").await;
    assert_eq!(answer.header("x-banjia-reason"), "move");
}

#[tokio::test]
async fn a_rehearsal_shows_a_destination_that_is_down() {
    let rig = Rig::new().await;
    set(&rig, rehearsal(Share::ALL, rig.clock.now() + Duration::from_hours(1)));
    rig.fault("zhipu", Fault::Arrears);
    rig.fault("alibaba", Fault::Arrears);
    rig.ask(MOVING, false).await.is_error(429, Some("insufficient_quota"));
    let row = &rig.rows().await[0];
    assert_eq!((row.reason.as_deref(), row.status, row.attempts), (Some("rehearsal"), 429, 3));
    assert_eq!(rig.asked("openai"), 0);
    assert!(rig.store.cut_history().await.unwrap().is_empty());
    assert_eq!(rig.tally().await.missing(), 0);
}
