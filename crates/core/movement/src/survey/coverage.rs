//! What the survey rests on, and what was seen too rarely to judge.

use super::Survey;
use banjia_types::RouteName;
use serde::{Deserialize, Serialize};

/// A use that fewer requests show is too rare to judge: its share is known to a third at best.
pub const RARE_BELOW: u64 = 30;

/// What the survey rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Number of requests.
    pub requests: u64,
    /// Number of requests that were read, not only counted.
    pub shapes: u64,
    /// Number of requests with known tokens.
    pub counted: u64,
    /// Number of days with traffic.
    pub days: u64,
    /// Days from the first to the last, both included.
    pub span_days: u64,
    /// For each route, the largest share of the traffic that a use may have although no request
    /// showed it, with 95 % confidence. `None` for a route of which no request was read.
    pub unseen_at_most: Vec<(RouteName, Option<f64>)>,
    /// Uses that were seen, but too rarely to judge.
    pub rare: Vec<Rare>,
}

/// A use that few requests show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rare {
    /// The route.
    pub route: RouteName,
    /// A parameter, `tool NAME`, `images` or `the route itself`.
    pub what: String,
    /// Number of requests that show it.
    pub requests: u64,
    /// Number of requests in all.
    pub of: u64,
}

/// The largest share that a use may have if none of `n` requests shows it, with 95 % confidence
/// (the rule of three).
pub fn share_at_most(n: u64) -> Option<f64> {
    (n > 0).then(|| (3.0 / n as f64).min(1.0))
}

/// What the survey rests on.
pub fn coverage(survey: &Survey) -> Coverage {
    let mut coverage = Coverage { days: survey.days.len() as u64, ..Coverage::default() };
    if let (Some(first), Some(last)) = (survey.first, survey.last) {
        coverage.span_days = (last.date() - first.date()).num_days().max(0).cast_unsigned() + 1;
    }
    for (name, route) in &survey.routes {
        coverage.requests = coverage.requests.saturating_add(route.requests);
        coverage.shapes = coverage.shapes.saturating_add(route.shapes);
        coverage.counted = coverage.counted.saturating_add(route.counted().requests);
        coverage.unseen_at_most.push((name.clone(), share_at_most(route.shapes)));
        let mut rare = |what: String, requests: u64, of: u64| {
            if (1..RARE_BELOW).contains(&requests) {
                coverage.rare.push(Rare { route: name.clone(), what, requests, of });
            }
        };
        let all = route.requests.max(route.shapes);
        rare("the route itself".into(), all, all);
        if all < RARE_BELOW {
            continue;
        }
        for (param, requests) in &route.params {
            rare(param.clone(), *requests, route.shapes);
        }
        for (tool, requests) in &route.tools {
            rare(format!("tool {tool}"), *requests, route.shapes);
        }
        rare("images".into(), route.with_images, route.shapes);
    }
    coverage
}
