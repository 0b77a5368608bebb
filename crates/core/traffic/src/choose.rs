//! Which targets a request may go to, and in which order.
//!
//! # Rules
//! The rules apply in this order:
//!
//! 1. A target whose vendor is cut is left out, because a region block is final. The source of a
//!    move is left out once its end date has passed.
//! 2. The target that the conversation is pinned to comes first, if it is healthy.
//! 3. The others follow by the priority that a move gives them. Targets of equal priority keep the
//!    order of the route.
//! 4. Unhealthy targets (an open breaker, or a pause that the vendor asked for) come last, in the
//!    same order. If nothing else is left, asking a doubtful vendor is better than refusing the
//!    client.
//!
//! # Probes
//! A target whose breaker is due for a probe keeps its place. The request that is sent to it is the
//! probe. If it fails, failover protects the client.
//!
//! # Reasons
//! Each target carries the reason for its place. The ledger and the console show it.

use crate::health::BreakerState;
use std::fmt;

/// One target of a route, in its state at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// True if its vendor refused our region, now or before a restart.
    pub is_cut: bool,
    /// True if a move excludes it: past its end date, or it blocked our region.
    pub is_excluded: bool,
    /// The priority that a move gives it.
    pub priority: Priority,
    /// The state of its breaker now, from [`crate::Breaker::state`].
    pub breaker: BreakerState,
}

/// When a target is asked, relative to the others of its route. Earlier is smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before all targets that take no part in a move; small numbers first.
    Early(u8),
    /// No move concerns this target. It keeps the order of the route.
    #[default]
    Route,
    /// After all other targets.
    Late,
}

/// The input of [`choose`].
#[derive(Clone, Copy, Debug)]
pub struct ChooseInput<'a> {
    /// The route's targets in the route's order.
    pub candidates: &'a [Candidate],
    /// Index in `candidates` of the target that the conversation is pinned to. An index out of
    /// range is ignored.
    pub sticky: Option<usize>,
}

/// The order of the targets, and the reason for the place of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetOrder {
    /// Indices into [`ChooseInput::candidates`], first choice first. Empty if every target is cut
    /// or excluded.
    pub order: Vec<usize>,
    /// The reason for each candidate, in the order of the route.
    pub why: Vec<Why>,
}

/// Why a target has its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The conversation is pinned to it.
    Sticky,
    /// It has its place in the route.
    Route,
    /// A move gave it this place.
    RouteMove,
    /// It keeps its place, and this request tests whether it is healthy again.
    Probe,
    /// Last: its breaker is open.
    Open,
    /// Last: cooling down after `Retry-After`, or after a quota or auth failure.
    Resting,
    /// Left out: its vendor refused our region.
    Cut,
    /// Left out: a move excludes it.
    Excluded,
}

