//! Weeks in minutes: the clock is put ahead, requests are sent and waited for, the move is looked at, and again.

use super::plot::{self, Plot, Seen};
use super::screen::{Screen, bar};
use super::sealing::{self, Keys};
use super::stage::{Stage, moment};
use super::{A_STEP, BEGINS, ENDS, LETTER, SOURCE_UNTIL, STEP, Settings, ZONE};
use crate::cli::Printer;
use crate::demo::books;
use crate::demo::client::Observed;
use crate::demo::mix::{Mix, WEEKS};
use anyhow::{Context as _, ensure};
use banjia_control::moves::Loaded;
use banjia_movement::gate::{GateResult, GateStatus};
use banjia_movement::stage::{Impossible, Move, What};
use banjia_types::calendar;
use banjia_types::{Stage as At, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// About how many steps the story has: five weeks of [`STEP`]s, with a day at once where only a date is awaited.
const STEPS: u32 = 100;

/// The story so far.
pub(super) struct Days {
    pub(super) stage: Stage,
    pub(super) plot: Plot,
    pub(super) observed: Vec<Observed>,
    pub(super) sent: u64,
    /// What had arrived at the source when it closed.
    pub(super) arrived_before: Option<u64>,
    /// What parity said when a person changed a destination.
    pub(super) rejected: Vec<Seen>,
    /// Recorded requests that another target answered.
    pub(super) replayed: u64,
    /// What the configuration says of the source's key since it was taken out.
    pub(super) keys: Option<Keys>,
    /// Numbers of the events for which people were called.
    pub(super) pages: Arc<Mutex<Vec<u64>>>,
    mix: Mix,
    screen: Screen,
    next: Timestamp,
    /// How long a step takes at least.
    pace: Duration,
    day: Day,
    is_live: bool,
    /// Events that were shown.
    shown: usize,
}

/// One day, for its line.
#[derive(Default)]
struct Day {
    name: String,
    by_vendor: BTreeMap<String, u64>,
    errors: u64,
    copies: u64,
    stage: String,
    waits: String,
}

impl Days {
    pub(super) fn new(stage: Stage, settings: &Settings, pages: Arc<Mutex<Vec<u64>>>) -> anyhow::Result<Self> {
        Ok(Self {
            stage,
            plot: Plot::default(),
            observed: Vec::new(),
            sent: 0,
            arrived_before: None,
            rejected: Vec::new(),
            replayed: 0,
            keys: None,
            pages,
            mix: Mix::new(settings.seed, &WEEKS),
            screen: Screen::plain(),
            next: moment(BEGINS)?,
            pace: settings.length / STEPS,
            day: Day::default(),
            is_live: false,
            shown: 0,
        })
    }

    /// From now on a moving line says where the story is.
    pub(super) fn watch(&mut self, printer: &Printer) -> anyhow::Result<()> {
        self.screen = Screen::moving(u64::from(steps(self.next, moment(ENDS)?)), printer);
        Ok(())
    }

    /// Plays up to a moment.
    pub(super) async fn until(&mut self, end: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
        while self.next < end {
            let begun = Instant::now();
            self.step(self.next, printer).await?;
            // Where nothing is awaited but a date, a day passes at once.
            let is_quiet = self.is_live && self.next + STEP * 4 < moment(SOURCE_UNTIL)?;
            self.next = self.next + STEP * if is_quiet { 4 } else { 1 };
            sleep_until(begun + self.pace).await;
        }
        self.close_day(printer);
        self.screen.close();
        self.screen = Screen::plain();
        Ok(())
    }

    async fn step(&mut self, at: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
        let name = date(at);
        if name != self.day.name {
            self.close_day(printer);
            self.day = Day { name, ..Day::default() };
        }
        self.stage.clock.set(at);
        self.vendors(at, printer).await?;
        let copies = self.stage.copies().recorded;
        let seen = self.send().await?;
        ensure!(self.stage.settle().await?, "requests or copies of {} did not end", self.day.name);
        self.day.copies += self.stage.copies().recorded - copies;
        self.day.errors += books::seen(&seen, books::is_error);
        for vendor in seen.iter().filter_map(Observed::vendor) {
            *self.day.by_vendor.entry(vendor.to_owned()).or_default() += 1;
        }
        self.observed.extend(seen);
        self.look(at, printer).await
    }

    /// What vendors do from now on.
    async fn vendors(&mut self, at: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
        let Some(loaded) = self.stage.loaded().await? else { return Ok(()) };
        let closing = self.plot.closing(&self.stage, at)?;
        if closing.is_some() {
            self.arrived_before = Some(self.stage.arrived_at_source());
        }
        for news in [closing, self.plot.vendors(&self.stage, &loaded, at)].into_iter().flatten() {
            self.screen.event(&clock(at), &news, printer);
        }
        Ok(())
    }

    /// Some requests at once, each watched to its end.
    async fn send(&mut self) -> anyhow::Result<Vec<Observed>> {
        let mut clients = JoinSet::new();
        for _ in 0..A_STEP {
            let (client, request) = (self.stage.client.clone(), self.mix.next());
            self.sent += 1;
            clients.spawn(async move { client.send(request).await });
        }
        let mut seen = Vec::with_capacity(A_STEP);
        while let Some(done) = clients.join_next().await {
            seen.push(done?);
        }
        Ok(seen)
    }

    /// Looks at the move, if there is one, and shows what came of it.
    async fn look(&mut self, at: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
        let Some((mut loaded, ahead)) = self.stage.look().await? else {
            "before the letter".clone_into(&mut self.day.stage);
            return Ok(());
        };
        let seen = self.plot.person(&self.stage, &loaded, at).await?;
        if let Some(seen) = &seen {
            self.stage.hand_over().await?;
            loaded = self.stage.loaded().await?.context("a move stays")?;
            self.screen.event(&clock(at), &seen.worse(), printer);
        }
        if self.plot.rehearse(&self.stage, &loaded, at).await? {
            self.stage.hand_over().await?;
            loaded = self.stage.loaded().await?.context("a move stays")?;
        }
        if self.plot.is_over(&loaded, at) {
            self.keys = Some(sealing::remove_key(&mut self.stage, &loaded, at).await?);
            loaded = self.stage.loaded().await?.context("a move stays")?;
        }
        self.day.stage = said(&loaded.of);
        self.is_live = loaded.of.stage() >= At::Live;
        self.day.waits = waits(&loaded.of, &ahead, at);
        for event in loaded.events.iter().skip(self.shown).filter(|event| !matches!(event.what, What::Paged { .. })) {
            let called = if event.urgency().is_some() { " (people are called)" } else { "" };
            let text = format!("{} by {}: {}{called}", plot::did(&event.what), event.by, event.reason);
            self.screen.event(&clock(event.at), &text, printer);
        }
        self.shown = loaded.events.len();
        if let Some(seen) = seen {
            self.replay(&loaded, &seen, at, printer).await?;
            self.rejected.push(seen);
        }
        let place = steps(moment(LETTER)?, at);
        self.screen.now(place.into(), &format!("{} {} · {}", clock(at), self.day.stage, left(at)?));
        Ok(())
    }

    /// The second destination is asked what was recorded, so that it need not wait for as many days as the first one had.
    async fn replay(
        &mut self,
        loaded: &Loaded,
        seen: &Seen,
        at: Timestamp,
        printer: &mut Printer,
    ) -> anyhow::Result<()> {
        let target = loaded.of.target_in_use(&seen.moved);
        let sums = self.stage.replay(loaded, &seen.moved, target).await?;
        let skipped: Vec<_> = sums.skipped.iter().map(|(why, count)| format!(", {count} skipped: {why}")).collect();
        let text = format!(
            "{target} is asked again what {} was asked (banjia replay): {} of {} answered{}",
            seen.moved.source,
            sums.answered,
            sums.questions,
            skipped.concat()
        );
        self.screen.event(&clock(at), &text, printer);
        self.replayed += sums.answered;
        Ok(())
    }

    /// The line of the day that ends.
    fn close_day(&mut self, printer: &mut Printer) {
        let Day { name, by_vendor, errors, copies, stage, waits } = std::mem::take(&mut self.day);
        if name.is_empty() {
            return;
        }
        let source = by_vendor.get(&self.stage.source).copied().unwrap_or(0);
        let others: u64 = by_vendor.values().sum::<u64>() - source;
        let who: Vec<_> = by_vendor.iter().map(|(vendor, count)| format!("{vendor} {count}")).collect();
        let who = who.join(", ");
        let mut line = format!("{name}  {stage:<17} {} {who}, {errors} errors", bar(source, others));
        if copies > 0 {
            write!(line, ", {copies} copies").expect("writing to a String cannot fail");
        }
        self.screen.line(&line, printer);
        if !waits.is_empty() {
            self.screen.event("it waits", &waits, printer);
        }
    }
}

/// A move's stage in a word or two.
fn said(of: &Move) -> String {
    match of.stage() {
        At::Canary => format!("canary {}", of.state().share),
        stage => stage.to_string(),
    }
}

/// What keeps the move from going on.
fn waits(of: &Move, ahead: &[GateResult], at: Timestamp) -> String {
    let open: Vec<_> = ahead.iter().filter(|judged| judged.status != GateStatus::Pass).collect();
    match (of.obstacle(at), open.as_slice()) {
        _ if of.stage() >= At::Live => String::new(),
        (Some(Impossible::TooEarly { from }), _) => format!("for its next step until {}", clock(from)),
        (Some(obstacle), _) => obstacle.to_string(),
        (None, []) => String::new(),
        (None, [first]) => format!("for one gate: {}: {}", first.route, first.why),
        (None, [first, ..]) => format!("for {} gates, such as {}: {}", open.len(), first.route, first.why),
    }
}

/// A day, for its line.
pub(super) fn date(at: Timestamp) -> String {
    calendar::local(at, ZONE).format("%a %d %b").to_string()
}

fn clock(at: Timestamp) -> String {
    calendar::local(at, ZONE).format("%d %b %H:%M").to_string()
}

fn left(at: Timestamp) -> anyhow::Result<String> {
    let until = moment(SOURCE_UNTIL)?;
    let days = until.since(at).as_secs() / 86_400;
    Ok(if at >= until { "the source is closed".to_owned() } else { format!("{days} days until the source closes") })
}

fn steps(from: Timestamp, to: Timestamp) -> u32 {
    u32::try_from(to.since(from).as_millis() / STEP.as_millis()).unwrap_or(u32::MAX).max(1)
}
