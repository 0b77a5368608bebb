//! Whether a configuration is one that can carry a move: its routes are there, and their targets among each route's.

use crate::config::{Loaded, nearest};
use banjia_gateway::config::RouteConfig;
use banjia_movement::spec::{MoveSpec, MovedRoute};
use banjia_types::Target;

/// Which of a move's targets must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    /// All of them: the move begins.
    All,
    /// Those that answer after it.
    Destinations,
}

/// Everything that does not fit, each with what to do.
pub(super) fn misfits(spec: &MoveSpec, loaded: &Loaded, needed: Needed) -> Vec<String> {
    let routes = &loaded.config.gateway.routes;
    let mut found = Vec::new();
    for moved in &spec.routes {
        if let Some(route) = routes.iter().find(|route| route.name == moved.route) {
            found.extend(targets(moved, needed).into_iter().filter_map(|named| misfit(route, named)));
            continue;
        }
        let names = routes.iter().map(|route| route.name.as_str());
        let hint = hint(moved.route.as_str(), names, "add it under [[routes]]");
        found.push(format!("the configuration has no route {:?}: {hint}", moved.route.as_str()));
    }
    found
}

fn targets(moved: &MovedRoute, needed: Needed) -> Vec<(&'static str, &Target)> {
    let source = (needed == Needed::All).then_some(("source", &moved.source));
    let second = moved.second.as_ref().map(|second| ("second destination", second));
    source.into_iter().chain([("destination", &moved.destination)]).chain(second).collect()
}

fn misfit(route: &RouteConfig, (part, target): (&str, &Target)) -> Option<String> {
    let name = target.to_string();
    if route.targets.contains(&name) {
        return None;
    }
    let hint = hint(&name, route.targets.iter().map(String::as_str), "add it to the route's targets");
    Some(format!("the {part} {name} is not among the targets of the route {:?}: {hint}", route.name.as_str()))
}

fn hint<'a>(wanted: &str, known: impl Iterator<Item = &'a str>, otherwise: &str) -> String {
    nearest(wanted, known).map_or_else(|| otherwise.to_owned(), |near| format!("did you mean {near}?"))
}
