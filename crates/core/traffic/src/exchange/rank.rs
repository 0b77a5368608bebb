//! Which of several failures the client gets.

use banjia_types::ErrorClass;
use std::time::Duration;

/// Where a failure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The vendor returned it, or the connection or the response broke.
    Vendor,
    /// The first content did not arrive in time.
    TimedOut,
    /// The target sent more than may be held back, without content.
    HeldTooMuch,
    /// No target supports the request as it is. The client gets a 400 that names the parameter.
    Unfit,
    /// There was no target to ask.
    NoTarget,
}

/// The error that a client gets instead of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeError {
    /// The number of the request that failed, 0 if there was none. The caller keeps the vendor's
    /// own message.
    pub send: u32,
    /// The caller's number for the target. `None` if there was none.
    pub target: Option<usize>,
    /// The class of the error.
    pub class: ErrorClass,
    /// Where the failure comes from.
    pub cause: Cause,
    /// How long the vendor asked us to wait.
    pub retry_after: Option<Duration>,
}

impl ExchangeError {
    /// Returns the more useful of two failures, and the later one of equals.
    pub(super) fn or_later(self, later: Self) -> Self {
        if self.usefulness() > later.usefulness() { self } else { later }
    }

    /// How much the failure helps the client to decide what to do.
    const fn usefulness(self) -> u8 {
        match (self.cause, self.class) {
            (Cause::NoTarget, _) => 0,
            (Cause::Unfit, _) => 2,
            (_, ErrorClass::BadRequest | ErrorClass::Content | ErrorClass::Context) => 5,
            (_, ErrorClass::Rate | ErrorClass::Overload) => 4,
            (_, ErrorClass::Server) => 3,
            (_, ErrorClass::Quota | ErrorClass::ModelGone | ErrorClass::Auth | ErrorClass::Region) => 1,
        }
    }
}
