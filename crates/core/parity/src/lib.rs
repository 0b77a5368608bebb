//! Whether one response is what was asked for, and whether two sides respond equally well.
//!
//! The crate is pure: no network (references of a schema stay inside it), no clock, and randomness
//! only from a seed.
//!
//! # Modules
//! - [`checks`]: JSON, schema, tool call, language and refusal of one response; arguments of two
//! - [`pair`]: one request with the responses of both sides
//! - [`expect`]: expectations that a person wrote down
//! - [`axis`]: the axes of comparison, and the score of one pair on each
//! - [`stats`]: intervals, p-values, numbers of pairs
//! - [`mod@compare`]: the finding for each axis; "not enough data" is one
//! - [`judge`]: asking a model which response is better, and reading its reply
//! - [`similarity`]: the similarity of two texts or vectors
//! - [`diff`]: two texts side by side

#![warn(missing_docs)]

pub mod axis;
pub mod checks;
pub mod compare;
pub mod diff;
pub mod expect;
pub mod judge;
pub mod pair;
pub mod similarity;
pub mod stats;

pub use axis::Axis;
pub use checks::{Language, Schema, Why, json_object, language, tool_call};
pub use compare::{AxisReport, ComparisonRules, Finding, Report, compare};
pub use expect::{Expect, Expectation};
pub use pair::{Answer, Pair};
