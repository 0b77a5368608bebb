//! Quirks of single values.

use crate::encode::Draft;
use banjia_types::LossLevel;
use banjia_types::hash::{FNV_START, fnv1a};
use serde_json::Value;

/// Largest seed of vendors that keep it in 31 bits.
const SEED_MAX: i128 = 2_147_483_647;

/// Greedy decoding by a switch of its own, for vendors whose temperature must stay above zero.
pub(super) fn zero_is_greedy(draft: &mut Draft<'_>, name: &str) {
    if draft.body.get(name).and_then(Value::as_f64).is_some_and(|t| t <= 0.0) {
        draft.body.remove(name);
        draft.body.set("do_sample", false.into());
        draft.lose(name, LossLevel::Exact, "0 is said as do_sample=false here");
    }
}

/// Seeds from 0 to 2^31-1: a greater or negative one is folded, so that the same seed still gives
/// the same answer.
pub(super) fn seed_folded(draft: &mut Draft<'_>, name: &str) {
    fold(draft, name, 0, SEED_MAX);
}

/// Seeds between 0 and 2^31-1, both excluded.
pub(super) fn seed_folded_above_zero(draft: &mut Draft<'_>, name: &str) {
    fold(draft, name, 1, SEED_MAX - 1);
}

fn fold(draft: &mut Draft<'_>, name: &str, min: i128, max: i128) {
    let Some(value) = draft.body.get(name) else { return };
    let Some(seed) = value.as_i64().map(i128::from).or(value.as_u64().map(i128::from)) else { return };
    if (min..=max).contains(&seed) {
        return;
    }
    let folded = (seed - min).rem_euclid(max - min + 1) + min;
    draft.body.set(name, (folded as i64).into());
    draft.lose(name, LossLevel::Exact, format!("{seed} became {folded}: seeds go from {min} to {max} here"));
}

/// End-user ids of 6 to 128 characters: a short one is padded, a long one is cut and told apart by
/// a hash.
pub(super) fn user_of_6_to_128(draft: &mut Draft<'_>, name: &str) {
    let Some(user) = draft.body.get(name).and_then(Value::as_str).map(str::to_owned) else { return };
    let chars = user.chars().count();
    let sent = match chars {
        0..6 => format!("user-{user}"),
        6..=128 => return,
        _ => format!("{}-{:016x}", user.chars().take(111).collect::<String>(), fnv1a(FNV_START, user.as_bytes())),
    };
    // An empty id would still be too short.
    let sent = if chars == 0 { "user-0".to_owned() } else { sent };
    draft.body.set(name, sent.into());
    draft.lose(name, LossLevel::Exact, format!("an id of {chars} characters was brought to between 6 and 128"));
}

/// JSON mode that is refused unless the messages speak of JSON: a sentence is added.
pub(super) fn json_word_in_messages(draft: &mut Draft<'_>, name: &str) {
    if draft.body.get(name).is_none_or(|format| format["type"] != "json_object") {
        return;
    }
    let speaks = |value: &Value| value.to_string().to_lowercase().contains("json");
    let said = draft.body.list("messages").into_iter().flatten().any(|cell| speaks(&cell.read()["content"]))
        || draft.instructions.iter().any(|words| words.to_lowercase().contains("json"));
    if !said {
        draft.instructions.push("Answer in JSON.".into());
        draft.lose(name, LossLevel::Emulated, "JSON mode needs the word JSON in the messages; it was added");
    }
}

/// JSON answers that are refused while the model thinks: thinking is switched off.
pub(super) fn json_stops_thinking(draft: &mut Draft<'_>, name: &str) {
    let json = draft.body.get(name).is_some_and(|format| format["type"] != "text");
    let Some(group) = draft.profile.thinking(draft.model).filter(|_| json && draft.thinking) else { return };
    draft.body.remove("reasoning_effort");
    for (member, value) in &group.off {
        draft.body.set(member, value.clone());
    }
    draft.thinking = false;
    draft.notes.replay_reasoning = false;
    draft.lose(
        "reasoning_effort",
        LossLevel::Degraded,
        "no thinking: this vendor refuses JSON answers while it thinks",
    );
}
