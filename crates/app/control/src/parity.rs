//! From captures to pairs: what parity compares.
//!
//! Rules: legs of one request share its id, and a pair is all that two targets answered to it; the same leg told twice is one
//! answer, because a copy would look like a source without noise; an answer that its client did not wait for says nothing; what
//! cannot be paired is counted.

mod expectations;
pub mod fill;

pub use expectations::{ExpectationError, Expectations};

use banjia_parity::{Answer, Pair};
use banjia_store::Capture;
use banjia_types::{ErrorClass, Outcome, RouteName, Target, TrafficKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The two targets that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// Who is left.
    pub source: Target,
    /// Where the route goes.
    pub destination: Target,
}

/// Captures do not say by themselves who is compared with whom.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; name them with --source and --destination, the targets here are: {known}")]
pub struct Unclear {
    what: String,
    known: Listed,
}

/// Targets with the legs in which they answered.
#[derive(Debug, PartialEq, Eq)]
struct Listed(Vec<(Target, Vec<TrafficKind>)>);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |(target, legs): &(Target, Vec<TrafficKind>)| {
            let legs: Vec<_> = legs.iter().map(|leg| leg.as_str()).collect();
            format!("{target} ({})", legs.join(", "))
        };
        f.write_str(&self.0.iter().map(one).collect::<Vec<_>>().join("; "))
    }
}

impl Sides {
    /// Who is compared: those that are named, and for the others the only target that answered callers or repeats, and the only other
    /// one that answered copies.
    ///
    /// # Errors
    /// More than one target, or none, could be meant.
    pub fn of(captures: &[Capture], source: Option<Target>, destination: Option<Target>) -> Result<Self, Unclear> {
        let mut known: BTreeMap<String, (Target, BTreeSet<TrafficKind>)> = BTreeMap::new();
        for capture in captures {
            let entry = known.entry(capture.target.to_string());
            entry.or_insert_with(|| (capture.target.clone(), BTreeSet::new())).1.insert(capture.leg);
        }
        let answered = |legs: [TrafficKind; 2], but: Option<&Target>| -> Vec<Target> {
            let here =
                known.values().filter(|(target, of)| Some(target) != but && legs.iter().any(|leg| of.contains(leg)));
            here.map(|(target, _)| target.clone()).collect()
        };
        let unclear = |what: &str| Unclear {
            what: what.to_owned(),
            known: Listed(
                known.values().map(|(target, legs)| (target.clone(), legs.iter().copied().collect())).collect(),
            ),
        };
        let source = match (source, answered([TrafficKind::Live, TrafficKind::Repeat], destination.as_ref()).as_slice())
        {
            (Some(named), _) => named,
            (None, [only]) => only.clone(),
            (None, _) => return Err(unclear("it is not clear who the source is")),
        };
        let destination =
            match (destination, answered([TrafficKind::Shadow, TrafficKind::Replay], Some(&source)).as_slice()) {
                (Some(named), _) => named,
                (None, [only]) => only.clone(),
                (None, _) => return Err(unclear("it is not clear who the destination is")),
            };
        Ok(Self { source, destination })
    }
}

/// Pairs, and what could not be paired.
#[derive(Debug, Default)]
pub struct Pairs {
    /// The pairs, in the order of their ids' first captures.
    pub pairs: Vec<Pair>,
    /// Requests that only the source answered.
    pub without_destination: u64,
    /// Requests that only the destination answered.
    pub without_source: u64,
    /// Legs that were told more than once.
    pub repeated_lines: u64,
}

/// Makes pairs of captures. The source's answers to a request are what `sides.source` said to it, its live answer first; the
/// destination's likewise. Of one target on both sides, copies and replays are the destination's.
pub fn pairs_of(captures: &[Capture], sides: &Sides, route: Option<&RouteName>, expectations: &Expectations) -> Pairs {
    let mut groups: BTreeMap<&str, (usize, Vec<&Capture>)> = BTreeMap::new();
    let wanted = captures.iter().filter(|capture| route.is_none_or(|route| *route == capture.route));
    for (place, capture) in wanted.enumerate() {
        groups.entry(&capture.id).or_insert_with(|| (place, Vec::new())).1.push(capture);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|(place, _)| *place);
    let mut made = Pairs::default();
    for (_, group) in groups {
        pair_up(&group, sides, expectations, &mut made);
    }
    made
}

fn pair_up(group: &[&Capture], sides: &Sides, expectations: &Expectations, made: &mut Pairs) {
    let is_one_target = sides.source == sides.destination;
    let is_copy = |leg: TrafficKind| matches!(leg, TrafficKind::Shadow | TrafficKind::Replay);
    let is_own = |capture: &Capture| capture.target == sides.source && !(is_one_target && is_copy(capture.leg));
    let is_other = |capture: &Capture| capture.target == sides.destination && (!is_one_target || is_copy(capture.leg));
    let (source, destination) = (side(group, is_own, made), side(group, is_other, made));
    match (source.split_first(), destination.split_first()) {
        (Some((first, repeats)), Some((other, more))) => made.pairs.push(Pair {
            id: first.id.clone(),
            request: first.request.clone(),
            source: answer(first),
            repeats: repeats.iter().map(|capture| answer(capture)).collect(),
            destination: answer(other),
            more: more.iter().map(|capture| answer(capture)).collect(),
            expectations: expectations.of(&first.id, &first.route),
            preferences: Vec::new(),
        }),
        (Some(_), None) => made.without_destination += 1,
        (None, Some(_)) => made.without_source += 1,
        (None, None) => {}
    }
}

/// One side's captures in order, each leg and number once: the last told.
fn side<'c>(group: &[&'c Capture], is_of: impl Fn(&Capture) -> bool, made: &mut Pairs) -> Vec<&'c Capture> {
    let mut found: BTreeMap<(TrafficKind, u32), &'c Capture> = BTreeMap::new();
    for capture in group.iter().filter(|capture| is_of(capture) && capture.outcome != Outcome::Abandoned) {
        let before = found.insert((capture.leg, capture.number), capture);
        made.repeated_lines += u64::from(before.is_some());
    }
    found.into_values().collect()
}

fn answer(capture: &Capture) -> Answer {
    let is_whole = capture.outcome == Outcome::Answered;
    Answer {
        body: capture.answer.clone(),
        class: capture.class.or(if is_whole { None } else { Some(ErrorClass::Server) }),
        first_content_ms: capture.first_content_ms,
        // An import that does not know its times writes none.
        total_ms: (capture.total_ms > 0).then_some(capture.total_ms),
        cost: capture.cost,
        usage: capture.usage,
        vector: None,
    }
}

#[cfg(test)]
mod tests;
