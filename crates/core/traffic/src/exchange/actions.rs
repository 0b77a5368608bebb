//! What an exchange asks its caller to do.

use super::ExchangeError;
use banjia_types::{ErrorClass, Moment, Outcome};

/// One thing to do. Actions are executed in the order in which they are returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<F> {
    /// Encode the request for this target and send it. Events about it carry this number.
    Send {
        /// The number of this request within the exchange, counted from 1.
        send: u32,
        /// The caller's number for the target.
        target: usize,
        /// The number of this request to this target, counted from 1.
        attempt: u32,
    },
    /// Send the frame to the client.
    Emit(F),
    /// Set the one timer to this moment and drop any earlier one. Report [`super::Event::Elapsed`]
    /// when it fires.
    Wait {
        /// When the timer fires.
        until: Moment,
    },
    /// The vendor of this target does not serve our region. Block it at once for all requests, and
    /// alert people.
    BlockVendor {
        /// The caller's number for the target.
        target: usize,
    },
    /// Drop the rest of the response to this request. Returned whenever a request is given up
    /// before it was complete.
    Cancel {
        /// The number of the request.
        send: u32,
    },
    /// Answer the client with this error. Nothing has been sent to it before.
    Refuse(ExchangeError),
    /// Content was emitted and the rest will not come. End the stream with an error event.
    Break {
        /// The number of the request that broke.
        send: u32,
        /// The class of the error that broke it.
        class: ErrorClass,
    },
    /// The exchange ended with this outcome.
    End(Outcome),
}

/// A short list of actions. A list of none or one does not allocate, because each frame of a stream
/// returns one.
#[derive(Debug)]
pub struct Actions<F> {
    first: Option<Action<F>>,
    rest: Vec<Action<F>>,
}

impl<F> Actions<F> {
    pub(super) const fn new() -> Self {
        Self { first: None, rest: Vec::new() }
    }

    pub(super) fn push(&mut self, action: Action<F>) {
        if self.first.is_none() {
            self.first = Some(action);
        } else {
            self.rest.push(action);
        }
    }

    /// Whether the list is empty.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Iterates over the actions in order, without consuming them.
    pub fn iter(&self) -> impl Iterator<Item = &Action<F>> {
        self.first.iter().chain(&self.rest)
    }
}

impl<F> IntoIterator for Actions<F> {
    type Item = Action<F>;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Action<F>>, std::vec::IntoIter<Action<F>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}
