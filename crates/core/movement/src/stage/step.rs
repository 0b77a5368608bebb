//! What is due now.

use super::event::{ActiveDestination, Choice, Death, Event, Page, RehearsalFinding, Warning, What};
use super::next::Forward;
use super::{Move, apply};
use crate::gate::{Evidence, Gate, GateResult, GateSeverity, GateStatus, judge};
use crate::spec::{MovedRoute, OnDeadline};
use banjia_types::{Stage, Timestamp};
use std::time::Duration;

/// Who acts when nobody ordered it.
const ITSELF: &str = "banjia";
/// More events than this are never due at once; a thousand routes may all roll in one step.
const EVENTS_MAX: usize = 2_100;
/// The longest part of a vendor's answer that a log keeps.
const SEEN_CHARS_MAX: usize = 500;
/// Hours before the deadline at which a move that is not live is called out.
const NEAR_HOURS: [u32; 3] = [24, 72, 168];
/// How long after a drill its way back is watched for.
const DRILL_BACK: Duration = Duration::from_mins(10);
/// Time that a drill's end waits for missing evidence. Then it is recorded without it.
const DRILL_WAITS: Duration = Duration::from_hours(1);

/// What the shell does, in this order. It stops at the first thing that fails, and asks again after reading the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Append this event, if the log still has as many events as the move had when it was asked, plus those of this list
    /// that were appended before. If not, somebody else was faster: drop the rest.
    Append(Event),
    /// Call people. A page that was handed on and whose following [`What::Paged`] could not be appended comes again with the
    /// same number.
    Page(Page),
}

/// The first event of a move.
pub fn create(of: &Move, by: &str, at: Timestamp) -> Event {
    let what = What::Created { spec: of.spec.hash().to_owned() };
    Event { at, by: by.to_owned(), reason: format!("the move {} begins", of.spec.id), because: Vec::new(), what }
}

