//! The move: an object with a deadline, and what is known before it.
//!
//! Pure: the time, the evidence and the keys are arguments, and every decision carries the numbers that led to it.
//!
//! - [`calendar`]: dates in a zone become moments

#![warn(missing_docs)]

pub mod calendar;
