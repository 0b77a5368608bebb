//! A whole move: its state after its events, the events that can follow, and the step that is due.
//!
//! A move is a log of events. [`apply`] folds them and rejects events that cannot follow. [`step`]
//! returns what is due. The process that performs the actions of a step appends its events with
//! compare-and-set on [`State::version`]. So any replica may tick and one wins, and a crash between
//! two actions repeats nothing that was recorded.
//!
//! # Rules of a step, in the order in which they are tried
//! 1. **The source blocks us.** The move is live at once, from any stage, each route on its best
//!    target. There is no way back.
//! 2. **The deadline passes.** With `cut`, the move is live at once, each route on the best target:
//!    the one in use if its gates pass, else another whose gates pass, else the less bad one, and
//!    people are paged. With `hold`, the move stays, people are paged, and it makes no step forward
//!    until a person sets a new date or overrides.
//! 3. **The source's end date passes.** From then on the source is not asked, whatever the stage,
//!    the policy or a pause. The route move already holds the date; the event makes it last even if
//!    a clock steps back. A move that holds then leaves its callers to the other targets of the
//!    route.
//! 4. **A gate trips** in `canary` or `live`. All callers go back to the source, into `shadow`, and
//!    no step forward is made for a cool-down that doubles each time. If there is no way back (the
//!    source blocked us, is down or past its date, or the deadline has passed), routes switch to
//!    their second destination if it is better; else people are paged.
//! 5. **All gates pass.** One step forward, never two: `record` → `shadow` → `canary`, its shares,
//!    → `live`. Sealing is a command ([`crate::seal`]).
//!
//! # What stops a step
//! - Missing evidence, a pause and a blackout stop rule 5 only. Rules 1 to 4 act on what is known,
//!   and say what was missing. A forgotten pause never delays a date, a vendor's block or a tripped
//!   gate.
//! - An override by a person, with a reason, replaces the gates of the stage that it sets. A target
//!   that is cut or down is left even then.
//! - No step lies before the last event. A clock that steps back repeats and undoes nothing; the
//!   next step forward waits until it has caught up.

mod apply;
mod command;
mod event;
mod impossible;
mod next;
mod step;

pub use apply::apply;
pub use command::{Order, credentials_removed, override_to, pause, redate, rehearse, resume, switch};
pub use event::{
    ActiveDestination, Because, Death, Event, Page, RehearsalFinding, RouteChoice, Urgency, Warning, What,
};
pub use impossible::Impossible;
pub use step::{Action, create, step};

use crate::spec::{MoveSpec, MovedRoute};
use banjia_types::{Rehearsal, RouteName, Share, Stage, Target, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The longest cool-down. After five steps back a person looks at the move, and it may still try
/// once a day.
const COOLDOWN_MAX: Duration = Duration::from_hours(24);

/// A move: its text and the state after its events.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    spec: Arc<MoveSpec>,
    state: State,
}

/// The state of a move after its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Number of events. Zero if the move is not created yet.
    pub version: u64,
    /// The present stage.
    pub stage: Stage,
    /// The share of the conversations that the destination answers.
    pub share: Share,
    /// When the stage or the share last changed.
    pub entered_at: Timestamp,
    /// The time of the last event. No event lies before it.
    pub last_at: Timestamp,
    /// When the move must be done: the date of the text, or of a later redate.
    pub deadline: Timestamp,
    /// The source's end date: it is not asked from then on.
    pub source_until: Timestamp,
    /// Who paused the move, and why. `None` if it is not paused.
    pub paused: Option<Because>,
    /// True if the deadline has passed and the move holds.
    pub is_held: bool,
    /// How the source ended for good. `None` if it did not.
    pub death: Option<Death>,
    /// True if the source's end date has passed and an event recorded it.
    pub is_source_past: bool,
    /// The destination that each route uses, for routes that ever changed it.
    pub used: BTreeMap<RouteName, ActiveDestination>,
    /// When each route last changed its destination.
    pub switched_at: BTreeMap<RouteName, Timestamp>,
    /// Why the move is live. `None` if it is not.
    pub live_by: Option<LiveBy>,
    /// The override in force. It lasts until the stage changes.
    pub overridden: Option<Because>,
    /// When the move last stepped back by itself.
    pub stepped_back_at: Option<Timestamp>,
    /// Number of steps back since it was last live by its gates.
    pub steps_back: u32,
    /// The running rehearsal.
    pub rehearsal: Option<Rehearsal>,
    /// The result of the last rehearsal.
    #[serde(rename = "drill")]
    pub rehearsal_finding: Option<RehearsalFinding>,
    /// When the source's credentials were removed, and their names.
    pub credentials_removed: Option<(Timestamp, Vec<String>)>,
    /// The SHA-256 of the signed report. `None` if the move is not sealed.
    pub sealed: Option<String>,
    /// The warnings that people got since the last change.
    pub warned: BTreeSet<Warning>,
    /// The pages that were not sent yet.
    pub pages: Vec<Page>,
}

