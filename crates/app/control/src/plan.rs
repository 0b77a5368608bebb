//! The use case of a plan: a destination and a second one for each route, with what is lost, what it
//! costs and by when each stage must begin.

use crate::survey::{Profiles, facts};
use banjia_movement::plan::{Candidate, Durations, Facts, Limits, Losses, Plan, PlanInput, Rate, plan};
use banjia_movement::suggest::suggestions;
use banjia_movement::survey::Survey;
use banjia_types::{RouteName, Target, Timestamp, VendorName};
use std::collections::BTreeMap;

/// The targets that each route might go to.
pub type Targets = BTreeMap<RouteName, Vec<Target>>;

/// The targets that each route of a survey might go to: `named` if there are any, else the route's
/// own targets and those that are suggested for its model, without those of its source's vendor.
pub fn targets(survey: &Survey, named: &[Target], configured: &Targets) -> Targets {
    let routes = survey.routes.iter().map(|(name, used)| {
        if !named.is_empty() {
            return (name.clone(), named.to_vec());
        }
        let source = used.source().map(|(target, _)| target);
        let mut targets = configured.get(name).cloned().unwrap_or_default();
        let suggested = source.map(|source| suggestions(source.model.as_str())).unwrap_or_default();
        targets.extend(suggested.into_iter().map(|suggestion| suggestion.target));
        targets.retain(|target| source.is_none_or(|source| source.vendor != target.vendor));
        targets.sort();
        targets.dedup();
        (name.clone(), targets)
    });
    routes.collect()
}

/// The command of [`make`].
#[derive(Clone, Debug)]
pub struct PlanCommand<'a> {
    /// What is used.
    pub survey: &'a Survey,
    /// What captured requests would lose.
    pub losses: BTreeMap<(RouteName, Target), Losses>,
    /// Where each route might go.
    pub targets: &'a Targets,
    /// Every vendor's profile.
    pub profiles: &'a Profiles,
    /// What is known of vendors' tiers, by `vendor` or `vendor/model`. The last entry counts.
    pub limits: &'a [(String, Limits)],
    /// Whether vendors serve the accounts of the configuration. Unknown vendors are absent.
    pub served: &'a BTreeMap<VendorName, bool>,
    /// The rate between currencies.
    pub rate: &'a Rate,
    /// When the source stops answering.
    pub deadline: Timestamp,
    /// The time at which the plan is made.
    pub now: Timestamp,
}

/// Makes a plan.
pub fn make(command: PlanCommand<'_>) -> Plan {
    let PlanCommand { survey, mut losses, targets, profiles, limits, served, rate, deadline, now } = command;
    let known = |target: &Target| {
        let mut known = profiles.get(target.vendor.as_str()).map_or_else(
            || Facts { source: "no profile".into(), ..Facts::default() },
            |profile| facts(profile, target.model.as_str()),
        );
        let limits_of = |name: &str| limits.iter().rev().find(|(of, _)| of == name).map(|(_, limits)| limits.clone());
        known.serves = served.get(&target.vendor).copied();
        known.limits = limits_of(&target.to_string()).or_else(|| limits_of(target.vendor.as_str())).unwrap_or_default();
        known
    };
    let mut candidates: BTreeMap<RouteName, Vec<Candidate>> = BTreeMap::new();
    for (route, targets) in targets {
        let made = targets.iter().map(|target| Candidate {
            target: target.clone(),
            facts: known(target),
            losses: losses.remove(&(route.clone(), target.clone())).unwrap_or_default(),
        });
        candidates.insert(route.clone(), made.collect());
    }
    let sources: BTreeMap<Target, Facts> = survey
        .routes
        .values()
        .flat_map(|route| route.targets.keys())
        .map(|target| (target.clone(), known(target)))
        .collect();
    let durations = Durations::default();
    plan(&PlanInput { survey, candidates: &candidates, sources: &sources, rate, deadline, now, durations })
}
