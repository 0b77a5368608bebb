//! What happens to one request between its acceptance and its end: which targets, in which order, with which patience.
//!
//! Pure: the time, the dice (a number between 0 and 1) and everything known are arguments; each
//! answer carries its reason. Every span goes by the monotonic clock ([`banjia_types::Moment`]);
//! only a move's dates go by the calendar.
//!
//! - [`exchange`]: the life of one request
//! - [`choose`](mod@choose): targets for a request
//! - [`route_move`]: what a move asks of a request
//! - [`health`]: breakers from outcomes, first-content time and broken streams
//! - [`limit`]: requests, tokens, concurrency
//! - [`retry`]: pauses between two requests to one target
//! - [`sticky`]: which conversation sits where

#![warn(missing_docs)]

pub mod choose;
pub mod exchange;
pub mod health;
pub mod limit;
pub mod retry;
pub mod route_move;
pub mod sticky;

pub use choose::{Candidate, Choice, ChooseInput, Priority, Why, choose};
pub use exchange::{Action, Actions, Cause, Event, Exchange, FrameClass, Plan, PlannedTarget, Refusal};
pub use health::{Breaker, HealthRules, Observation, Standing};
pub use limit::{Admission, Bucket, Limit, LimitRules, Limiter, Remaining, Taken};
pub use retry::RetryRules;
pub use route_move::{RehearsalPhase, RoutingDecision, SamplingPurpose, sample_hash};
pub use sticky::{Hints, SessionAffinity, StickyKey};
