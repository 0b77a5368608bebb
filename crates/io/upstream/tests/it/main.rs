//! Upstream against vendors of our own on the loopback, well-behaved and not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bind;
mod bodies;
mod connections;
mod tls;
mod vendor;

use banjia_upstream::{Call, Config, Endpoint, Timeouts, Upstream};
use std::time::Duration;

/// Longer than any step of a test takes, shorter than a person's patience.
const LONG: Duration = Duration::from_secs(30);
/// What a wait is set to when its end is what the test looks at.
const SHORT: Duration = Duration::from_millis(60);

fn upstream() -> Upstream {
    Upstream::new(&Config::default()).unwrap()
}

fn patient() -> Timeouts {
    Timeouts::each(LONG)
}

fn call(endpoint: &Endpoint) -> Call<'_> {
    Call { timeouts: Some(patient()), ..Call::post(endpoint, "{\"model\":\"m\"}".into()) }
}
