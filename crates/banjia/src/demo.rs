//! `banjia demo`: three stories on sandbox vendors, each played by the product itself.
//!
//! Rules: a demo needs no configuration, key, service or network; what it shows is measured in this run and nothing of it is
//! written beforehand; one in which something went otherwise than it must says what, and fails.
//!
//! - [`cut_off`]: a vendor blocks its caller from one second to the next, and the business runs on
//! - [`border`]: a provider closes a border
//! - [`moving`]: a business is carried from one vendor to others by a date
//!
//! `shop`, `mix` and `client` are the business that two of them tell of: its configuration, its requests, its strict clients;
//! `books` holds what clients saw against the ledger.

mod books;
pub(crate) mod border;
mod client;
pub(crate) mod cut_off;
mod mix;
pub(crate) mod moving;
mod shop;
