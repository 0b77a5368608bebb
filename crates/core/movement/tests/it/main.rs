//! What the crate promises, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its scene has failed")]

mod scene;
mod seal;
mod sequences;
mod simulation;
mod spec;
mod walk;
