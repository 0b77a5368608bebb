//! The world a request meets: its snapshot, and beside it what changes while the process runs.
//!
//! Rules: breakers, limits and cuts belong to names and not to a configuration, so a reload keeps them; a request holds one
//! [`RuntimeState`] to its end. Locks here guard a few numbers each and are never held over a wait; a key without limits has none.

use crate::budget::Budget;
use crate::keys::KeyHash;
use crate::lock::lock;
use crate::problem::Problem;
use crate::route_move::{LiveRouteMove, RouteMoves};
use crate::snapshot::{Key, Route, Snapshot, Vendor};
use banjia_traffic::{Breaker, LimitRules, Limiter};
use banjia_types::{RouteMove, RouteName, Share, Target, VendorName};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Whether a vendor refused our region.
#[derive(Debug, Default)]
pub(crate) struct VendorBlock {
    cut: AtomicBool,
}

impl VendorBlock {
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Cuts it. Returns whether it was not cut before, so that people are told once.
    pub(crate) fn cut(&self) -> bool {
        !self.cut.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn lift(&self) {
        self.cut.store(false, Ordering::Release);
    }
}

/// A route and the state of its targets.
#[derive(Debug)]
pub(crate) struct LiveRoute {
    pub(crate) route: Arc<Route>,
    /// One for each of the route's targets.
    pub(crate) goals: Vec<LiveTarget>,
    /// How the route moves; none while it does not.
    pub(crate) route_move: Option<Box<LiveRouteMove>>,
    /// The part of its exchanges that is recorded.
    pub(crate) record: Share,
}

/// One target of a route, with everything that is needed to ask it.
#[derive(Debug)]
pub(crate) struct LiveTarget {
    pub(crate) vendor: Arc<Vendor>,
    pub(crate) breaker: Arc<Mutex<Breaker>>,
    pub(crate) border: Arc<VendorBlock>,
    /// The same number for goals behind the same border.
    pub(crate) border_number: usize,
}

/// A key and its limits.
#[derive(Debug)]
pub(crate) struct LiveKey {
    pub(crate) key: Arc<Key>,
    pub(crate) own: Option<Arc<Mutex<Limiter>>>,
    pub(crate) account: Option<Arc<Mutex<Limiter>>>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct RuntimeState {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) routes: BTreeMap<RouteName, Arc<LiveRoute>>,
    pub(crate) keys: Arc<HashMap<KeyHash, Arc<LiveKey>>>,
}

/// What outlives a reload, by name.
#[derive(Debug, Default)]
pub(crate) struct StateRegistry {
    borders: BTreeMap<VendorName, Arc<VendorBlock>>,
    breakers: BTreeMap<Target, Arc<Mutex<Breaker>>>,
    limiters: BTreeMap<(bool, String), Arc<Mutex<Limiter>>>,
    route_moves: RouteMoves,
    /// What copies of a route's requests may still cost; it outlives courses that say nothing new of it.
    budgets: BTreeMap<RouteName, Arc<Budget>>,
}

impl StateRegistry {
    /// The border of a vendor, made when it is not there.
    pub(crate) fn border(&mut self, name: &VendorName) -> Arc<VendorBlock> {
        self.borders.entry(name.clone()).or_default().clone()
    }

    fn budget(&mut self, route_move: &RouteMove) -> Arc<Budget> {
        let budget =
            self.budgets.get(&route_move.route).filter(|budget| budget.was_given(&route_move.spend_left)).cloned();
        let budget = budget.unwrap_or_else(|| Arc::new(Budget::new(&route_move.spend_left)));
        self.budgets.insert(route_move.route.clone(), budget.clone());
        budget
    }

    fn breaker(&mut self, target: &Target) -> Arc<Mutex<Breaker>> {
        self.breakers.entry(target.clone()).or_default().clone()
    }

    fn limiter(&mut self, is_account: bool, name: &str, rules: LimitRules) -> Option<Arc<Mutex<Limiter>>> {
        let slot = (is_account, name.to_owned());
        if rules == LimitRules::default() {
            self.limiters.remove(&slot);
            return None;
        }
        let limiter = self.limiters.entry(slot).or_insert_with(|| Arc::new(Mutex::new(Limiter::new(rules))));
        let mut held = lock(limiter);
        if *held.rules() != rules {
            let changed = held.with_rules(rules);
            *held = changed;
        }
        drop(held);
        Some(limiter.clone())
    }

    /// Joins a snapshot with what lasts.
    pub(crate) fn install(&mut self, snapshot: Snapshot) -> RuntimeState {
        let mut keys = HashMap::with_capacity(snapshot.keys.len());
        for (hash, key) in &snapshot.keys {
            let own = self.limiter(false, key.id.as_str(), key.limits.into());
            let account = self.limiter(true, key.account.as_str(), key.account_limits.into());
            keys.insert(*hash, Arc::new(LiveKey { key: key.clone(), own, account }));
        }
        let routes = self.routes(&snapshot);
        for problem in crate::route_move::check(&self.route_moves, &snapshot.routes) {
            tracing::error!(%problem, "a route's move does not fit the configuration any more");
        }
        RuntimeState { snapshot: Arc::new(snapshot), routes, keys: Arc::new(keys) }
    }

    /// The same world with other courses, none when they are the ones that it has; and what does not fit the routes.
    pub(crate) fn set_route_moves(
        &mut self,
        route_moves: RouteMoves,
        world: &RuntimeState,
    ) -> (Option<RuntimeState>, Vec<Problem>) {
        let (route_moves, problems) = crate::route_move::taken(route_moves, &self.route_moves, &world.snapshot.routes);
        if route_moves == self.route_moves {
            return (None, problems);
        }
        self.route_moves = route_moves;
        let routes = self.routes(&world.snapshot);
        (Some(RuntimeState { snapshot: world.snapshot.clone(), routes, keys: world.keys.clone() }), problems)
    }

    fn routes(&mut self, snapshot: &Snapshot) -> BTreeMap<RouteName, Arc<LiveRoute>> {
        let mut numbers = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for (name, route) in &snapshot.routes {
            let goals: Vec<_> = route
                .targets
                .iter()
                .map(|target| {
                    let vendor = snapshot.vendors[target.vendor].clone();
                    let count = numbers.len();
                    let border_number = *numbers.entry(vendor.border.clone()).or_insert(count);
                    let (breaker, border) = (self.breaker(&target.target), self.border(&vendor.border));
                    LiveTarget { vendor, breaker, border, border_number }
                })
                .collect();
            let route_move = self.route_moves.get(name).cloned().map(|route_move| {
                let vendors: Vec<_> = goals.iter().map(|goal| goal.vendor.clone()).collect();
                let budget = self.budget(&route_move);
                let source = &route_move.source.vendor;
                let border = snapshot.border_of(source).unwrap_or(source).clone();
                Box::new(LiveRouteMove::join(route_move, route, (&vendors, &border), budget))
            });
            let record = route_move
                .as_ref()
                .map_or_else(|| snapshot.capture.share(name), |route_move| route_move.route_move.record);
            routes.insert(name.clone(), Arc::new(LiveRoute { goals, route: route.clone(), route_move, record }));
        }
        routes
    }
}

impl From<crate::config::LimitConfig> for LimitRules {
    fn from(config: crate::config::LimitConfig) -> Self {
        Self {
            requests_per_minute: config.requests_per_minute,
            tokens_per_minute: config.tokens_per_minute,
            concurrency_max: config.concurrency_max,
        }
    }
}
