//! The move: an object with a deadline, and what is known before it.
//!
//! Pure: the time, the evidence and the keys are arguments, and every decision carries the numbers that led to it.
//!
//! - [`spec`]: the text of a move
//! - [`stage`]: the move, its events, what is due
//! - [`gate`]: conditions and evidence
//! - [`course`]: what a gateway must know of it
//! - [`calendar`]: dates in a zone become moments

#![warn(missing_docs)]

pub mod calendar;
pub mod course;
pub mod gate;
mod read;
pub mod spec;
pub mod stage;
