//! The gateway against the sandbox, over loopback: no network, no service, no order among tests, no
//! sleeping.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod border;
mod capture;
mod clock_steps;
mod connections;
mod copies;
mod cors;
mod cut_over;
mod embedding_parts;
mod emulations;
mod endpoints;
mod failures;
mod framing;
mod heartbeat;
mod held;
mod leaving;
mod limits;
mod raw;
mod rig;
mod route_move;
mod running;
mod scripted;
mod vendor;
mod wrong_keys;
