//! Verdicts of parity, for the gates of a move.
//!
//! Rules: a verdict is made anew when there are more copies than before, and not more often than once a minute, since reading
//! and comparing thousands of answers is work; the requests that were copied last count, each with all of its legs, however long
//! ago its caller was answered; the comparison runs beside the runtime's own threads. The seed is fixed: the same captures give
//! the same verdict to whoever asks.

use super::evidence::{Seen, destinations};
use super::{Loaded, MoveError};
use crate::parity::{Expectations, Sides, pairs_of};
use banjia_movement::gate::{Evidence, Parity, ParityVerdict};
use banjia_movement::spec::MovedRoute;
use banjia_parity::compare::{About, Absent};
use banjia_parity::{Axis, ComparisonRules, Finding, Report, compare};
use banjia_store::{Capture, CaptureCursor, CaptureFilter, EncryptionKey, Store};
use banjia_types::{RouteName, Target, Timestamp, TrafficKind};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::task::JoinError;

/// The legs that answer a request another time.
const COPIES: [TrafficKind; 3] = [TrafficKind::Repeat, TrafficKind::Shadow, TrafficKind::Replay];
/// The most requests of a route that are compared for each of these legs: those that were copied last.
const REQUESTS_MAX: usize = 4_000;
/// Requests whose captures are read with one query.
const REQUESTS_AT_ONCE: usize = 500;
const PAGE: u32 = 1_000;
const AGAIN_AFTER: Duration = Duration::from_mins(1);
const SEED: u64 = 0;

/// The newest verdicts of each route and target.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    kept: HashMap<(String, RouteName, Target), CachedVerdicts>,
}

#[derive(Debug)]
struct CachedVerdicts {
    copies: u64,
    at: Timestamp,
    axes: BTreeMap<String, Parity>,
}

impl CachedVerdicts {
    /// True if it may be made again. One from the future was made before the wall clock was set
    /// back.
    fn is_old(&self, now: Timestamp) -> bool {
        now < self.at || now.since(self.at) >= AGAIN_AFTER
    }
}

impl Verdicts {
    /// Adds what parity says to the evidence.
    pub(super) async fn add(
        &mut self,
        store: &Store,
        key: &EncryptionKey,
        seen: &Seen<'_>,
        evidence: &mut Evidence,
    ) -> Result<(), MoveError> {
        for moved in &seen.loaded.of.spec().routes {
            let filter = filter(seen.loaded, moved);
            // Two targets answered the same request only if one of them answered a copy: without new copies no pair is new.
            let count = store.count_captures(&CaptureFilter { legs: COPIES.to_vec(), ..filter.clone() }).await?;
            for target in destinations(moved) {
                let place = (seen.loaded.of.spec().id.clone(), moved.route.clone(), target.clone());
                let is_due = self.kept.get(&place).is_none_or(|kept| kept.copies != count && kept.is_old(seen.now));
                if is_due {
                    let captures = read(store, key, (moved, target), &filter).await?;
                    let axes = judge(seen, moved, target, captures).await;
                    self.kept.insert(place.clone(), CachedVerdicts { copies: count, at: seen.now, axes });
                }
                if let (Some(kept), Some(route)) = (self.kept.get(&place), evidence.routes.get_mut(&moved.route)) {
                    route.targets.entry(target.clone()).or_default().parity = kept.axes.clone();
                }
            }
        }
        Ok(())
    }
}

fn filter(loaded: &Loaded, moved: &MovedRoute) -> CaptureFilter {
    let period = banjia_store::Period { from: loaded.created_at, ..banjia_store::Period::ALWAYS };
    CaptureFilter { routes: vec![moved.route.clone()], period, ..CaptureFilter::default() }
}

