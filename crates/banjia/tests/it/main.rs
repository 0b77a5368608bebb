//! The real binary, against sandbox vendors on this machine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

mod border;
mod campaign;
mod captures;
mod commands;
mod cuts;
mod demo;
mod hidden;
mod line;
mod parity;
mod plan;
mod probe;
mod process;
mod rehearsal;
mod reload;
mod replay;
mod request;
mod scan;
mod sealing;
mod serve;
