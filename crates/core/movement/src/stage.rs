//! A move, whole: what it is after its events, which events can follow, and what is due.
//!
//! A move is a log of events. [`apply`] folds them and refuses what cannot follow; [`step`] says what is due. Whoever performs
//! the actions of a step appends its events with compare-and-set on [`State::version`]: any replica may tick, one wins, and a
//! crash between two actions repeats nothing that was recorded.
//!
//! Rules, in the order in which a step tries them:
//!
//! 1. **The source refuses us**: the move is live at once, from any stage, each route on its best target. Nobody goes back.
//! 2. **The deadline**: with `cut`, the move is live at once, each route on the best target: the one in use if its gates hold,
//!    else another whose gates hold, else the less bad one, and people are called. With `hold`, the move stays, people are
//!    called, and nothing goes forward by itself until a person sets a new date or overrides.
//! 3. **The source's date**: from then on the source is not asked, whatever the stage, the policy or a pause says. The course
//!    says so by itself; the event makes it last even if a clock steps back. A move that holds then leaves its callers to the
//!    targets that the gateway still has.
//! 4. **A gate breaks** in `canary` or `live`: everybody goes back to the source, into `shadow`, and nothing goes forward for a
//!    cool-down that doubles each time. When there is no way back (the source is dead, down or past its date, or the deadline
//!    has passed), routes roll to their second destination if that is better, and else people are called.
//! 5. **Gates hold**: one step forward, never two: `record` → `shadow` → `canary`, its shares, → `live`. Sealing is a command
//!    ([`crate::seal`]).
//!
//! Evidence that is missing stops rule 5 only, as a pause does: rules 1 to 4 act on what is known,
//! and say what was missing.
//! A pause and a blackout stop rule 5 only: what a date, a vendor or a broken gate demands is never held up by somebody who
//! forgot to resume. An override by a person, with a reason, takes the place of gates for the stage that it names; a target
//! that is cut or down is left even then. A step never lies before the last event: a clock that steps back repeats nothing
//! and undoes nothing; it only makes the next step forward wait until it has caught up.

mod apply;
mod command;
mod event;
mod impossible;
mod next;
mod step;

pub use apply::apply;
pub use command::{Order, credentials_removed, override_to, pause, redate, rehearse, resume, switch};
pub use event::{ActiveDestination, Because, Choice, Death, Event, Page, RehearsalFinding, Urgency, Warning, What};
pub use impossible::Impossible;
pub use step::{Action, create, step};

use crate::spec::{MoveSpec, MovedRoute};
use banjia_types::{Rehearsal, RouteName, Share, Stage, Target, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The longest cool-down: a move that went back five times is looked at by a person, and may still try once a day.
const COOLDOWN_MAX: Duration = Duration::from_hours(24);

/// A move: its text and what its events made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    spec: Arc<MoveSpec>,
    state: State,
}

/// What the events of a move have made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// How many events there were. Zero: the move is not created yet.
    pub version: u64,
    /// Where it stands.
    pub stage: Stage,
    /// The part of the conversations that the destination answers.
    pub share: Share,
    /// When the stage or the share last changed.
    pub entered_at: Timestamp,
    /// When the last event was; nothing lies before it.
    pub last_at: Timestamp,
    /// When the move must be done: the text's date, or a later word.
    pub deadline: Timestamp,
    /// From when on the source is not asked.
    pub source_until: Timestamp,
    /// Who paused it, and why.
    pub paused: Option<Because>,
    /// The deadline has passed and the move holds.
    pub is_held: bool,
    /// The source is gone for good.
    pub death: Option<Death>,
    /// The source's date has passed and was seen to pass.
    pub is_source_past: bool,
    /// The routes that use their second destination, and since when; or that came back from it.
    pub used: BTreeMap<RouteName, ActiveDestination>,
    /// When a route changed its destination.
    pub switched_at: BTreeMap<RouteName, Timestamp>,
    /// Why the move is live, if it is.
    pub live_by: Option<LiveBy>,
    /// The override in force: for the stage that it made, until the stage changes.
    pub overridden: Option<Because>,
    /// When the move last went back by itself.
    pub stepped_back_at: Option<Timestamp>,
    /// How often it went back since it was last live by its gates.
    pub steps_back: u32,
    /// A drill under way.
    pub rehearsal: Option<Rehearsal>,
    /// What the last drill found.
    pub drill: Option<RehearsalFinding>,
    /// When the source's credentials were removed, and which.
    pub credentials_removed: Option<(Timestamp, Vec<String>)>,
    /// The SHA-256 of the signed report.
    pub sealed: Option<String>,
    /// What people were told of since the last change.
    pub warned: BTreeSet<Warning>,
    /// What people must still be told.
    pub pages: Vec<Page>,
}

/// Why a move is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveBy {
    /// Every gate held.
    Gates,
    /// A person said so, with a reason.
    Override,
    /// The source is gone.
    SourceDied,
    /// The deadline passed.
    Deadline,
}

impl Move {
    /// A move that has no event yet. Its first one is [`create`]d.
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
            drill: None,
            credentials_removed: None,
            sealed: None,
            warned: BTreeSet::new(),
            pages: Vec::new(),
        };
        Self { spec: Arc::new(spec), state }
    }

    /// A move after all of its events.
    ///
    /// # Errors
    /// The first event that cannot follow, by its number from 1, and why.
    pub fn replay<'e>(spec: MoveSpec, events: impl IntoIterator<Item = &'e Event>) -> Result<Self, (u64, Impossible)> {
        let mut made = Self::new(spec);
        for event in events {
            let number = made.state.version + 1;
            apply(&mut made, event).map_err(|impossible| (number, impossible))?;
        }
        Ok(made)
    }

    /// Its text.
    pub fn spec(&self) -> &MoveSpec {
        &self.spec
    }

    /// What its events made of it.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Where it stands.
    pub const fn stage(&self) -> Stage {
        self.state.stage
    }

    /// How many events there were: what the next append is compared with.
    pub const fn version(&self) -> u64 {
        self.state.version
    }

    /// Whether the source may be asked at a moment.
    pub fn may_ask_source(&self, at: Timestamp) -> bool {
        let state = &self.state;
        state.death.is_none() && !state.is_source_past && state.stage != Stage::Sealed && at < state.source_until
    }

    /// The target that answers for a route when the source does not.
    pub fn target_in_use<'m>(&self, moved: &'m MovedRoute) -> &'m Target {
        match (self.state.used.get(&moved.route), &moved.second) {
            (Some(ActiveDestination::Second), Some(second)) => second,
            _ => &moved.destination,
        }
    }

    /// From when on a step forward may be made, by the watch over the present share and the cool-down.
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
