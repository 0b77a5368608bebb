//! `banjia`: one binary that carries a business from a model vendor that leaves to one that stays.
//!
//! What is here: commands (`cli`), the configuration file (`config`), the putting together of the parts (`compose`), logs
//! (`telemetry`), and two programs made of those parts (`demo`, `probe`). What requests go through is in `banjia-gateway`.

mod background;
mod border;
mod cli;
mod clock;
mod compose;
mod config;
mod demo;
mod lend;
mod probe;
mod reminder;
mod telemetry;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
