//! The kind of a failed response, from a vendor or from us. The class alone decides status, retry
//! and failover.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The class of an error response. The HTTP status alone decides nothing: vendors send "out of
/// money" with 429 and "unknown model" with 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The vendor does not accept our key, or the key lacks a permission.
    Auth,
    /// No money or quota is left. Waiting does not help.
    Quota,
    /// Too many requests or tokens at present. Waiting helps.
    Rate,
    /// The vendor has no capacity for any client.
    Overload,
    /// The prompt does not fit the model's context.
    Context,
    /// The vendor's content check blocked it.
    Content,
    /// The vendor does not serve this country, region or territory. That is final for the caller
    /// there: no retry, no other key.
    Region,
    /// The model does not exist, is retired, or is not open to this account.
    ModelGone,
    /// The request itself is wrong. Another vendor would return the same error.
    BadRequest,
    /// The vendor failed: 5xx, a broken connection, an unreadable response, a time-out.
    Server,
}

impl ErrorClass {
    /// Every class, in declaration order.
    pub const ALL: [Self; 10] = [
        Self::Auth,
        Self::Quota,
        Self::Rate,
        Self::Overload,
        Self::Context,
        Self::Content,
        Self::Region,
        Self::ModelGone,
        Self::BadRequest,
        Self::Server,
    ];

    /// The name used in profiles, logs, metrics and the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::Overload => "overload",
            Self::Context => "context",
            Self::Content => "content",
            Self::Region => "region",
            Self::ModelGone => "model_gone",
            Self::BadRequest => "bad_request",
            Self::Server => "server",
        }
    }

    /// Whether the same request may be sent again to the same target after a pause.
    pub const fn retry_helps(self) -> bool {
        matches!(self, Self::Rate | Self::Overload | Self::Server)
    }

    /// Whether another target may be tried for the same request. Only the client can fix a bad
    /// request, blocked content and a prompt that is too long.
    pub const fn failover_helps(self) -> bool {
        !matches!(self, Self::BadRequest | Self::Content | Self::Context)
    }

    /// Whether the failure shows the target's health and counts for its breaker, instead of
    /// concerning only this request.
    pub const fn is_unhealthy(self) -> bool {
        matches!(self, Self::Overload | Self::Server)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
