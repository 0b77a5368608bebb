//! A move for people: where it stands, what keeps it from going on, and what happened.

use crate::cli::{Printer, table};
use banjia_control::moves::{self, Seen, gather};
use banjia_movement::gate::Says;
use banjia_movement::stage::Move;
use banjia_store::Store;
use banjia_types::{Stage, Timestamp};
use std::collections::BTreeMap;

/// Where a move stands, in a sentence.
pub(super) fn sentence(of: &Move, now: Timestamp) -> String {
    let (spec, state) = (of.spec(), of.state());
    let share = if state.stage == Stage::Canary { format!(" at {}", state.share) } else { String::new() };
    let paused =
        state.paused.as_ref().map_or_else(String::new, |why| format!(", paused by {}: {}", why.by, why.reason));
    let source = if of.may_ask_source(now) {
        format!("the source may be asked until {}", spec.show(state.source_until))
    } else {
        "the source is not asked any more".to_owned()
    };
    format!(
        "{} is in {}{share}{paused}; it must be live by {}; {source}.",
        spec.id,
        state.stage,
        spec.show(state.deadline)
    )
}

pub(super) async fn list(store: &Store, now: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
    let all = moves::all(store).await?;
    if all.is_empty() {
        printer.line("There are no moves. `banjia move new FILE` makes one.");
        return Ok(());
    }
    let rows: Vec<_> = all
        .iter()
        .map(|loaded| {
            let (spec, state) = (loaded.of.spec(), loaded.of.state());
            let routes: Vec<_> = spec.routes.iter().map(|moved| moved.route.to_string()).collect();
            let source = if loaded.of.may_ask_source(now) { "asked" } else { "not asked" };
            vec![
                spec.id.clone(),
                state.stage.to_string(),
                state.share.to_string(),
                spec.show(state.deadline),
                source.to_owned(),
                routes.join(", "),
            ]
        })
        .collect();
    printer.line(&table(&["move", "stage", "share>", "deadline", "source", "routes"], &rows, printer.width()));
    Ok(())
}

pub(super) async fn show(store: &Store, id: &str, now: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
    let loaded = moves::load(store, id).await?;
    let of = &loaded.of;
    printer.line(&sentence(of, now));
    let borders = BTreeMap::new();
    let evidence = gather(store, &Seen { loaded: &loaded, borders: &borders, now }).await?;
    let gates: Vec<_> = of
        .gates_ahead(&evidence, now)
        .into_iter()
        .filter(|judged| judged.says != Says::Holds)
        .map(|judged| vec![judged.route.to_string(), judged.target.to_string(), judged.why])
        .collect();
    // From live on there is no step forward that anything could stand in the way of.
    let goes_on = of.stage() < Stage::Live;
    if let Some(obstacle) = of.obstacle(now).filter(|_| goes_on) {
        printer.line(&format!("\nIt does not go on by itself: {obstacle}"));
    }
    if goes_on && !gates.is_empty() {
        printer.line("\nGates that do not hold yet (verdicts of parity are made by the running gateway):");
        printer.line(&table(&["route", "target", "why"], &gates, printer.width()));
    }
    let events: Vec<_> = (1_u64..)
        .zip(&loaded.events)
        .map(|(number, event)| {
            let (at, kind) = (of.spec().show(event.at), event.what.kind());
            vec![number.to_string(), at, event.by.clone(), kind, event.reason.clone()]
        })
        .collect();
    printer.line("\nWhat happened:");
    printer.line(&table(&["event>", "at", "by", "what", "why"], &events, printer.width()));
    Ok(())
}
