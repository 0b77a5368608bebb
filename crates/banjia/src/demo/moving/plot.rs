//! What vendors do wrong in the story, and when; and the one person in it.
//!
//! Rule: this is all that is arranged. Nothing here touches the move but by the orders that anybody has.

use super::stage::Stage;
use super::{PERSON, SOURCE_UNTIL, ZONE, stage::moment};
use anyhow::{Context as _, ensure};
use banjia_control::moves::{self, Loaded, rehearsal};
use banjia_movement::spec::{MoveSpec, MovedRoute};
use banjia_movement::stage::{self, ActiveDestination, Order, What};
use banjia_parity::{Finding, Report};
use banjia_sandbox::{Fault, When};
use banjia_types::calendar;
use banjia_types::{Share, Stage as At, Timestamp, VendorName};
use chrono::Timelike as _;
use std::time::Duration;

/// How many answers of the careless vendor are good answers to another question.
const CARELESS: f64 = 0.3;
/// How many requests the failing vendor fails in its bad hours.
const FAILING: f64 = 0.9;
/// How long it fails after callers have left it.
const RECOVERS_AFTER: Duration = Duration::from_hours(3);
/// The hours at which the person looks at parity, orders the rehearsal, and takes the source's key away.
const LOOKS_AT: u32 = 15;
const DRILLS_AT: u32 = 9;
const ENDS_AT: u32 = 9;
/// The rehearsal: half a working day, on a part of the conversations.
const DRILL: (Duration, Share) = (Duration::from_hours(8), Share::of(5_000));

/// Who does what, and how far the story is.
#[derive(Debug, Default)]
pub(super) struct Plot {
    /// The first destination of one route: its wire is right and its answers are not.
    careless: Option<VendorName>,
    /// The first destination of the other: well, but for one bad night in the middle of the canary.
    failing: Option<VendorName>,
    failed: FaultPhase,
    is_closed: bool,
    is_rehearsed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FaultPhase {
    #[default]
    NotYet,
    Now,
    Over,
}

/// What a person saw before an order.
pub(super) struct Seen {
    pub(super) moved: MovedRoute,
    pub(super) report: Report,
}

impl Seen {
    /// The axes on which the destination is shown to be worse.
    pub(super) fn worse(&self) -> String {
        let percent = |part: f64| format!("{:.1} %", part * 100.0);
        let axes = self.report.axes.iter().filter(|axis| axis.verdict == Finding::Worse);
        let axes: Vec<_> = axes
            .map(|axis| {
                let (source, destination) = (percent(axis.source), percent(axis.destination));
                format!("{}, {destination} where the source has {source} ({} pairs)", axis.axis, axis.pairs)
            })
            .collect();
        format!("{}: {} is shown to be worse: {}", self.moved.route, self.moved.destination, axes.join("; "))
    }
}

impl Plot {
    /// Chooses who does wrong, of the targets that the plan chose.
    pub(super) fn cast(&mut self, spec: &MoveSpec) -> anyhow::Result<()> {
        let [first, other] = spec.routes.as_slice() else { anyhow::bail!("the story is of two routes") };
        let (failing, careless) = (first.destination.vendor.clone(), other.destination.vendor.clone());
        let sound = [&first.destination, other.second.as_ref().context("each route has a second destination")?];
        ensure!(
            sound.iter().all(|target| target.vendor != careless),
            "the plan chose {careless} everywhere: the demo needs another cast (demo/moving/banjia.toml)"
        );
        (self.failing, self.careless) = (Some(failing), Some(careless));
        Ok(())
    }

    /// The source closes when its date has come. Returns what the world sees of it.
    pub(super) fn closing(&mut self, stage: &Stage, now: Timestamp) -> anyhow::Result<Option<String>> {
        if self.is_closed || now < moment(SOURCE_UNTIL)? {
            return Ok(None);
        }
        self.is_closed = true;
        stage.sandbox.faults.set(&stage.source, Fault::Region, When::Always);
        Ok(Some(format!("{} closes: it answers every call from here with its region block", stage.source)))
    }

    /// What the others do from now on.
    pub(super) fn vendors(&mut self, stage: &Stage, loaded: &Loaded, now: Timestamp) -> Option<String> {
        let faults = &stage.sandbox.faults;
        if let Some(careless) = self.careless.take() {
            faults.set(careless.as_str(), Fault::Careless, When::Share(CARELESS));
        }
        let failing = self.failing.as_ref()?;
        let state = loaded.of.state();
        let is_wide = state.share > loaded.of.spec().canary.steps.first().copied().unwrap_or_default();
        match self.failed {
            FaultPhase::NotYet if state.stage == At::Canary && is_wide => {
                self.failed = FaultPhase::Now;
                faults.set(failing.as_str(), Fault::Server, When::Share(FAILING));
                Some(format!("{failing} begins to fail: {:.0} in 100 requests fail there", FAILING * 100.0))
            }
            FaultPhase::Now if state.stepped_back_at.is_some_and(|at| now >= at + RECOVERS_AFTER) => {
                self.failed = FaultPhase::Over;
                faults.clear(failing.as_str());
                Some(format!("{failing} is well again"))
            }
            _ => None,
        }
    }

