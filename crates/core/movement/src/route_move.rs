//! The part of a move that a gateway needs to route requests.
//!
//! # Rules
//! - A route move is computed from the move alone. It stays right even if no reconciler runs any
//!   more, because it holds the source's end date.
//! - Copies and repeats end with `live`, since they show nothing new afterwards.

use crate::spec::MovedRoute;
use crate::stage::{ActiveDestination, Move};
use banjia_types::{Money, RouteMove, RouteName, Share, Stage};

impl Move {
    /// How a route moves at present. `spent` is the cost of repeats and shadows since the move
    /// began. `None` for a route that does not move, and before the move is created.
    pub fn route_move(&self, route: &RouteName, spent: &[Money]) -> Option<RouteMove> {
        let moved = self.spec().route(route).filter(|_| self.version() > 0)?;
        Some(self.route_move_of(moved, spent))
    }

    /// The route moves of all routes.
    pub fn route_moves(&self, spent: &[Money]) -> Vec<RouteMove> {
        let routes = self.spec().routes.iter().filter(|_| self.version() > 0);
        routes.map(|moved| self.route_move_of(moved, spent)).collect()
    }

    fn route_move_of(&self, moved: &MovedRoute, spent: &[Money]) -> RouteMove {
        let (spec, state) = (self.spec(), self.state());
        let used = state.used.get(&moved.route).copied().unwrap_or_default();
        let second = match used {
            ActiveDestination::First => moved.second.clone(),
            ActiveDestination::Second => Some(moved.destination.clone()),
        };
        let while_measuring = |from: Stage, share: Share| {
            if (from..Stage::Live).contains(&state.stage) { share } else { Share::NONE }
        };
        RouteMove {
            of: spec.id.clone(),
            route: moved.route.clone(),
            stage: state.stage,
            source: moved.source.clone(),
            destination: self.target_in_use(moved).clone(),
            second,
            share: state.share,
            source_until: Some(state.source_until),
            is_source_dead: state.death.is_some() || state.is_source_past || state.stage == Stage::Sealed,
            record: if state.stage == Stage::Sealed { Share::NONE } else { spec.record.share },
            repeat: while_measuring(Stage::Record, spec.record.repeat),
            shadow: while_measuring(Stage::Shadow, spec.shadow.share),
            spend_left: spec.shadow.spend_max.map(|cap| left(cap, spent)).into_iter().collect(),
            rehearsal: state.rehearsal,
        }
    }
}

/// The rest of a budget. Costs in other currencies do not count.
fn left(cap: Money, spent: &[Money]) -> Money {
    let same = spent.iter().filter(|money| money.currency == cap.currency);
    let micros = same.fold(cap.micros, |left, money| left.saturating_sub(money.micros)).max(0);
    Money { micros, currency: cap.currency }
}
