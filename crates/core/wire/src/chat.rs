//! OpenAI's chat JSON as data: chunks of streams, whole answers, and what is done to them.
//!
//! Rules:
//! - Everything here works on values and bytes that are given; sending, waiting and memory limits
//!   are the caller's.
//! - What is said of a chunk or an answer holds for the form that [`crate::Decoder`] and
//!   [`crate::decode_answer`] give.
//! - An emulation changes how an answer is cut or joined, never how a request is spelt: that is
//!   [`crate::encode()`].

mod assemble;
mod choices;
mod chunk;
mod first_choice;
mod reasoning;
mod shape;
mod stop;
mod strip;

pub use assemble::assemble;
pub use choices::{Interleave, join_answers, sum_numbers};
pub use chunk::{add_to_shown_usage, chunk_of, event, replace_text, shown_usage};
pub use first_choice::{FirstChoice, repair};
pub use reasoning::{put_back_reasoning, reasoning_text, tool_call_ids};
pub use shape::StreamShape;
pub use stop::StopCutter;
pub use strip::strip_for_copy;
