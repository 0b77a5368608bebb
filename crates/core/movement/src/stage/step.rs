//! The step of a move that is due now.

use super::event::{ActiveDestination, Death, Event, Page, RehearsalFinding, RouteChoice, Warning, What};
use super::next::Forward;
use super::{Move, apply};
use crate::gate::{Evidence, Gate, GateResult, GateSeverity, GateStatus, judge};
use crate::spec::{MovedRoute, OnDeadline};
use banjia_types::{Stage, Timestamp};
use std::time::Duration;

/// The author of events that nobody ordered.
const ITSELF: &str = "banjia";
/// One step never has more events than this. A thousand routes may all switch in one step.
const EVENTS_MAX: usize = 2_100;
/// The longest part of a vendor's answer that a log keeps, in characters.
const SEEN_CHARS_MAX: usize = 500;
/// Hours before the deadline at which people are warned that the move is not live.
const NEAR_HOURS: [u32; 3] = [24, 72, 168];
/// How long the way back is observed after a rehearsal.
const WAY_BACK_WITHIN: Duration = Duration::from_mins(10);
/// How long the end of a rehearsal waits for missing evidence. After that it is recorded without
/// it.
const EVIDENCE_WITHIN: Duration = Duration::from_hours(1);

/// What the caller does, in this order. It stops at the first action that fails, and asks again
/// after reading the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Append this event with compare-and-set: the log must have as many events as the move had
    /// when `step` was called, plus those of this list that were appended before. If it has others,
    /// another replica was faster; drop the rest.
    Append(Event),
    /// Page people. If a page was sent and the following [`What::Paged`] could not be appended, it
    /// comes again with the same number.
    Page(Page),
}

/// The first event of a move.
pub fn create(mv: &Move, by: &str, at: Timestamp) -> Event {
    let what = What::Created { spec: mv.spec.hash().to_owned() };
    Event { at, by: by.to_owned(), reason: format!("the move {} begins", mv.spec.id), because: Vec::new(), what }
}

/// The actions that are due at `now`. Called again with the same evidence after its events were
/// appended, it returns none.
pub fn step(mv: &Move, evidence: &Evidence, now: Timestamp) -> Vec<Action> {
    if mv.state.version == 0 {
        return Vec::new();
    }
    let mut after = mv.clone();
    let mut actions = Vec::new();
    // The clock may have stepped back. The time of the log never does.
    let now = now.max(mv.state.last_at);
    while actions.len() < EVENTS_MAX {
        let Some(event) = due(&after, evidence, now) else { break };
        // An event that is due can follow, because `due` checks what `apply` checks. If that were
        // ever wrong, doing nothing is better than looping.
        if apply(&mut after, &event).is_err() {
            break;
        }
        actions.push(Action::Append(event));
    }
    let pages = after.state.pages.clone();
    let through = pages.last().map(|page| page.number);
    actions.extend(pages.into_iter().map(Action::Page));
    actions.extend(through.map(|through| {
        Action::Append(event(now, "people were called".to_owned(), Vec::new(), What::Paged { through }))
    }));
    actions
}

fn event(at: Timestamp, reason: String, because: Vec<GateResult>, what: What) -> Event {
    Event { at, by: ITSELF.to_owned(), reason, because, what }
}

fn due(mv: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    if mv.state.stage == Stage::Sealed {
        return None;
    }
    source_died(mv, evidence, now)
        .or_else(|| deadline(mv, evidence, now))
        .or_else(|| source_passed(mv, now))
        .or_else(|| rehearsal_ended(mv, evidence, now))
        .or_else(|| broken(mv, evidence, now))
        .or_else(|| forward(mv, evidence, now))
        .or_else(|| near(mv, now))
}

fn source_died(mv: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    let answer = evidence.source_cut.as_ref().filter(|_| mv.state.death.is_none())?;
    let seen: String = answer.chars().take(SEEN_CHARS_MAX).collect();
    let (choices, because) = if mv.state.stage < Stage::Live { choose(mv, evidence, now) } else { Default::default() };
    let reason = format!("the source refused us: {seen}{}", evidence.without());
    Some(event(now, reason, because, What::SourceDied { death: Death::Cut { seen }, choices }))
}

