//! Golden cases: what would be sent, what the client would see, what an error means.
//!
//! `UPDATE_GOLDEN=1` rewrites what is expected; then read the difference. Adding a case is adding
//! files.
#![expect(clippy::disallowed_methods, reason = "the cases are files")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod errors;
mod golden;
mod table;
