//! The store against a real file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod border;
mod captures;
mod covered;
mod cuts;
mod faults;
mod files;
mod hostile;
mod ledger;
mod moves;
mod sums;
mod watch;

use banjia_store::{Location, Row, Store};
use banjia_types::{Outcome, RequestId, Target, Timestamp};
use std::path::Path;
use uuid::Uuid;

async fn open(path: &Path) -> Store {
    Store::open(&Location::File(path.to_owned())).await.unwrap()
}

/// A row of the `n`th request, accepted at `at` milliseconds and answered 100 ms later.
fn row(n: u128, at: i64, outcome: Outcome) -> Row {
    let mut row = Row::new(RequestId(Uuid::from_u128(n)), Timestamp(at), Timestamp(at + 100), outcome);
    row.target = Some(target("zhipu/glm-4.7"));
    row
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}
