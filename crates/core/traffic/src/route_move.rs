//! What a course asks of one request: which target has which turn, and whether the source may be asked at all.
//!
//! Rules, by stage:
//!
//! - `record`, `shadow`: the source first, then the destination, then the second destination.
//! - `canary`: the conversations of the share ask the destination first and the source after it, because the source is
//!   known to be well; the others ask as before.
//! - `live`: the destination, then the second one; the source last, while it may still be asked. No conversation stays there.
//! - `sealed`: as `live`, and the source is left out.
//!
//! Whatever the stage is, nothing is sent to a source that is dead or whose date has come. A route's targets of which the
//! course does not speak stand between.
//!
//! Each question that a share answers has a lot of its own: were it one draw for all, the canary's conversations would be
//! just those that a drill of the same share touches.

use crate::choose::Priority;
use banjia_types::hash::spread;
use banjia_types::{RouteMove, Stage, Timestamp};

/// What a draw decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SamplingPurpose {
    /// Whether the destination answers.
    Canary,
    /// Whether the source's block is rehearsed.
    Rehearsal,
    /// Whether the exchange is recorded.
    Record,
    /// Whether the source is asked once more.
    Repeat,
    /// Whether the destination gets a copy.
    Shadow,
}

/// The draw of a conversation or a request for one question. The same in every process and version.
pub const fn sample_hash(seed: u64, lot: SamplingPurpose) -> u64 {
    // The canary draws the conversation's key itself, which is spread already; the others are told apart by a constant.
    match lot {
        SamplingPurpose::Canary => spread(seed),
        SamplingPurpose::Rehearsal => spread(seed ^ 0x7265_6865_6172_7365),
        SamplingPurpose::Record => spread(seed ^ 0x7265_636f_7264_0000),
        SamplingPurpose::Repeat => spread(seed ^ 0x7265_7065_6174_0000),
        SamplingPurpose::Shadow => spread(seed ^ 0x7368_6164_6f77_0000),
    }
}

/// What a drill has to do with a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RehearsalPhase {
    /// Nothing.
    None,
    /// The source's block is rehearsed on it.
    Now,
    /// It was, and the source is first for it again: what proves the way back.
    Over,
}

/// What a course asks of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutingDecision {
    /// The source's turn.
    pub source: Priority,
    /// The destination's turn.
    pub destination: Priority,
    /// The turn of the second destination.
    pub second: Priority,
    /// Nothing may be sent to the source.
    pub is_source_left: bool,
    /// A conversation that sits at the source may go on there.
    pub may_stay_at_source: bool,
    /// Whether the source's block is rehearsed on this conversation.
    pub drill: RehearsalPhase,
}

