//! How a move routes one request: the priority of each target, and whether the source may be asked
//! at all.
//!
//! # Rules by stage
//! - `record`, `shadow`: the source first, then the destination, then the second destination.
//! - `canary`: conversations in the share ask the destination first and the source after it,
//!   because the source is known to be healthy. The others ask as before.
//! - `live`: the destination, then the second one. The source comes last, while it may still be
//!   asked. No conversation stays pinned to it.
//! - `sealed`: as `live`, and the source is excluded.
//!
//! # Rules at every stage
//! - Nothing is sent to a source that blocked us or whose end date has passed.
//! - Targets of the route that take no part in the move come after those with an early priority and
//!   before those with a late one.
//!
//! # Why each purpose has its own hash
//! With one hash for all purposes, the conversations of the canary would be the same as those of a
//! rehearsal with the same share.

use crate::choose::Priority;
use banjia_types::hash::spread;
use banjia_types::{RouteMove, Stage, Timestamp};

/// What a sample is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SamplingPurpose {
    /// Whether the destination answers.
    Canary,
    /// Whether a block of the source is rehearsed.
    Rehearsal,
    /// Whether the exchange is recorded.
    Record,
    /// Whether the source is asked once more.
    Repeat,
    /// Whether the destination gets a copy.
    Shadow,
}

/// The hash that decides whether a conversation or a request is in the sample for one purpose. It
/// is the same in every process and version.
pub const fn sample_hash(seed: u64, purpose: SamplingPurpose) -> u64 {
    // The canary uses the seed as it is. A constant for each other purpose makes its hash
    // independent of the rest.
    match purpose {
        SamplingPurpose::Canary => spread(seed),
        SamplingPurpose::Rehearsal => spread(seed ^ 0x7265_6865_6172_7365),
        SamplingPurpose::Record => spread(seed ^ 0x7265_636f_7264_0000),
        SamplingPurpose::Repeat => spread(seed ^ 0x7265_7065_6174_0000),
        SamplingPurpose::Shadow => spread(seed ^ 0x7368_6164_6f77_0000),
    }
}

/// How a rehearsal affects a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RehearsalPhase {
    /// Not at all.
    None,
    /// A block of the source is rehearsed on it.
    Now,
    /// The block was rehearsed on it, and the source is first for it again. This proves the way
    /// back.
    Over,
}

/// How a move routes one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutingDecision {
    /// The priority of the source.
    pub source: Priority,
    /// The priority of the destination.
    pub destination: Priority,
    /// The priority of the second destination.
    pub second: Priority,
    /// True if nothing may be sent to the source.
    pub is_source_excluded: bool,
    /// True if a conversation that is pinned to the source may stay there.
    pub may_stay_at_source: bool,
    /// Whether a block of the source is rehearsed on this conversation.
    pub rehearsal: RehearsalPhase,
}

impl RoutingDecision {
    /// The decision for a conversation (or for a request without one) at `now`. `seed` is the
    /// conversation's key or the request's seed.
    pub fn of(route_move: &RouteMove, seed: u64, now: Timestamp) -> Self {
        let is_source_excluded = !route_move.may_ask_source(now);
        let rehearsed = route_move
            .rehearsal
            .filter(|rehearsal| rehearsal.share.holds(sample_hash(seed, SamplingPurpose::Rehearsal)));
        let [source, destination, second] = match route_move.stage {
            Stage::Canary if route_move.share.holds(sample_hash(seed, SamplingPurpose::Canary)) => {
                [Priority::Early(1), Priority::Early(0), Priority::Early(2)]
            }
            Stage::Record | Stage::Shadow | Stage::Canary => {
                [Priority::Early(0), Priority::Early(1), Priority::Early(2)]
            }
            Stage::Live | Stage::Sealed => [Priority::Late, Priority::Early(0), Priority::Early(1)],
        };
        let may_stay_at_source = !is_source_excluded && route_move.stage < Stage::Live;
        let is_first = source == Priority::Early(0) && !is_source_excluded;
        let rehearsal = match rehearsed {
            Some(rehearsal) if now < rehearsal.until => RehearsalPhase::Now,
            Some(_) if is_first => RehearsalPhase::Over,
            _ => RehearsalPhase::None,
        };
        Self { source, destination, second, is_source_excluded, may_stay_at_source, rehearsal }
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
        let targets = ("openai/gpt-4o".parse().unwrap(), "zhipu/glm-4.6".parse().unwrap());
        RouteMove { share, source_until: Some(DATE), ..RouteMove::new("leave", "gpt-4o".into(), stage, targets) }
    }

