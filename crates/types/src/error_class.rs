//! What kind of failure a vendor (or we) answered with. The class alone decides status, retry and failover.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The class of an error answer. The HTTP status alone decides nothing: vendors put "out of money" in a 429 and
/// "unknown model" in a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The vendor does not accept our key, or the key lacks a permission.
    Auth,
    /// Out of money or of a quota: waiting does not help.
    Quota,
    /// Too many requests or tokens for now: waiting helps.
    Rate,
    /// The vendor has no capacity for anybody.
    Overload,
    /// The prompt does not fit the model's context.
    Context,
    /// Blocked by the vendor's content check.
    Content,
    /// The vendor does not serve this country, region or territory. Final for the caller there: no retry, no other key.
    Region,
    /// The model does not exist, is retired, or is not open to this account.
    ModelGone,
    /// The request itself is wrong; another vendor would say the same.
    BadRequest,
    /// The vendor failed: 5xx, a broken connection, an answer that cannot be read, a time-out.
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

    /// Whether another target may be tried for the same request. A wrong request, a blocked text and a prompt that is
    /// too long are the client's to mend.
    pub const fn failover_helps(self) -> bool {
        !matches!(self, Self::BadRequest | Self::Content | Self::Context)
    }

    /// Whether the failure speaks of the target's health (counts for its breaker) and not of this one request.
    pub const fn is_unhealthy(self) -> bool {
        matches!(self, Self::Overload | Self::Server)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
