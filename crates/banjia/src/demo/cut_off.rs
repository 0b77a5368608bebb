//! `banjia demo`: a business keeps running while its vendor cuts it off, on sandbox vendors, in about a minute.
//!
//! Rules: needs no configuration, key, service or network; what is shown is measured, and a demo whose books do not
//! balance, or whose clients saw an error, fails. The vendors, routes and customers are in `demo/banjia.toml`.

mod live;
mod load;
mod report;
mod screen;
mod stage;
mod story;

use crate::cli::Printer;
use crate::cli::stop::Stop;
use crate::clock;
use anyhow::Context;
use live::Live;
use report::Facts;
use screen::Screen;
use stage::Stage;
use std::sync::Arc;
use std::time::Duration;

/// How the demo runs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long requests are sent. The block comes after a third of it.
    pub(crate) length: Duration,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Chooses the requests and the sandbox's answers.
    pub(crate) seed: u64,
    /// Where the gateway listens: a free port of this machine, unless it is to stay up.
    pub(crate) listen: std::net::SocketAddr,
    /// Stay up afterwards, with lines to try.
    pub(crate) serve: bool,
    /// For one sum over two currencies: what a dollar is taken to be worth.
    pub(crate) cny_per_usd: f64,
    /// Answers come at once instead of at a human pace (for tests).
    pub(crate) at_once: bool,
}

/// What the demo showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The balance is exact and no client saw an error.
    Held,
    /// One of the two is not so.
    Broke,
}

/// Plays the whole story.
pub(crate) async fn run(settings: &Settings, printer: &mut Printer) -> anyhow::Result<Verdict> {
    let stage = Stage::build(settings).await?;
    printer.line(&story::opening(&stage, settings));
    let live = Arc::new(Live::new(clock::now(), stage.source.clone()));
    let mut screen = Screen::new(settings, printer.is_watched() && printer.is_color());
    let observed = load::run(settings, &stage, &live, &mut screen, printer).await?;
    screen.close();
    stage.running.flush().await.context("writing the ledger")?;
    let facts = Facts::gather(&stage, &live, settings, observed).await?;
    for part in report::sections(&facts, printer.width()) {
        printer.line(&part);
    }
    let verdict = facts.verdict();
    if settings.serve {
        let mut stop = Stop::listen()?;
        printer.line_as_it_is(&story::try_it(&stage));
        stop.wait().await;
    }
    stage.strike().await?;
    Ok(verdict)
}
