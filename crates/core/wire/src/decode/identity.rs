//! The id and the time of an answer whose vendor gives none.

use banjia_types::{RequestId, Timestamp};
use serde_json::Value;

/// The id and the time of an answer whose vendor gives none. The core has
/// neither chance nor clock, so its caller says them.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The request that is answered.
    pub request: RequestId,
    /// When it was accepted.
    pub created: Timestamp,
}

impl Identity {
    /// Returns the id of the answer.
    pub(super) fn id(self) -> Value {
        format!("chatcmpl-{}", self.request.0.simple()).into()
    }

    /// Returns the time of the answer, in seconds since 1970.
    pub(super) fn created(self) -> Value {
        (self.created.0 / 1000).into()
    }
}

/// Returns whether a member `created` is a time. Some vendors send zero.
pub(super) fn is_time(value: &Value) -> bool {
    value.as_u64().is_some_and(|seconds| seconds != 0)
}
