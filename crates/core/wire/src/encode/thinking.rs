//! Whether the model thinks, and how hard.
//!
//! Rules:
//! - A client that names an effort gets the nearest one.
//! - A client that already speaks the vendor's own switch, or asks for the vendor's own model name,
//!   is left alone.
//! - A client of a reasoning model gets thinking.
//! - Everybody else gets none.
//!
//! Why the last rule: newer models think unless told not to, and a business that moves from a plain
//! model would pay many times its former price for answers that come later.

use super::Draft;
use crate::profile::{Effort, ThinkingGroup, ThinkingHabit};
use banjia_types::LossLevel;
use serde_json::Value;

const EFFORT: &str = "reasoning_effort";

/// Sets the switches and says in `draft.thinking` what to expect.
pub(super) fn apply(draft: &mut Draft<'_>, client_model: &str) {
    let Some(group) = draft.profile.thinking(draft.model) else {
        return without_group(draft);
    };
    draft.thinking = matches!(group.habit, ThinkingHabit::OnByDefault | ThinkingHabit::Always);
    let effort = draft.body.get(EFFORT).cloned();
    if let Some(effort) = effort {
        with_effort(draft, group, &effort);
    } else if let Some(thinks) = own_switch(draft, group) {
        draft.thinking = thinks || group.habit == ThinkingHabit::Always;
    } else if draft.profile.reasoning_clients.iter().any(|pattern| pattern.matches(client_model)) {
        switch_on(draft, group);
    } else if client_model != draft.model {
        switch_off(draft, group);
    }
    draft.notes.replay_reasoning = draft.thinking && group.replay && draft.has_tools();
}

/// Nothing is known of how this model thinks: a vendor without any switches gets the client's
/// words, others do not.
fn without_group(draft: &mut Draft<'_>) {
    if draft.profile.thinking.is_empty() || !draft.body.has(EFFORT) {
        return;
    }
    let none = draft.body.get(EFFORT) == Some(&Value::from("none"));
    draft.body.remove(EFFORT);
    let level = if none { LossLevel::Exact } else { LossLevel::Degraded };
    draft.lose(EFFORT, level, "not sent: this model is not known to think");
}

/// What the client says in the vendor's own words, if it does.
fn own_switch(draft: &mut Draft<'_>, group: &ThinkingGroup) -> Option<bool> {
    let switches = group.off.iter().chain(&group.on).filter(|(name, _)| *name != EFFORT);
    let said = switches.map(|(name, _)| name).find_map(|name| {
        let said = draft.body.get(name)?;
        Some(group.off.get(name).map_or_else(|| group.on.get(name) == Some(said), |off| off != said))
    });
    let speaks = group.own.iter().any(|name| draft.body.has(name));
    said.or_else(|| speaks.then_some(group.habit == ThinkingHabit::OnByDefault))
}

fn with_effort(draft: &mut Draft<'_>, group: &ThinkingGroup, effort: &Value) {
    let asked = effort.as_str().unwrap_or_default();
    match group.effort.get(asked) {
        Some(Effort::Off) => {
            draft.body.remove(EFFORT);
            switch_off(draft, group);
            let level = if asked == "none" { LossLevel::Exact } else { LossLevel::Degraded };
            draft.lose(EFFORT, level, format!("`{asked}` means no thinking here"));
        }
        Some(Effort::On) => {
            draft.body.remove(EFFORT);
            switch_on(draft, group);
            draft.lose(
                EFFORT,
                LossLevel::Degraded,
                format!("thinking is on, but has no grades here; asked for `{asked}`"),
            );
        }
        Some(Effort::Value(sent)) => {
            switch_on(draft, group);
            draft.body.set(EFFORT, sent.as_str().into());
            if sent != asked {
                draft.lose(EFFORT, LossLevel::Degraded, format!("`{asked}` became `{sent}`, the nearest there is"));
            }
        }
        None => {
            draft.body.remove(EFFORT);
            draft.lose(EFFORT, LossLevel::Degraded, format!("not sent: this model has no effort like {effort}"));
        }
    }
}

fn switch_on(draft: &mut Draft<'_>, group: &ThinkingGroup) {
    draft.thinking = group.habit != ThinkingHabit::Never;
    for (name, value) in &group.on {
        draft.body.set(name, value.clone());
    }
}

fn switch_off(draft: &mut Draft<'_>, group: &ThinkingGroup) {
    draft.thinking = group.habit == ThinkingHabit::Always;
    for (name, value) in &group.off {
        draft.body.set(name, value.clone());
    }
    if draft.thinking {
        let least = if group.off.is_empty() { "" } else { "; the least was asked for" };
        draft.lose("thinking", group.off_loss, format!("this model cannot be kept from thinking{least}"));
    }
}
