//! What new requests see: the runtime state and the policies, both replaced as a whole.

use crate::border::ActivePolicies;
use crate::live::{RuntimeState, StateRegistry, VendorBlock};
use crate::lock::lock;
use crate::problem::Problem;
use crate::route_move::RouteMoves;
use crate::snapshot::Snapshot;
use arc_swap::ArcSwap;
use banjia_types::VendorName;
use std::sync::{Arc, Mutex};

/// The runtime state and policies of the moment.
pub(crate) struct LiveConfig {
    runtime: ArcSwap<RuntimeState>,
    registry: Mutex<StateRegistry>,
    policies: ArcSwap<ActivePolicies>,
}

impl LiveConfig {
    /// Begins with a snapshot. `blocked` are the vendors that refused our region in earlier runs.
    pub(crate) fn new(snapshot: Snapshot, blocked: &[VendorName]) -> Self {
        let mut registry = StateRegistry::default();
        for vendor in blocked {
            registry.block(vendor).block();
        }
        let runtime = registry.install(snapshot);
        Self { runtime: ArcSwap::from_pointee(runtime), registry: Mutex::new(registry), policies: ArcSwap::default() }
    }

    pub(crate) fn runtime(&self) -> Arc<RuntimeState> {
        self.runtime.load_full()
    }

    pub(crate) fn policies(&self) -> Arc<ActivePolicies> {
        self.policies.load_full()
    }

    pub(crate) fn set_policies(&self, policies: ActivePolicies) {
        self.policies.store(Arc::new(policies));
    }

    pub(crate) fn reload(&self, snapshot: Snapshot) {
        let mut registry = lock(&self.registry);
        let runtime = registry.install(snapshot);
        self.runtime.store(Arc::new(runtime));
    }

    /// Sets the moves of all routes.
    ///
    /// # Errors
    /// The moves that do not fit their route. All other moves take effect.
    pub(crate) fn set_route_moves(&self, route_moves: RouteMoves) -> Result<(), Vec<Problem>> {
        let mut registry = lock(&self.registry);
        let (runtime, problems) = registry.set_route_moves(route_moves, &self.runtime());
        if let Some(runtime) = runtime {
            self.runtime.store(Arc::new(runtime));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Returns the block of a vendor, by the name under which it is blocked.
    pub(crate) fn block(&self, vendor: &VendorName) -> Arc<VendorBlock> {
        lock(&self.registry).block(vendor)
    }
}
