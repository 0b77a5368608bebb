//! Whether a configuration can carry a move, and what it says of the source's credentials.

use super::seal::SourceKeys;
use banjia_movement::spec::{MoveSpec, MovedRoute};
use banjia_types::{RouteName, Target, VendorName};
use std::collections::BTreeMap;
use std::fmt;

/// A route of a configuration, with its targets as the file writes them.
pub type ConfiguredRoute = (RouteName, Vec<String>);

/// Which targets of a move the configuration must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// All targets: the move begins.
    All,
    /// The targets that answer after the move.
    Destinations,
}

/// A part of a move that the configuration lacks. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The route does not exist.
    NoRoute {
        /// The route that the move names.
        route: RouteName,
        /// The routes that exist.
        known: Vec<String>,
    },
    /// The route exists and does not have the target.
    NoTarget {
        /// The part that the target plays in the move: "source", "destination", "second destination".
        role: &'static str,
        /// The target that the move names.
        target: Target,
        /// The route that lacks it.
        route: RouteName,
        /// The targets that the route has.
        known: Vec<String>,
    },
}

impl Misfit {
    /// The name that was not found, and the names among which it may be misspelt.
    pub fn names(&self) -> (String, &[String]) {
        match self {
            Self::NoRoute { route, known } => (route.to_string(), known),
            Self::NoTarget { target, known, .. } => (target.to_string(), known),
        }
    }

    /// What to do if the name is not misspelt.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NoRoute { .. } => "add it under [[routes]]",
            Self::NoTarget { .. } => "add it to the route's targets",
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute { route, .. } => write!(f, "the configuration has no route {:?}", route.as_str()),
            Self::NoTarget { role, target, route, .. } => {
                write!(f, "the {role} {target} is not among the targets of the route {:?}", route.as_str())
            }
        }
    }
}

/// Every part of a move that the configuration lacks.
pub fn misfits(spec: &MoveSpec, routes: &[ConfiguredRoute], needed: Needed) -> Vec<Misfit> {
    let mut found = Vec::new();
    for moved in &spec.routes {
        if let Some((_, known)) = routes.iter().find(|(name, _)| *name == moved.route) {
            found.extend(missing_targets(moved, known, needed));
        } else {
            let known = routes.iter().map(|(name, _)| name.to_string()).collect();
            found.push(Misfit::NoRoute { route: moved.route.clone(), known });
        }
    }
    found
}

fn missing_targets(moved: &MovedRoute, known: &[String], needed: Needed) -> Vec<Misfit> {
    let source = (needed == Needed::All).then_some(("source", &moved.source));
    let second = moved.second.as_ref().map(|second| ("second destination", second));
    let parts = source.into_iter().chain([("destination", &moved.destination)]).chain(second);
    parts
        .filter(|(_, target)| !known.contains(&target.to_string()))
        .map(|(role, target)| {
            let (target, route, known) = (target.clone(), moved.route.clone(), known.to_vec());
            Misfit::NoTarget { role, target, route, known }
        })
        .collect()
}

/// What a configuration says of the source's credentials: the entries behind the source's border
/// that hold one, or the move's own entry if none does.
///
/// `borders` has the name under which each vendor is cut; `credentials` has the entries that hold a
/// credential, each with that name.
pub fn source_keys<'c>(
    spec: &MoveSpec,
    borders: &BTreeMap<VendorName, VendorName>,
    credentials: impl Iterator<Item = (&'c VendorName, &'c VendorName)>,
) -> SourceKeys {
    let source = spec.source_vendor();
    let own = borders.get(source).unwrap_or(source);
    let is_its = |(name, border): &(&VendorName, &VendorName)| *name == source || *border == own;
    let held: Vec<_> = credentials.filter(is_its).map(|(name, _)| name.to_string()).collect();
    let gone = if held.is_empty() { vec![source.to_string()] } else { Vec::new() };
    SourceKeys { held, gone }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> MoveSpec {
        let text = r#"
            id = "spring"
            zone = "UTC"
            deadline = "2027-01-15T00:00"
            [shadow]
            spend_max = "100 CNY"
            [gates]
            spend_max_total = "1000 CNY"
            [[routes]]
            route = "chat"
            source = "a/m"
            destination = "b/m"
            second = "c/m"
        "#;
        MoveSpec::parse(text).unwrap()
    }

    fn said(routes: &[(&str, &[&str])], needed: Needed) -> Vec<String> {
        let targets = |targets: &[&str]| targets.iter().map(|target| (*target).to_owned()).collect();
        let routes: Vec<_> = routes.iter().map(|(route, known)| ((*route).into(), targets(known))).collect();
        misfits(&spec(), &routes, needed).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn configuration_with_all_targets_fits() {
        assert_eq!(said(&[("chat", &["a/m", "b/m", "c/m"])], Needed::All), Vec::<String>::new());
    }

    #[test]
    fn missing_route_is_a_misfit() {
        let found = said(&[("chats", &["a/m", "b/m", "c/m"])], Needed::All);
        assert_eq!(found, ["the configuration has no route \"chat\""]);
    }

    #[test]
    fn missing_source_matters_only_at_the_begin() {
        assert_eq!(said(&[("chat", &["b/m", "c/m"])], Needed::Destinations), Vec::<String>::new());
        assert_eq!(said(&[("chat", &["b/m", "c/m"])], Needed::All).len(), 1);
    }

    #[test]
    fn source_without_a_credential_is_gone() {
        let keys = source_keys(&spec(), &BTreeMap::new(), std::iter::empty());
        assert_eq!((keys.held, keys.gone), (vec![], vec!["a".to_owned()]));
    }

    #[test]
    fn entry_behind_the_same_border_counts() {
        let borders = BTreeMap::from([("a".into(), "x".into()), ("a2".into(), "x".into())]);
        let credential: (VendorName, VendorName) = ("a2".into(), "x".into());
        let keys = source_keys(&spec(), &borders, std::iter::once((&credential.0, &credential.1)));
        assert_eq!(keys.held, ["a2"]);
    }
}
