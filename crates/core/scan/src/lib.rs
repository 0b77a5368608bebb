//! Calls of model vendors' interfaces in source trees: by syntax, not by words.
//!
//! Pure: a file is a path and bytes, a finding is a value. Walking folders is the caller's part.
//!
//! - [`find`](mod@find): what is in one file
//! - [`finding`]: what a finding says
//! - [`coverage`]: what was read, what was not and why
//! - [`report`]: JSON and SARIF
//! - [`rules`]: what is known of SDKs, hosts, variables and keys
//! - [`lang`]: the languages

#![warn(missing_docs)]

mod advice;
pub mod coverage;
mod envfile;
pub mod find;
pub mod finding;
mod keys;
pub mod lang;
pub mod report;
mod resolve;
pub mod rules;
mod syntax;

pub use coverage::{Coverage, Skip};
pub use find::{Scan, State, find};
pub use finding::{Confidence, Finding, Kind, Parameter, Setting};
pub use keys::{has_key, mask_keys};
pub use lang::Language;
pub use report::Report;
pub use rules::Rules;
