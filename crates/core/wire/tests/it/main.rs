//! Golden cases: what would be sent, what the client would see, what an error means.
//!
//! `UPDATE_GOLDEN=1` rewrites what is expected; then read the difference. Adding a case is adding files.

mod answers;
mod errors;
mod golden;
