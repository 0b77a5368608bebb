//! Whether the traffic seen fits into a vendor's limits.

use super::{Limits, PlanInput, RoutePlan};
use crate::survey::{Peaks, peaks};
use banjia_types::{RouteName, Target};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A kind of limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Requests per minute.
    Requests,
    /// Tokens per minute.
    Tokens,
    /// Concurrent requests.
    Concurrency,
}

/// What one destination must carry, summed over its routes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CapacityRow {
    /// The destination.
    pub target: Target,
    /// The routes that go there.
    pub routes: Vec<RouteName>,
    /// The peaks of these routes together.
    pub peaks: Peaks,
    /// The vendor's limits.
    pub limits: Limits,
    /// The limit that is reached first: by the figures, else by the vendor's own word.
    pub binds: Option<Bound>,
    /// The free share of that limit at the peak. Negative if the limit is too small, `None` without
    /// figures.
    pub headroom: Option<f64>,
}

/// The limit that is reached first: its kind, the peak, the limit and the free share.
pub(super) fn tightest(peaks: &Peaks, limits: &Limits) -> Option<(Bound, u64, u64, f64)> {
    let concurrency = peaks.concurrency.max(peaks.concurrency_by_rate.ceil() as u64);
    let all = [
        (Bound::Requests, peaks.requests_per_minute, limits.requests_per_minute),
        (Bound::Tokens, peaks.tokens_per_minute, limits.tokens_per_minute),
        (Bound::Concurrency, concurrency, limits.concurrency),
    ];
    let left = all.into_iter().filter_map(|(bound, peak, limit)| {
        let limit = limit?;
        Some((bound, peak, limit, 1.0 - peak as f64 / limit.max(1) as f64))
    });
    left.min_by(|a, b| a.3.total_cmp(&b.3))
}

/// One row for each chosen destination.
pub(super) fn rows(input: &PlanInput<'_>, plans: &[RoutePlan]) -> Vec<CapacityRow> {
    let mut routes: BTreeMap<&Target, Vec<RouteName>> = BTreeMap::new();
    for plan in plans {
        if let Some(target) = &plan.destination {
            routes.entry(target).or_default().push(plan.route.clone());
        }
    }
    let row = |(target, routes): (&Target, Vec<RouteName>)| {
        let peaks = peaks(routes.iter().filter_map(|route| input.survey.routes.get(route)));
        let known = input.candidates.values().flatten().find(|candidate| candidate.target == *target);
        let limits = known.map(|candidate| candidate.facts.limits.clone()).unwrap_or_default();
        let tight = tightest(&peaks, &limits);
        CapacityRow {
            target: target.clone(),
            routes,
            peaks,
            binds: tight.map(|(bound, ..)| bound).or(limits.binds),
            headroom: tight.map(|(.., left)| left),
            limits,
        }
    };
    routes.into_iter().map(row).collect()
}
