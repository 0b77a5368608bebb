//! A move for people: where it stands, what keeps it from going on, and what happened.

use super::fit;
use crate::cli::database::Database;
use crate::cli::{Printer, table};
use banjia_control::moves::{self, Loaded, Seen};
use banjia_gateway::seal_key;
use banjia_movement::gate::ParityVerdict;
use banjia_movement::stage::Move;
use banjia_store::Store;
use banjia_types::{Stage, Timestamp};
use std::collections::BTreeMap;

/// Where a move stands, in a sentence.
pub(in crate::cli) fn sentence(of: &Move, now: Timestamp) -> String {
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
        .map(|one| {
            let Some(loaded) = &one.loaded else {
                return vec![
                    one.id.clone(),
                    "unreadable".to_owned(),
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                ];
            };
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
    for (one, error) in all.iter().filter_map(|one| Some((one, one.error.as_ref()?))) {
        printer.line(&format!("\n{}: {error}. Nobody brings it forward.", one.id));
    }
    Ok(())
}

/// What is looked at beside the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside<'b> {
    /// The configuration says under which name a vendor is cut, and with which key captures are sealed.
    pub(super) database: &'b Database,
    /// Whether captures are compared now.
    pub(super) verdicts: bool,
    /// When.
    pub(super) now: Timestamp,
}

pub(super) async fn show(store: &Store, id: &str, beside: Beside<'_>, printer: &mut Printer) -> anyhow::Result<()> {
    let Beside { database, verdicts, now } = beside;
    let moves::ReadMove { loaded, error, .. } = moves::find(store, id).await?;
    let loaded = match (loaded, &error) {
        (Some(loaded), _) => loaded,
        (None, Some(error)) => anyhow::bail!("{error}"),
        (None, None) => anyhow::bail!("there is no move {id:?}"),
    };
    let of = &loaded.of;
    printer.line(&sentence(of, now));
    if let Some(error) = error {
        printer.line(&format!("\n{error}. What is shown is the move before that event, and nobody brings it forward."));
    }
    let configured = if verdicts { database.loaded_with_secrets()? } else { database.loaded()? };
    let borders = configured.as_ref().map(|loaded| loaded.snapshot.borders());
    let none = BTreeMap::new();
    let seen = Seen { loaded: &loaded, borders: borders.as_ref().unwrap_or(&none), now };
    let key = if verdicts {
        let capture = configured.as_ref().map(|loaded| loaded.config.gateway.capture.clone()).unwrap_or_default();
        Some(seal_key(&capture, store.path())?)
    } else {
        None
    };
    let progress = moves::progress(store, &seen, key.as_ref()).await;
    for missing in &progress.missing {
        printer.line(&format!("\nEvidence is missing, and nothing goes forward without it: {missing}"));
    }
    let gates: Vec<_> = progress
        .unmet
        .into_iter()
        .map(|gate| vec![gate.route.to_string(), gate.target.to_string(), gate.why])
        .collect();
    if let Some(rehearsal) = of.state().rehearsal {
        printer
            .line(&format!("\nA rehearsal for {} of the conversations, until {}.", rehearsal.share, rehearsal.until));
    }
    if let Some(obstacle) = progress.obstacle {
        printer.line(&format!("\nIt does not go on by itself: {obstacle}"));
    }
    if let Some(configured) = configured.as_ref().filter(|_| of.stage() < Stage::Live) {
        for sentence in fit::unrecorded_sentences(of.spec(), configured) {
            printer.line(&format!("\n{sentence}."));
        }
    }
    if !gates.is_empty() {
        printer.line("\nIt waits for these gates:");
        printer.line(&table(&["route", "target", "why"], &gates, printer.width()));
    }
    if let Some(hash) = &of.state().sealed {
        printer.line(&format!("\nIts report has the SHA-256 {hash}; `banjia move seal {id}` writes it again."));
    }
    unknown(of, (verdicts, borders.is_some()), printer);
    if !verdicts {
        told(&loaded, printer);
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

/// What cannot be known from here.
fn unknown(of: &Move, (verdicts, has_borders): (bool, bool), printer: &mut Printer) {
    if !verdicts && of.stage() < Stage::Live && !of.spec().gates.parity.is_empty() {
        printer.line(
            "\nThe running gateway keeps its verdicts of parity to itself until a step rests on them; --verdicts makes the \
             same ones here.",
        );
    }
    if !has_borders {
        printer.line("\nWithout a configuration (--config) a vendor counts as cut only under its own name.");
    }
}

/// The verdicts that the log holds.
fn told(loaded: &Loaded, printer: &mut Printer) {
    let rows: Vec<_> = moves::seal::parity(loaded)
        .into_iter()
        .map(|one| {
            let said = match one.verdict {
                ParityVerdict::NotWorse => "not worse",
                ParityVerdict::Worse => "worse",
                ParityVerdict::Unclear => "not enough data",
                ParityVerdict::Unused => "not used",
            };
            let at = loaded.of.spec().show(one.at);
            let (route, target) = (one.route.to_string(), one.target.to_string());
            vec![route, target, one.axis, said.to_owned(), one.pairs.to_string(), at]
        })
        .collect();
    if !rows.is_empty() {
        printer.line("\nVerdicts of parity that steps rested on:");
        printer.line(&table(&["route", "target", "axis", "verdict", "pairs>", "at"], &rows, printer.width()));
    }
}
