//! Folds one event into a move.
//!
//! # Rules
//! - Everything is checked before anything changes, so an event that cannot follow leaves the move
//!   as it was.
//! - What a step forward needs is checked here again, from the evidence in the event. So a log that
//!   passed this check is valid no matter who wrote it.

use super::event::{ActiveDestination, Event, Page, RehearsalFinding, RouteChoice, Urgency, Warning, What};
use super::next::Forward;
use super::{Because, Death, Impossible, LiveBy, Move};
use crate::gate::GateStatus;
use crate::spec::OnDeadline;
use banjia_types::{Rehearsal, Share, Stage, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest text by a person in an event, in bytes.
pub(super) const WORDS_BYTES_MAX: usize = 2_000;
/// The longest rehearsal.
const REHEARSAL_MAX: Duration = Duration::from_hours(24);

/// Folds an event into a move.
///
/// # Errors
/// Why the event cannot follow. The move is unchanged then.
pub fn apply(to: &mut Move, event: &Event) -> Result<(), Impossible> {
    check(to, event)?;
    fold(to, event);
    Ok(())
}

/// Checks what holds for every event: the move exists, time runs forward, and only pages follow a
/// seal.
fn check(mv: &Move, event: &Event) -> Result<(), Impossible> {
    let (spec, state, at) = (&mv.spec, &mv.state, event.at);
    if let What::Created { spec: hash } = &event.what {
        if state.version > 0 {
            return Err(Impossible::AlreadyCreated);
        }
        let (found, expected) = (hash.clone(), spec.hash().to_owned());
        return when(found == expected, || Impossible::OtherText { found, expected });
    }
    when(state.version > 0, || Impossible::NotCreated)?;
    when(at >= state.last_at, || Impossible::Backwards { at, last: state.last_at })?;
    if let What::Paged { through } = event.what {
        return when(state.pages.iter().any(|page| page.number == through), || Impossible::NoPages);
    }
    when(state.stage != Stage::Sealed, || Impossible::IsSealed)?;
    check_what(mv, event)
}

fn check_what(mv: &Move, event: &Event) -> Result<(), Impossible> {
    let (spec, state, at) = (&mv.spec, &mv.state, event.at);
    match &event.what {
        What::Created { .. } | What::Paged { .. } => Ok(()),
        What::Advanced { from, to } => {
            is_from(mv, *from)?;
            forward(mv, event, Forward::Stage(*to))
        }
        What::ShareSet { from, to } => {
            when(*from == state.share, || Impossible::NotFromShare { found: *from, is: state.share })?;
            forward(mv, event, Forward::Share(*to))
        }
        What::SteppedBack { from } => {
            is_from(mv, *from)?;
            when(mv.may_step_back(at), || Impossible::NoSource)?;
            when(event.because.iter().any(|result| result.status == GateStatus::Trip), || Impossible::NothingBreaks)
        }
        What::Switched { route, to } => {
            let moved = spec.route(route).ok_or_else(|| Impossible::NoRoute(route.clone()))?;
            let used = state.used.get(route).copied().unwrap_or_default();
            when(moved.second.is_some() && used != *to, || Impossible::NoOther(route.clone()))
        }
        What::Paused => match &state.paused {
            Some(by) => Err(Impossible::IsPaused { by: by.by.clone(), reason: by.reason.clone() }),
            None => has_reason(event),
        },
        What::Resumed => when(state.paused.is_some(), || Impossible::NotPaused),
        What::Overridden { from, to, share } => overridden(mv, event, *from, *to, *share),
        What::Redated { deadline, source_until } => {
            when(*deadline > at && source_until >= deadline, || Impossible::WrongDates)?;
            has_reason(event)
        }
        What::SourceDied { choices, .. } => {
            when(state.death.is_none(), || Impossible::AlreadyDead)?;
            if state.stage < Stage::Live { are_choices(mv, choices) } else { Ok(()) }
        }
        What::SourcePassed => {
            let is_passing = at >= state.source_until && !state.is_source_past && state.death.is_none();
            when(is_passing, || Impossible::NotPassing)
        }
        What::Cut { from, choices } => {
            is_from(mv, *from)?;
            deadline(mv, at, OnDeadline::Cut)?;
            are_choices(mv, choices)
        }
        What::Held => {
            when(!state.is_held, || Impossible::IsHeld)?;
            deadline(mv, at, OnDeadline::Hold)
        }
        What::RehearsalBegan { share, until } => rehearsal(mv, event, *share, *until),
        What::RehearsalEnded { .. } => when(state.rehearsal.is_some(), || Impossible::NoRehearsal),
        What::CredentialsRemoved { vendor, .. } => {
            when(state.stage == Stage::Live, || Impossible::NotLive(state.stage))?;
            let expected = spec.source_vendor();
            let other = || Impossible::OtherVendor { found: vendor.clone(), expected: expected.clone() };
            when(vendor == expected, other)?;
            when(state.credentials_removed.is_none(), || Impossible::AlreadyRemoved)
        }
        What::Sealed { .. } => {
            when(state.stage == Stage::Live, || Impossible::NotLive(state.stage))?;
            when(state.credentials_removed.is_some(), || Impossible::CredentialsFirst)
        }
        What::Warned { warning } => when(!state.warned.contains(warning), || Impossible::AlreadyWarned),
    }
}

fn when(holds: bool, impossible: impl FnOnce() -> Impossible) -> Result<(), Impossible> {
    if holds { Ok(()) } else { Err(impossible()) }
}

fn is_from(mv: &Move, found: Stage) -> Result<(), Impossible> {
    when(found == mv.state.stage, || Impossible::NotFrom { found, is: mv.state.stage })
}

fn has_reason(event: &Event) -> Result<(), Impossible> {
    let fits = |text: &str| !text.trim().is_empty() && text.len() <= WORDS_BYTES_MAX;
    when(fits(&event.by) && fits(&event.reason), || Impossible::NoReason(WORDS_BYTES_MAX))
}

fn forward(mv: &Move, event: &Event, to: Forward) -> Result<(), Impossible> {
    if mv.forward() != Some(to) {
        let to = match to {
            Forward::Stage(stage) => stage.to_string(),
            Forward::Share(share) => share.to_string(),
        };
        return Err(Impossible::NotNext { to });
    }
    mv.obstacle(event.at).map_or(Ok(()), Err)?;
    mv.check_gates(&event.because)
}

fn overridden(mv: &Move, event: &Event, from: Stage, to: Stage, share: Share) -> Result<(), Impossible> {
    is_from(mv, from)?;
    when(to != Stage::Sealed, || Impossible::NotByOverride)?;
    when(to != from || (to == Stage::Canary && share != mv.state.share), || Impossible::SameStage(to))?;
    let is_right = match to {
        Stage::Canary => share > Share::NONE && share < Share::ALL,
        Stage::Live => share == Share::ALL,
        _ => share == Share::NONE,
    };
    when(is_right, || Impossible::WrongShare { stage: to, share })?;
    when(to == Stage::Live || mv.may_ask_source(event.at), || Impossible::NoSource)?;
    // With `cut` a move that is not live after its deadline would be live again with the next step.
    let is_late = event.at >= mv.state.deadline && mv.spec.on_deadline == OnDeadline::Cut;
    when(to == Stage::Live || !is_late, || Impossible::AfterDeadline)?;
    has_reason(event)
}

fn deadline(mv: &Move, at: Timestamp, policy: OnDeadline) -> Result<(), Impossible> {
    when(at >= mv.state.deadline, || Impossible::BeforeDeadline)?;
    when(mv.spec.on_deadline == policy, || Impossible::OtherPolicy)?;
    when(mv.state.stage < Stage::Live, || Impossible::SameStage(mv.state.stage))
}

fn are_choices(mv: &Move, choices: &[RouteChoice]) -> Result<(), Impossible> {
    let named: BTreeSet<_> = choices.iter().map(|choice| &choice.route).collect();
    let fits = |choice: &RouteChoice| {
        mv.spec
            .route(&choice.route)
            .is_some_and(|moved| choice.to == ActiveDestination::First || moved.second.is_some())
    };
    let is_whole = named.len() == choices.len() && choices.len() == mv.spec.routes.len();
    when(is_whole && choices.iter().all(fits), || Impossible::ChoicesDiffer)
}

fn rehearsal(mv: &Move, event: &Event, share: Share, until: Timestamp) -> Result<(), Impossible> {
    let state = &mv.state;
    if let Some(running) = state.rehearsal {
        return Err(Impossible::InRehearsal { until: running.until });
    }
    when(state.stage < Stage::Live, || Impossible::SameStage(state.stage))?;
    when(mv.may_ask_source(event.at), || Impossible::NoSource)?;
    let is_bounded = until > event.at && until.since(event.at) <= REHEARSAL_MAX && until <= state.source_until;
    when(share > Share::NONE && is_bounded, || Impossible::WrongRehearsal)?;
    has_reason(event)
}

fn fold(to: &mut Move, event: &Event) {
    let at = event.at;
    let was_live = to.state.stage >= Stage::Live;
    match &event.what {
        What::Created { .. } => to.state.entered_at = at,
        What::Advanced { to: stage, .. } => {
            let share = match stage {
                Stage::Canary => to.spec.canary.steps.first().copied().unwrap_or(Share::NONE),
                Stage::Live => Share::ALL,
                _ => Share::NONE,
            };
            to.enter(*stage, share, at);
            if *stage == Stage::Live {
                (to.state.live_by, to.state.steps_back) = (Some(LiveBy::Gates), 0);
            }
        }
        What::ShareSet { to: share, .. } => to.enter(Stage::Canary, *share, at),
        What::SteppedBack { .. } => to.go_back(at),
        What::Switched { route, to: used } => {
            to.state.used.insert(route.clone(), *used);
            to.state.switched_at.insert(route.clone(), at);
            to.forget_warnings();
        }
        What::Paused => to.state.paused = Some(because(event)),
        What::Resumed => to.state.paused = None,
        What::Overridden { to: stage, share, .. } => {
            to.enter(*stage, *share, at);
            to.state.overridden = Some(because(event));
            to.state.live_by = (*stage == Stage::Live).then_some(LiveBy::Override);
        }
        What::Redated { deadline, source_until } => {
            (to.state.deadline, to.state.source_until) = (*deadline, *source_until);
            (to.state.is_held, to.state.is_source_past) = (false, false);
            to.state.warned.clear();
        }
        What::SourceDied { death, choices } => {
            to.state.death = Some(death.clone());
            to.cut_rehearsal_short();
            if to.state.stage < Stage::Live {
                to.go_live(LiveBy::SourceDied, choices, at);
            }
        }
        What::SourcePassed => {
            to.state.is_source_past = true;
            to.cut_rehearsal_short();
        }
        What::Cut { choices, .. } => to.go_live(LiveBy::Deadline, choices, at),
        What::Held => to.state.is_held = true,
        What::RehearsalBegan { share, until } => {
            to.state.rehearsal = Some(Rehearsal { share: *share, until: *until });
        }
        What::RehearsalEnded { found } => (to.state.rehearsal, to.state.rehearsal_finding) = (None, Some(*found)),
        What::CredentialsRemoved { names, .. } => {
            to.state.credentials_removed = Some((at, names.clone()));
            to.state.death.get_or_insert(Death::CredentialsRemoved);
        }
        What::Sealed { report } => {
            to.enter(Stage::Sealed, Share::ALL, at);
            to.state.sealed = Some(report.clone());
        }
        What::Warned { warning } => {
            to.state.warned.insert(warning.clone());
        }
        What::Paged { through } => to.state.pages.retain(|page| page.number > *through),
    }
    to.state.version += 1;
    to.state.last_at = at;
    to.page(event, was_live);
}

fn because(event: &Event) -> Because {
    Because { at: event.at, by: event.by.clone(), reason: event.reason.clone() }
}

impl Move {
    fn enter(&mut self, stage: Stage, share: Share, at: Timestamp) {
        let state = &mut self.state;
        (state.stage, state.share, state.entered_at) = (stage, share, at);
        if stage != Stage::Sealed {
            (state.live_by, state.overridden) = (None, None);
        }
        if stage >= Stage::Live {
            self.cut_rehearsal_short();
        }
        self.forget_warnings();
    }

    fn go_back(&mut self, at: Timestamp) {
        self.enter(Stage::Shadow, Share::NONE, at);
        self.state.stepped_back_at = Some(at);
        self.state.steps_back = self.state.steps_back.saturating_add(1);
    }

    fn go_live(&mut self, by: LiveBy, choices: &[RouteChoice], at: Timestamp) {
        self.enter(Stage::Live, Share::ALL, at);
        self.state.live_by = Some(by);
        self.state.is_held = false;
        for choice in choices {
            let before = self.state.used.insert(choice.route.clone(), choice.to).unwrap_or_default();
            if before != choice.to {
                self.state.switched_at.insert(choice.route.clone(), at);
            }
        }
    }

    /// Warnings about the previous state may be repeated for the new one. A warning about the
    /// deadline is sent once for each date.
    fn forget_warnings(&mut self) {
        self.state.warned.retain(|warning| matches!(warning, Warning::DeadlineNear { .. }));
    }

    fn cut_rehearsal_short(&mut self) {
        if self.state.rehearsal.take().is_some() {
            self.state.rehearsal_finding = Some(RehearsalFinding { is_cut_short: true, ..RehearsalFinding::default() });
        }
    }

    fn page(&mut self, event: &Event, was_live: bool) {
        let Some(mut urgency) = event.urgency() else { return };
        if event.what == What::SourcePassed && !was_live {
            urgency = Urgency::Urgent;
        }
        let why = format!("{}: {}", self.spec.id, event.reason);
        self.state.pages.push(Page { number: self.state.version, urgency, why });
    }
}
