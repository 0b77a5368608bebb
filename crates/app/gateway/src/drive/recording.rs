//! Recording an exchange: its request, its response and its outcome.

use super::Drive;
use crate::border::BorderCheck;
use crate::capture::{Recorded, RecordingBuffer};
use crate::copies::Answered;
use crate::live::LiveRoute;
use crate::request::InferenceRequest;
use crate::state::State;
use banjia_border::facts::Facts;
use banjia_traffic::{SamplingPurpose, sample_hash};
use banjia_types::{Outcome, Share, TrafficKind};

pub(super) struct Recording {
    pub(super) buffer: RecordingBuffer,
    facts: Facts,
}

impl Recording {
    /// Decides by the request's id whether the exchange is recorded.
    pub(super) fn begin(
        route: &LiveRoute,
        state: &State,
        request: &InferenceRequest,
        check: &BorderCheck,
    ) -> Option<Box<Self>> {
        if route.record == Share::NONE
            || !route.record.holds(sample_hash(request.id.sample_seed(), SamplingPurpose::Record))
        {
            return None;
        }
        let bytes_max = state.runtime().snapshot.capture.config.bytes_max;
        let Some(bytes_left) = bytes_max.checked_sub(request.body.len()) else {
            state.recorder.too_large();
            return None;
        };
        Some(Box::new(Self { buffer: RecordingBuffer::new(bytes_left, &state.held), facts: check.facts.clone() }))
    }
}

impl Drive {
    /// Hands the recording over. Must be called before the entry is closed, because closing takes
    /// its row.
    pub(super) fn record(&mut self, outcome: Outcome) {
        let (Some(recording), Some(target_ix)) = (self.recording.take(), self.summary.target_ix) else { return };
        let Recording { buffer, facts } = *recording;
        let Some(bytes) = buffer.take() else { return self.state.recorder.too_large() };
        let is_answered = outcome == Outcome::Answered;
        let millis = |span: std::time::Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
        let (row, is_stream) = (&self.entry.row, self.request.head.stream);
        let has_room = self.state.held.has_room_for_copies();
        let recorded = Recorded {
            id: self.request.id.to_string(),
            leg: TrafficKind::Live,
            number: 0,
            at: row.accepted_at,
            account: Some(self.account.clone()),
            route: self.route.route.name.clone(),
            target: self.route.targets[target_ix].target.clone(),
            request: self.request.clone(),
            answer: Some(bytes).filter(|_| is_answered),
            is_stream,
            outcome,
            class: row.class,
            usage: self.summary.usage.known(),
            cost: self.summary.cost,
            first_content_ms: Some(millis(self.summary.first_content))
                .filter(|_| self.summary.has_content && is_stream),
            total_ms: millis(self.now.since(self.summary.begun)),
        };
        self.state.recorder.offer(recorded, has_room);
        // A rehearsal's response comes from another target than usual, so it is no evidence for the
        // move.
        if is_answered && !self.summary.is_rehearsed {
            let answered = Answered {
                route: &self.route,
                target_ix,
                request: &self.request,
                at: self.entry.row.accepted_at,
                account: &self.account,
                facts,
            };
            self.state.copies.offer(&answered, has_room);
        }
    }
}
