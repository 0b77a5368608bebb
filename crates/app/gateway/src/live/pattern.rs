//! Routes whose name ends in `*`: they take every model name that begins like them.
//!
//! - A route with the exact name comes first, then the pattern with the longest beginning.
//! - A target `vendor/*` is asked for the model that the client named, at that model's price.
//! - Breaker and block are those of the pattern's target, and the ledger records the pattern as the
//!   route: names that clients make up do not grow the state.

use super::{LiveRoute, LiveTarget, RuntimeState};
use crate::snapshot::{ANY_MODEL, Route, RouteTarget};
use banjia_types::Target;
use http::HeaderValue;
use std::sync::Arc;

/// The longest model name that a pattern takes, in bytes.
const NAME_BYTES_MAX: usize = 200;

impl RuntimeState {
    /// Returns the route for a model that a client named. `None` if no route takes it.
    pub(crate) fn route(&self, model: &str) -> Option<Arc<LiveRoute>> {
        if model.ends_with(ANY_MODEL) {
            return None;
        }
        self.routes.get(model).cloned().or_else(|| self.by_pattern(model))
    }

    fn by_pattern(&self, model: &str) -> Option<Arc<LiveRoute>> {
        if model.len() > NAME_BYTES_MAX {
            return None;
        }
        let pattern = self.snapshot.pattern(model)?;
        // `route_move` refuses a move of a pattern. Should one be there all the same, its dates
        // would not hold for the copies made here, so nothing is asked.
        let route = self.routes.get(&pattern.name).filter(|route| route.route_move.is_none())?;
        let targets: Option<Vec<_>> = route.targets.iter().map(|target| named(target, model)).collect();
        let targets = targets?;
        let described = targets.iter().zip(&pattern.targets).map(|(live, old)| RouteTarget {
            target: live.target.clone(),
            vendor: old.vendor,
            price: live.price.clone(),
            label: live.label.clone(),
        });
        let own = Arc::new(Route { targets: described.collect(), ..pattern.as_ref().clone() });
        Some(Arc::new(LiveRoute { route: own, targets, route_move: None, record: route.record }))
    }
}

/// The pattern's target for one model. `None` if the name cannot stand in a header.
fn named(pattern: &LiveTarget, model: &str) -> Option<LiveTarget> {
    let is_open = pattern.target.model.as_str() == ANY_MODEL;
    let (target, label, price) = if is_open {
        let target = Target { vendor: pattern.target.vendor.clone(), model: model.into() };
        let label = HeaderValue::from_str(&target.to_string()).ok()?;
        let price = pattern.vendor.price(model);
        (target, label, price)
    } else {
        (pattern.target.clone(), pattern.label.clone(), pattern.price.clone())
    };
    Some(LiveTarget {
        target,
        price,
        label,
        vendor: pattern.vendor.clone(),
        breaker: pattern.breaker.clone(),
        block: pattern.block.clone(),
        block_ix: pattern.block_ix,
    })
}
