//! Finish reasons: which one a choice has, and what it is called in OpenAI's words.

use super::hidden_in_finish;
use crate::classify::VendorError;
use crate::profile::{FinishMeaning, StreamHabits};
use serde_json::{Map, Value};

/// The reason of a blocked answer in OpenAI's words.
pub(super) const CONTENT_FILTER: &str = "content_filter";

/// A choice's finish reason; an empty one, and the word `null` that native protocols use, are none.
pub(super) fn reason_of(choice: &Value) -> Option<&str> {
    choice.get("finish_reason").and_then(Value::as_str).filter(|reason| !matches!(*reason, "" | "null"))
}

/// The reason by its regular name, or the failure that hides in it.
pub(super) fn regular(habits: &StreamHabits, reason: &str) -> Result<String, VendorError> {
    match habits.finish.get(reason) {
        None => Ok(reason.to_owned()),
        Some(FinishMeaning::Reason(name)) => Ok(name.clone()),
        Some(FinishMeaning::Error(class)) => Err(hidden_in_finish(*class, reason)),
    }
}

/// Whether the vendor marked the choice as one that must not be shown, or no more.
pub(super) fn is_blocked(habits: &StreamHabits, choice: &Map<String, Value>) -> bool {
    match (habits.blocked_flag_min, choice.get("flag").and_then(Value::as_u64)) {
        (Some(min), Some(flag)) => flag >= min,
        _ => false,
    }
}
