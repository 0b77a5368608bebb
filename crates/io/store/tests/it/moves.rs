//! Moves and leases: one process adds the next event, one does the work.

use crate::open;
use banjia_store::{Actor, MoveCreation, MoveEventRow, NewMove, Store};
use banjia_types::Timestamp;
use serde_json::json;
use std::time::Duration;

const START: Timestamp = Timestamp(1_719_273_600_000);

fn by(actor: &str, after_ms: u64) -> Actor<'_> {
    Actor { actor, at: START + Duration::from_millis(after_ms) }
}

/// Creates a move that was checked against the moves of this moment.
async fn create(store: &Store, id: &str, after_ms: u64) -> MoveCreation {
    let checked_at = store.moves_version().await.unwrap();
    let first = json!({ "kind": "created" });
    let new = NewMove { id, text: "a text", first: &first, checked_at };
    store.create_move(new, by("kim", after_ms)).await.unwrap()
}

#[tokio::test]
async fn a_move_is_created_only_if_no_other_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moves.db");
    let (one, other) = (open(&path).await, open(&path).await);
    let first = json!({ "kind": "created" });
    let checked_at = one.moves_version().await.unwrap();
    assert_eq!(create(&other, "july", 0).await, MoveCreation::Created);
    let late = NewMove { id: "june", text: "a text", first: &first, checked_at };
    assert_eq!(one.create_move(late, by("kim", 1)).await.unwrap(), MoveCreation::OthersChanged);
    assert_eq!(one.get_move("june").await.unwrap(), None);
    assert_eq!(create(&one, "june", 2).await, MoveCreation::Created);
    assert_eq!(one.get_move("june").await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn of_two_who_add_the_next_event_one_does_and_the_other_learns_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moves.db");
    let (one, other) = (open(&path).await, open(&path).await);
    assert_eq!(create(&one, "july", 0).await, MoveCreation::Created);
    assert_eq!(create(&other, "july", 1).await, MoveCreation::NameTaken);
    let before = one.moves_version().await.unwrap();

    let (first, second) = (json!({ "kind": "advanced" }), json!({ "kind": "paused" }));
    let (a, b) = tokio::join!(
        one.append_move_event("july", 1, &first, None, by("one", 5)),
        other.append_move_event("july", 1, &second, None, by("other", 5)),
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a != b, "exactly one of them adds event 2");
    assert!(!one.append_move_event("july", 7, &first, None, by("one", 6)).await.unwrap(), "a place that is not next");
    assert!(!one.append_move_event("june", 1, &first, None, by("one", 6)).await.unwrap(), "a move that is not there");

    let events = other.move_events("july", 0).await.unwrap();
    let body = if a { first } else { second };
    let actor = if a { "one" } else { "other" }.to_owned();
    assert_eq!(events.len(), 2);
    assert_eq!(events[1], MoveEventRow { seq: 2, at: START + Duration::from_millis(5), actor, body });
    assert_eq!(other.move_events("july", 1).await.unwrap().len(), 1);
    let moves = one.moves().await.unwrap();
    assert_eq!((moves.len(), moves[0].version, moves[0].text.as_str()), (1, 2, "a text"));
    assert!(one.moves_version().await.unwrap() > before, "gateways learn that something changed");
    // Events are in the audit's chain too: the making, and two events.
    let kinds: Vec<_> = one.audit_page(0, 10).await.unwrap().into_iter().map(|row| row.entry.kind).collect();
    assert_eq!(kinds, ["move.create", "move.event", "move.event"]);
}

#[tokio::test]
async fn a_lease_is_one_holders_until_its_time_is_over_or_it_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("lease.db")).await;
    let (span, at) = (Duration::from_secs(10), |s| START + Duration::from_secs(s));
    let take = |who: &'static str, when| {
        let store = store.clone();
        async move { store.take_lease("moves", who, when, span).await.unwrap() }
    };
    assert!(take("a", at(0)).await);
    assert!(!take("b", at(9)).await, "it is a's");
    assert!(take("a", at(9)).await, "a keeps it");
    assert!(!take("b", at(18)).await);
    assert!(take("b", at(19)).await, "a's time is over");
    store.give_lease_back("moves", "a").await.unwrap();
    assert!(!take("a", at(20)).await, "who does not hold it gives nothing back");
    store.give_lease_back("moves", "b").await.unwrap();
    assert!(take("a", at(20)).await);
}

#[tokio::test]
async fn a_clock_set_back_frees_a_lease() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("lease.db")).await;
    let (span, later) = (Duration::from_secs(10), START + Duration::from_hours(1));
    assert!(store.take_lease("moves", "killed", later, span).await.unwrap());
    assert!(!store.is_leased("moves", START, span).await.unwrap(), "its end is further away than any lease lasts");
    assert!(store.take_lease("moves", "b", START, span).await.unwrap());
    assert!(store.is_leased("moves", START, span).await.unwrap());
    assert!(!store.take_lease("moves", "c", START + span / 2, span).await.unwrap(), "one process holds it");
}

#[tokio::test]
async fn a_clock_set_forward_leaves_one_holder() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("lease.db")).await;
    let (span, later) = (Duration::from_secs(10), START + Duration::from_hours(1));
    assert!(store.take_lease("moves", "a", START, span).await.unwrap());
    assert!(store.take_lease("moves", "b", later, span).await.unwrap(), "its end has passed");
    assert!(!store.take_lease("moves", "a", later, span).await.unwrap(), "and then it is the other one's");
}
