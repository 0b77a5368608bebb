//! From recorded requests to the questions that they ask.

use super::{ReplayJob, Wanted};
use banjia_store::{Capture, CaptureCursor, CaptureFilter, CaptureMark, StoreError};
use banjia_types::{Money, Outcome, Place, Target, TrafficKind};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Captures read at once.
const PAGE: u32 = 200;

/// A question, with the capture that it comes from.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) capture: Arc<Capture>,
    pub(super) leg: TrafficKind,
    pub(super) number: u32,
    pub(super) target: Target,
    /// From which network's place the end user called, by the ledger.
    pub(super) network: Option<Place>,
}

/// What becomes of one question.
#[derive(Debug)]
pub(super) enum Step {
    /// It is recorded, and cost so much.
    Recorded(Option<Money>),
    /// It is not asked.
    Skipped(&'static str),
    Ask(Asking),
}

/// Reads the requests page by page.
pub(super) struct Reader<'r> {
    replay: &'r ReplayJob,
    after: Option<CaptureCursor>,
    /// Requests that were read, with who answered: an import may tell one twice.
    seen: HashSet<(String, Target)>,
    requests: HashSet<String>,
}

impl<'r> Reader<'r> {
    pub(super) fn new(replay: &'r ReplayJob) -> Self {
        Self { replay, after: Some(CaptureCursor::default()), seen: HashSet::new(), requests: HashSet::new() }
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.len() as u64
    }

    fn is_full(&self) -> bool {
        self.replay.wanted.requests_max.is_some_and(|max| self.requests() >= max)
    }

    /// The questions of the next page, in order; none after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Step>>, StoreError> {
        let Some(after) = self.after.filter(|_| !self.is_full()) else { return Ok(None) };
        let ReplayJob { store, key, wanted } = self.replay;
        let Wanted { route, period, source, .. } = wanted;
        let filter = CaptureFilter {
            routes: vec![route.clone()],
            legs: vec![TrafficKind::Live],
            target: source.clone(),
            period: *period,
            ..CaptureFilter::default()
        };
        let page = store.captures(&filter, after, PAGE, key).await?;
        self.after = page.next;
        let ids = page.captures.iter().map(|capture| capture.id.clone()).collect();
        let marks =
            CaptureFilter { ids, legs: vec![TrafficKind::Replay, TrafficKind::Repeat], ..CaptureFilter::default() };
        let marks = if page.captures.is_empty() { Vec::new() } else { store.capture_marks(&marks).await? };
        let recorded: HashMap<_, _> = marks.into_iter().map(key_of).collect();
        let mut steps = Vec::new();
        for capture in page.captures {
            if self.is_full() && !self.requests.contains(&capture.id) {
                continue;
            }
            let is_new = self.requests.insert(capture.id.clone());
            if self.seen.insert((capture.id.clone(), capture.target.clone())) {
                let network = store.network_of(capture.at, &capture.id).await?;
                add((&Arc::new(capture), network), wanted, is_new, &recorded, &mut steps);
            }
        }
        Ok(Some(steps))
    }
}

type Key = (String, TrafficKind, u32, Target);

fn key_of(mark: CaptureMark) -> (Key, Option<Money>) {
    ((mark.id, mark.leg, mark.number, mark.target), mark.cost)
}

/// `is_new`: no other answer to the same request was read, so the target was not asked for it yet.
fn add(
    (capture, network): (&Arc<Capture>, Option<Place>),
    wanted: &Wanted,
    is_new: bool,
    recorded: &HashMap<Key, Option<Money>>,
    steps: &mut Vec<Step>,
) {
    let replay = wanted.target.iter().filter(|_| is_new).map(|target| (TrafficKind::Replay, 0, target));
    let repeats = (0..wanted.repeats).map(|number| (TrafficKind::Repeat, number, &capture.target));
    for (leg, number, target) in replay.chain(repeats) {
        let key = (capture.id.clone(), leg, number, target.clone());
        steps.push(match recorded.get(&key) {
            Some(cost) => Step::Recorded(*cost),
            None if capture.outcome == Outcome::Abandoned => {
                Step::Skipped("its client did not wait for the answer, so there is nothing to compare with")
            }
            None => Step::Ask(Asking { capture: capture.clone(), leg, number, target: key.3, network }),
        });
    }
}
