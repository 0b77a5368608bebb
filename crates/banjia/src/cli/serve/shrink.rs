//! Compares a new configuration with the one in force, and finds losses that a person must allow.
//!
//! A file that is emptied or cut off while it is rewritten can be a good file. So a person must
//! allow a reload that takes away:
//!
//! - all keys, routes or accounts, or more than half of them
//! - a route of a move that is not sealed, or a target of it that the move still needs
//!
//! A live move does not need its source: its credential must be gone before the move can be sealed.

use crate::config::Config;
use banjia_types::{RouteMove, RouteName, Stage, Target};
use std::collections::{BTreeMap, BTreeSet};

/// The largest number of names in one sentence.
const NAMES_MAX: usize = 5;

/// Hint for people: two ways to allow a smaller configuration.
pub(super) const WHAT_TO_DO: &str =
    "if this is meant, write allow_shrink = true before the first table of the file, or send SIGUSR1";

/// The names that clients and moves depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inventory {
    keys: BTreeSet<String>,
    accounts: BTreeSet<String>,
    routes: BTreeMap<RouteName, BTreeSet<String>>,
}

impl Inventory {
    pub(super) fn of(config: &Config) -> Self {
        let gateway = &config.gateway;
        let routes = gateway.routes.iter().map(|route| (route.name.clone(), route.targets.iter().cloned().collect()));
        Self {
            keys: gateway.keys.iter().map(|key| key.id.to_string()).collect(),
            accounts: gateway.accounts.iter().map(|account| account.id.to_string()).collect(),
            routes: routes.collect(),
        }
    }

    fn route_names(&self) -> BTreeSet<String> {
        self.routes.keys().map(ToString::to_string).collect()
    }

    fn has_target(&self, route: &RouteName, target: &Target) -> bool {
        self.routes.get(route).is_some_and(|targets| targets.contains(&target.to_string()))
    }

    /// Returns true if `new` lacks anything.
    pub(super) fn loses_to(&self, new: &Self) -> bool {
        !self.keys.is_subset(&new.keys)
            || !self.accounts.is_subset(&new.accounts)
            || self.routes.iter().any(|(name, targets)| new.routes.get(name).is_none_or(|new| !targets.is_subset(new)))
    }
}

/// The losses from `old` to `new` that a person must allow, as sentences.
pub(super) fn losses(old: &Inventory, new: &Inventory, route_moves: &BTreeMap<RouteName, RouteMove>) -> Vec<String> {
    let counted = [
        ("keys", &old.keys, &new.keys),
        ("accounts", &old.accounts, &new.accounts),
        ("routes", &old.route_names(), &new.route_names()),
    ];
    let mut found: Vec<_> = counted.into_iter().filter_map(|(what, old, new)| most_of(what, old, new)).collect();
    for route_move in route_moves.values().filter(|route_move| route_move.stage != Stage::Sealed) {
        let (route, of) = (&route_move.route, &route_move.of);
        if old.routes.contains_key(route) && !new.routes.contains_key(route) {
            found.push(format!("it takes away the route {route}, which the move {of} moves"));
            continue;
        }
        for (part, target) in needed(route_move) {
            if old.has_target(route, target) && !new.has_target(route, target) {
                found.push(format!(
                    "it takes away the target {target} of the route {route}, the {part} of the move {of}"
                ));
            }
        }
    }
    found
}

/// The targets that a move still asks.
fn needed(route_move: &RouteMove) -> Vec<(&'static str, &Target)> {
    let has_left = route_move.stage == Stage::Live || route_move.is_source_dead;
    let source = (!has_left).then_some(("source", &route_move.source));
    let second = route_move.second.as_ref().map(|second| ("other destination", second));
    source.into_iter().chain([("destination", &route_move.destination)]).chain(second).collect()
}

