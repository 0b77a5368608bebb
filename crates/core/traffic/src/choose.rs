//! Which targets a request may go to, and in which order.
//!
//! Rules, in this order:
//!
//! 1. A target whose vendor is cut is left out, whatever else holds: a region denial is final. So is the source of a move
//!    whose date has come.
//! 2. The target that a conversation sits at comes first, if it is well.
//! 3. The others follow by the turns that a move gives them, and within a turn in the route's order.
//! 4. Targets that are unwell (an open breaker, a rest that the vendor asked for) come last, still in that order:
//!    when nothing else is left, asking a doubtful vendor is better than refusing the client.
//!
//! A target whose breaker wants a probe keeps its place in the order: the request that asks it is the probe, and failover
//! shields the client from the answer.
//!
//! Each target's place comes with the reason for it, so that the ledger and the console can say why.

use crate::health::Standing;
use std::fmt;

/// One target of a route, as it stands at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its vendor refused our region, now or before a restart.
    pub cut: bool,
    /// A move leaves it: its date has come, or it is dead to us.
    pub left: bool,
    /// The turn that a move gives it.
    pub turn: Priority,
    /// What its breaker says, from [`crate::Breaker::standing`] for the present moment.
    pub standing: Standing,
}

/// When a move wants a target to be asked. Earlier turns are smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before the targets of which no move speaks, small numbers first.
    Early(u8),
    /// No move speaks of it.
    #[default]
    Route,
    /// After all others.
    Late,
}

/// What the choice is made from.
#[derive(Clone, Copy, Debug)]
pub struct ChooseInput<'a> {
    /// The route's targets in the route's order.
    pub candidates: &'a [Candidate],
    /// Where the conversation sits, as a place in `candidates`; a place that does not exist is ignored.
    pub sticky: Option<usize>,
}

/// The order, and the reason for each target's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Places in [`ChooseInput::candidates`], first choice first. Empty when every target is cut or left.
    pub order: Vec<usize>,
    /// One reason for each candidate, in the route's order.
    pub why: Vec<Why>,
}

/// Why a target stands where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The conversation sits there.
    Sticky,
    /// In the route's order.
    Route,
    /// A move put it there.
    RouteMove,
    /// In its order, to learn whether it is well again.
    Probe,
    /// Last: its breaker is open.
    Open,
    /// Last: it asked to be left alone for a while, or its account there is out of order.
    Resting,
    /// Left out: its vendor refused our region.
    Cut,
    /// Left out: a move has left it.
    Left,
}

