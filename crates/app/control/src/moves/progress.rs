//! What keeps a move from its next step.

use super::{Seen, gather, judge_now};
use banjia_movement::gate::{GateResult, GateStatus};
use banjia_movement::stage::Impossible;
use banjia_store::{EncryptionKey, Store};
use banjia_types::Stage;

/// What keeps a move from its next step.
#[derive(Debug)]
pub struct Progress {
    /// The parts of the evidence that could not be gathered, with the reasons.
    pub missing: Vec<String>,
    /// What stands in the way of any step forward, apart from gates. `None` from live on.
    pub obstacle: Option<Impossible>,
    /// The gates of the next step that do not pass. Empty from live on.
    pub unmet: Vec<GateResult>,
}

/// Finds what keeps a move from its next step. With `key` the newest captures are compared now, as
/// the running gateway does for its gates.
pub async fn progress(store: &Store, seen: &Seen<'_>, key: Option<&EncryptionKey>) -> Progress {
    let mut evidence = gather(store, seen).await;
    if let Some(key) = key
        && let Err(error) = judge_now(store, key, seen, &mut evidence).await
    {
        evidence.missing.push(format!("the verdicts of parity: {error}"));
    }
    let mv = &seen.loaded.of;
    // From live on there is no step forward that anything could stand in the way of.
    let has_next = mv.stage() < Stage::Live;
    let unmet = mv.gates_ahead(&evidence, seen.now).into_iter().filter(|gate| gate.status != GateStatus::Pass);
    Progress {
        obstacle: mv.obstacle(seen.now).filter(|_| has_next),
        unmet: unmet.filter(|_| has_next).collect(),
        missing: evidence.missing,
    }
}