    /// What the person looks at in the shadow: a route whose destination is shown to be worse goes to its second one.
    pub(super) async fn person(&self, stage: &Stage, loaded: &Loaded, now: Timestamp) -> anyhow::Result<Option<Seen>> {
        if loaded.of.stage() != At::Shadow || hour(now) != LOOKS_AT {
            return Ok(None);
        }
        let store = &stage.running().store;
        for moved in &loaded.of.spec().routes {
            let target = loaded.of.target_in_use(moved);
            if *target != moved.destination {
                continue;
            }
            let report = moves::parity(store, &stage.key, loaded, moved, target).await?;
            if report.verdict != Finding::Worse {
                continue;
            }
            let worse = report.axes.iter().filter(|axis| axis.verdict == Finding::Worse);
            let worse: Vec<_> = worse.map(|axis| axis.axis.as_str()).collect();
            let reason = format!("{target} is worse than {} on {}", moved.source, worse.join(", "));
            let order = Order { by: PERSON, reason: &reason, at: now };
            moves::order(store, super::MOVE, |of| stage::switch(of, &moved.route, ActiveDestination::Second, order))
                .await?;
            return Ok(Some(Seen { moved: moved.clone(), report }));
        }
        Ok(None)
    }

    /// When the second destination has taken its place, the person lets the source's block be rehearsed. True when it was ordered.
    pub(super) async fn rehearse(&mut self, stage: &Stage, loaded: &Loaded, now: Timestamp) -> anyhow::Result<bool> {
        let (stage_of, is_workday) = (loaded.of.stage(), loaded.of.spec().blackout(now).is_none());
        let is_ready = (At::Shadow..At::Live).contains(&stage_of) && !loaded.of.state().used.is_empty();
        let is_time = is_ready && is_workday && hour(now) == DRILLS_AT && self.failed != FaultPhase::Now;
        if self.is_rehearsed || !is_time {
            return Ok(false);
        }
        self.is_rehearsed = true;
        let (span, share) = DRILL;
        let reason = "to see what happens when the source refuses, while it still answers";
        let order = Order { by: PERSON, reason, at: now };
        rehearsal::begin(&stage.running().store, super::MOVE, share, span, order).await?;
        Ok(true)
    }

    /// Whether it is time to take the source's key out of the configuration: on the morning after its date.
    pub(super) fn is_over(&self, loaded: &Loaded, now: Timestamp) -> bool {
        self.is_closed && hour(now) == ENDS_AT && loaded.of.state().credentials_removed.is_none()
    }

    /// Whether everything that was arranged came to pass.
    pub(super) fn is_played(&self) -> bool {
        self.is_closed && self.is_rehearsed && self.failed == FaultPhase::Over
    }
}

fn hour(at: Timestamp) -> u32 {
    calendar::local(at, ZONE).hour()
}

/// What an event did, in a few words.
pub(super) fn did(what: &What) -> String {
    match what {
        What::Created { .. } => "the move begins".to_owned(),
        What::Advanced { from, to } => format!("{from} -> {to}"),
        What::ShareSet { from, to } => format!("canary {from} -> {to}"),
        What::SteppedBack { from } => format!("{from} -> shadow, back to the source"),
        What::Switched { route, to: ActiveDestination::Second } => {
            format!("{route} switches to its second destination")
        }
        What::Switched { route, to: ActiveDestination::First } => format!("{route} switches to its first destination"),
        What::Overridden { from, to, .. } => format!("{from} -> {to}, ordered"),
        What::SourceDied { .. } => "the source is gone".to_owned(),
        What::SourcePassed => "the source's date".to_owned(),
        What::Cut { .. } => "the deadline cuts over".to_owned(),
        What::Held => "the deadline passes, the move holds".to_owned(),
        What::RehearsalBegan { share, .. } => format!("a rehearsal begins for {share}"),
        What::RehearsalEnded { .. } => "the rehearsal ends".to_owned(),
        What::CredentialsRemoved { vendor, .. } => format!("credentials of {vendor} are removed"),
        What::Sealed { .. } => "sealed".to_owned(),
        What::Warned { .. } => "a warning".to_owned(),
        What::Paused => "paused".to_owned(),
        What::Resumed => "resumed".to_owned(),
        What::Redated { .. } => "other dates".to_owned(),
        What::Paged { .. } => "people were called".to_owned(),
    }
}
