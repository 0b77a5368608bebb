//! Drills: the source's block met by a part of the conversations, and what the ledger says of it, there and back.
//!
//! Rules: the gateway marks the requests of a drill in the ledger (`rehearsal` while it lasts, `after_rehearsal` for the same
//! conversations from its end until the log says that it is over); only what is written there counts. A request that is still
//! open is in none of the numbers.

use super::{Loaded, MoveError, order};
use banjia_movement::gate::RehearsalEvidence;
use banjia_movement::spec::MovedRoute;
use banjia_movement::stage::{Event, Order, RehearsalFinding, What, rehearse};
use banjia_store::{Latency, Period, ReasonCount, Store};
use banjia_types::{Outcome, RouteName, Share, Stage, Target, Timestamp};
use std::time::Duration;

/// Why a request met the rehearsed block.
const DURING: &str = "rehearsal";
/// A request of such a conversation after the drill.
const AFTER: &str = "after_rehearsal";

/// A drill and what it came to so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RehearsalRecord {
    /// When it was ordered.
    pub began_at: Timestamp,
    /// Until when the block is met.
    pub until: Timestamp,
    /// By which part of the conversations.
    pub share: Share,
    /// What was found, once it is over; until then its way back is watched.
    pub found: Option<RehearsalFinding>,
    /// Route by route.
    pub routes: Vec<RehearsedRoute>,
}

/// A drill on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RehearsedRoute {
    /// Which.
    pub route: RouteName,
    /// How the requests that met the block ended, by the last target that was tried.
    pub blocked: Vec<ReasonCount>,
    /// The same of the requests of those conversations afterwards.
    pub back: Vec<ReasonCount>,
    /// Of the latter, those that the source answered.
    pub back_answered: u64,
}

/// How long answers took during a drill, on one route.
#[derive(Clone, Debug, Default)]
pub struct RehearsalTimes {
    /// The answers to those that met the block.
    pub blocked: Latency,
    /// The route's other answers in the same time.
    pub others: Latency,
}

impl RehearsedRoute {
    /// Requests that met the block and ended so.
    pub fn ended(&self, outcome: Outcome) -> u64 {
        total(self.blocked.iter().filter(|one| one.outcome == outcome).map(|one| one.requests))
    }
}

impl RehearsalRecord {
    /// The same as gates and the move's log read it. A request that its client gave up proves nothing, neither for nor against.
    pub fn evidence(&self) -> RehearsalEvidence {
        let sum = |of: &dyn Fn(&RehearsedRoute) -> u64| total(self.routes.iter().map(of));
        let waited_for = |counts: &[ReasonCount]| -> u64 {
            total(counts.iter().filter(|one| one.outcome != Outcome::Abandoned).map(|one| one.requests))
        };
        RehearsalEvidence {
            blocked: sum(&|route| waited_for(&route.blocked)),
            answered: sum(&|route| route.ended(Outcome::Answered)),
            back: sum(&|route| waited_for(&route.back)),
            back_answered: sum(&|route| route.back_answered),
        }
    }
}

/// Orders a drill: a gateway that runs takes it up within seconds.
///
/// # Errors
/// Why that cannot be.
pub async fn begin(store: &Store, id: &str, share: Share, span: Duration, by: Order<'_>) -> Result<Event, MoveError> {
    order(store, id, |of| rehearse(of, share, span, by)).await
}

/// The drill under way, or the last one; none when there never was one.
///
/// # Errors
/// The database.
pub async fn last(store: &Store, loaded: &Loaded) -> Result<Option<RehearsalRecord>, MoveError> {
    let began = loaded.events.iter().enumerate().rev().find_map(|(number, event)| match event.what {
        What::RehearsalBegan { share, until } => Some((number, event.at, share, until)),
        _ => None,
    });
    let Some((number, began_at, share, until)) = began else { return Ok(None) };
    let is_over = loaded.of.state().rehearsal.is_none();
    let after = loaded.events.get(number + 1..).unwrap_or_default();
    let found = if is_over { loaded.of.state().rehearsal_finding } else { None };
    let cut_at = after.iter().find(|event| cuts_short(&event.what));
    let until = cut_at.map_or(until, |event| until.min(event.at));
    let mut routes = Vec::new();
    for moved in &loaded.of.spec().routes {
        routes.push(route(store, moved, Period { from: began_at, to: until }).await?);
    }
    Ok(Some(RehearsalRecord { began_at, until, share, found, routes }))
}

/// How long answers took during a drill, route by route in its order. The route's answers are sorted for it, so it is asked once, for
/// a report, and not while the drill is watched.
///
/// # Errors
/// The database.
pub async fn times(store: &Store, drill: &RehearsalRecord) -> Result<Vec<RehearsalTimes>, MoveError> {
    let during = Period { from: drill.began_at, to: drill.until };
    let mut found = Vec::new();
    for drilled in &drill.routes {
        let (blocked, others) = store.latency_by_reason(&drilled.route, DURING, during).await?;
        found.push(RehearsalTimes { blocked, others });
    }
    Ok(found)
}

fn total(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// Without a source to go back to there is no drill.
fn cuts_short(what: &What) -> bool {
    match what {
        What::SourceDied { .. } | What::SourcePassed | What::Cut { .. } => true,
        What::Advanced { to, .. } | What::Overridden { to, .. } => *to >= Stage::Live,
        _ => false,
    }
}

async fn route(store: &Store, moved: &MovedRoute, during: Period) -> Result<RehearsedRoute, MoveError> {
    let after = Period { from: during.to, ..Period::ALWAYS };
    let blocked = store.count_by_reason(&moved.route, DURING, during).await?;
    let back = store.count_by_reason(&moved.route, AFTER, after).await?;
    let at_source = |target: &Option<Target>| target.as_ref() == Some(&moved.source);
    let by_source = back.iter().filter(|one| one.outcome == Outcome::Answered && at_source(&one.target));
    let back_answered = total(by_source.map(|one| one.requests));
    Ok(RehearsedRoute { route: moved.route.clone(), blocked, back, back_answered })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_fails_a_rehearsal_but_a_client_gone_not() {
        let count = |outcome, requests| ReasonCount { target: None, outcome, requests };
        let drill = |blocked, back| RehearsalRecord {
            began_at: Timestamp(0),
            until: Timestamp(1),
            share: Share::ALL,
            found: None,
            routes: vec![RehearsedRoute { route: "gpt-4o".into(), blocked, back, back_answered: 3 }],
        };
        let left = count(Outcome::Abandoned, 1);
        let seen = drill(
            vec![count(Outcome::Answered, 4), left.clone()],
            vec![count(Outcome::Answered, 3), left, count(Outcome::Failed, 1)],
        )
        .evidence();
        assert_eq!((seen.blocked, seen.answered, seen.back, seen.back_answered), (4, 4, 4, 3));
    }
}
