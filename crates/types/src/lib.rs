//! The words of Banjia: names, money, usage, loss, error class, outcome; and foreign texts, made
//! safe to show.
//!
//! # Rules
//! - This crate has words and arithmetic on them. It has no rule of the product, no JSON value, no
//!   I/O and no clock.
//! - Every crate may use this one, and this one uses none of ours.

pub mod calendar;
mod country;
mod error_class;
pub mod hash;
mod loss;
mod moment;
mod money;
mod names;
mod operation;
mod outcome;
mod problem;
mod route_move;
mod secret;
mod stage;
mod time;
mod usage;
mod verdict;
pub mod visible;

pub use country::{Country, Place, Subdivision};
pub use error_class::ErrorClass;
pub use loss::{Loss, LossLevel, LossPolicy};
pub use moment::Moment;
pub use money::{Currency, Money, Price, PriceTier};
pub use names::{AccountId, BadRequestId, KeyId, ModelName, RequestId, RouteName, Target, VendorName};
pub use operation::{Operation, UnknownOperation};
pub use outcome::{Outcome, Tally};
pub use problem::{Problem, nearest};
pub use route_move::{Rehearsal, RouteMove, Share, TrafficKind};
pub use secret::Secret;
pub use stage::Stage;
pub use time::Timestamp;
pub use usage::Usage;
pub use verdict::VerdictKind;