impl RoutingDecision {
    /// The way of a conversation (or of a request without one) at a moment.
    pub fn of(route_move: &RouteMove, seed: u64, now: Timestamp) -> Self {
        let is_source_left = !route_move.may_ask_source(now);
        let drilled =
            route_move.rehearsal.filter(|drill| drill.share.holds(sample_hash(seed, SamplingPurpose::Rehearsal)));
        let [source, destination, second] = match route_move.stage {
            Stage::Canary if route_move.share.holds(sample_hash(seed, SamplingPurpose::Canary)) => {
                [Priority::Early(1), Priority::Early(0), Priority::Early(2)]
            }
            Stage::Record | Stage::Shadow | Stage::Canary => {
                [Priority::Early(0), Priority::Early(1), Priority::Early(2)]
            }
            Stage::Live | Stage::Sealed => [Priority::Late, Priority::Early(0), Priority::Early(1)],
        };
        let may_stay_at_source = !is_source_left && route_move.stage < Stage::Live;
        let is_first = source == Priority::Early(0) && !is_source_left;
        let drill = match drilled {
            Some(drill) if now < drill.until => RehearsalPhase::Now,
            Some(_) if is_first => RehearsalPhase::Over,
            _ => RehearsalPhase::None,
        };
        Self { source, destination, second, is_source_left, may_stay_at_source, drill }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_types::{Rehearsal, Share};
    use proptest::prelude::*;

    const DATE: Timestamp = Timestamp(1_720_483_200_000);
    const BEFORE: Timestamp = Timestamp(DATE.0 - 1);
    const STAGES: [Stage; 5] = [Stage::Record, Stage::Shadow, Stage::Canary, Stage::Live, Stage::Sealed];

    fn route_move(stage: Stage, share: Share) -> RouteMove {
        RouteMove {
            of: "leave".to_owned(),
            route: "gpt-4o".into(),
            stage,
            source: "openai/gpt-4o".parse().unwrap(),
            destination: "zhipu/glm-4.6".parse().unwrap(),
            second: None,
            share,
            source_until: Some(DATE),
            is_source_dead: false,
            record: Share::NONE,
            repeat: Share::NONE,
            shadow: Share::NONE,
            spend_left: Vec::new(),
            rehearsal: None,
        }
    }

    fn check(stage: Stage, share: Share, [source, destination, second]: [Priority; 3]) {
        for seed in 0..100 {
            let way = RoutingDecision::of(&route_move(stage, share), seed, BEFORE);
            assert_eq!([way.source, way.destination, way.second], [source, destination, second], "{stage}");
        }
    }

    #[test]
    fn each_stage_has_its_order() {
        let [first, then, last] = [Priority::Early(0), Priority::Early(1), Priority::Early(2)];
        check(Stage::Record, Share::ALL, [first, then, last]);
        check(Stage::Shadow, Share::ALL, [first, then, last]);
        check(Stage::Canary, Share::NONE, [first, then, last]);
        check(Stage::Canary, Share::ALL, [then, first, last]);
        check(Stage::Live, Share::NONE, [Priority::Late, first, then]);
        check(Stage::Sealed, Share::NONE, [Priority::Late, first, then]);
    }

    #[test]
    fn the_source_is_left_by_its_date_its_death_or_the_seal_at_every_stage() {
        for stage in STAGES {
            let alive = route_move(stage, Share::of(5_000));
            let dead = RouteMove { is_source_dead: true, ..alive.clone() };
            let left = |route_move: &RouteMove, at| RoutingDecision::of(route_move, 7, at).is_source_left;
            assert_eq!(left(&alive, BEFORE), stage == Stage::Sealed, "{stage}");
            assert!(left(&alive, DATE) && left(&dead, BEFORE), "{stage}");
            let way = RoutingDecision::of(&alive, 7, BEFORE);
            assert_eq!(way.may_stay_at_source, stage < Stage::Live, "{stage}");
            assert!(!RoutingDecision::of(&alive, 7, DATE).may_stay_at_source, "{stage}");
        }
    }

    proptest! {
        #[test]
        fn a_growing_share_takes_no_conversation_back(seed: u64, share in 0_u16..10_000, more in 0_u16..10_000) {
            let first = |share| RoutingDecision::of(&route_move(Stage::Canary, Share::of(share)), seed, BEFORE).destination;
            if first(share) == Priority::Early(0) {
                prop_assert_eq!(first(share.saturating_add(more)), Priority::Early(0));
            }
        }

        #[test]
        fn a_drill_ends_by_itself(seed: u64, share in 0_u16..10_000) {
            let rehearsal = Rehearsal { share: Share::of(share), until: BEFORE };
            let drill = RouteMove { rehearsal: Some(rehearsal), ..route_move(Stage::Record, Share::NONE) };
            let holds = Share::of(share).holds(sample_hash(seed, SamplingPurpose::Rehearsal));
            let found = |of: &RouteMove, at| RoutingDecision::of(of, seed, at).drill;
            let or_none = |drill| if holds { drill } else { RehearsalPhase::None };
            prop_assert_eq!(found(&drill, Timestamp(BEFORE.0 - 1)), or_none(RehearsalPhase::Now));
            // Those that it touched prove the way back, as long as the source is asked first.
            let without_date = RouteMove { source_until: None, ..drill.clone() };
            prop_assert_eq!(found(&without_date, BEFORE), or_none(RehearsalPhase::Over));
            prop_assert_eq!(found(&RouteMove { stage: Stage::Live, ..without_date }, BEFORE), RehearsalPhase::None);
            prop_assert_eq!(found(&RouteMove { source_until: Some(BEFORE), ..drill }, BEFORE), RehearsalPhase::None);
        }
    }

    #[test]
    fn the_lots_are_drawn_apart() {
        let lots = [
            SamplingPurpose::Canary,
            SamplingPurpose::Rehearsal,
            SamplingPurpose::Record,
            SamplingPurpose::Repeat,
            SamplingPurpose::Shadow,
        ];
        let share = Share::of(1_000);
        for one in lots {
            for other in lots.into_iter().filter(|other| *other != one) {
                let both = (0..100_000)
                    .filter(|&seed| share.holds(sample_hash(seed, one)) && share.holds(sample_hash(seed, other)));
                // A tenth of a tenth, give or take five standard deviations.
                assert!((840..1_160).contains(&both.count()), "{one:?} and {other:?} are one draw");
            }
        }
    }
}
