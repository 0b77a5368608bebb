//! What the demo measured: from the ledger, from the clients, and the two compared.
//!
//! Rules: every figure is counted, none is assumed but the exchange rate, which is named as assumed; a slice of time says
//! how long it is; where the two books differ, the report says so and the demo fails.

mod facts;
mod sections;
#[cfg(test)]
mod tests;

pub(super) use facts::Facts;
pub(super) use sections::sections;
