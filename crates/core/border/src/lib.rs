//! Who may be served, from when, and by which rule.
//!
//! The crate is pure. The time, the facts and the tables are arguments, and every verdict names the
//! rule that decided.
//!
//! # Modules
//! - [`decide`](mod@decide): the verdict for one caller at one time
//! - [`policy`]: the dated rules, read from TOML
//! - [`facts`]: what is known about a caller, with source and age
//! - [`owners`]: shares along chains of owners
//! - [`registry`]: dated lists of supported countries and territories
//! - [`country`]: codes and names
//! - [`explain`](mod@explain): a verdict as data and as a sentence
//! - [`geo`]: the country and autonomous system of an address
//! - [`mmdb`]: the operator's own table
//! - [`peer`]: the client's address of a request, by the rightmost untrusted hop
//! - [`proxy_protocol`]: the client's address in a load balancer's header
//! - [`affected`]: the accounts that a policy affects, with evidence
//! - [`campaign`]: which notices are due, and when
//! - [`audit`]: the hash chain

#![warn(missing_docs)]

pub mod affected;
pub mod audit;
pub mod campaign;
pub mod country;
pub mod decide;
pub mod explain;
pub mod facts;
pub mod geo;
pub mod mmdb;
pub mod owners;
pub mod peer;
pub mod policy;
pub mod proxy_protocol;
mod read;
pub mod registry;
