//! The control plane: campaigns and their mails, webhooks, moves, parity and reports. It meets the gateway only in the store.
//!
//! - [`policies`], [`accounts`], [`campaigns`] and [`audit`]: use cases of the border, each a function from a
//!   command to a value
//! - [`runner`]: sends what is due, each notice at most once whatever crashes
//! - [`mail`]: one mail over SMTP, with an answer that says whether it can have been taken
//! - [`templates`]: the words of a notice, in English and Chinese, replaceable
//! - [`bounces`]: mails that came back
//! - [`side_request`]: asking a target outside of a caller's request
//! - [`moves`]: what is due of each move, done once whoever looks
//! - [`survey`]: traffic into a survey, and what it would lose elsewhere
//! - [`plan`]: where each route goes, what it costs and by when
//! - [`replay`]: recorded requests, asked again
//! - [`report`]: pages for people
//! - [`parity`]: from captures to the pairs that are compared
//! - [`sink`]: a mail server for rehearsals
//! - [`webhooks`]: events to those who listen, signed, each until it is taken

#![warn(missing_docs)]

pub mod accounts;
pub mod audit;
pub mod bounces;
pub mod campaigns;
pub mod mail;
pub mod moves;
pub mod parity;
pub mod plan;
pub mod policies;
pub mod replay;
pub mod report;
pub mod runner;
pub mod side_request;
pub mod sink;
pub mod survey;
pub mod templates;
pub mod webhooks;

pub use mail::{Mailer, SmtpConfig};
pub use runner::{Done, Runner};
pub use templates::Templates;
pub use webhooks::{Listeners, WebhookConfig, WebhookDispatcher};
