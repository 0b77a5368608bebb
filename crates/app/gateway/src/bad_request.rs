//! The faults of bytes that are no request, each with its remedy.

use std::fmt;

/// Why bytes are not a request with exactly one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadRequest {
    RequestLine,
    NoHost,
    TwoHosts,
    BadHost,
    BadLength,
    TwoLengths,
    Encoding,
    EncodingInHttp10,
    LengthAndEncoding,
    BareLineFeed,
    Folded,
    SpaceBeforeColon,
    NoColon,
    Chunk,
    HeadTooLarge,
}

impl BadRequest {
    /// The fault and the remedy, for the client.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::RequestLine => "The first line of the request is not `METHOD PATH HTTP/1.1`.",
            Self::NoHost => "The request has no `Host` header. HTTP/1.1 requires exactly one.",
            Self::TwoHosts => "The request has more than one `Host` header. Send exactly one.",
            Self::BadHost => "The `Host` header is not one host name with an optional port.",
            Self::BadLength => "The `Content-Length` header is not a number. Send decimal digits and nothing else.",
            Self::TwoLengths => "The request has more than one `Content-Length` header. Send exactly one.",
            Self::Encoding => "The only `Transfer-Encoding` that is read here is `chunked`, given once and alone.",
            Self::EncodingInHttp10 => "HTTP/1.0 has no `Transfer-Encoding`. Send a `Content-Length`, or use HTTP/1.1.",
            Self::LengthAndEncoding => {
                "The request has both `Content-Length` and `Transfer-Encoding`. Send one of them."
            }
            Self::BareLineFeed => "A line of the request ends with a line feed alone. End each line with CR LF.",
            Self::Folded => "A header line begins with white space. Send each header on one line.",
            Self::SpaceBeforeColon => "A header's name is followed by white space before its colon. Remove it.",
            Self::NoColon => "A header line has no name and colon.",
            Self::Chunk => "The request's chunked body is malformed.",
            Self::HeadTooLarge => "The request's head is too large: at most 128 KiB and 100 headers are read.",
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for BadRequest {}
