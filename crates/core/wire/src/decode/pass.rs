//! A stream that leaves as it came. Only what must be known of it is looked at.

use super::usage;
use super::{Frame, FrameKind};
use crate::classify::{VendorError, hidden_error};
use crate::profile::Profile;
use crate::sse::RawEvent;
use banjia_types::Usage;
use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;

/// A quotation mark inside a JSON text is escaped, so `finish_reason":` with a bare one can only be a member's name. The
/// same holds for the other two: after content has begun, most chunks are known by not having any of these.
const FINISH: &[u8] = b"finish_reason\":";
const USAGE: &[u8] = b"usage\":";
const ERROR: &[u8] = b"error\":";

/// What is remembered of the stream.
#[derive(Debug, Default)]
pub(super) struct Pass {
    begun: bool,
    finished: bool,
}

impl Pass {
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn event(
        &mut self,
        profile: &Profile,
        event: &RawEvent,
        data: &Bytes,
        failed: bool,
        usage: &mut Option<Usage>,
        out: &mut Vec<Frame>,
    ) -> Result<(), VendorError> {
        let kind = if self.begun && !failed && is_plain(data) {
            FrameKind::Content
        } else {
            self.look(profile, data, failed, usage)?
        };
        out.push(Frame { kind, bytes: event.raw.clone() });
        Ok(())
    }

    /// Reads a whole chunk: the first ones, the last ones, and those that might be an error.
    fn look(
        &mut self,
        profile: &Profile,
        data: &[u8],
        failed: bool,
        usage: &mut Option<Usage>,
    ) -> Result<FrameKind, VendorError> {
        let chunk: Value = serde_json::from_slice(data)
            .map_err(|error| VendorError::server(format!("the vendor sent a chunk that is no JSON: {error}")))?;
        if let Some(error) = hidden_error(profile, &chunk) {
            return Err(error);
        }
        if failed {
            return Err(VendorError::server("the vendor ended its stream with an error event"));
        }
        let counted = chunk.get("usage").and_then(usage::read);
        *usage = counted.or(*usage);
        let choices = chunk.get("choices").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let finishes = choices.iter().any(|choice| choice.get("finish_reason").is_some_and(|reason| !reason.is_null()));
        self.finished |= finishes;
        if choices.iter().filter_map(|choice| choice.get("delta")).any(has_content) {
            self.begun = true;
            return Ok(FrameKind::Content);
        }
        Ok(match (finishes, counted) {
            (true, _) => FrameKind::Finish,
            (false, Some(_)) => FrameKind::Usage,
            (false, None) => FrameKind::Lifecycle,
        })
    }
}

/// Whether a chunk has a null finish reason, no usage and no error: a piece of text like most.
fn is_plain(data: &[u8]) -> bool {
    let null_after = |name: &[u8]| {
        memmem::find(data, name).is_none_or(|at| data[at + name.len()..].trim_ascii_start().starts_with(b"null"))
    };
    null_after(FINISH) && null_after(USAGE) && memmem::find(data, ERROR).is_none()
}

/// Whether a delta has anything that a client would miss.
pub(super) fn has_content(delta: &Value) -> bool {
    let Some(delta) = delta.as_object() else { return false };
    delta.iter().any(|(name, value)| match value {
        Value::Null => false,
        Value::String(text) => name != "role" && !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => false,
    })
}
