//! One request: where it came from, and what it asks for.

use crate::clock::{Clock, Reading};
use banjia_types::{Operation, RequestId, Timestamp};
use banjia_wire::{Head, Identity};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::net::IpAddr;
use uuid::Uuid;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where a request comes in: its id, given before anything is known of it.
pub(crate) struct RequestContext {
    /// Who is connected.
    pub(crate) peer: IpAddr,
    /// When it came in, by both clocks.
    pub(crate) at: Reading,
    pub(crate) id: RequestId,
    pub(crate) header: HeaderValue,
}

impl RequestContext {
    pub(crate) fn new(peer: IpAddr, clock: &Clock) -> Self {
        let at = clock.read();
        let millis = u64::try_from(at.wall.0).unwrap_or(0);
        let id = RequestId(uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid());
        let mut text = [0_u8; 4 + uuid::fmt::Simple::LENGTH];
        let (prefix, digits) = text.split_at_mut(4);
        prefix.copy_from_slice(b"req_");
        Uuid::simple(id.0).encode_lower(digits);
        let header = HeaderValue::from_bytes(&text).expect("hexadecimal digits are visible ASCII");
        Self { peer, at, id, header }
    }
}

/// What a request asks, fixed once it is accepted.
pub(crate) struct InferenceRequest {
    pub(crate) id: RequestId,
    pub(crate) header: HeaderValue,
    /// The time of an answer whose vendor gives none.
    pub(crate) accepted_at: Timestamp,
    pub(crate) operation: Operation,
    pub(crate) head: Head,
    pub(crate) body: Bytes,
    /// The client wants to know a stream's cost, which no header can tell: a comment after its end does.
    pub(crate) tell_cost: bool,
    /// The client's program, on routes that are recorded.
    pub(crate) client: Option<HeaderValue>,
}

impl InferenceRequest {
    /// Returns the id and the time of its answer, for a vendor that gives none.
    pub(crate) fn identity(&self) -> Identity {
        Identity { request: self.id, created: self.accepted_at }
    }
}