/// What is due at a moment. Asked again after its events were appended and with the same evidence, it has nothing to add.
pub fn step(of: &Move, evidence: &Evidence, now: Timestamp) -> Vec<Action> {
    if of.state.version == 0 {
        return Vec::new();
    }
    let mut after = of.clone();
    let mut actions = Vec::new();
    // The clock may have stepped back; the log's time does not.
    let now = now.max(of.state.last_at);
    while actions.len() < EVENTS_MAX {
        let Some(event) = due(&after, evidence, now) else { break };
        // What is due can follow: `due` asks what `apply` asks. If that were ever wrong, nothing is better than a loop.
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

fn due(of: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    if of.state.stage == Stage::Sealed {
        return None;
    }
    source_died(of, evidence, now)
        .or_else(|| deadline(of, evidence, now))
        .or_else(|| source_passed(of, now))
        .or_else(|| drill_ended(of, evidence, now))
        .or_else(|| broken(of, evidence, now))
        .or_else(|| forward(of, evidence, now))
        .or_else(|| near(of, now))
}

fn source_died(of: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    let seen = evidence.source_cut.as_ref().filter(|_| of.state.death.is_none())?;
    let seen: String = seen.chars().take(SEEN_CHARS_MAX).collect();
    let (choices, because) = if of.state.stage < Stage::Live { choose(of, evidence, now) } else { Default::default() };
    let reason = format!("the source refused us: {seen}{}", evidence.without());
    Some(event(now, reason, because, What::SourceDied { death: Death::Cut { seen }, choices }))
}

fn deadline(of: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    let state = &of.state;
    if now < state.deadline || state.stage >= Stage::Live {
        return None;
    }
    let passed = format!("the deadline {} passed at {}", of.spec.show(state.deadline), state.stage);
    if of.spec.on_deadline == OnDeadline::Hold {
        let reason =
            format!("{passed}; the move holds, and its source is asked until {}", of.spec.show(state.source_until));
        return (!state.is_held).then(|| event(now, reason, Vec::new(), What::Held));
    }
    let (choices, because) = choose(of, evidence, now);
    let told: Vec<_> = choices.iter().filter(|choice| !choice.is_passing).map(|choice| choice.route.as_str()).collect();
    let reason = match told.as_slice() {
        [] => format!("{passed}; the gates of every route's target hold"),
        open => format!("{passed}; no target passes its gates for {}, and the less bad one was taken", open.join(", ")),
    };
    let reason = reason + &evidence.without();
    Some(event(now, reason, because, What::Cut { from: state.stage, choices }))
}

fn source_passed(of: &Move, now: Timestamp) -> Option<Event> {
    let state = &of.state;
    let is_due = now >= state.source_until && !state.is_source_past && state.death.is_none();
    is_due.then(|| {
        let date = of.spec.show(state.source_until);
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

fn drill_ended(of: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    let until = of.state.rehearsal?.until;
    let seen = evidence.drill.unwrap_or_default();
    let is_watched = (seen.back == 0 && now < until + DRILL_BACK)
        || (!evidence.missing.is_empty() && now < until + DRILL_BACK + DRILL_WAITS);
    if now < until || is_watched {
        return None;
    }
    let found = RehearsalFinding {
        blocked: seen.blocked,
        answered: seen.answered,
        back: seen.back,
        back_answered: seen.back_answered,
        is_cut_short: false,
    };
    let reason = format!(
        "the drill is over: {} of {} blocked requests were answered elsewhere, {} of {} by the source again{}",
        found.answered,
        found.blocked,
        found.back_answered,
        found.back,
        evidence.without()
    );
    Some(event(now, reason, Vec::new(), What::RehearsalEnded { found }))
}

/// What a gate that breaks demands.
fn broken(of: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    if !matches!(of.state.stage, Stage::Canary | Stage::Live) {
        return None;
    }
    let judged = |moved: &MovedRoute| judge(&of.spec, moved, of.target_in_use(moved), evidence, now);
    let counts =
        |one: &GateResult| one.says == GateStatus::Trip && (of.state.overridden.is_none() || one.gate == Gate::Health);
    let breaking: Vec<GateResult> =
        of.spec.routes.iter().flat_map(judged).filter(|one| one.says == GateStatus::Trip).collect();
    let counted: Vec<&GateResult> = breaking.iter().filter(|one| counts(one)).collect();
    if of.may_step_back(now) && !counted.is_empty() && source_answers(of, evidence) {
        let reason = format!("back to the source: {}", whys(&counted));
        return Some(event(now, reason, breaking, What::SteppedBack { from: of.state.stage }));
    }
    of.spec.routes.iter().find_map(|moved| {
        let mine: Vec<&GateResult> = breaking.iter().filter(|one| one.route == moved.route).collect();
        let counted: Vec<&GateResult> = mine.iter().copied().filter(|one| counts(one)).collect();
        if mine.is_empty() {
            return None;
        }
        if counted.is_empty() {
            return warn(of, Warning::OverrideKept { route: moved.route.clone() }, now, &mine);
        }
        roll(of, moved, evidence, now, &counted)
            .or_else(|| warn(of, Warning::NoWayOut { route: moved.route.clone() }, now, &counted))
    })
}

/// Whether going back would help: a source that is down answers nobody.
fn source_answers(of: &Move, evidence: &Evidence) -> bool {
    of.spec.routes.iter().all(|moved| {
        let seen = evidence.routes.get(&moved.route).and_then(|route| route.targets.get(&moved.source));
        seen.is_none_or(|seen| !seen.is_cut && !seen.is_down)
    })
}

/// A route whose target breaks goes to its other target, if that one is better and the last change is not fresh.
fn roll(of: &Move, moved: &MovedRoute, evidence: &Evidence, now: Timestamp, counted: &[&GateResult]) -> Option<Event> {
    let used = of.state.used.get(&moved.route).copied().unwrap_or_default();
    let (to, target) = match used {
        ActiveDestination::First => (ActiveDestination::Second, moved.second.as_ref()?),
        ActiveDestination::Second => (ActiveDestination::First, &moved.destination),
    };
    let is_fresh = of.state.switched_at.get(&moved.route).is_some_and(|at| now < *at + of.spec.gates.window);
    let seen = evidence.routes.get(&moved.route).and_then(|route| route.targets.get(of.target_in_use(moved)));
    if is_fresh && !seen.is_some_and(|seen| seen.is_cut) {
        return None;
    }
    let here = GateSeverity::of(&judge(&of.spec, moved, of.target_in_use(moved), evidence, now));
    let there_judged = judge(&of.spec, moved, target, evidence, now);
    let there = GateSeverity::of(&there_judged);
    if there.is_unhealthy || (there.breaks, there.fails) >= (here.breaks, here.fails) && !here.is_unhealthy {
        return None;
    }
    let reason = format!("{} rolls to {target}: {}", moved.route, whys(counted));
    let because = counted.iter().map(|one| (*one).clone()).chain(there_judged).collect();
    Some(event(now, reason, because, What::Switched { route: moved.route.clone(), to }))
}

fn warn(of: &Move, warning: Warning, now: Timestamp, because: &[&GateResult]) -> Option<Event> {
    if of.state.warned.contains(&warning) {
        return None;
    }
    let reason = match &warning {
        Warning::NoWayOut { route } => {
            format!("{route} breaks, and there is neither a way back nor a better target: {}", whys(because))
        }
        _ => format!("a gate breaks and an override keeps the move where it is: {}", whys(because)),
    };
    let because = because.iter().map(|one| (*one).clone()).collect();
    Some(event(now, reason, because, What::Warned { warning }))
}

fn forward(of: &Move, evidence: &Evidence, now: Timestamp) -> Option<Event> {
    let next = of.forward()?;
    if of.obstacle(now).is_some() || !evidence.missing.is_empty() {
        return None;
    }
    let because = of.gates_ahead(evidence, now);
    of.check_gates(&because).ok()?;
    let (what, to) = match next {
        Forward::Stage(to) => (What::Advanced { from: of.state.stage, to }, to.to_string()),
        Forward::Share(to) => (What::ShareSet { from: of.state.share, to }, to.to_string()),
    };
    Some(event(now, format!("every gate holds: on to {to}"), because, what))
}

fn near(of: &Move, now: Timestamp) -> Option<Event> {
    let state = &of.state;
    if state.stage >= Stage::Live || now >= state.deadline {
        return None;
    }
    let left = state.deadline.since(now);
    let hours = NEAR_HOURS.into_iter().find(|hours| left <= Duration::from_hours(u64::from(*hours)))?;
    let told = |hours: u32| state.warned.contains(&Warning::DeadlineNear { hours });
    // A clock that stepped back does not say "a week" after "a day".
    if NEAR_HOURS.into_iter().filter(|other| *other <= hours).any(told) {
        return None;
    }
    let date = of.spec.show(state.deadline);
    let reason = format!("the deadline {date} comes within {hours} hours and the move is at {}", state.stage);
    Some(event(now, reason, Vec::new(), What::Warned { warning: Warning::DeadlineNear { hours } }))
}

/// Where each route goes when it must go now, and the judgements of the targets that were weighed.
fn choose(of: &Move, evidence: &Evidence, now: Timestamp) -> (Vec<Choice>, Vec<GateResult>) {
    let mut weighed = Vec::new();
    let choices = of.spec.routes.iter().map(|moved| {
        let used = of.state.used.get(&moved.route).copied().unwrap_or_default();
        let mut candidates = vec![(ActiveDestination::First, &moved.destination)];
        candidates.extend(moved.second.as_ref().map(|second| (ActiveDestination::Second, second)));
        // The one in use stands first: among equals it stays.
        candidates.sort_by_key(|(candidate, _)| *candidate != used);
        let mut best: Option<(GateSeverity, ActiveDestination)> = None;
        for (candidate, target) in candidates {
            let judged = judge(&of.spec, moved, target, evidence, now);
            let badness = GateSeverity::of(&judged);
            weighed.extend(judged);
            if best.is_none_or(|(other, _)| badness < other) {
                best = Some((badness, candidate));
            }
        }
        let (is_passing, to) = best.map_or((false, used), |(badness, to)| (badness.is_none(), to));
        Choice { route: moved.route.clone(), to, is_passing }
    });
    (choices.collect(), weighed)
}

fn whys(judged: &[&GateResult]) -> String {
    const SHOWN: usize = 3;
    let mut text =
        judged.iter().take(SHOWN).map(|one| format!("{}: {}", one.route, one.why)).collect::<Vec<_>>().join("; ");
    if judged.len() > SHOWN {
        text.push_str("; and more");
    }
    text
}
