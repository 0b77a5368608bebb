//! The move: an object with a deadline, and what is known before it.
//!
//! Pure: the time, the evidence and the keys are arguments, and every decision carries the numbers that led to it.
//!
//! - [`spec`]: the text of a move
//! - [`stage`]: the move, its events, what is due
//! - [`gate`]: conditions and evidence
//! - [`balance`]: accepted against ended, minute by minute
//! - [`route_move`]: what a gateway must know of it
//! - [`seal`]: the end, and a signed report of it
//! - [`plan`]: where to go, what it costs and loses, and by when
//! - [`suggest`]: which targets stand nearest to a model
//! - [`survey`]: what is used
//! - [`usage_export`]: what the source says was used

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