/// A sentence if all or more than half of the names are gone.
fn most_of(what: &str, old: &BTreeSet<String>, new: &BTreeSet<String>) -> Option<String> {
    let gone: Vec<_> = old.difference(new).map(String::as_str).collect();
    if gone.len() * 2 <= old.len() {
        return None;
    }
    let names = gone.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = match gone.len().saturating_sub(NAMES_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("it takes away {} of {} {what}: {names}{more}", gone.len(), old.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(keys: usize, routes: &[(&str, &[&str])]) -> Inventory {
        let routes = routes.iter().map(|(name, targets)| {
            (RouteName::from(*name), targets.iter().map(|target| (*target).to_owned()).collect())
        });
        Inventory {
            keys: (0..keys).map(|number| format!("k{number}")).collect(),
            accounts: BTreeSet::from(["a".to_owned()]),
            routes: routes.collect(),
        }
    }

    fn route_move(stage: Stage) -> RouteMove {
        let targets = ("openai/gpt-4o".parse().unwrap(), "zhipu/glm-4.7".parse().unwrap());
        let second = Some("deepseek/chat".parse().unwrap());
        RouteMove { second, ..RouteMove::new("q3", "one".into(), stage, targets) }
    }

    fn lost(old: &Inventory, new: &Inventory, route_moves: &[RouteMove]) -> Vec<String> {
        losses(old, new, &route_moves.iter().map(|route_move| (route_move.route.clone(), route_move.clone())).collect())
    }

    const TARGETS: &[&str] = &["openai/gpt-4o", "zhipu/glm-4.7", "deepseek/chat"];

    #[test]
    fn half_of_the_keys_may_go_and_more_may_not() {
        let keys = |count| inventory(count, &[]);
        assert_eq!(lost(&keys(8), &keys(4), &[]), Vec::<String>::new());
        assert_eq!(lost(&keys(8), &keys(3), &[]), ["it takes away 5 of 8 keys: k3, k4, k5, k6, k7"]);
        assert_eq!(lost(&keys(8), &keys(0), &[]), ["it takes away 8 of 8 keys: k0, k1, k2, k3, k4 and 3 more"]);
        assert_eq!(lost(&keys(1), &keys(0), &[]), ["it takes away 1 of 1 keys: k0"]);
        assert_eq!(lost(&keys(0), &keys(0), &[]), Vec::<String>::new());
        assert_eq!(lost(&keys(3), &keys(9), &[]), Vec::<String>::new());
    }

    #[test]
    fn an_empty_file_loses_everything() {
        let old = inventory(2, &[("one", TARGETS), ("two", TARGETS)]);
        assert_eq!(lost(&old, &Inventory::default(), &[]).len(), 3);
        assert!(old.loses_to(&Inventory::default()) && !Inventory::default().loses_to(&old));
    }

    #[test]
    fn a_route_of_an_open_move_may_not_go() {
        let old = inventory(1, &[("one", TARGETS), ("two", TARGETS), ("three", TARGETS)]);
        let new = inventory(1, &[("two", TARGETS), ("three", TARGETS)]);
        assert_eq!(lost(&old, &new, &[]), Vec::<String>::new());
        let said = ["it takes away the route one, which the move q3 moves"];
        for stage in [Stage::Record, Stage::Shadow, Stage::Canary, Stage::Live] {
            assert_eq!(lost(&old, &new, &[route_move(stage)]), said, "{stage}");
        }
        assert_eq!(lost(&old, &new, &[route_move(Stage::Sealed)]), Vec::<String>::new());
        assert_eq!(lost(&new, &new, &[route_move(Stage::Canary)]), Vec::<String>::new(), "it was not there before");
    }

    #[test]
    fn a_target_that_a_move_needs_may_not_go() {
        let old = inventory(1, &[("one", TARGETS)]);
        let without = |gone: &str| {
            let left: Vec<_> = TARGETS.iter().copied().filter(|target| *target != gone).collect();
            inventory(1, &[("one", &left)])
        };
        for target in TARGETS {
            assert_eq!(lost(&old, &without(target), &[route_move(Stage::Canary)]).len(), 1, "{target}");
            assert!(old.loses_to(&without(target)));
        }
        assert_eq!(lost(&old, &without("openai/gpt-4o"), &[route_move(Stage::Live)]), Vec::<String>::new());
        let dead = RouteMove { is_source_dead: true, ..route_move(Stage::Canary) };
        assert_eq!(lost(&old, &without("openai/gpt-4o"), &[dead]), Vec::<String>::new());
        assert_eq!(lost(&old, &without("zhipu/glm-4.7"), &[route_move(Stage::Live)]).len(), 1);
    }
}
