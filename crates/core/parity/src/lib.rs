//! Whether one answer is what was asked for, and whether two sides answer equally well.
//!
//! Pure: no network (a schema's references stay inside it), no clock, and chance only from a seed.
//!
//! - [`checks`]: JSON, schema, tool call, language and refusal of one answer; arguments of two
//! - [`pair`]: one request with the answers of both sides
//! - [`expect`]: what a person wrote down that answers must fulfil
//! - [`axis`]: what is compared, and what one pair scores
//! - [`stats`]: intervals, p-values, numbers of pairs
//! - [`mod@compare`]: the verdict by axis, "not enough data" among them
//! - [`judge`]: asking a model which answer is better, and reading its reply
//! - [`similarity`]: how alike two texts or vectors are
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
pub use compare::{AxisReport, Report, Rules, Verdict, compare};
pub use expect::{Expect, Expectation};
pub use pair::{Answer, Pair};
