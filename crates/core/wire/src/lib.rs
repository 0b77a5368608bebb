//! The wire: what a client asked, in each vendor's words, and what each vendor answered, in
//! OpenAI's.
//!
//! Rules:
//! - OpenAI's wire is the inner language.
//! - A vendor is data (`vendors/*.toml`).
//! - What no rule names passes untouched.
//! - Each loss on the way is a value.
//! - Everything here is a function of its arguments: there is no clock, no chance and no socket.

pub mod chat;
mod classify;
mod decode;
mod embed;
mod encode;
mod head;
mod notes;
pub mod operation;
mod profile;
mod quirks;
mod sse;

pub use classify::{VendorError, classify, mask_key};
pub use decode::{Answer, Decoder, Frame, FrameKind, Identity, ReportedUsage, TokenBounds, decode_answer};
pub use embed::{
    Inputs, JoinError, base64_to_floats, floats_to_base64, join_embeddings, parse_inputs, split_inputs, with_inputs,
};
pub use encode::{Encoded, Refusal, encode};
pub use head::{BadBody, BodyLimits, Head, splice_model};
pub use notes::{ForcedTool, Notes, SchemaWanted};
pub use profile::*;
pub use quirks::Quirk;
pub use sse::{Framer, RawEvent, TooLong};
