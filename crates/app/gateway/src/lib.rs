//! The data plane: OpenAI's API in, any vendor out.
//!
//! [`Gateway::start`] opens the listener; [`Handle`] drains it and swaps its [`Snapshot`]. Everything a request meets, in
//! order: `serve` (connections), `router` (paths), `handle` (the one pipeline), `admit` (key, body, limits), `border` (who may
//! be served), `check` (the same for other APIs), `route_move` (what a
//! move asks), `drive` (runs an exchange with a vendor), `emulate` (what a vendor cannot do), `ledger` (the entry that ends once), `held` (bytes in memory), `overload` and `wrong_keys` (what is
//! turned away), `capture` (what is
//! recorded), `copies` and `side_requests` (asking outside of a request), `error` (the only
//! maker of error bodies).

mod access_log;
mod admission;
mod admit;
mod affinity;
mod alert;
mod answer;
mod attempt;
mod bad_request;
mod body;
mod border;
mod budget;
mod call;
mod capture;
mod capture_rules;
mod check;
mod client_network;
mod clock;
pub mod config;
mod copies;
mod cors;
mod drain;
mod drive;
mod error;
mod gateway;
mod handle;
mod held;
mod implausible;
pub mod keys;
mod ledger;
mod live;
mod live_config;
mod lock;
mod models;
mod overload;
mod paths;
mod problem;
mod reasoning;
mod redact;
mod request;
mod route_move;
mod router;
mod serve;
mod shadow;
mod side_request_limiter;
mod side_requests;
mod snapshot;
mod state;
mod stop_times;
mod wrong_keys;

pub use alert::{Alert, OnAlert};
pub use border::{ActivePolicies, ActivePolicy};
pub use capture::{CaptureStats, seal_key};
pub use clock::Clock;
pub use copies::CopyStats;
pub use gateway::{Gateway, Handle, Parts, SideRequestParts, StartError};
pub use problem::Problem;
pub use redact::Redactor;
pub use side_request_limiter::SideRequestStats;
pub use side_requests::{NotAsked, SideRequest, SideRequestAnswer, SideRequests};
pub use snapshot::{Profiles, Snapshot, TargetFacts};
pub use stop_times::StopTimes;
