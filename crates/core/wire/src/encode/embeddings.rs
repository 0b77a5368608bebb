//! The length of vectors: a wrong one would spoil an index, so it is refused rather than
//! approximated.

use super::{Draft, Refusal};
use banjia_types::LossLevel;

/// Checks `dimensions` against what the model can give.
pub(super) fn check_dimensions(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let Some(asked) = draft.body.get("dimensions").cloned() else { return Ok(()) };
    let Some(facts) = draft.facts else { return Ok(()) };
    let Some(embedding) = facts.embedding.as_ref().filter(|known| !known.dimensions.is_empty()) else { return Ok(()) };
    let known = asked.as_u64().is_some_and(|n| embedding.dimensions.iter().any(|have| u64::from(*have) == n));
    if !known && !facts.cite.unconfirmed {
        let have: Vec<String> = embedding.dimensions.iter().map(ToString::to_string).collect();
        let message = format!("{} gives vectors of {}, not of {asked}", draft.model, have.join(", "));
        return Err(Refusal::new("dimensions", message));
    }
    if !embedding.takes_dimensions {
        draft.body.remove("dimensions");
        let level = if known { LossLevel::Exact } else { LossLevel::Dropped };
        draft.lose("dimensions", level, "not sent: this model has one length of vectors");
    }
    Ok(())
}