impl Why {
    /// The name used in the ledger and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sticky => "sticky",
            Self::Route => "route",
            Self::RouteMove => "course",
            Self::Probe => "probe",
            Self::Open => "open",
            Self::Resting => "resting",
            Self::Cut => "cut",
            Self::Left => "left",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Orders a route's targets for one request.
pub fn choose(input: &ChooseInput<'_>) -> Choice {
    let why: Vec<Why> =
        input.candidates.iter().enumerate().map(|(place, it)| reason(it, input.sticky == Some(place))).collect();
    let mut order: Vec<usize> = (0..why.len()).filter(|&place| rank(why[place]) < OUT).collect();
    order.sort_by_key(|&place| (rank(why[place]), input.candidates[place].turn));
    Choice { order, why }
}

const fn reason(candidate: &Candidate, sticky: bool) -> Why {
    match (candidate.cut, candidate.standing) {
        (true, _) => Why::Cut,
        _ if candidate.left => Why::Left,
        (_, Standing::Open { .. }) => Why::Open,
        (_, Standing::Resting { .. }) => Why::Resting,
        (_, Standing::Probe | Standing::Closed) if sticky => Why::Sticky,
        (_, Standing::Probe) => Why::Probe,
        (_, Standing::Closed) if !matches!(candidate.turn, Priority::Route) => Why::RouteMove,
        (_, Standing::Closed) => Why::Route,
    }
}

/// The rank of what is not asked.
const OUT: u8 = 3;

const fn rank(why: Why) -> u8 {
    match why {
        Why::Sticky => 0,
        Why::Route | Why::RouteMove | Why::Probe => 1,
        Why::Open | Why::Resting => 2,
        Why::Cut | Why::Left => OUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_types::Moment;
    use proptest::prelude::*;

    const WELL: Candidate = Candidate { cut: false, left: false, turn: Priority::Route, standing: Standing::Closed };
    const CUT: Candidate = Candidate { cut: true, ..WELL };
    const LEFT: Candidate = Candidate { left: true, ..WELL };
    const OPEN: Candidate = Candidate { standing: Standing::Open { until: Moment(9) }, ..WELL };
    const RESTING: Candidate = Candidate { standing: Standing::Resting { until: Moment(9) }, ..WELL };
    const PROBE: Candidate = Candidate { standing: Standing::Probe, ..WELL };

    fn check(candidates: &[Candidate], sticky: Option<usize>, order: &[usize], why: &[Why]) {
        let choice = choose(&ChooseInput { candidates, sticky });
        assert_eq!((choice.order.as_slice(), choice.why.as_slice()), (order, why));
    }

    #[test]
    fn the_routes_order_holds_when_all_are_well() {
        check(&[WELL, WELL], None, &[0, 1], &[Why::Route, Why::Route]);
    }

    #[test]
    fn a_conversation_stays_but_not_with_a_cut_or_broken_target() {
        check(&[WELL, WELL, WELL], Some(2), &[2, 0, 1], &[Why::Route, Why::Route, Why::Sticky]);
        check(&[CUT, WELL], Some(0), &[1], &[Why::Cut, Why::Route]);
        check(&[WELL, OPEN], Some(1), &[0, 1], &[Why::Route, Why::Open]);
        check(&[WELL, WELL], Some(7), &[0, 1], &[Why::Route, Why::Route]);
    }

    #[test]
    fn unwell_targets_come_last_in_order_and_a_probe_keeps_its_place() {
        check(&[OPEN, PROBE, RESTING, WELL], None, &[1, 3, 0, 2], &[Why::Open, Why::Probe, Why::Resting, Why::Route]);
        check(&[OPEN], None, &[0], &[Why::Open]);
    }

    #[test]
    fn a_move_orders_its_targets_and_leaves_its_source_out() {
        let at = |turn| Candidate { turn, ..WELL };
        let (source, destination) = (at(Priority::Late), at(Priority::Early(0)));
        let all = [source, WELL, destination];
        check(&all, None, &[2, 1, 0], &[Why::RouteMove, Why::Route, Why::RouteMove]);
        check(&all, Some(1), &[1, 2, 0], &[Why::RouteMove, Why::Sticky, Why::RouteMove]);
        let open = Candidate { turn: Priority::Early(0), ..OPEN };
        check(&[source, WELL, open], None, &[1, 0, 2], &[Why::RouteMove, Why::Route, Why::Open]);
        let left = Candidate { left: true, ..source };
        check(&[left, WELL, destination], Some(0), &[2, 1], &[Why::Left, Why::Route, Why::RouteMove]);
        check(&[Candidate { cut: true, ..left }], None, &[], &[Why::Cut]);
        check(&[LEFT], Some(0), &[], &[Why::Left]);
    }

    #[test]
    fn nothing_is_left_when_every_vendor_is_cut() {
        check(&[CUT, CUT], Some(0), &[], &[Why::Cut, Why::Cut]);
    }

    proptest! {
        #[test]
        fn every_target_that_may_be_asked_appears_once_and_in_its_turn(
            kinds in prop::collection::vec((0_usize..6, 0_u8..5), 0..8),
            sticky in prop::option::of(0_usize..8),
        ) {
            let turns = [Priority::Early(0), Priority::Early(1), Priority::Early(2), Priority::Route, Priority::Late];
            let kind = |kind: usize| [WELL, CUT, OPEN, RESTING, PROBE, LEFT][kind];
            let candidates: Vec<_> =
                kinds.iter().map(|&(of, turn)| Candidate { turn: turns[usize::from(turn)], ..kind(of) }).collect();
            let choice = choose(&ChooseInput { candidates: &candidates, sticky });
            let mut seen = choice.order.clone();
            seen.sort_unstable();
            let may = |place: &usize| !candidates[*place].cut && !candidates[*place].left;
            prop_assert_eq!(seen, (0..kinds.len()).filter(may).collect::<Vec<_>>());
            prop_assert_eq!(choice.why.len(), kinds.len());
            // Of two that are equally well, the one with the earlier turn is asked first, and then the route's order holds.
            let place = |of: &usize| (rank(choice.why[*of]), candidates[*of].turn, *of);
            prop_assert!(choice.order.is_sorted_by_key(place), "{choice:?}");
        }
    }
}
