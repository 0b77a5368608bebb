//! The real binary, against sandbox vendors on this machine.

mod commands;
mod cuts;
mod demo;
mod probe;
mod process;
mod serve;
