//! Who may be served, from when, and by which rule.
//!
//! Pure: the time, the facts and the tables are arguments, and every verdict names the rule that decided.
//!
//! - [`decide`](mod@decide): the verdict for one caller at one time
//! - [`policy`]: the dated rules, read from TOML
//! - [`facts`]: what is known of a caller, from where, how old
//! - [`owners`]: shares along chains of owners
//! - [`registry`]: dated lists of supported countries and territories
//! - [`country`]: codes and names
//! - [`explain`](mod@explain): a verdict as data and as a sentence
//! - [`geo`]: tables in, country and autonomous system out
//! - [`mmdb`]: the operator's own table
//! - [`peer`]: whose address a request has, by the rightmost untrusted hop
//! - [`proxy_protocol`]: the address that a load balancer tells before the first byte
//! - [`affected`]: whom a policy hits, with evidence
//! - [`campaign`]: who is told what, when
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
