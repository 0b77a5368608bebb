//! What can go wrong between us and a vendor, in words for a person.
//!
//! Rules: no secret, no body and no header value in any text; the host is always named.

use banjia_types::ErrorClass;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A client, an endpoint or a credential could not be made. All of these are mistakes of a
/// configuration.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A base URL that cannot be read at all.
    #[error("a vendor's base is not a URL: write it whole, like https://api.example.com/v1")]
    NotAUrl,
    /// A base URL that cannot be used.
    #[error("the base URL {url} cannot be used: {why}")]
    BadUrl {
        /// The URL without what may be secret in it.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A key that no header can carry.
    #[error("a vendor's key holds a line break or another character that no header can carry: copy it again")]
    BadSecret,
    /// A key without a host.
    #[error("a vendor's key is bound to no host, so it could never be sent: name the vendor's base URL")]
    UnboundCredential,
    /// A proxy was asked for.
    #[error("a proxy for vendors is not supported yet: take `proxy` out of the configuration")]
    ProxyUnsupported,
    /// The read buffer is smaller than the protocol needs.
    #[error("read_buffer_bytes_max is {found}; it must be at least {least}")]
    SmallBuffer {
        /// What was configured.
        found: usize,
        /// The least that works.
        least: usize,
    },
    /// No certificate could be read.
    #[error("no root certificate could be read from {from}: {why}")]
    NoRoots {
        /// The file, or the operating system's store.
        from: PathBuf,
        /// What happened.
        why: String,
    },
    /// The TLS library refused its settings.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// What kind of failure a send met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendErrorKind {
    /// No connection: unknown name, refused, unreachable.
    Connect,
    /// A connection, but no trust: certificate or handshake.
    Tls,
    /// A bounded wait ended.
    Timeout,
    /// The vendor closed or broke the connection.
    Reset,
    /// More bytes than the bound allows.
    TooLarge,
    /// The caller had no room for the answer.
    NoRoom,
    /// The credential is not bound to this host; nothing was sent.
    BadHost,
    /// A header that must not be set by a caller; nothing was sent.
    BadHeader,
    /// What came back is not HTTP, or is encoded although that was not asked for.
    BadAnswer,
}

/// Which wait was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Name look-up, TCP, TLS.
    Connect,
    /// Until the answer's status and headers.
    Head,
    /// Until the first byte of the answer's body.
    FirstByte,
    /// Between two parts of the body.
    Idle,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "a connection",
            Self::Head => "the head of the answer",
            Self::FirstByte => "the first byte of the answer",
            Self::Idle => "the next part of the answer",
        })
    }
}

/// A send failed, or the answer's body did.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// See [`SendErrorKind::Connect`].
    #[error("{host}: no connection: {why}")]
    Connect {
        /// Who was called.
        host: Arc<str>,
        /// What the system said.
        why: String,
    },
    /// See [`SendErrorKind::Tls`].
    #[error("{host}: no secure connection: {why}")]
    Tls {
        /// Who was called.
        host: Arc<str>,
        /// What the TLS library said.
        why: String,
    },
    /// See [`SendErrorKind::Timeout`].
    #[error("{host}: waited {} ms for {phase}", within.as_millis())]
    Timeout {
        /// Who was called.
        host: Arc<str>,
        /// What was waited for.
        phase: Phase,
        /// How long the wait was allowed to be.
        within: Duration,
    },
    /// See [`SendErrorKind::Reset`].
    #[error("{host}: the connection broke {}: {why}", if *in_body { "inside the answer" } else { "before an answer" })]
    Reset {
        /// Who was called.
        host: Arc<str>,
        /// Whether the answer had begun.
        in_body: bool,
        /// What was seen.
        why: String,
    },
    /// See [`SendErrorKind::TooLarge`].
    #[error("{host}: the answer's {what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Who was called.
        host: Arc<str>,
        /// `head` or `body`.
        what: &'static str,
        /// The bound.
        limit_bytes: usize,
    },
    /// See [`SendErrorKind::NoRoom`].
    #[error("{host}: there is no room in memory for the answer")]
    NoRoom {
        /// Who was called.
        host: Arc<str>,
    },
    /// See [`SendErrorKind::BadHost`].
    #[error("the key is bound to {bound_to} and was not sent to {origin}: give that host its own key")]
    BadHost {
        /// Where it would have gone.
        origin: String,
        /// Where it may go.
        bound_to: String,
    },
    /// See [`SendErrorKind::BadHeader`].
    #[error("{host}: the header {name} is not a caller's to set")]
    BadHeader {
        /// Who was to be called.
        host: Arc<str>,
        /// Which header.
        name: String,
    },
    /// See [`SendErrorKind::BadAnswer`].
    #[error("{host}: the answer cannot be read: {why}")]
    BadAnswer {
        /// Who was called.
        host: Arc<str>,
        /// What is wrong.
        why: String,
    },
}

impl SendError {
    /// What kind of failure this is.
    pub const fn kind(&self) -> SendErrorKind {
        match self {
            Self::Connect { .. } => SendErrorKind::Connect,
            Self::Tls { .. } => SendErrorKind::Tls,
            Self::Timeout { .. } => SendErrorKind::Timeout,
            Self::Reset { .. } => SendErrorKind::Reset,
            Self::TooLarge { .. } => SendErrorKind::TooLarge,
            Self::NoRoom { .. } => SendErrorKind::NoRoom,
            Self::BadHost { .. } => SendErrorKind::BadHost,
            Self::BadHeader { .. } => SendErrorKind::BadHeader,
            Self::BadAnswer { .. } => SendErrorKind::BadAnswer,
        }
    }

    /// The class that decides retry and failover: a vendor that cannot be reached or read has
    /// failed ([`ErrorClass::Server`]); a key that must not go there is no key
    /// ([`ErrorClass::Auth`]).
    pub const fn class(&self) -> ErrorClass {
        match self.kind() {
            SendErrorKind::BadHost => ErrorClass::Auth,
            SendErrorKind::BadHeader => ErrorClass::BadRequest,
            SendErrorKind::NoRoom => ErrorClass::Overload,
            _ => ErrorClass::Server,
        }
    }
}
