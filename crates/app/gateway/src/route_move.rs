//! A route's move, joined to the route's targets.
//!
//! - A route without a move costs a request one check of a pointer.
//! - A source that is past its date is left out when targets are chosen, and checked again before each
//!   send, because a retry may come after the date.
//! - A target is also the source if it serves the source's model behind the source's block under
//!   another name or with another key.
//! - If a reload removes a move's targets, its source stays blocked.
//! - The source's block is that of its entry in the configuration, whether or not a route still has
//!   it: taking it out of a route makes no other key of the same vendor usable.

use crate::budget::Budget;
use crate::problem::{Problem, near};
use crate::snapshot::{ANY_MODEL, Route, Vendor};
use banjia_traffic::{Priority, RoutingDecision};
use banjia_types::{RequestId, RouteMove, RouteName, Stage, Timestamp, VendorName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Moves by route.
pub(crate) type RouteMoves = BTreeMap<RouteName, RouteMove>;

/// A move and the role of each target of its route.
#[derive(Debug)]
pub(crate) struct LiveRouteMove {
    pub(crate) route_move: RouteMove,
    /// The money left for copies.
    pub(crate) budget: Arc<Budget>,
    /// One role for each of the route's targets.
    roles: Vec<TargetRole>,
}

/// The role of a target in a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetRole {
    Source,
    Destination,
    Second,
    None,
}

impl LiveRouteMove {
    /// Joins a move to its route. `vendors` has one vendor for each target; `source_block` is the name under
    /// which the source's vendor is blocked.
    pub(crate) fn join(
        route_move: RouteMove,
        route: &Route,
        (vendors, source_block): (&[Arc<Vendor>], &VendorName),
        budget: Arc<Budget>,
    ) -> Self {
        let target = |ix: usize| &route.targets[ix].target;
        let is_source = |ix: usize| target(ix).model == route_move.source.model && vendors[ix].border == *source_block;
        let role = |ix: usize| match target(ix) {
            it if *it == route_move.source => TargetRole::Source,
            it if *it == route_move.destination => TargetRole::Destination,
            it if route_move.second.as_ref() == Some(it) => TargetRole::Second,
            _ if is_source(ix) => TargetRole::Source,
            _ => TargetRole::None,
        };
        let roles = (0..vendors.len()).map(role).collect();
        Self { route_move, budget, roles }
    }

    /// Decides how the move routes a conversation, or a request that belongs to none.
    pub(crate) fn decide(&self, conversation: Option<u64>, id: RequestId, now: Timestamp) -> RoutingDecision {
        RoutingDecision::of(&self.route_move, conversation.unwrap_or_else(|| id.sample_seed()), now)
    }

    /// The role of the route's target at this index.
    pub(crate) fn role(&self, target_ix: usize) -> TargetRole {
        self.roles[target_ix]
    }

    /// The index of the first target with this role.
    pub(crate) fn first_with(&self, role: TargetRole) -> Option<usize> {
        self.roles.iter().position(|other| *other == role)
    }

    /// Whether a request may be sent to a target now.
    pub(crate) fn may_ask(&self, target_ix: usize, now: Timestamp) -> bool {
        self.role(target_ix) != TargetRole::Source || self.route_move.may_ask_source(now)
    }
}

impl TargetRole {
    /// The priority of a target with this role.
    pub(crate) const fn priority(self, decision: &RoutingDecision) -> Priority {
        match self {
            Self::Source => decision.source,
            Self::Destination => decision.destination,
            Self::Second => decision.second,
            Self::None => Priority::Route,
        }
    }
}

/// Selects the moves that take effect, and returns the problems of the others. If a move does not fit
/// its route, the route keeps its present move. If it has none, the new one takes effect all the same,
/// so that its source is not asked after its date. A problem with one move stops no other.
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

/// Returns the problems of moves with these routes.
pub(crate) fn check(route_moves: &RouteMoves, routes: &BTreeMap<RouteName, Arc<Route>>) -> Vec<Problem> {
    route_moves.iter().flat_map(|(name, route_move)| check_one(name, route_move, routes)).collect()
}

fn check_one(name: &RouteName, route_move: &RouteMove, routes: &BTreeMap<RouteName, Arc<Route>>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let place = format!("moves.{}.{name}", route_move.of);
    if route_move.route != *name {
        let message = format!("the move is of the route {:?}", route_move.route.as_str());
        problems.push(Problem::new(&place, message, "give each move under its own route"));
    }
    let Some(route) = routes.get(name.as_str()) else {
        let hint = near(name.as_str(), routes.keys().map(RouteName::as_str))
            .map_or_else(|| "add it under `routes`".to_owned(), |near| format!("did you mean {near}?"));
        problems.push(Problem::new(&place, "there is no such route", hint));
        return problems;
    };
    if name.as_str().ends_with(ANY_MODEL) {
        let hint = "give each model that moves a route of its own";
        problems.push(Problem::new(&place, "a route with a pattern cannot move", hint));
    }
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
