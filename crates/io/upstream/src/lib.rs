//! HTTP to vendors: one request out, a stream of bytes back.
//!
//! Rules: a credential leaves only for the hosts that it is bound to; nothing here chooses where a
//! request seems to come from; redirects are handed to the caller, never followed; every wait and
//! every size has a bound; dropping a future or a body cancels the exchange. Nothing is decided
//! here: a status is passed on as it is, and a failure is named, not retried.

mod client;
mod config;
mod endpoint;
mod error;
mod reply;
mod send;

pub use client::Upstream;
pub use config::{Config, Roots};
pub use endpoint::{AuthForm, Credential, Endpoint, Origin};
pub use error::{Phase, SendError, SendErrorKind, UpstreamError};
pub use reply::{Reply, ReplyBody};
pub use send::{Call, Timeouts};
