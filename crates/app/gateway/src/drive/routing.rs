//! Which targets a request may be sent to, in which order, and why.

use crate::border::BorderCheck;
use crate::ledger::Entry;
use crate::live::LiveRoute;
use crate::lock::lock;
use crate::request::InferenceRequest;
use crate::route_move::TargetRole;
use crate::state::State;
use banjia_traffic::{Candidate, ChooseInput, Priority, RoutingDecision, StickyKey, TargetOrder, choose};
use banjia_types::Moment;

/// What is known of the choice of targets, until the request ends.
pub(super) struct Routing {
    /// How the route's move routes this request. `None` if the route has no move.
    pub(super) decision: Option<RoutingDecision>,
    pub(super) conversation: Option<StickyKey>,
    /// Index of the target this conversation would get without session affinity.
    pub(super) default_target: Option<usize>,
    /// True if the conversation was pinned to a target.
    pub(super) was_pinned: bool,
    /// True if a target is left out because it is blocked or does not serve the caller.
    pub(super) is_blocked: bool,
    /// Set if no vendor serves this caller: the first vendor's reason, sent in `x-banjia-border`.
    pub(super) unserved: Option<String>,
}

impl Routing {
    /// Puts the route's targets into the order in which they are called.
    pub(super) fn choose(
        state: &State,
        route: &LiveRoute,
        conversation: Option<StickyKey>,
        request: &InferenceRequest,
        check: &BorderCheck,
        (now, entry): (Moment, &Entry),
    ) -> (Self, TargetOrder) {
        let pinned = conversation.and_then(|key| state.affinity.pinned_to(key, now));
        let pinned_ix =
            pinned.as_ref().and_then(|pinned| route.targets.iter().position(|target| target.target == *pinned));
        let route_move = route.route_move.as_deref();
        let decision = route_move
            .map(|route_move| route_move.decide(conversation.map(|key| key.0), request.id, entry.row.accepted_at));
        let role = |target_ix| route_move.map_or(TargetRole::None, |route_move| route_move.role(target_ix));
        let may_stay = |target_ix: &usize| {
            role(*target_ix) != TargetRole::Source || decision.is_none_or(|decision| decision.may_stay_at_source)
        };
        let candidates: Vec<_> = route
            .targets
            .iter()
            .enumerate()
            .map(|(target_ix, target)| Candidate {
                is_excluded: role(target_ix) == TargetRole::Source
                    && decision.is_some_and(|decision| decision.is_source_excluded),
                priority: decision.map_or(Priority::Route, |decision| role(target_ix).priority(&decision)),
                // A vendor that does not serve this caller is treated as if it had refused already.
                is_cut: target.block.is_blocked()
                    || target.vendor.serves.as_ref().is_some_and(|list| !check.is_served_by(list)),
                breaker: lock(&target.breaker).state(&state.health, now),
            })
            .collect();
        let choice = choose(&ChooseInput { candidates: &candidates, sticky: pinned_ix.filter(may_stay) });
        let is_unserved = candidates.iter().all(|candidate| candidate.is_cut);
        let may_ask = |target_ix: &usize| !candidates[*target_ix].is_cut && !candidates[*target_ix].is_excluded;
        let routing = Self {
            decision,
            conversation,
            default_target: (0..candidates.len())
                .filter(may_ask)
                .min_by_key(|&target_ix| candidates[target_ix].priority),
            was_pinned: pinned.is_some(),
            is_blocked: candidates.iter().any(|candidate| candidate.is_cut),
            unserved: if is_unserved { first_refusal(route, check) } else { None },
        };
        (routing, choice)
    }
}

/// The reason of the first vendor whose list does not serve this caller.
fn first_refusal(route: &LiveRoute, check: &BorderCheck) -> Option<String> {
    route.targets.iter().filter_map(|target| target.vendor.serves.as_ref()).find_map(|list| check.refusal_by(list))
}
