//! Finds calls of model vendors' APIs in source trees: by syntax, not by words.
//!
//! The crate is pure: a file is a path and bytes, and a finding is a value. The caller walks the
//! folders.
//!
//! # Modules
//! - [`find`](mod@find): the findings in one file
//! - [`finding`]: the parts of a finding
//! - [`coverage`]: what was read, what was not, and why
//! - [`report`]: JSON and SARIF
//! - [`rules`]: known SDKs, hosts, variables and keys
//! - [`lang`]: the languages

#![warn(missing_docs)]

mod advice;
pub mod coverage;
mod envfile;
pub mod find;
pub mod finding;
mod keys;
pub mod lang;
mod notebook;
mod plain;
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
pub use rules::ScanRules;
