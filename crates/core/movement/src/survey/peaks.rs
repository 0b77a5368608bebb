//! The busiest minute and the most open requests. A vendor's tier must carry them.

use super::{Minute, RouteUse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Peaks of one or several routes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peaks {
    /// Requests in the busiest minute.
    pub requests_per_minute: u64,
    /// Tokens in the minute with the most.
    pub tokens_per_minute: u64,
    /// The highest number of requests that were open at the same moment.
    pub concurrency: u64,
    /// The same by Little's law, from the busiest minute and the mean time. It is a cross-check,
    /// and lower if requests came in bursts.
    pub concurrency_by_rate: f64,
}

/// The peaks of `routes` together, as one vendor would see them.
pub fn peaks<'a>(routes: impl IntoIterator<Item = &'a RouteUse>) -> Peaks {
    let mut minutes: BTreeMap<i64, Minute> = BTreeMap::new();
    let mut changes: BTreeMap<i64, i64> = BTreeMap::new();
    let (mut requests, mut took_ms) = (0_u64, 0_u64);
    for route in routes {
        requests = requests.saturating_add(route.requests);
        took_ms = took_ms.saturating_add(route.took_ms);
        for (key, more) in &route.minutes {
            let minute = minutes.entry(*key).or_default();
            minute.requests = minute.requests.saturating_add(more.requests);
            minute.tokens = minute.tokens.saturating_add(more.tokens);
        }
        for (at, by) in &route.changes {
            let sum = changes.entry(*at).or_default();
            *sum = sum.saturating_add(*by);
        }
    }
    let busiest = minutes.values().map(|minute| minute.requests).max().unwrap_or(0);
    // Ends and starts in the same millisecond were summed, so a request that begins when another
    // ends does not overlap it.
    let mut open = 0_i64;
    let most = changes.values().map(|by| {
        open = open.saturating_add(*by);
        open
    });
    let concurrency = most.max().unwrap_or(0).max(0).cast_unsigned();
    let mean_seconds = if requests == 0 { 0.0 } else { took_ms as f64 / requests as f64 / 1_000.0 };
    Peaks {
        requests_per_minute: busiest,
        tokens_per_minute: minutes.values().map(|minute| minute.tokens).max().unwrap_or(0),
        concurrency,
        concurrency_by_rate: busiest as f64 / 60.0 * mean_seconds,
    }
}
