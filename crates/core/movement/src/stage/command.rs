//! What people order. Each order is checked against the move and becomes an event, or is refused with a reason.

use super::event::{ActiveDestination, Event, What};
use super::{Impossible, Move, apply};
use banjia_types::{RouteName, Share, Stage, Timestamp, VendorName};
use std::time::Duration;

/// Who orders something, why and when.
#[derive(Clone, Copy, Debug)]
pub struct Order<'o> {
    /// Who.
    pub by: &'o str,
    /// Why. Needed for everything that changes where callers go.
    pub reason: &'o str,
    /// When.
    pub at: Timestamp,
}

impl Order<'_> {
    pub(crate) fn event(self, of: &Move, what: What) -> Result<Event, Impossible> {
        // An order's time is the clock's; the log's time does not run backwards.
        let at = self.at.max(of.state.last_at);
        let event = Event { at, by: self.by.to_owned(), reason: self.reason.to_owned(), because: Vec::new(), what };
        apply(&mut of.clone(), &event).map(|()| event)
    }
}

/// Nothing goes forward until it is resumed. Dates, a refusing source and broken gates act all the same.
///
/// # Errors
/// Why that cannot be.
pub fn pause(of: &Move, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(of, What::Paused)
}

/// Steps forward may be made again.
///
/// # Errors
/// Why that cannot be.
pub fn resume(of: &Move, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(of, What::Resumed)
}

/// Other dates. A source whose date had passed may be asked again if its new date lies ahead; one that refused us may not.
///
/// # Errors
/// Why that cannot be.
pub fn redate(of: &Move, deadline: Timestamp, source_until: Timestamp, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(of, What::Redated { deadline, source_until })
}

/// Names the stage, in place of gates. Without `share` a canary begins with its first step.
///
/// # Errors
/// Why that cannot be.
pub fn override_to(of: &Move, to: Stage, share: Option<Share>, order: Order<'_>) -> Result<Event, Impossible> {
    let usual = match to {
        Stage::Canary => of.spec.canary.steps.first().copied().unwrap_or(Share::NONE),
        Stage::Live | Stage::Sealed => Share::ALL,
        Stage::Record | Stage::Shadow => Share::NONE,
    };
    order.event(of, What::Overridden { from: of.state.stage, to, share: share.unwrap_or(usual) })
}

/// Rolls a route to its other destination.
///
/// # Errors
/// Why that cannot be.
pub fn switch(of: &Move, route: &RouteName, to: ActiveDestination, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(of, What::Switched { route: route.clone(), to })
}

/// A drill: for a part of the conversations the source's leg answers its true block.
///
/// # Errors
/// Why that cannot be.
pub fn rehearse(of: &Move, share: Share, span: Duration, order: Order<'_>) -> Result<Event, Impossible> {
    let until = order.at.max(of.state.last_at) + span;
    order.event(of, What::RehearsalBegan { share, until })
}

/// Records that the source's credentials are gone from the configuration: the source is dead from here on.
///
/// # Errors
/// Why that cannot be.
pub fn credentials_removed(
    of: &Move,
    vendor: &VendorName,
    names: Vec<String>,
    order: Order<'_>,
) -> Result<Event, Impossible> {
    order.event(of, What::CredentialsRemoved { vendor: vendor.clone(), names })
}
