//! The runtime state that a request sees: its snapshot, and beside it what changes while the process runs.
//!
//! - Breakers, limiters and blocks belong to names and not to a configuration, so a reload keeps them.
//! - A request keeps one [`RuntimeState`] to its end.
//! - Each lock guards a few numbers and is never held across an await. A key without limits has none.

mod pattern;

use crate::budget::Budget;
use crate::keys::KeyHash;
use crate::lock::lock;
use crate::problem::Problem;
use crate::route_move::{LiveRouteMove, RouteMoves};
use crate::snapshot::{Key, Route, RouteTarget, Snapshot, Vendor};
use banjia_traffic::{Breaker, LimitRules, Limiter};
use banjia_types::{Price, RouteMove, RouteName, Share, Target, VendorName};
use http::HeaderValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Whether a vendor refused our region.
#[derive(Debug, Default)]
pub(crate) struct VendorBlock {
    is_blocked: AtomicBool,
}

impl VendorBlock {
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Acquire)
    }

    /// Blocks the vendor. Returns true if it was not blocked before, so that people are alerted once.
    pub(crate) fn block(&self) -> bool {
        !self.is_blocked.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn lift(&self) {
        self.is_blocked.store(false, Ordering::Release);
    }
}

/// A route and the state of its targets.
#[derive(Debug)]
pub(crate) struct LiveRoute {
    pub(crate) route: Arc<Route>,
    /// The route's targets, in order.
    pub(crate) targets: Vec<LiveTarget>,
    /// The route's move, if it has one.
    pub(crate) route_move: Option<Box<LiveRouteMove>>,
    /// The share of its exchanges that is recorded.
    pub(crate) record: Share,
}

/// One target of a route, with everything needed to call it.
#[derive(Debug)]
pub(crate) struct LiveTarget {
    pub(crate) target: Target,
    pub(crate) price: Option<Price>,
    /// `vendor/model` for the response header.
    pub(crate) label: HeaderValue,
    pub(crate) vendor: Arc<Vendor>,
    pub(crate) breaker: Arc<Mutex<Breaker>>,
    pub(crate) block: Arc<VendorBlock>,
    /// The same number for all targets that share a block.
    pub(crate) block_ix: usize,
}

/// A key and its limits.
#[derive(Debug)]
pub(crate) struct LiveKey {
    pub(crate) key: Arc<Key>,
    pub(crate) own: Option<Arc<Mutex<Limiter>>>,
    pub(crate) account: Option<Arc<Mutex<Limiter>>>,
}

/// Routes, keys and their live state. It never changes; a reload makes another one.
#[derive(Debug)]
pub(crate) struct RuntimeState {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) routes: BTreeMap<RouteName, Arc<LiveRoute>>,
    pub(crate) keys: Arc<HashMap<KeyHash, Arc<LiveKey>>>,
}

/// The state that survives a reload, by name.
#[derive(Debug, Default)]
pub(crate) struct StateRegistry {
    blocks: BTreeMap<VendorName, Arc<VendorBlock>>,
    breakers: BTreeMap<Target, Arc<Mutex<Breaker>>>,
    limiters: BTreeMap<(bool, String), Arc<Mutex<Limiter>>>,
    route_moves: RouteMoves,
    /// The money left for copies of a route's requests. A new move with the same amount keeps it.
    budgets: BTreeMap<RouteName, Arc<Budget>>,
}

impl StateRegistry {
    /// Returns the block of a vendor, and makes it if it does not exist.
    pub(crate) fn block(&mut self, name: &VendorName) -> Arc<VendorBlock> {
        self.blocks.entry(name.clone()).or_default().clone()
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
        let mut guard = lock(limiter);
        if *guard.rules() != rules {
            let changed = guard.with_rules(rules);
            *guard = changed;
        }
        drop(guard);
        Some(limiter.clone())
    }

    /// Joins a snapshot with the state that survives reloads.
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

    /// Returns the runtime state with other moves, `None` if nothing changes, and the problems of moves that
    /// do not fit their routes.
    pub(crate) fn set_route_moves(
        &mut self,
        route_moves: RouteMoves,
        present: &RuntimeState,
    ) -> (Option<RuntimeState>, Vec<Problem>) {
        let (route_moves, problems) =
            crate::route_move::taken(route_moves, &self.route_moves, &present.snapshot.routes);
        if route_moves == self.route_moves {
            return (None, problems);
        }
        self.route_moves = route_moves;
        let routes = self.routes(&present.snapshot);
        (Some(RuntimeState { snapshot: present.snapshot.clone(), routes, keys: present.keys.clone() }), problems)
    }

    fn routes(&mut self, snapshot: &Snapshot) -> BTreeMap<RouteName, Arc<LiveRoute>> {
        let mut block_ixs = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for (name, route) in &snapshot.routes {
            let targets: Vec<_> = route
                .targets
                .iter()
                .map(|target| {
                    let vendor = snapshot.vendors[target.vendor].clone();
                    let count = block_ixs.len();
                    let block_ix = *block_ixs.entry(vendor.border.clone()).or_insert(count);
                    let (breaker, block) = (self.breaker(&target.target), self.block(&vendor.border));
                    let RouteTarget { target, price, label, .. } = target.clone();
                    LiveTarget { target, price, label, vendor, breaker, block, block_ix }
                })
                .collect();
            let route_move = self.route_moves.get(name).cloned().map(|route_move| {
                let vendors: Vec<_> = targets.iter().map(|target| target.vendor.clone()).collect();
                let budget = self.budget(&route_move);
                let source = &route_move.source.vendor;
                let block = snapshot.border_of(source).unwrap_or(source).clone();
                Box::new(LiveRouteMove::join(route_move, route, (&vendors, &block), budget))
            });
            let record = route_move
                .as_ref()
                .map_or_else(|| snapshot.capture.share(name), |route_move| route_move.route_move.record);
            routes.insert(name.clone(), Arc::new(LiveRoute { targets, route: route.clone(), route_move, record }));
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
