//! What of a move the configuration lacks, each with what to do.

use crate::clock;
use crate::config::report::{Finding, Findings};
use crate::config::{Loaded, locate, nearest};
use banjia_control::moves::fit::{self, Misfit, Needed};
use banjia_movement::spec::MoveSpec;

/// Everything that does not fit, as sentences.
pub(super) fn misfits(spec: &MoveSpec, loaded: &Loaded, needed: Needed) -> Vec<String> {
    found(spec, loaded, needed).into_iter().map(|misfit| format!("{misfit}: {}", hint(&misfit))).collect()
}

fn found(spec: &MoveSpec, loaded: &Loaded, needed: Needed) -> Vec<Misfit> {
    let routes = loaded.config.gateway.routes.iter();
    let routes: Vec<_> = routes.map(|route| (route.name.clone(), route.targets.clone())).collect();
    fit::misfits(spec, &routes, needed)
}

fn hint(misfit: &Misfit) -> String {
    let (wanted, known) = misfit.names();
    let near = nearest(&wanted, known.iter().map(String::as_str));
    near.map_or_else(|| misfit.remedy().to_owned(), |near| format!("did you mean {near}?"))
}

/// Adds everything that does not fit at its place in the move's text, and warns of accounts that
/// the source does not serve.
pub(super) fn add_misfits(spec: &MoveSpec, text: &str, loaded: &Loaded, findings: &mut Findings) {
    for misfit in found(spec, loaded, Needed::All) {
        let (route, key) = match &misfit {
            Misfit::NoRoute { route, .. } => (route, "route"),
            Misfit::NoTarget { route, role, .. } => (route, role.split(' ').next().unwrap_or_default()),
        };
        let index = spec.routes.iter().position(|moved| moved.route == *route).unwrap_or_default();
        let span = locate::in_text(text, &format!("routes[{index}].{key}"));
        findings.add(Finding::problem(span, misfit.to_string()).hint(hint(&misfit)));
    }
    for (index, sentence) in unrecorded(spec, loaded) {
        let span = locate::in_text(text, &format!("routes[{index}].source"));
        let hint = "a move that waits for captures of the source waits for other accounts; `banjia move override` goes on \
                    without them";
        findings.add(Finding::warning(span, sentence).hint(hint));
    }
    findings.sort();
}

/// For each route, by its index in the move, the accounts whose requests never reach the source, as
/// a sentence.
fn unrecorded(spec: &MoveSpec, loaded: &Loaded) -> Vec<(usize, String)> {
    let unserved = loaded.snapshot.unserved(clock::now());
    let all = loaded.config.gateway.accounts.len();
    let sentence = |(index, moved): (usize, &banjia_movement::spec::MovedRoute)| {
        let accounts: Vec<_> =
            unserved.iter().filter(|(_, vendor)| *vendor == moved.source.vendor).map(|(id, _)| id.as_str()).collect();
        if accounts.is_empty() {
            return None;
        }
        let who = if accounts.len() == all { "any account".to_owned() } else { accounts.join(", ") };
        let (route, source) = (&moved.route, &moved.source);
        Some((
            index,
            format!(
                "{source} does not serve {who} by residence, so on the route {route} nothing of theirs is recorded"
            ),
        ))
    };
    spec.routes.iter().enumerate().filter_map(sentence).collect()
}

/// The same for a person who asks what a move waits for.
pub(super) fn unrecorded_sentences(spec: &MoveSpec, loaded: &Loaded) -> Vec<String> {
    unrecorded(spec, loaded).into_iter().map(|(_, sentence)| sentence).collect()
}
