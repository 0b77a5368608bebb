//! Faces of the command line: they parse and print, and decide nothing.
//!
//! Here are the faces that need only the control plane, rows of the store and the core. What else a
//! face needs, the binary lends: the open store, the date, the person who acts. Faces that need the
//! configuration are in the binary.
//!
//! - [`Printer`], [`table()`], [`input`] and [`stop`]: what all faces share
//! - [`accounts`], [`audit`], [`cuts`], [`rehearse`], [`request`], [`scan`], [`verify`]: one module
//!   for each group of commands

#![warn(missing_docs)]

pub mod accounts;
pub mod audit;
pub mod cuts;
pub mod input;
mod printer;
pub mod rehearse;
pub mod request;
pub mod scan;
pub mod stop;
mod table;
pub mod verify;

pub use printer::Printer;
pub use table::table;
