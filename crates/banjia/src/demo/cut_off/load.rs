//! Sends the demo's requests at a fixed rate, whatever the answers do, and lets the source leave after a third.
//!
//! Why a fixed rate and not a fixed number of clients: clients that wait for a slow gateway hide that it is slow.

use super::Settings;
use super::live::Live;
use super::screen::Screen;
use super::stage::Stage;
use crate::cli::Printer;
use crate::clock;
use crate::demo::client::Observed;
use crate::demo::mix::{MINUTE, Mix};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// How often the screen is drawn.
const FRAME: Duration = Duration::from_millis(250);
/// Answers still open this long after the last request are given up; the books will show it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the load to its end and returns what every client saw.
pub(super) async fn run(
    settings: &Settings,
    stage: &Stage,
    live: &Arc<Live>,
    screen: &mut Screen,
    printer: &mut Printer,
) -> anyhow::Result<Vec<Observed>> {
    let begun = Instant::now();
    let (block, end) = (begun + settings.length / 3, begun + settings.length);
    let mut mix = Mix::new(settings.seed, &MINUTE);
    let mut clients = JoinSet::new();
    let mut observed = Vec::new();
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut number: u32 = 0;
    let mut is_blocked = false;
    loop {
        let next = begun + Duration::from_secs_f64(f64::from(number) / settings.rate);
        let is_over = next >= end;
        if is_over && clients.is_empty() {
            break;
        }
        tokio::select! {
            () = sleep_until(block), if !is_blocked => {
                is_blocked = true;
                stage.block_source();
                live.blocked(clock::now());
            }
            () = sleep_until(next), if !is_over => {
                number += 1;
                live.sent();
                let (client, request) = (stage.client.clone(), mix.next());
                clients.spawn(async move { client.send(request).await });
            }
            Some(done) = clients.join_next(), if !clients.is_empty() => {
                let seen = done?;
                live.ended(&seen);
                observed.push(seen);
            }
            _ = frames.tick() => {
                for cut in stage.take_cuts() {
                    live.cut(cut);
                }
                screen.draw(begun.elapsed(), &live.now(), &live.source, printer);
            }
            () = sleep_until(end + PATIENCE), if is_over => break,
        }
    }
    for cut in stage.take_cuts() {
        live.cut(cut);
    }
    screen.draw(begun.elapsed(), &live.now(), &live.source, printer);
    Ok(observed)
}