    fn check(stage: Stage, share: Share, [source, destination, second]: [Priority; 3]) {
        for seed in 0..100 {
            let decision = RoutingDecision::of(&route_move(stage, share), seed, BEFORE);
            assert_eq!(
                [decision.source, decision.destination, decision.second],
                [source, destination, second],
                "{stage}"
            );
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
    fn the_source_is_excluded_by_date_block_or_seal() {
        for stage in STAGES {
            let alive = route_move(stage, Share::of(5_000));
            let dead = RouteMove { is_source_dead: true, ..alive.clone() };
            let excluded = |route_move: &RouteMove, at| RoutingDecision::of(route_move, 7, at).is_source_excluded;
            assert_eq!(excluded(&alive, BEFORE), stage == Stage::Sealed, "{stage}");
            assert!(excluded(&alive, DATE) && excluded(&dead, BEFORE), "{stage}");
            let decision = RoutingDecision::of(&alive, 7, BEFORE);
            assert_eq!(decision.may_stay_at_source, stage < Stage::Live, "{stage}");
            assert!(!RoutingDecision::of(&alive, 7, DATE).may_stay_at_source, "{stage}");
        }
    }

    proptest! {
        #[test]
        fn a_growing_share_keeps_its_conversations(seed: u64, share in 0_u16..10_000, more in 0_u16..10_000) {
            let first = |share| RoutingDecision::of(&route_move(Stage::Canary, Share::of(share)), seed, BEFORE).destination;
            if first(share) == Priority::Early(0) {
                prop_assert_eq!(first(share.saturating_add(more)), Priority::Early(0));
            }
        }

        #[test]
        fn a_rehearsal_ends_by_itself(seed: u64, share in 0_u16..10_000) {
            let rehearsal = Rehearsal { share: Share::of(share), until: BEFORE };
            let rehearsing = RouteMove { rehearsal: Some(rehearsal), ..route_move(Stage::Record, Share::NONE) };
            let holds = Share::of(share).holds(sample_hash(seed, SamplingPurpose::Rehearsal));
            let phase = |route_move: &RouteMove, at| RoutingDecision::of(route_move, seed, at).rehearsal;
            let or_none = |phase| if holds { phase } else { RehearsalPhase::None };
            prop_assert_eq!(phase(&rehearsing, Timestamp(BEFORE.0 - 1)), or_none(RehearsalPhase::Now));
            // The conversations it touched prove the way back, as long as the source is asked
            // first.
            let without_date = RouteMove { source_until: None, ..rehearsing.clone() };
            prop_assert_eq!(phase(&without_date, BEFORE), or_none(RehearsalPhase::Over));
            prop_assert_eq!(phase(&RouteMove { stage: Stage::Live, ..without_date }, BEFORE), RehearsalPhase::None);
            prop_assert_eq!(phase(&RouteMove { source_until: Some(BEFORE), ..rehearsing }, BEFORE), RehearsalPhase::None);
        }
    }

    #[test]
    fn purposes_are_sampled_independently() {
        let purposes = [
            SamplingPurpose::Canary,
            SamplingPurpose::Rehearsal,
            SamplingPurpose::Record,
            SamplingPurpose::Repeat,
            SamplingPurpose::Shadow,
        ];
        let share = Share::of(1_000);
        for purpose in purposes {
            for other in purposes.into_iter().filter(|other| *other != purpose) {
                let both = (0..100_000)
                    .filter(|&seed| share.holds(sample_hash(seed, purpose)) && share.holds(sample_hash(seed, other)));
                // A tenth of a tenth, give or take five standard deviations.
                assert!((840..1_160).contains(&both.count()), "{purpose:?} and {other:?} share one hash");
            }
        }
    }
}
