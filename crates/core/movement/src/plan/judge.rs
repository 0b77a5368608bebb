//! The ranking of a route's candidates with its reasons, and the notes of a plan.

use super::capacity::{Bound, tightest};
use super::{Candidate, Cost, Losses, Note, Plan, PlanInput, Rebuild, RoutePlan, cost};
use crate::survey::{PROMPT_BOUNDS, Peaks, RouteUse, peaks};
use banjia_types::{RouteName, Target, Timestamp};
use serde::Serialize;

/// A survey of fewer days misses some day of the week.
const WEEK_DAYS: u64 = 7;

/// One candidate in its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// The target.
    pub target: Target,
    /// Whether it may be chosen at all.
    pub is_fit: bool,
    /// The reasons for its place, the most important first.
    pub reasons: Vec<Reason>,
    /// What the real requests would lose.
    pub losses: Losses,
    /// What the traffic seen would cost there.
    pub after: Cost,
    /// The source of its facts.
    pub source: String,
    /// True if that source is weak.
    pub unconfirmed: bool,
    /// A warning from its profile.
    pub warning: Option<String>,
}

/// A reason for the place of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are named after what the sentence above them says")]
pub enum Reason {
    /// The vendor does not serve these callers.
    NotServed,
    /// It is switched off before the deadline, or is already.
    SwitchedOff { at: Timestamp },
    /// It is an embedding model for a chat route, or the reverse.
    WrongKind,
    /// This many requests would be refused.
    Refused { requests: u64, of: u64 },
    /// This many requests would lose a parameter.
    Dropped { requests: u64, of: u64 },
    /// This many requests would be supported only in part.
    Degraded { requests: u64, of: u64 },
    /// This many requests contain images, which it cannot read.
    NoImages { requests: u64 },
    /// Requests are longer than its context: the longest one seen, and an upper bound of their
    /// number.
    TooLong { longest: u64, context: u64, requests_at_most: u64 },
    /// Responses are longer than it can return.
    AnswerTooLong { longest: u64, answer_max: u64 },
    /// The route's peak is over its tier.
    OverLimit { bound: Bound, peak: u64, limit: u64 },
    /// Nothing would be refused, dropped or honoured in part.
    NothingLost { tested: u64 },
    /// No request was read, so its losses are unknown.
    LossesUnknown,
    /// Its price is unknown.
    PriceUnknown,
    /// Its context is unknown.
    ContextUnknown,
}

/// The sort key; smaller is better. The name of the target makes the order deterministic.
type Place = (bool, u64, u64, bool, u64, bool, i64, String);

pub(super) fn route(input: &PlanInput<'_>, name: &RouteName, used: &RouteUse, candidates: &[Candidate]) -> RoutePlan {
    let source = used.source();
    let facts = source.and_then(|(target, _)| input.sources.get(target));
    let peaks = peaks([used]);
    let mut placed: Vec<(Place, Ranked)> =
        candidates.iter().map(|candidate| judge(input, used, &peaks, candidate)).collect();
    placed.sort_by(|a, b| a.0.cmp(&b.0));
    let ranked: Vec<Ranked> = placed.into_iter().map(|(_, ranked)| ranked).collect();
    let mut fit = ranked.iter().filter(|ranked| ranked.is_fit);
    let destination = fit.next().map(|ranked| ranked.target.clone());
    let others: Vec<&Target> = fit.map(|ranked| &ranked.target).collect();
    let elsewhere =
        others.iter().find(|target| destination.as_ref().is_some_and(|first| first.vendor != target.vendor));
    let second = elsewhere.or(others.first()).map(|target| (*target).clone());
    let known = candidates.iter().find(|candidate| Some(&candidate.target) == destination.as_ref());
    let rebuild = known.filter(|_| used.is_embeddings()).map(|candidate| {
        let (from, to): (Vec<u32>, _) = (used.dimensions.keys().copied().collect(), candidate.facts.dimensions.clone());
        let both = !from.is_empty() && !to.is_empty();
        let keeps_length = both.then(|| from.iter().all(|length| to.contains(length)));
        Rebuild { from, to, keeps_length }
    });
    RoutePlan {
        route: name.clone(),
        source: source.map(|(target, _)| target.clone()),
        requests: used.requests,
        destination,
        second,
        before: cost::before(used, source.map(|(_, target)| target), facts, input.rate),
        ranked,
        rebuild,
    }
}

