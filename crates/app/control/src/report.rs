//! Pages for people: what was found and what is proposed, in English and Chinese.
//!
//! Rules: a page is a single file that loads nothing, runs nothing and links nowhere; everything that comes from outside is escaped by
//! the template engine, since answers of models are hostile text.

mod page;
mod parity;
pub mod plan;
pub mod seal;
mod words;

pub use parity::parity_html;
