//! What people see while the demo runs: moving lines on a terminal, plain lines elsewhere.

use super::Settings;
use super::live::State;
use crate::cli::Printer;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Plain output gets a line this often, but at least this many lines in all.
const LINE_EVERY: Duration = Duration::from_secs(5);
const LINES_MIN: u32 = 6;
/// Width of a share's bar.
const BAR_CELLS: u32 = 24;

/// Draws the state of the demo.
#[derive(Debug)]
pub(super) struct Screen {
    length: Duration,
    bars: Option<Bars>,
    last_line: Option<Duration>,
    has_told_block: bool,
    has_told_cut: bool,
}

#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    time: ProgressBar,
    counts: ProgressBar,
    shares: ProgressBar,
}

impl Screen {
    pub(super) fn new(settings: &Settings, is_terminal: bool) -> Self {
        let bars = is_terminal.then(|| Bars::new(settings.length));
        Self { length: settings.length, bars, last_line: None, has_told_block: false, has_told_cut: false }
    }

    pub(super) fn draw(&mut self, at: Duration, state: &State, source: &str, printer: &mut Printer) {
        if state.blocked_at.is_some() && !self.has_told_block {
            self.has_told_block = true;
            let text = format!(
                "{}  {source} now answers 403 unsupported_country_region_territory to everybody here",
                clock(at)
            );
            self.tell(&text, printer);
        }
        if let (Some(blocked), Some(cut), false) = (state.blocked_at, state.cut, self.has_told_cut) {
            self.has_told_cut = true;
            let after = cut.at.since(blocked).as_millis();
            let text = format!(
                "{}  reflex: {source} is cut {after} ms after its block; its requests go to the destinations",
                clock(at)
            );
            self.tell(&text, printer);
        }
        match &self.bars {
            Some(bars) => bars.draw(at, self.length, state, source),
            None => self.line(at, state, source, printer),
        }
    }

    fn tell(&self, text: &str, printer: &mut Printer) {
        match &self.bars {
            Some(bars) => bars.tell(text),
            None => printer.line(text),
        }
    }

    fn line(&mut self, at: Duration, state: &State, source: &str, printer: &mut Printer) {
        let every = LINE_EVERY.min(self.length / LINES_MIN);
        if self.last_line.is_some_and(|last| at < last + every) {
            return;
        }
        self.last_line = Some(at);
        let shares: Vec<_> = state.shares().iter().map(|(vendor, share)| format!("{vendor} {share}%")).collect();
        let wait = countdown(at, self.length, state, source);
        let shares = if shares.is_empty() { String::new() } else { format!(" · last by {}", shares.join(", ")) };
        printer.line(&format!("{}  {}{shares} · {wait}", clock(at), counts(state)));
    }

    pub(super) fn close(&self) {
        if let Some(bars) = &self.bars {
            bars.close();
        }
    }
}

impl Bars {
    fn new(length: Duration) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let plain = |template: &str| {
            ProgressStyle::with_template(template)
                .expect("the template is a constant of this file")
                .progress_chars("━╸─")
        };
        let time = all.add(ProgressBar::new(u64::try_from(length.as_millis()).unwrap_or(u64::MAX)));
        time.set_style(plain("{bar:40.cyan/dim} {msg}"));
        let counts = all.add(ProgressBar::new_spinner());
        counts.set_style(plain("{msg}"));
        let shares = all.add(ProgressBar::new_spinner());
        shares.set_style(plain("{msg}"));
        Self { all, time, counts, shares }
    }

    fn draw(&self, at: Duration, length: Duration, state: &State, source: &str) {
        self.time.set_position(u64::try_from(at.min(length).as_millis()).unwrap_or(u64::MAX));
        self.time.set_message(format!("{}  {}", clock(at), countdown(at, length, state, source)));
        self.counts.set_message(counts(state));
        let rows: Vec<_> = state
            .shares()
            .iter()
            .map(|(vendor, share)| {
                let cells = (share * BAR_CELLS).div_ceil(100) as usize;
                format!(
                    "  {vendor:<10} {}{} {share:>3}%",
                    "█".repeat(cells),
                    "░".repeat(BAR_CELLS as usize - cells.min(BAR_CELLS as usize))
                )
            })
            .collect();
        self.shares.set_message(rows.join("\n"));
    }

    fn tell(&self, text: &str) {
        if let Err(error) = self.all.println(text) {
            tracing::debug!(%error, "the terminal took no line");
        }
    }

    fn close(&self) {
        self.time.finish();
        self.counts.finish();
        self.shares.finish();
    }
}

fn counts(state: &State) -> String {
    let errors = state.refused + state.broken;
    format!(
        "{} sent · {} answered · {} open · {} left early · {errors} errors",
        state.sent,
        state.answered,
        state.open(),
        state.left,
    )
}

fn countdown(at: Duration, length: Duration, state: &State, source: &str) -> String {
    let block = length / 3;
    if state.blocked_at.is_some() {
        return format!("{source} is gone");
    }
    format!("{source} leaves in {:.0} s", block.saturating_sub(at).as_secs_f64().ceil())
}

fn clock(at: Duration) -> String {
    format!("{:>5.1} s", at.as_secs_f64())
}