fn judge(input: &PlanInput<'_>, used: &RouteUse, peaks: &Peaks, candidate: &Candidate) -> (Place, Ranked) {
    let (facts, losses) = (&candidate.facts, &candidate.losses);
    let mut reasons = Vec::new();
    if facts.serves == Some(false) {
        reasons.push(Reason::NotServed);
    }
    if let Some(at) = facts.shutdown.filter(|at| *at <= input.deadline.max(input.now)) {
        reasons.push(Reason::SwitchedOff { at });
    }
    let is_embeddings = !facts.dimensions.is_empty();
    if is_embeddings && !used.is_embeddings() {
        reasons.push(Reason::WrongKind);
    }
    let is_fit = reasons.is_empty();
    let of = losses.tested;
    let mut lost = losses.refused.saturating_add(losses.dropped);
    if facts.images == Some(false) && used.with_images > 0 {
        // Encoding does not read images, so these requests are not among the refused.
        lost = lost.saturating_add(used.with_images);
        reasons.push(Reason::NoImages { requests: used.with_images });
    }
    for (requests, reason) in [
        (losses.refused, Reason::Refused { requests: losses.refused, of }),
        (losses.dropped, Reason::Dropped { requests: losses.dropped, of }),
        (losses.degraded, Reason::Degraded { requests: losses.degraded, of }),
    ] {
        if requests > 0 {
            reasons.push(reason);
        }
    }
    match of {
        0 => reasons.push(Reason::LossesUnknown),
        _ if lost == 0 && losses.degraded == 0 => reasons.push(Reason::NothingLost { tested: of }),
        _ => {}
    }
    let too_long = too_long(used, candidate, &mut reasons);
    let over = tightest(peaks, &facts.limits).filter(|(.., left)| *left < 0.0);
    if let Some((bound, peak, limit, _)) = over {
        reasons.push(Reason::OverLimit { bound, peak, limit });
    }
    let after = cost::at(used, facts.price.as_ref(), input.rate);
    if facts.price.is_none() {
        reasons.push(Reason::PriceUnknown);
    }
    let per_mille = (lost * 1_000).div_ceil(of.max(used.shapes).max(1));
    let degraded = (losses.degraded * 10).div_ceil(of.max(1));
    let place = (
        !is_fit,
        per_mille,
        too_long,
        over.is_some(),
        degraded,
        after.micros().is_none(),
        after.micros().unwrap_or(i64::MAX),
        candidate.target.to_string(),
    );
    let ranked = Ranked {
        target: candidate.target.clone(),
        is_fit,
        reasons,
        losses: losses.clone(),
        after,
        source: facts.source.clone(),
        unconfirmed: facts.unconfirmed,
        warning: facts.warning.clone(),
    };
    (place, ranked)
}

/// An upper bound of the number of requests that are too long: all requests of each bin whose
/// longest prompt could exceed the context.
fn too_long(used: &RouteUse, candidate: &Candidate, reasons: &mut Vec<Reason>) -> u64 {
    let mut count = 0;
    match candidate.facts.context {
        None => reasons.push(Reason::ContextUnknown),
        Some(context) if used.total_max > context => {
            let longest_of = |key: u16| PROMPT_BOUNDS.get(usize::from(key / 100)).copied().unwrap_or(u64::MAX);
            let over = used.bins.iter().filter(|(key, _)| longest_of(**key) > context);
            count = over.fold(0_u64, |sum, (_, bin)| sum.saturating_add(bin.requests)).max(1);
            reasons.push(Reason::TooLong { longest: used.total_max, context, requests_at_most: count });
        }
        Some(_) => {}
    }
    if let Some(answer_max) = candidate.facts.answer_max.filter(|most| used.answer_max > *most) {
        count = count.max(1);
        reasons.push(Reason::AnswerTooLong { longest: used.answer_max, answer_max });
    }
    count
}

pub(super) fn notes(input: &PlanInput<'_>, plan: &mut Plan) {
    let (mut risks, mut decisions) = (Vec::new(), Vec::new());
    if plan.timetable.slack_hours < 0 {
        risks.push(Note::Late { hours: -plan.timetable.slack_hours });
    }
    if plan.coverage.span_days < WEEK_DAYS {
        risks.push(Note::ShortSurvey { days: plan.coverage.span_days });
    }
    for plan in &plan.routes {
        let route = plan.route.clone();
        let Some(target) = plan.destination.clone() else {
            decisions.push(Note::NoDestination { route });
            continue;
        };
        match &plan.second {
            None => decisions.push(Note::NoSecond { route: route.clone() }),
            Some(second) if second.vendor == target.vendor => {
                risks.push(Note::SameVendor { route: route.clone(), vendor: second.vendor.to_string() });
            }
            Some(_) => {}
        }
        if let Some(first) = plan.ranked.iter().find(|ranked| ranked.target == target) {
            let (losses, route) = (&first.losses, route.clone());
            match losses.refused.saturating_add(losses.dropped) {
                0 if losses.tested == 0 => risks.push(Note::NothingRead { route }),
                0 => {}
                requests => decisions.push(Note::Lost { route, requests, of: losses.tested }),
            }
            if first.after.cny.is_none() {
                risks.push(Note::NoPrice { route: plan.route.clone(), target: target.clone() });
            }
        }
        if plan.rebuild.is_some() {
            decisions.push(Note::Rebuild { route, target });
        }
    }
    for row in &plan.capacity {
        let target = row.target.clone();
        match tightest(&row.peaks, &row.limits) {
            None => decisions.push(Note::NoLimits { target: target.clone() }),
            Some((bound, peak, limit, left)) if left < 0.0 => {
                decisions.push(Note::OverLimit { target: target.clone(), bound, peak, limit });
            }
            Some(_) => {}
        }
        let known = input.candidates.values().flatten().find(|candidate| candidate.target == target);
        let Some(facts) = known.map(|candidate| &candidate.facts) else { continue };
        if facts.serves.is_none() {
            risks.push(Note::ServesUnknown { target: target.clone() });
        }
        if facts.unconfirmed {
            risks.push(Note::Unconfirmed { target: target.clone(), source: facts.source.clone() });
        }
        if let Some(at) = facts.shutdown {
            risks.push(Note::Retires { target, at });
        }
    }
    (plan.risks, plan.decisions) = (risks, decisions);
}
