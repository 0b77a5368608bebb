//! The life of one request between its acceptance and its end: which targets are asked, in which
//! order, and for how long.
//!
//! # Rules
//! - The crate is pure. The time, the random number (between 0 and 1) and all facts are arguments.
//! - Each answer carries its reason.
//! - Every span is measured with the monotonic clock ([`banjia_types::Moment`]). Only the dates of
//!   a move are calendar time.
//!
//! # Modules
//! - [`exchange`]: the state machine of one request
//! - [`choose`](mod@choose): the order of the targets of one request
//! - [`route_move`]: how a move changes that order
//! - [`health`]: circuit breakers, driven by outcomes, time to first content and broken streams
//! - [`limit`]: limits on requests, tokens and concurrency
//! - [`retry`]: pauses between two requests to one target
//! - [`sticky`]: session affinity, the target that each conversation is pinned to

#![warn(missing_docs)]

pub mod choose;
pub mod exchange;
pub mod health;
pub mod limit;
pub mod retry;
pub mod route_move;
pub mod sticky;

pub use choose::{Candidate, ChooseInput, Priority, TargetOrder, Why, choose};
pub use exchange::{Action, Actions, Cause, Event, Exchange, ExchangeError, FrameClass, Plan, PlannedTarget};
pub use health::{Breaker, BreakerState, HealthRules, Observation};
pub use limit::{Admission, Bucket, Limit, LimitRules, Limiter, Remaining, Taken};
pub use retry::RetryRules;
pub use route_move::{RehearsalPhase, RoutingDecision, SamplingPurpose, sample_hash};
pub use sticky::{Hints, SessionAffinity, StickyKey};