fn deadline(mv: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    let state = &mv.state;
    if now < state.deadline || state.stage >= Stage::Live {
        return None;
    }
    let passed = format!("the deadline {} passed at {}", mv.spec.show(state.deadline), state.stage);
    if mv.spec.on_deadline == OnDeadline::Hold {
        let reason =
            format!("{passed}; the move holds, and its source is asked until {}", mv.spec.show(state.source_until));
        return (!state.is_held).then(|| event(now, reason, Vec::new(), What::Held));
    }
    let (choices, because) = choose(mv, evidence, now);
    let failing: Vec<_> =
        choices.iter().filter(|choice| !choice.is_passing).map(|choice| choice.route.as_str()).collect();
    let reason = match failing.as_slice() {
        [] => format!("{passed}; the gates of every route's target hold"),
        open => format!("{passed}; no target passes its gates for {}, and the less bad one was taken", open.join(", ")),
    };
    let reason = reason + &evidence.without();
    Some(event(now, reason, because, What::Cut { from: state.stage, choices }))
}

fn source_passed(mv: &Move, now: Timestamp) -> Option<Event> {
    let state = &mv.state;
    let is_due = now >= state.source_until && !state.is_source_past && state.death.is_none();
    is_due.then(|| {
        let date = mv.spec.show(state.source_until);
        let reason = match state.stage {
            Stage::Live | Stage::Sealed => format!("the source's date {date} has passed; it is not asked any more"),
            stage => format!(
                "the source's date {date} has passed at {stage}; it is not asked any more, and callers get what the \
                 route's other targets answer"
            ),
        };
        event(now, reason, Vec::new(), What::SourcePassed)
    })
}

fn rehearsal_ended(mv: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    let until = mv.state.rehearsal?.until;
    let observed = evidence.rehearsal.unwrap_or_default();
    let is_watched = (observed.back == 0 && now < until + WAY_BACK_WITHIN)
        || (!evidence.missing.is_empty() && now < until + WAY_BACK_WITHIN + EVIDENCE_WITHIN);
    if now < until || is_watched {
        return None;
    }
    let found = RehearsalFinding {
        blocked: observed.blocked,
        answered: observed.answered,
        back: observed.back,
        back_answered: observed.back_answered,
        is_cut_short: false,
    };
    let reason = format!(
        "the rehearsal is over: {} of {} blocked requests were answered elsewhere, {} of {} by the source again{}",
        found.answered,
        found.blocked,
        found.back_answered,
        found.back,
        evidence.without()
    );
    Some(event(now, reason, Vec::new(), What::RehearsalEnded { found }))
}

/// The event that a tripped gate demands.
fn broken(mv: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    if !matches!(mv.state.stage, Stage::Canary | Stage::Live) {
        return None;
    }
    let results = |moved: &MovedRoute| judge(&mv.spec, moved, mv.target_in_use(moved), evidence, now);
    let counts = |result: &GateResult| {
        result.status == GateStatus::Trip && (mv.state.overridden.is_none() || result.gate == Gate::Health)
    };
    let tripped: Vec<GateResult> =
        mv.spec.routes.iter().flat_map(results).filter(|result| result.status == GateStatus::Trip).collect();
    let counted: Vec<&GateResult> = tripped.iter().filter(|result| counts(result)).collect();
    if mv.may_step_back(now) && !counted.is_empty() && source_answers(mv, evidence) {
        let reason = format!("back to the source: {}", whys(&counted));
        return Some(event(now, reason, tripped, What::SteppedBack { from: mv.state.stage }));
    }
    mv.spec.routes.iter().find_map(|moved| {
        let mine: Vec<&GateResult> = tripped.iter().filter(|result| result.route == moved.route).collect();
        let counted: Vec<&GateResult> = mine.iter().copied().filter(|result| counts(result)).collect();
        if mine.is_empty() {
            return None;
        }
        if counted.is_empty() {
            return warn(mv, Warning::OverrideKept { route: moved.route.clone() }, now, &mine);
        }
        roll(mv, moved, evidence, now, &counted)
            .or_else(|| warn(mv, Warning::NoWayOut { route: moved.route.clone() }, now, &counted))
    })
}

/// Whether going back would help. A source that is down answers nobody.
fn source_answers(mv: &Move, evidence: &Evidence) -> bool {
    mv.spec.routes.iter().all(|moved| {
        let seen = evidence.routes.get(&moved.route).and_then(|route| route.targets.get(&moved.source));
        seen.is_none_or(|seen| !seen.is_cut && !seen.is_down)
    })
}

