//! What is kept of an exchange that is recorded: what leaves, who asked, how it went.

use super::Drive;
use crate::border::Crossing;
use crate::capture::{Recorded, Tee};
use crate::course::seed;
use crate::handle::Ask;
use crate::live::LiveRoute;
use crate::shadow::Answered;
use crate::shared::Shared;
use banjia_border::facts::Facts;
use banjia_traffic::{Lot, draw};
use banjia_types::{Leg, Outcome, Share};

pub(super) struct Kept {
    pub(super) tee: Tee,
    facts: Facts,
}

impl Kept {
    /// Decides by the request's id whether it is recorded.
    pub(super) fn begin(live: &LiveRoute, shared: &Shared, ask: &Ask, crossing: &Crossing) -> Option<Box<Self>> {
        if live.record == Share::NONE || !live.record.holds(draw(seed(ask.id), Lot::Record)) {
            return None;
        }
        let bytes_max = shared.world().snapshot.capture.config.bytes_max;
        let Some(bytes_left) = bytes_max.checked_sub(ask.body.len()) else {
            shared.recorder.too_large();
            return None;
        };
        Some(Box::new(Self { tee: Tee::new(bytes_left, &shared.held), facts: crossing.facts.clone() }))
    }
}

impl Drive {
    /// Hands over what was kept. Must come before the entry is closed, which takes its row away.
    pub(super) fn keep(&mut self, outcome: Outcome) {
        let (Some(kept), Some(goal)) = (self.kept.take(), self.told.goal) else { return };
        let Kept { tee, facts } = *kept;
        let Some(bytes) = tee.take() else { return self.shared.recorder.too_large() };
        let is_answered = outcome == Outcome::Answered;
        let millis = |span: std::time::Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
        let (row, streams) = (&self.entry.row, self.ask.head.stream);
        let has_room = self.shared.held.has_room_for_copies();
        let recorded = Recorded {
            id: self.ask.id.to_string(),
            leg: Leg::Live,
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
        self.shared.recorder.offer(recorded, has_room);
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
            self.shared.copies.offer(&answered, has_room);
        }
    }
}
