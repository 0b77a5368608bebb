//! What an exchange asks of its shell.

use super::Refusal;
use banjia_types::{ErrorClass, Moment, Outcome};

/// One thing to do. They come in the order in which they are to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<F> {
    /// Encode for this target and send; report with this number.
    Send {
        /// The number of this request within the exchange, counted from 1.
        send: u32,
        /// The caller's number for the target.
        target: usize,
        /// Which request to this target it is, counted from 1.
        attempt: u32,
    },
    /// Give the frame to the client.
    Emit(F),
    /// Set the one alarm to this moment, in place of any earlier one; report [`super::Event::Elapsed`] when it rings.
    Wait {
        /// When it rings.
        until: Moment,
    },
    /// This target's vendor said that it does not serve our region: cut it at once for everybody, and tell people.
    BlockVendor {
        /// The caller's number for the target.
        target: usize,
    },
    /// Drop what is left of the answer to this request. Always said when a request is left before it was complete.
    Cancel {
        /// The number of the request.
        send: u32,
    },
    /// Answer the client with this error. Nothing has been given to it before.
    Refuse(Refusal),
    /// Content has left and the rest will not come: end the stream with an error event.
    Break {
        /// The number of the request that broke.
        send: u32,
        /// Why.
        class: ErrorClass,
    },
    /// The one end.
    End(Outcome),
}

/// A short list of actions. One or none costs no allocation, because a stream's frames cause one each.
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

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The actions in order, without taking them.
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
