//! What is known at one moment, for the gates of a move: from the ledger, the captures and the cuts.
//!
//! Rules: numbers are gathered here and judged elsewhere; a window ends at the moment of looking; a target that was not asked is
//! not in the evidence, and nothing is made up for it. What cannot be read is named as missing, and
//! the rest is gathered all the same: a date or a vendor's refusal must not wait for a number that
//! nobody can read.

use super::{Loaded, add_up, rehearsal};
use banjia_movement::gate::{Evidence, RouteEvidence, TargetEvidence};
use banjia_movement::spec::MovedRoute;
use banjia_store::{CaptureFilter, Cut, Period, Store, StoreError};
use banjia_types::{Money, Target, Timestamp, TrafficKind, VendorName};
use std::collections::BTreeMap;
use std::time::Duration;

/// A target that failed at least so many requests of a window and answered none is down.
const DOWN_REQUESTS_MIN: u64 = 5;

/// A move, and the moment of looking at it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'s> {
    /// The move.
    pub loaded: &'s Loaded,
    /// Under which name a vendor of the configuration is cut; the same name where there is none.
    pub borders: &'s BTreeMap<VendorName, VendorName>,
    /// When.
    pub now: Timestamp,
}

impl Seen<'_> {
    fn cut<'c>(&self, vendor: &VendorName, cuts: &'c [Cut]) -> Option<&'c Cut> {
        let border = self.borders.get(vendor).unwrap_or(vendor);
        cuts.iter().find(|cut| cut.vendor == *border)
    }

    /// From a moment before now until now, this moment included.
    pub(super) fn since(&self, from: Timestamp) -> Period {
        Period { from, to: self.now + Duration::from_millis(1) }
    }
}

/// Gathers everything but the verdicts of parity. Parts that could not be read are listed in
/// [`Evidence::missing`].
pub async fn gather(store: &Store, seen: &Seen<'_>) -> Evidence {
    let of = &seen.loaded.of;
    let spec = of.spec();
    let mut missing = Missing::default();
    let cuts = missing.or_default("the cuts", store.cuts().await);
    let source_cut = seen.cut(spec.source_vendor(), &cuts).map(|cut| cut.evidence.to_string());
    let mut evidence = Evidence { source_cut, ..Evidence::default() };
    if of.state().rehearsal.is_some() {
        let drill = missing.or_default("the drill", rehearsal::last(store, seen.loaded).await);
        evidence.rehearsal = drill.map(|drill| drill.evidence());
    }
    let window = seen.since(seen.now - spec.gates.window);
    let day = seen.since(day_begin(seen));
    let whole = seen.since(seen.loaded.created_at);
    for moved in &spec.routes {
        let found = route(store, seen, moved, (window, &cuts), &mut missing).await;
        evidence.routes.insert(moved.route.clone(), found);
        for target in destinations(moved) {
            for (period, sums) in [(day, &mut evidence.spend_today), (whole, &mut evidence.spend_total)] {
                let spent = store.spent(&moved.route, target, period, true).await;
                add_up(sums, missing.or_default("the costs", spent));
            }
        }
    }
    evidence.missing = missing.0;
    evidence
}

/// The parts of the evidence that could not be gathered, each with its first reason.
#[derive(Debug, Default)]
struct Missing(Vec<String>);

impl Missing {
    fn or_default<T: Default, E: std::fmt::Display>(&mut self, what: &str, found: Result<T, E>) -> T {
        found.unwrap_or_else(|error| {
            let is_said = self.0.iter().any(|said| said.split(':').next() == Some(what));
            if !is_said {
                self.0.push(format!("{what}: {error}"));
            }
            T::default()
        })
    }
}

async fn route(
    store: &Store,
    seen: &Seen<'_>,
    moved: &MovedRoute,
    (window, cuts): (Period, &[Cut]),
    missing: &mut Missing,
) -> RouteEvidence {
    let recorded = CaptureFilter {
        routes: vec![moved.route.clone()],
        legs: vec![TrafficKind::Live],
        target: Some(moved.source.clone()),
        period: seen.since(seen.loaded.created_at),
        ..CaptureFilter::default()
    };
    let captures = missing.or_default("the captures", store.count_captures(&recorded).await);
    let mut found = RouteEvidence { captures, ..RouteEvidence::default() };
    for watched in missing.or_default("how targets do", store.watch(&moved.route, window).await) {
        let target = TargetEvidence {
            requests: watched.requests,
            errors: watched.errors,
            latency_p95_ms: watched.total_p95_ms,
            is_down: watched.requests >= DOWN_REQUESTS_MIN && watched.errors == watched.requests,
            ..TargetEvidence::default()
        };
        found.targets.insert(watched.target, target);
    }
    for target in std::iter::once(&moved.source).chain(destinations(moved)) {
        if seen.cut(&target.vendor, cuts).is_some() {
            found.targets.entry(target.clone()).or_default().is_cut = true;
        }
    }
    found
}

/// The destination, and the second one where there is one.
pub(super) fn destinations(moved: &MovedRoute) -> impl Iterator<Item = &Target> {
    std::iter::once(&moved.destination).chain(&moved.second)
}

/// The first moment of the present day in the move's zone.
fn day_begin(seen: &Seen<'_>) -> Timestamp {
    use banjia_types::calendar;
    let zone = seen.loaded.of.spec().zone;
    let midnight = calendar::local(seen.now, zone).date().and_time(chrono::NaiveTime::MIN);
    calendar::moment(midnight, zone)
}

/// What repeats, shadows and replays have cost since the move began, at all of its targets.
pub(super) async fn copies_cost(store: &Store, loaded: &Loaded) -> Result<Vec<Money>, StoreError> {
    let since = Period { from: loaded.created_at, ..Period::ALWAYS };
    let mut spent = Vec::new();
    for moved in &loaded.of.spec().routes {
        for target in std::iter::once(&moved.source).chain(destinations(moved)) {
            add_up(&mut spent, store.spent(&moved.route, target, since, false).await?);
        }
    }
    Ok(spent)
}