/// Every capture of the requests that were copied last between the source and a destination. A replay is written long after its
/// caller's answer, so whole requests are chosen and not the newest captures; each leg has its own part, so that many replays
/// do not push out the repeats that tell how much the source differs from itself, and another destination's copies push out none.
async fn read(
    store: &Store,
    key: &EncryptionKey,
    (moved, target): (&MovedRoute, &Target),
    filter: &CaptureFilter,
) -> Result<Vec<Capture>, MoveError> {
    let mut ids = BTreeSet::new();
    for leg in COPIES {
        let (place, targets) = ((&moved.route, leg), [&moved.source, target]);
        ids.extend(store.copied_last(place, targets, filter.period.from, REQUESTS_MAX).await?);
    }
    let ids: Vec<_> = ids.into_iter().collect();
    let mut captures = Vec::new();
    for ids in ids.chunks(REQUESTS_AT_ONCE) {
        let of_these = CaptureFilter { ids: ids.to_vec(), ..filter.clone() };
        let mut after = Some(CaptureCursor::default());
        while let Some(cursor) = after {
            let page = store.readable_captures(&of_these, cursor, PAGE, key).await?;
            let is_of_these = |capture: &Capture| capture.target == moved.source || capture.target == *target;
            captures.extend(page.captures.into_iter().filter(is_of_these));
            after = page.next;
        }
    }
    Ok(captures)
}

async fn judge(
    seen: &Seen<'_>,
    moved: &MovedRoute,
    target: &Target,
    captures: Vec<Capture>,
) -> BTreeMap<String, Parity> {
    match compared(seen.loaded, moved, target, captures).await {
        Ok(report) => told(&report, seen.now),
        Err(error) => {
            tracing::error!(%error, "captures were not compared; the gates that need it stay shut");
            BTreeMap::new()
        }
    }
}

/// What parity says of a target of a moving route, by the move's margins: what the gates read, for a page. The newest captures
/// since the move was made count.
///
/// # Errors
/// The database, or a comparison that ended by a bug.
pub async fn parity(
    store: &Store,
    key: &EncryptionKey,
    loaded: &Loaded,
    moved: &MovedRoute,
    target: &Target,
) -> Result<Report, MoveError> {
    let captures = read(store, key, (moved, target), &filter(loaded, moved)).await?;
    let mut report = compared(loaded, moved, target, captures).await.map_err(MoveError::Compare)?;
    report.about = About {
        source: moved.source.to_string(),
        destination: target.to_string(),
        route: Some(moved.route.to_string()),
    };
    Ok(report)
}

async fn compared(
    loaded: &Loaded,
    moved: &MovedRoute,
    target: &Target,
    captures: Vec<Capture>,
) -> Result<Report, JoinError> {
    let gates = &loaded.of.spec().gates;
    let margin = |(axis, margin): (&String, &u32)| Some((Axis::of(axis)?, f64::from(*margin) / 1_000_000.0));
    let margins: BTreeMap<Axis, f64> = gates.parity.iter().filter_map(margin).collect();
    let sides = Sides { source: moved.source.clone(), destination: target.clone() };
    let route = moved.route.clone();
    let work = move || {
        let pairs = pairs_of(&captures, &sides, Some(&route), &Expectations::default()).pairs;
        compare(&pairs, &ComparisonRules { margins, ..ComparisonRules::default() }, SEED)
    };
    tokio::task::spawn_blocking(work).await
}

/// The report as gates read it: differences in millionths, more is worse.
fn told(report: &Report, at: Timestamp) -> BTreeMap<String, Parity> {
    let judged = report.axes.iter().map(|axis| {
        let verdict = match axis.verdict {
            Finding::Better | Finding::Equal => ParityVerdict::NotWorse,
            Finding::Worse => ParityVerdict::Worse,
            Finding::NotEnoughData | Finding::NotJudged => ParityVerdict::Unclear,
        };
        let difference = (-axis.difference * 1_000_000.0).round() as i64;
        (axis.axis.as_str().to_owned(), Parity { verdict, pairs: axis.pairs, difference, at })
    });
    // An axis that no request has to do with needs at least one request to say so.
    let unused = report.left_out.iter().filter(|left| left.why == Absent::NotAsked && report.pairs > 0).map(|left| {
        let parity = Parity { verdict: ParityVerdict::Unused, pairs: report.pairs, difference: 0, at };
        (left.axis.as_str().to_owned(), parity)
    });
    judged.chain(unused).collect()
}