impl Why {
    /// The word for it in the ledger and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sticky => "sticky",
            Self::Route => "route",
            Self::RouteMove => "course",
            Self::Probe => "probe",
            Self::Open => "open",
            Self::Resting => "resting",
            Self::Cut => "cut",
            Self::Excluded => "left",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Orders the targets of a route for one request. The module's text has the rules.
pub fn choose(input: &ChooseInput<'_>) -> TargetOrder {
    let why: Vec<Why> = input
        .candidates
        .iter()
        .enumerate()
        .map(|(place, target)| reason(target, input.sticky == Some(place)))
        .collect();
    let mut order: Vec<usize> = (0..why.len()).filter(|&place| rank(why[place]) < NOT_ASKED).collect();
    order.sort_by_key(|&place| (rank(why[place]), input.candidates[place].priority));
    TargetOrder { order, why }
}

const fn reason(candidate: &Candidate, sticky: bool) -> Why {
    match (candidate.is_cut, candidate.breaker) {
        (true, _) => Why::Cut,
        _ if candidate.is_excluded => Why::Excluded,
        (_, BreakerState::Open { .. }) => Why::Open,
        (_, BreakerState::Resting { .. }) => Why::Resting,
        (_, BreakerState::Probe | BreakerState::Closed) if sticky => Why::Sticky,
        (_, BreakerState::Probe) => Why::Probe,
        (_, BreakerState::Closed) if !matches!(candidate.priority, Priority::Route) => Why::RouteMove,
        (_, BreakerState::Closed) => Why::Route,
    }
}

/// Targets of this rank are not asked.
const NOT_ASKED: u8 = 3;

const fn rank(why: Why) -> u8 {
    match why {
        Why::Sticky => 0,
        Why::Route | Why::RouteMove | Why::Probe => 1,
        Why::Open | Why::Resting => 2,
        Why::Cut | Why::Excluded => NOT_ASKED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_types::Moment;
    use proptest::prelude::*;

    const HEALTHY: Candidate =
        Candidate { is_cut: false, is_excluded: false, priority: Priority::Route, breaker: BreakerState::Closed };
    const CUT: Candidate = Candidate { is_cut: true, ..HEALTHY };
    const EXCLUDED: Candidate = Candidate { is_excluded: true, ..HEALTHY };
    const OPEN: Candidate = Candidate { breaker: BreakerState::Open { until: Moment(9) }, ..HEALTHY };
    const RESTING: Candidate = Candidate { breaker: BreakerState::Resting { until: Moment(9) }, ..HEALTHY };
    const PROBE: Candidate = Candidate { breaker: BreakerState::Probe, ..HEALTHY };

    fn check(candidates: &[Candidate], sticky: Option<usize>, order: &[usize], why: &[Why]) {
        let found = choose(&ChooseInput { candidates, sticky });
        assert_eq!((found.order.as_slice(), found.why.as_slice()), (order, why));
    }

    #[test]
    fn healthy_targets_keep_the_order_of_the_route() {
        check(&[HEALTHY, HEALTHY], None, &[0, 1], &[Why::Route, Why::Route]);
    }

    #[test]
    fn a_pinned_target_comes_first() {
        check(&[HEALTHY, HEALTHY, HEALTHY], Some(2), &[2, 0, 1], &[Why::Route, Why::Route, Why::Sticky]);
    }

    #[test]
    fn a_pinned_target_that_is_cut_or_open_loses() {
        check(&[CUT, HEALTHY], Some(0), &[1], &[Why::Cut, Why::Route]);
        check(&[HEALTHY, OPEN], Some(1), &[0, 1], &[Why::Route, Why::Open]);
    }

    #[test]
    fn a_pin_out_of_range_is_ignored() {
        check(&[HEALTHY, HEALTHY], Some(7), &[0, 1], &[Why::Route, Why::Route]);
    }

    #[test]
    fn unhealthy_targets_come_last_in_order() {
        check(
            &[OPEN, PROBE, RESTING, HEALTHY],
            None,
            &[1, 3, 0, 2],
            &[Why::Open, Why::Probe, Why::Resting, Why::Route],
        );
        check(&[OPEN], None, &[0], &[Why::Open]);
    }

    #[test]
    fn a_move_orders_its_targets() {
        let with = |priority| Candidate { priority, ..HEALTHY };
        let (source, destination) = (with(Priority::Late), with(Priority::Early(0)));
        let all = [source, HEALTHY, destination];
        check(&all, None, &[2, 1, 0], &[Why::RouteMove, Why::Route, Why::RouteMove]);
        check(&all, Some(1), &[1, 2, 0], &[Why::RouteMove, Why::Sticky, Why::RouteMove]);
        let open = Candidate { priority: Priority::Early(0), ..OPEN };
        check(&[source, HEALTHY, open], None, &[1, 0, 2], &[Why::RouteMove, Why::Route, Why::Open]);
        let excluded = Candidate { is_excluded: true, ..source };
        check(&[excluded, HEALTHY, destination], Some(0), &[2, 1], &[Why::Excluded, Why::Route, Why::RouteMove]);
        check(&[Candidate { is_cut: true, ..excluded }], None, &[], &[Why::Cut]);
        check(&[EXCLUDED], Some(0), &[], &[Why::Excluded]);
    }

    #[test]
    fn no_target_is_left_if_every_vendor_is_cut() {
        check(&[CUT, CUT], Some(0), &[], &[Why::Cut, Why::Cut]);
    }

    proptest! {
        #[test]
        fn allowed_targets_appear_once_by_priority(
            kinds in prop::collection::vec((0_usize..6, 0_u8..5), 0..8),
            sticky in prop::option::of(0_usize..8),
        ) {
            let priorities = [Priority::Early(0), Priority::Early(1), Priority::Early(2), Priority::Route, Priority::Late];
            let kind = |kind: usize| [HEALTHY, CUT, OPEN, RESTING, PROBE, EXCLUDED][kind];
            let candidates: Vec<_> =
                kinds.iter().map(|&(number, priority)| Candidate { priority: priorities[usize::from(priority)], ..kind(number) }).collect();
            let found = choose(&ChooseInput { candidates: &candidates, sticky });
            let mut seen = found.order.clone();
            seen.sort_unstable();
            let may = |place: &usize| !candidates[*place].is_cut && !candidates[*place].is_excluded;
            prop_assert_eq!(seen, (0..kinds.len()).filter(may).collect::<Vec<_>>());
            prop_assert_eq!(found.why.len(), kinds.len());
            // Of two with equal health, the one with the earlier priority is asked first. For equal
            // priorities the order of the route holds.
            let place = |ix: &usize| (rank(found.why[*ix]), candidates[*ix].priority, *ix);
            prop_assert!(found.order.is_sorted_by_key(place), "{found:?}");
        }
    }
}
