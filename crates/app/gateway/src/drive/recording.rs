//! What is kept of an exchange that is recorded: what leaves, who asked, how it went.

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
    pub(super) tee: RecordingBuffer,
    facts: Facts,
}

impl Recording {
    /// Decides by the request's id whether it is recorded.
    pub(super) fn begin(
        live: &LiveRoute,
        state: &State,
        ask: &InferenceRequest,
        crossing: &BorderCheck,
    ) -> Option<Box<Self>> {
        if live.record == Share::NONE || !live.record.holds(sample_hash(ask.id.sample_seed(), SamplingPurpose::Record))
        {
            return None;
        }
        let bytes_max = state.world().snapshot.capture.config.bytes_max;
        let Some(bytes_left) = bytes_max.checked_sub(ask.body.len()) else {
            state.recorder.too_large();
            return None;
        };
        Some(Box::new(Self { tee: RecordingBuffer::new(bytes_left, &state.held), facts: crossing.facts.clone() }))
    }
}

impl Drive {
    /// Hands over what was kept. Must come before the entry is closed, which takes its row away.
    pub(super) fn keep(&mut self, outcome: Outcome) {
        let (Some(kept), Some(goal)) = (self.kept.take(), self.told.goal) else { return };
        let Recording { tee, facts } = *kept;
        let Some(bytes) = tee.take() else { return self.state.recorder.too_large() };
        let is_answered = outcome == Outcome::Answered;
        let millis = |span: std::time::Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
        let (row, streams) = (&self.entry.row, self.ask.head.stream);
        let has_room = self.state.held.has_room_for_copies();
        let recorded = Recorded {
            id: self.ask.id.to_string(),
            leg: TrafficKind::Live,
            number: 0,
            at: row.accepted_at,
            account: Some(self.account.clone()),
            route: self.live.route.name.clone(),
            target: self.live.route.targets[goal].target.clone(),
            ask: self.ask.clone(),
            answer: Some(bytes).filter(|_| is_answered),
            is_stream: streams,
            outcome,
            class: row.class,
            usage: self.told.usage.known(),
            cost: self.told.cost,
            first_content_ms: Some(millis(self.told.first_content)).filter(|_| self.told.content && streams),
            total_ms: millis(self.now.since(self.told.begun)),
        };
        self.state.recorder.offer(recorded, has_room);
        // A drill's answers come from where they would not have come otherwise, and are nobody's evidence.
        if is_answered && !self.told.is_rehearsed {
            let answered = Answered {
                live: &self.live,
                goal,
                ask: &self.ask,
                at: self.entry.row.accepted_at,
                account: &self.account,
                facts,
            };
            self.state.copies.offer(&answered, has_room);
        }
    }
}
