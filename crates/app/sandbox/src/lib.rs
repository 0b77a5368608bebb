//! Vendors in a box: servers on one loopback listener that speak each vendor's true wire, with faults on demand.
//!
//! For tests, for demonstrations and for learning what a vendor would say. Rules: written from the vendors' manuals alone
//! and sharing no code with the gateway's own reading of them, so that the two cannot be wrong together; a server refuses
//! what its vendor refuses, with that vendor's envelope, code and status; the same seed and requests give the same answers.
//!
//! - [`Sandbox`] starts the servers; [`Faults`] and [`Pace`] change their behaviour while they run.
//! - `brain` makes the answers; `openai`, `alibaba`, `baidu`, `zhipu` and `like` write them the way each vendor does.

mod alibaba;
mod answer;
mod baidu;
mod brain;
mod chat;
mod faults;
mod like;
mod openai;
mod pace;
mod play;
mod record;
mod server;
mod vectors;
mod zhipu;

pub use faults::{Fault, Faults, SLOW_TOKEN, UnknownFault, When};
pub use pace::Pace;
pub use record::{Counts, Seen};
pub use server::{BAIDU_ACCESS_KEY, BAIDU_SECRET_KEY, Options, Sandbox, StartError, key_of};
