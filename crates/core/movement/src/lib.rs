//! The move: an object with a deadline, and what is known before it starts.
//!
//! The crate is pure. The time, the evidence and the keys are arguments, and every decision carries
//! the numbers that led to it.
//!
//! # Modules
//! - [`spec`]: the text of a move
//! - [`stage`]: the move, its events, and the step that is due
//! - [`gate`]: conditions and evidence
//! - [`balance`]: accepted requests against their ends, minute by minute
//! - [`route_move`]: the part of a move that a gateway needs
//! - [`seal`]: the end of a move, and a signed report about it
//! - [`plan`]: where to go, what it costs and loses, and by when
//! - [`suggest`]: targets that are close to a model
//! - [`survey`]: what is used
//! - [`usage_export`]: what the source reports as used

#![warn(missing_docs)]

pub mod balance;
pub mod gate;
pub mod plan;
mod read;
pub mod route_move;
pub mod seal;
pub mod spec;
pub mod stage;
pub mod suggest;
pub mod survey;
pub mod usage_export;
