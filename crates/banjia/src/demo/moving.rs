//! `banjia demo move`: a business leaves a vendor that will close, from the letter to the date, in about two minutes.
//!
//! Rules: what vendors do wrong is arranged (`plot`), what is done about it is not: gates, steps and verdicts are the product's
//! own, on evidence measured in this run. The clock is put ahead by a few hours at a time, while nothing is under way, so weeks
//! pass and each answer still takes its own time. The load is bounded by count and not by rate: on a slow machine the same
//! evidence comes later. Everything is left in a folder, and other commands read it there.

mod days;
mod ending;
mod plot;
mod prepare;
mod screen;
mod sealing;
mod stage;

use crate::cli::Printer;
use anyhow::Context as _;
use banjia_control::moves;
use banjia_store::{Actor, write_private_file};
use chrono_tz::Tz;
use days::Days;
use screen::wrapped;
use stage::{Stage, moment};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The name of the move in `move.toml`.
const MOVE: &str = "leave-by-new-year";
/// The zone of the story's dates, as `move.toml` says it.
const ZONE: Tz = Tz::Asia__Shanghai;
/// When the story begins, when the letter comes, the source's date, and the end. Letter and end fall on a step of [`STEP`].
const BEGINS: &str = "2026-11-29T03:00";
const LETTER: &str = "2026-12-02T09:00";
const SOURCE_UNTIL: &str = "2027-01-01T00:00";
const ENDS: &str = "2027-01-02T03:00";
/// By how much the clock is put ahead at once.
const STEP: Duration = Duration::from_hours(6);
/// Requests in each step.
const A_STEP: usize = 20;
/// Who orders what people order.
const PERSON: &str = "kim";

/// How the story is played.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// About how long it takes, if the machine is fast enough.
    pub(crate) length: Duration,
    /// Chooses the requests and the sandbox's answers.
    pub(crate) seed: u64,
    /// Where everything is left: an empty folder.
    pub(crate) dir: PathBuf,
}

/// Plays the story; true when everything was as it must be.
pub(crate) async fn run(settings: &Settings, printer: &mut Printer) -> anyhow::Result<bool> {
    let pages = Arc::<Mutex<Vec<u64>>>::default();
    let called = pages.clone();
    let on_page = Box::new(move |_: &str, page: &banjia_movement::stage::Page| {
        if let Ok(mut called) = called.lock() {
            called.push(page.number);
        }
    });
    let stage = Stage::build(settings, on_page).await?;
    opening(&stage, settings, printer);
    let mut days = Days::new(stage, settings, pages)?;
    days.until(moment(LETTER)?, printer).await?;
    letter(&mut days, settings, printer).await?;
    days.watch(printer)?;
    days.until(moment(ENDS)?, printer).await?;
    let store = days.stage.close().await?;
    let held = ending::tell(&days, &store, printer).await?;
    store.close().await;
    Ok(held)
}

fn opening(stage: &Stage, settings: &Settings, printer: &mut Printer) {
    let text = format!(
        "A web shop calls {source} through Banjia. Vendors are sandboxes on this machine: true wires and errors, made-up texts, \
         no keys, no network. The clock is a simulated one: {hours} hours pass at a time, with {A_STEP} requests in each.\n\
         Everything is left in {dir}\n",
        source = stage.source,
        hours = STEP.as_secs() / 3600,
        dir = settings.dir.display(),
    );
    say(&text, printer);
    printer.line("");
}

/// Sentences, as wide as they may be.
fn say(text: &str, printer: &mut Printer) {
    let text = wrapped("", text, printer.width());
    printer.line(&text);
}

/// The letter, and what is done about it on the same day.
async fn letter(days: &mut Days, settings: &Settings, printer: &mut Printer) -> anyhow::Result<()> {
    days.stage.clock.set(moment(LETTER)?);
    let source = days.stage.source.clone();
    let letter = format!(
        "\nA letter of {source}: \"From 1 January 2027, 00:00 in Shanghai, our API does not serve your region any more.\"\n"
    );
    say(&letter, printer);
    printer.line("");
    let survey = prepare::survey(&days.stage, printer).await?;
    let plan = prepare::plan(&days.stage, &survey, printer).await?;
    let text = prepare::text(&days.stage, &plan)?;
    let file = settings.dir.join("move.toml");
    write_private_file(&file, &text).with_context(|| format!("writing {}", file.display()))?;
    let now = days.stage.clock.now();
    let made = moves::make(&days.stage.running().store, &text, Actor { actor: PERSON, at: now }).await?;
    days.plot.cast(made.of.spec())?;
    days.stage.hand_over().await?;
    let spec = made.of.spec();
    let made = format!(
        "\nThe move {} is made (banjia move new move.toml): live by {}; {source} is asked until {}. From here on Banjia steps by \
         itself, when every gate of the next step holds; people sleep at weekends.",
        spec.id,
        spec.show(spec.deadline),
        spec.show(spec.source_until),
    );
    say(&made, printer);
    printer.line("");
    Ok(())
}
