//! One head, line by line.

use crate::bad_request::BadRequest;
use memchr::memchr;

/// Header fields beyond this number are refused. The HTTP library refuses them too, but without a
/// body.
const FIELDS_MAX: usize = 100;
/// Empty lines before a request that are skipped (RFC 9112 section 2.2).
const EMPTY_LINES_MAX: usize = 4;
/// The HTTP library reserves the largest numbers for other meanings.
const LENGTH_MAX: u64 = u64::MAX - 2;

/// The way to find the body's end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(u64),
    Chunked,
}

/// The facts of a head that decide its framing.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// `None` before the request line; then whether it is HTTP/1.1.
    version: Option<bool>,
    empty_lines: usize,
    fields: usize,
    has_host: bool,
    length: Option<u64>,
    is_chunked: bool,
}

impl Head {
    pub(super) fn is_http_11(&self) -> bool {
        self.version == Some(true)
    }

    /// Takes in one line without its end. Returns the body's length if the head is complete.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Option<Length>, BadRequest> {
        if self.version.is_none() {
            return self.request_line(line).map(|()| None);
        }
        if !line.is_empty() {
            return self.field(line).map(|()| None);
        }
        if self.is_http_11() && !self.has_host {
            return Err(BadRequest::NoHost);
        }
        match (self.length, self.is_chunked) {
            (Some(_), true) => Err(BadRequest::LengthAndEncoding),
            (None, true) => Ok(Some(Length::Chunked)),
            (length, false) => Ok(Some(Length::Known(length.unwrap_or(0)))),
        }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), BadRequest> {
        if line.is_empty() {
            self.empty_lines += 1;
            return if self.empty_lines > EMPTY_LINES_MAX { Err(BadRequest::RequestLine) } else { Ok(()) };
        }
        self.version = Some(if line.ends_with(b" HTTP/1.1") {
            true
        } else if line.ends_with(b" HTTP/1.0") {
            false
        } else {
            return Err(BadRequest::RequestLine);
        });
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), BadRequest> {
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Err(BadRequest::HeadTooLarge);
        }
        let name = name(line)?;
        let value = trimmed(line.get(name.len() + 1..).unwrap_or_default());
        // Most names differ in length from all three.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), BadRequest> {
        if std::mem::replace(&mut self.has_host, true) {
            return Err(BadRequest::TwoHosts);
        }
        let is_odd = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'/' | b'@');
        if value.iter().any(is_odd) { Err(BadRequest::BadHost) } else { Ok(()) }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), BadRequest> {
        if self.length.is_some() {
            return Err(BadRequest::TwoLengths);
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(BadRequest::BadLength);
        }
        let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
        self.length = Some(length.filter(|length| *length <= LENGTH_MAX).ok_or(BadRequest::BadLength)?);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), BadRequest> {
        if !self.is_http_11() {
            return Err(BadRequest::EncodingInHttp10);
        }
        if !value.eq_ignore_ascii_case(b"chunked") || std::mem::replace(&mut self.is_chunked, true) {
            return Err(BadRequest::Encoding);
        }
        Ok(())
    }
}

/// The name of a header line.
pub(super) fn name(line: &[u8]) -> Result<&[u8], BadRequest> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(BadRequest::Folded);
    }
    let name = memchr(b':', line).and_then(|colon| line.get(..colon)).filter(|name| !name.is_empty());
    let name = name.ok_or(BadRequest::NoColon)?;
    if matches!(name.last(), Some(b' ' | b'\t')) { Err(BadRequest::SpaceBeforeColon) } else { Ok(name) }
}

/// Without the white space that may surround a value. The standard library's trimming knows more
/// kinds of it.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