/// Switches a route whose target trips to its other target, if that one is better and the last
/// switch is older than the window.
fn roll(mv: &Move, moved: &MovedRoute, evidence: &Evidence, now: Timestamp, counted: &[&GateResult]) -> Option<Event> {
    let used = mv.state.used.get(&moved.route).copied().unwrap_or_default();
    let (to, target) = match used {
        ActiveDestination::First => (ActiveDestination::Second, moved.second.as_ref()?),
        ActiveDestination::Second => (ActiveDestination::First, &moved.destination),
    };
    let is_fresh = mv.state.switched_at.get(&moved.route).is_some_and(|at| now < *at + mv.spec.gates.window);
    let seen = evidence.routes.get(&moved.route).and_then(|route| route.targets.get(mv.target_in_use(moved)));
    if is_fresh && !seen.is_some_and(|seen| seen.is_cut) {
        return None;
    }
    let current = GateSeverity::of(&judge(&mv.spec, moved, mv.target_in_use(moved), evidence, now));
    let other_results = judge(&mv.spec, moved, target, evidence, now);
    let other = GateSeverity::of(&other_results);
    if other.is_unhealthy || (other.tripped, other.failed) >= (current.tripped, current.failed) && !current.is_unhealthy
    {
        return None;
    }
    let reason = format!("{} rolls to {target}: {}", moved.route, whys(counted));
    let because = counted.iter().map(|result| (*result).clone()).chain(other_results).collect();
    Some(event(now, reason, because, What::Switched { route: moved.route.clone(), to }))
}

fn warn(mv: &Move, warning: Warning, now: Timestamp, because: &[&GateResult]) -> Option<Event> {
    if mv.state.warned.contains(&warning) {
        return None;
    }
    let reason = match &warning {
        Warning::NoWayOut { route } => {
            format!("{route} breaks, and there is neither a way back nor a better target: {}", whys(because))
        }
        _ => format!("a gate breaks and an override keeps the move where it is: {}", whys(because)),
    };
    let because = because.iter().map(|result| (*result).clone()).collect();
    Some(event(now, reason, because, What::Warned { warning }))
}

fn forward(mv: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    let next = mv.forward()?;
    if mv.obstacle(now).is_some() || !evidence.missing.is_empty() {
        return None;
    }
    let because = mv.gates_ahead(evidence, now);
    mv.check_gates(&because).ok()?;
    let (what, to) = match next {
        Forward::Stage(to) => (What::Advanced { from: mv.state.stage, to }, to.to_string()),
        Forward::Share(to) => (What::ShareSet { from: mv.state.share, to }, to.to_string()),
    };
    Some(event(now, format!("every gate holds: on to {to}"), because, what))
}

fn near(mv: &Move, now: Timestamp) -> Option<Event> {
    let state = &mv.state;
    if state.stage >= Stage::Live || now >= state.deadline {
        return None;
    }
    let left = state.deadline.since(now);
    let hours = NEAR_HOURS.into_iter().find(|hours| left <= Duration::from_hours(u64::from(*hours)))?;
    let is_warned = |hours: u32| state.warned.contains(&Warning::DeadlineNear { hours });
    // After a warning of "a day" a clock that stepped back does not cause one of "a week".
    if NEAR_HOURS.into_iter().filter(|other| *other <= hours).any(is_warned) {
        return None;
    }
    let date = mv.spec.show(state.deadline);
    let reason = format!("the deadline {date} comes within {hours} hours and the move is at {}", state.stage);
    Some(event(now, reason, Vec::new(), What::Warned { warning: Warning::DeadlineNear { hours } }))
}

/// The destination of each route that must switch now, and the results of the targets that were
/// compared.
fn choose(mv: &Move, evidence: &Evidence, now: Timestamp) -> (Vec<RouteChoice>, Vec<GateResult>) {
    let mut weighed = Vec::new();
    let choices = mv.spec.routes.iter().map(|moved| {
        let used = mv.state.used.get(&moved.route).copied().unwrap_or_default();
        let mut candidates = vec![(ActiveDestination::First, &moved.destination)];
        candidates.extend(moved.second.as_ref().map(|second| (ActiveDestination::Second, second)));
        // The target in use comes first, so it wins among equals.
        candidates.sort_by_key(|(candidate, _)| *candidate != used);
        let mut best: Option<(GateSeverity, ActiveDestination)> = None;
        for (candidate, target) in candidates {
            let results = judge(&mv.spec, moved, target, evidence, now);
            let severity = GateSeverity::of(&results);
            weighed.extend(results);
            if best.is_none_or(|(other, _)| severity < other) {
                best = Some((severity, candidate));
            }
        }
        let (is_passing, to) = best.map_or((false, used), |(severity, to)| (severity.is_none(), to));
        RouteChoice { route: moved.route.clone(), to, is_passing }
    });
    (choices.collect(), weighed)
}

/// The reasons of the first few results, in one line.
fn whys(results: &[&GateResult]) -> String {
    const SHOWN: usize = 3;
    let mut text = results
        .iter()
        .take(SHOWN)
        .map(|result| format!("{}: {}", result.route, result.why))
        .collect::<Vec<_>>()
        .join("; ");
    if results.len() > SHOWN {
        text.push_str("; and more");
    }
    text
}
