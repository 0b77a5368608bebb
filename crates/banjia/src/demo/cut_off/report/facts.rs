//! The figures of the report.

use super::super::live::Live;
use super::super::stage::Stage;
use super::super::{Settings, Verdict};
use crate::demo::books::{self, is_error};
use crate::demo::client::{End, Observed};
use banjia_store::Row;
use banjia_types::{LossLevel, Outcome, Tally, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Slices of a short demo.
const SLICES_MAX: u32 = 12;
/// Rows that are read back: far more than a demo writes.
const ROWS_MAX: u32 = 1_000_000;

/// Everything the report shows.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(super) source: String,
    pub(super) begun_at: Timestamp,
    pub(super) slice: Duration,
    /// The ledger's own book of acceptances and ends.
    pub(super) tally: Tally,
    pub(super) rows: Vec<Row>,
    pub(super) observed: Vec<Observed>,
    pub(super) sent: u64,
    pub(super) blocked_at: Option<Timestamp>,
    pub(super) cut_at: Option<Timestamp>,
    /// Requests that the source answered with its block.
    pub(super) met_the_block: u64,
    /// Requests that arrived at the source after the gateway cut it: those on their way in that moment.
    pub(super) after_the_cut: u64,
    pub(super) cny_per_usd: f64,
}

impl Facts {
    /// Reads the ledger and lays it beside what the clients saw.
    pub(crate) async fn gather(
        stage: &Stage,
        live: &Live,
        settings: &Settings,
        observed: Vec<Observed>,
    ) -> anyhow::Result<Self> {
        let store = &stage.running.store;
        let tally = books::sum(&store.tally(banjia_store::Period::ALWAYS).await?);
        let state = live.now();
        let counts = stage.sandbox.counts();
        let met = counts.get(stage.source.as_str()).and_then(|counts| counts.faults.get("region").copied());
        Ok(Self {
            source: stage.source.clone(),
            begun_at: live.begun_at,
            slice: slice_of(settings.length),
            tally,
            rows: store.last_rows(ROWS_MAX).await?,
            observed,
            sent: state.sent,
            blocked_at: state.blocked_at,
            cut_at: state.cut.map(|cut| cut.at),
            after_the_cut: state.cut.map_or(0, |cut| stage.arrived_at_source().saturating_sub(cut.arrived)),
            met_the_block: met.unwrap_or(0),
            cny_per_usd: settings.cny_per_usd,
        })
    }

    /// Whether the story held.
    pub(crate) fn verdict(&self) -> Verdict {
        let held = self.is_balanced() && self.books_agree() && self.seen(is_error) == 0;
        if held { Verdict::Held } else { Verdict::Broke }
    }

    /// Every accepted request has exactly one end.
    pub(super) fn is_balanced(&self) -> bool {
        self.tally.missing() == 0 && self.rows.len() as u64 == self.tally.accepted
    }

    /// The ledger has what the clients sent, and the ends agree.
    pub(super) fn books_agree(&self) -> bool {
        books::agree(self.tally, self.sent, &self.observed)
    }

    /// How many clients saw such an end.
    pub(super) fn seen(&self, is: impl Fn(&End) -> bool) -> u64 {
        books::seen(&self.observed, is)
    }

    /// Errors that clients saw, with their number.
    pub(super) fn errors(&self) -> BTreeMap<String, u64> {
        books::errors(&self.observed)
    }

    /// One line per slice of time: where it begins, ends by outcome, answers of the source and of others.
    pub(super) fn slices(&self) -> Vec<Slice> {
        let mut slices: Vec<Slice> = Vec::new();
        for row in &self.rows {
            let index = row.accepted_at.since(self.begun_at).as_millis() / self.slice.as_millis().max(1);
            let index = usize::try_from(index).unwrap_or(usize::MAX).min(10_000);
            if slices.len() <= index {
                slices.resize_with(index + 1, Slice::default);
            }
            let slice = &mut slices[index];
            slice.tally.accepted += 1;
            slice.tally.count(row.outcome);
            if let Some(target) = &row.target {
                *slice.vendors.entry(target.vendor.to_string()).or_default() += 1;
            }
        }
        slices
    }

    /// Sums by target, the busiest first.
    pub(super) fn targets(&self) -> Vec<TargetLine> {
        let mut lines: BTreeMap<String, TargetLine> = BTreeMap::new();
        for row in &self.rows {
            let name = row.target.as_ref().map_or_else(|| "(none)".to_owned(), ToString::to_string);
            let line = lines.entry(name.clone()).or_insert_with(|| TargetLine { name, ..TargetLine::default() });
            line.requests += 1;
            line.prompt += row.usage.map_or(0, |usage| usage.prompt);
            line.completion += row.usage.map_or(0, |usage| usage.completion);
            if let Some(cost) = row.cost {
                *line.cost_micros.entry(cost.currency.as_str()).or_default() += cost.micros;
            } else if row.outcome == Outcome::Answered {
                line.unpriced += 1;
            }
            for loss in &row.losses {
                let why = line.losses.entry((loss.level, loss.param.clone())).or_insert_with(|| (0, loss.why.clone()));
                why.0 += 1;
            }
        }
        let mut lines: Vec<_> = lines.into_values().collect();
        lines.sort_by(|a, b| b.requests.cmp(&a.requests).then(a.name.cmp(&b.name)));
        lines
    }

    /// From the block to the first content that a destination gave to a request sent after the block.
    pub(super) fn first_answer_after(&self) -> Option<(Timestamp, &Observed)> {
        let blocked = self.blocked_at?;
        self.observed
            .iter()
            .filter(|seen| seen.sent_at >= blocked && seen.vendor().is_some_and(|vendor| vendor != self.source))
            .filter_map(|seen| Some((seen.first_content_at()?, seen)))
            .min_by_key(|(at, _)| *at)
    }
}

/// A minute for long demos, else about a twelfth of the whole, in whole seconds.
fn slice_of(length: Duration) -> Duration {
    if length >= Duration::from_mins(5) {
        return Duration::from_mins(1);
    }
    let seconds = (length / SLICES_MAX).as_secs_f64().ceil().max(1.0);
    Duration::from_secs(seconds as u64)
}

/// Requests accepted in one slice of time.
#[derive(Debug, Default)]
pub(super) struct Slice {
    pub(super) tally: Tally,
    pub(super) vendors: BTreeMap<String, u64>,
}

/// What one target did.
#[derive(Debug, Default)]
pub(super) struct TargetLine {
    pub(super) name: String,
    pub(super) requests: u64,
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) cost_micros: BTreeMap<&'static str, i64>,
    /// Answers whose price no profile knows.
    pub(super) unpriced: u64,
    /// How often each parameter was lost, with an example of why.
    pub(super) losses: BTreeMap<(LossLevel, String), (u64, String)>,
}