/// Why a move is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveBy {
    /// Every gate passed.
    Gates,
    /// A person set the stage, with a reason.
    Override,
    /// The source blocked us.
    SourceDied,
    /// The deadline passed.
    Deadline,
}

impl Move {
    /// A move without events. Its first event is from [`create`].
    pub fn new(spec: MoveSpec) -> Self {
        let state = State {
            version: 0,
            stage: Stage::Record,
            share: Share::NONE,
            entered_at: Timestamp(i64::MIN),
            last_at: Timestamp(i64::MIN),
            deadline: spec.deadline,
            source_until: spec.source_until,
            paused: None,
            is_held: false,
            death: None,
            is_source_past: false,
            used: BTreeMap::new(),
            switched_at: BTreeMap::new(),
            live_by: None,
            overridden: None,
            stepped_back_at: None,
            steps_back: 0,
            rehearsal: None,
            rehearsal_finding: None,
            credentials_removed: None,
            sealed: None,
            warned: BTreeSet::new(),
            pages: Vec::new(),
        };
        Self { spec: Arc::new(spec), state }
    }

    /// The move after all of its events.
    ///
    /// # Errors
    /// The number (from 1) of the first event that cannot follow, and why.
    pub fn replay<'e>(spec: MoveSpec, events: impl IntoIterator<Item = &'e Event>) -> Result<Self, (u64, Impossible)> {
        let mut replayed = Self::new(spec);
        for event in events {
            let number = replayed.state.version + 1;
            apply(&mut replayed, event).map_err(|impossible| (number, impossible))?;
        }
        Ok(replayed)
    }

    /// The text of the move.
    pub fn spec(&self) -> &MoveSpec {
        &self.spec
    }

    /// The state after all events.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The present stage.
    pub const fn stage(&self) -> Stage {
        self.state.stage
    }

    /// Number of events. The next append is compared with it.
    pub const fn version(&self) -> u64 {
        self.state.version
    }

    /// Whether the source may be asked at `at`.
    pub fn may_ask_source(&self, at: Timestamp) -> bool {
        let state = &self.state;
        state.death.is_none() && !state.is_source_past && state.stage != Stage::Sealed && at < state.source_until
    }

    /// The target that answers for a route if the source does not.
    pub fn target_in_use<'m>(&self, moved: &'m MovedRoute) -> &'m Target {
        match (self.state.used.get(&moved.route), &moved.second) {
            (Some(ActiveDestination::Second), Some(second)) => second,
            _ => &moved.destination,
        }
    }

    /// The earliest moment of the next step forward, by the hold of the present share and the
    /// cool-down.
    pub fn forward_from(&self) -> Timestamp {
        let state = &self.state;
        let watched = match state.stage {
            Stage::Canary => state.entered_at + self.spec.canary.hold,
            _ => state.entered_at,
        };
        let cooled = state.stepped_back_at.map_or(watched, |at| {
            let doubled = self.spec.canary.cooldown.saturating_mul(1 << state.steps_back.saturating_sub(1).min(16));
            at + doubled.min(COOLDOWN_MAX.max(self.spec.canary.cooldown))
        });
        watched.max(cooled)
    }
}
