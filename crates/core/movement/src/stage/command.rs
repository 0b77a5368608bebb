//! Orders of people. Each order is checked against the move. It becomes an event, or is refused
//! with a reason.

use super::event::{ActiveDestination, Event, What};
use super::{Impossible, Move, apply};
use banjia_types::{RouteName, Share, Stage, Timestamp, VendorName};
use std::time::Duration;

/// Who orders something, why and when.
#[derive(Clone, Copy, Debug)]
pub struct Order<'o> {
    /// The person.
    pub by: &'o str,
    /// The reason. Required for everything that changes where callers go.
    pub reason: &'o str,
    /// The time of the order.
    pub at: Timestamp,
}

impl Order<'_> {
    pub(crate) fn event(self, mv: &Move, what: What) -> Result<Event, Impossible> {
        // The order carries the clock's time, and the time of a log never runs backwards.
        let at = self.at.max(mv.state.last_at);
        let event = Event { at, by: self.by.to_owned(), reason: self.reason.to_owned(), because: Vec::new(), what };
        apply(&mut mv.clone(), &event).map(|()| event)
    }
}

/// Stops steps forward until the move is resumed. Deadlines, a source block and tripped gates still
/// take effect.
///
/// # Errors
/// Why the move cannot be paused.
pub fn pause(mv: &Move, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(mv, What::Paused)
}

/// Allows steps forward again.
///
/// # Errors
/// Why the move cannot be resumed.
pub fn resume(mv: &Move, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(mv, What::Resumed)
}

/// Sets other dates. A source whose date had passed may be asked again if its new date lies ahead.
/// A source that blocked us may not.
///
/// # Errors
/// Why the dates cannot be set.
pub fn redate(mv: &Move, deadline: Timestamp, source_until: Timestamp, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(mv, What::Redated { deadline, source_until })
}

/// Sets the stage without gates. If `share` is `None`, a canary begins with its first step.
///
/// # Errors
/// Why the stage cannot be set.
pub fn override_to(mv: &Move, to: Stage, share: Option<Share>, order: Order<'_>) -> Result<Event, Impossible> {
    let usual = match to {
        Stage::Canary => mv.spec.canary.steps.first().copied().unwrap_or(Share::NONE),
        Stage::Live | Stage::Sealed => Share::ALL,
        Stage::Record | Stage::Shadow => Share::NONE,
    };
    order.event(mv, What::Overridden { from: mv.state.stage, to, share: share.unwrap_or(usual) })
}

/// Switches a route to its other destination.
///
/// # Errors
/// Why the route cannot be switched.
pub fn switch(mv: &Move, route: &RouteName, to: ActiveDestination, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(mv, What::Switched { route: route.clone(), to })
}

/// Begins a rehearsal: for a share of the conversations, calls to the source get its real region
/// block.
///
/// # Errors
/// Why no rehearsal can begin.
pub fn rehearse(mv: &Move, share: Share, span: Duration, order: Order<'_>) -> Result<Event, Impossible> {
    let until = order.at.max(mv.state.last_at) + span;
    order.event(mv, What::RehearsalBegan { share, until })
}

/// Records that the source's credentials are no longer in the configuration. From then on the
/// source counts as gone.
///
/// # Errors
/// Why that cannot be recorded.
pub fn credentials_removed(
    mv: &Move,
    vendor: &VendorName,
    names: Vec<String>,
    order: Order<'_>,
) -> Result<Event, Impossible> {
    order.event(mv, What::CredentialsRemoved { vendor: vendor.clone(), names })
}
