//! The next step forward, what blocks it, and the gates it needs.

use super::{Impossible, Move};
use crate::gate::{Evidence, Gate, GateResult, GateStatus, judge, recorded};
use banjia_types::{Share, Stage, Timestamp};

/// A step forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forward {
    Stage(Stage),
    Share(Share),
}

impl Move {
    /// The next step forward. `None` from `live` on.
    pub(super) fn forward(&self) -> Option<Forward> {
        match self.state.stage {
            Stage::Record => Some(Forward::Stage(Stage::Shadow)),
            Stage::Shadow => Some(Forward::Stage(Stage::Canary)),
            Stage::Canary => {
                Some(self.spec.step_after(self.state.share).map_or(Forward::Stage(Stage::Live), Forward::Share))
            }
            Stage::Live | Stage::Sealed => None,
        }
    }

    /// What blocks any step forward, apart from gates. With [`Move::gates_ahead`] it explains why a
    /// move makes no step.
    pub fn obstacle(&self, at: Timestamp) -> Option<Impossible> {
        let state = &self.state;
        if let Some(paused) = &state.paused {
            return Some(Impossible::IsPaused { by: paused.by.clone(), reason: paused.reason.clone() });
        }
        if state.is_held || at >= state.deadline {
            return Some(Impossible::AfterDeadline);
        }
        if let Some(rehearsal) = &state.rehearsal {
            return Some(Impossible::InRehearsal { until: rehearsal.until });
        }
        if let Some(blackout) = self.spec.blackout(at) {
            return Some(Impossible::InBlackout { reason: blackout.reason().to_owned() });
        }
        let from = self.forward_from();
        (at < from).then_some(Impossible::TooEarly { from })
    }

    /// The results of the gates that the next step forward needs. They show a person why a move
    /// makes no step.
    pub fn gates_ahead(&self, evidence: &Evidence, now: Timestamp) -> Vec<GateResult> {
        let routes = self.spec.routes.iter();
        match self.state.stage {
            Stage::Record => {
                routes.flat_map(|moved| recorded(&self.spec, moved, self.target_in_use(moved), evidence, now)).collect()
            }
            Stage::Shadow | Stage::Canary | Stage::Live => {
                routes.flat_map(|moved| judge(&self.spec, moved, self.target_in_use(moved), evidence, now)).collect()
            }
            Stage::Sealed => Vec::new(),
        }
    }

    /// Checks that `because` has every gate of the next step forward as passed, for every route.
    pub(super) fn check_gates(&self, because: &[GateResult]) -> Result<(), Impossible> {
        if let Some(open) = because.iter().find(|result| result.status != GateStatus::Pass) {
            return Err(Impossible::GateOpen { route: open.route.clone(), gate: open.gate.clone() });
        }
        let gates = self.gates_needed();
        for moved in &self.spec.routes {
            let target = self.target_in_use(moved);
            let is_judged = |gate: &&Gate| {
                because
                    .iter()
                    .any(|result| result.route == moved.route && result.target == *target && result.gate == **gate)
            };
            if let Some(gate) = gates.iter().find(|gate| !is_judged(gate)) {
                return Err(Impossible::GateOpen { route: moved.route.clone(), gate: gate.clone() });
            }
        }
        Ok(())
    }

    fn gates_needed(&self) -> Vec<Gate> {
        if self.state.stage == Stage::Record {
            return vec![Gate::Recorded, Gate::Health];
        }
        let gates = &self.spec.gates;
        let mut needed = vec![Gate::Health, Gate::ErrorRate, Gate::Latency];
        needed.extend(gates.parity.keys().map(|axis| Gate::Parity { axis: axis.clone() }));
        needed.extend(gates.spend_max_per_day.map(|_| Gate::SpendPerDay));
        needed.extend(gates.spend_max_total.map(|_| Gate::SpendTotal));
        needed
    }

    /// Whether the move may go back to its source at `at`: callers are on the destination, the
    /// source answers, and neither its end date nor the deadline has passed. After the deadline the
    /// move would only be cut over again.
    pub(super) fn may_step_back(&self, at: Timestamp) -> bool {
        matches!(self.state.stage, Stage::Canary | Stage::Live) && self.may_ask_source(at) && at < self.state.deadline
    }
}
