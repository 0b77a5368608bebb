//! A move's course, joined to the targets of its route.
//!
//! Rules: a route without a course costs a request one look at a pointer; a source that may not be asked is left out when the
//! targets are chosen and looked at again before each sending, because a retry may come after the date; whoever serves the
//! source's model behind the source's border under another name or key is the source too. A course whose targets a reload
//! took away still keeps its source from being asked. The source's border is that of its entry in the configuration, whether or not a
//! route still names it: taking it out of a route makes no other key of the same vendor askable.

use crate::budget::Budget;
use crate::problem::{Problem, near};
use crate::snapshot::{Route, Vendor};
use banjia_traffic::{Priority, RoutingDecision};
use banjia_types::{RequestId, RouteMove, RouteName, Stage, Timestamp, VendorName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Courses by route.
pub(crate) type RouteMoves = BTreeMap<RouteName, RouteMove>;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct LiveRouteMove {
    pub(crate) route_move: RouteMove,
    /// What copies may still cost.
    pub(crate) budget: Arc<Budget>,
    /// What each of the route's targets is to the course.
    parts: Vec<TargetRole>,
}

/// What a target is to a course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetRole {
    Source,
    Destination,
    Second,
    None,
}

impl LiveRouteMove {
    /// Joins a course to its route. `vendors` has one vendor for each target; `source_border` is the source's, by its entry.
    pub(crate) fn join(
        route_move: RouteMove,
        route: &Route,
        (vendors, source_border): (&[Arc<Vendor>], &VendorName),
        budget: Arc<Budget>,
    ) -> Self {
        let target = |goal: usize| &route.targets[goal].target;
        let is_source =
            |goal: usize| target(goal).model == route_move.source.model && vendors[goal].border == *source_border;
        let part = |goal: usize| match target(goal) {
            it if *it == route_move.source => TargetRole::Source,
            it if *it == route_move.destination => TargetRole::Destination,
            it if route_move.second.as_ref() == Some(it) => TargetRole::Second,
            _ if is_source(goal) => TargetRole::Source,
            _ => TargetRole::None,
        };
        let parts = (0..vendors.len()).map(part).collect();
        Self { route_move, budget, parts }
    }

    /// What the course asks of a conversation, or of a request that belongs to none.
    pub(crate) fn way(&self, conversation: Option<u64>, id: RequestId, now: Timestamp) -> RoutingDecision {
        RoutingDecision::of(&self.route_move, conversation.unwrap_or_else(|| id.sample_seed()), now)
    }

    /// What a target of the route is to the course.
    pub(crate) fn part(&self, goal: usize) -> TargetRole {
        self.parts[goal]
    }

    /// The first of the route's targets with this part.
    pub(crate) fn goal(&self, part: TargetRole) -> Option<usize> {
        self.parts.iter().position(|it| *it == part)
    }

    /// Whether a target may be asked at this moment.
    pub(crate) fn may_ask(&self, goal: usize, now: Timestamp) -> bool {
        self.part(goal) != TargetRole::Source || self.route_move.may_ask_source(now)
    }
}

impl TargetRole {
    /// The turn of a target with this part.
    pub(crate) const fn turn(self, way: &RoutingDecision) -> Priority {
        match self {
            Self::Source => way.source,
            Self::Destination => way.destination,
            Self::Second => way.second,
            Self::None => Priority::Route,
        }
    }
}

/// The courses that these routes can take of those that are wanted, and what is wrong with the rest. A route keeps the course that it
/// has when the new one does not fit; where it has none it takes the new one all the same, so that its source is not asked after its
/// date. What is wrong with one move stops no other.
pub(crate) fn taken(
    wanted: RouteMoves,
    present: &RouteMoves,
    routes: &BTreeMap<RouteName, Arc<Route>>,
) -> (RouteMoves, Vec<Problem>) {
    let (mut route_moves, mut problems) = (RouteMoves::new(), Vec::new());
    for (name, route_move) in wanted {
        let found = check_one(&name, &route_move, routes);
        let old = if found.is_empty() { None } else { present.get(&name).cloned() };
        route_moves.insert(name, old.unwrap_or(route_move));
        problems.extend(found);
    }
    (route_moves, problems)
}

/// What is wrong with courses for these routes; nothing when they can be taken.
pub(crate) fn check(route_moves: &RouteMoves, routes: &BTreeMap<RouteName, Arc<Route>>) -> Vec<Problem> {
    route_moves.iter().flat_map(|(name, route_move)| check_one(name, route_move, routes)).collect()
}

fn check_one(name: &RouteName, route_move: &RouteMove, routes: &BTreeMap<RouteName, Arc<Route>>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let place = format!("moves.{}.{name}", route_move.of);
    if route_move.route != *name {
        let message = format!("the course is of the route {:?}", route_move.route.as_str());
        problems.push(Problem::new(&place, message, "give each course under its own route"));
    }
    let Some(route) = routes.get(name.as_str()) else {
        let hint = near(name.as_str(), routes.keys().map(RouteName::as_str))
            .map_or_else(|| "add it under `routes`".to_owned(), |near| format!("did you mean {near}?"));
        problems.push(Problem::new(&place, "there is no such route", hint));
        return problems;
    };
    let targets = &route.targets;
    // At its end a move's source leaves the configuration, credential and all. It is then not asked, which is what is wanted.
    let needs_source = route_move.stage < Stage::Live;
    let named = [
        ("source", Some(&route_move.source).filter(|_| needs_source)),
        ("destination", Some(&route_move.destination)),
        ("second", route_move.second.as_ref()),
    ];
    for (part, target) in named.into_iter().filter_map(|(part, target)| Some((part, target?))) {
        if !targets.iter().any(|it| it.target == *target) {
            let message = format!("the {part} {target} is not among the route's targets");
            let hint = format!("add it to the targets of {name}, where its credential is known and a person sees it");
            problems.push(Problem::new(format!("{place}.{part}"), message, hint));
        }
    }
    if route_move.source == route_move.destination
        || route_move.second.as_ref().is_some_and(|it| *it == route_move.source)
    {
        let message = format!("{} is the source and a destination at once", route_move.source);
        problems.push(Problem::new(&place, message, "name another destination"));
    }
    problems
}
