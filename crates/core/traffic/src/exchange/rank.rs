//! Which of several failures the client is told.

use banjia_types::ErrorClass;
use std::time::Duration;

/// Where a failure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The vendor said so, or its connection or answer broke.
    Vendor,
    /// The first content did not come in time.
    TimedOut,
    /// It sent more than may be held back and no content.
    HeldTooMuch,
    /// No target can honour the request as it is: 400, naming the parameter.
    Unfit,
    /// There was no target to ask.
    NoTarget,
}

/// The error that a client is told instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The request that failed so; its vendor's own words are the shell's to keep. 0 when there was none.
    pub send: u32,
    /// The caller's number for the target; `None` when there was none.
    pub target: Option<usize>,
    /// The class.
    pub class: ErrorClass,
    /// Where it comes from.
    pub cause: Cause,
    /// How long the vendor asked to wait.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Of two failures the one to show: the more useful, and the later of equals.
    pub(super) fn or_later(self, later: Self) -> Self {
        if self.usefulness() > later.usefulness() { self } else { later }
    }

    /// How much the failure tells the client about what to do.
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
