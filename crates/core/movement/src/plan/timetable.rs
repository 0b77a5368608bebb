//! The latest start of each stage, counted back from the deadline, and the time that is left over.

use banjia_types::{Stage, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;

/// How long each stage takes, in hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Durations {
    /// Recording the source, with repeats.
    pub record_hours: u32,
    /// Shadowing, and computing parity.
    pub shadow_hours: u32,
    /// Growing the share.
    pub canary_hours: u32,
    /// Everything at the destination, while the source can still be returned to.
    pub live_hours: u32,
}

impl Default for Durations {
    /// A week and a half: a weekend and a working week of recording and shadow, and a day on each
    /// side of the switch.
    fn default() -> Self {
        Self { record_hours: 72, shadow_hours: 96, canary_hours: 48, live_hours: 24 }
    }
}

/// The latest start of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// The stage must have begun by then.
    pub latest_start: Timestamp,
    /// How long it takes, in hours; 0 for the last.
    pub hours: u32,
}

/// The stages and the slack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timetable {
    /// The stages, in order.
    pub steps: Vec<Step>,
    /// Hours from now to the first latest start, rounded down. Negative if it has passed.
    pub slack_hours: i64,
}

pub(super) fn back_from(deadline: Timestamp, now: Timestamp, durations: &Durations) -> Timetable {
    let stages = [
        (Stage::Live, durations.live_hours),
        (Stage::Canary, durations.canary_hours),
        (Stage::Shadow, durations.shadow_hours),
        (Stage::Record, durations.record_hours),
    ];
    let mut at = deadline;
    let mut steps = vec![Step { stage: Stage::Sealed, latest_start: deadline, hours: 0 }];
    for (stage, hours) in stages {
        at = at - Duration::from_hours(hours.into());
        steps.push(Step { stage, latest_start: at, hours });
    }
    steps.reverse();
    Timetable { steps, slack_hours: at.0.saturating_sub(now.0).div_euclid(HOUR_MS) }
}
