//! Checks the framing of requests before the HTTP library sees them.
//!
//! The HTTP library repairs what it can: it drops `Content-Length` beside `Transfer-Encoding`,
//! joins equal lengths and takes a bare line feed for an end of line. A proxy in front may repair
//! the same bytes differently, and then the two disagree where a request ends: request smuggling.
//! So only requests with exactly one reading pass.
//!
//! Rules:
//! - A head is passed on when it is complete and was checked, never in parts.
//! - Each line is looked at once, however the bytes are split.
//! - After a refusal the connection serves nothing more.

mod head;
#[cfg(test)]
mod tests;

use crate::bad_request::BadRequest;
use head::{Head, Length};
use memchr::memchr;

/// A head, or a line inside a chunked body, may be at most this long.
pub(super) const HEAD_BYTES_MAX: usize = 128 * 1024;
/// Digits of a chunk's size: more would not fit into 64 bits.
const SIZE_DIGITS_MAX: usize = 16;

/// The number of leading bytes that may be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// So many; the rest is the beginning of a head or of a line.
    Pass(usize),
    /// So many; the rest is not a request with one clear reading.
    Refuse {
        /// Bytes before the fault.
        pass: usize,
        /// The fault, for the client.
        why: BadRequest,
        /// True if the fault is inside a body whose head was passed on already.
        is_in_body: bool,
    },
}

/// Where in the stream of requests a connection is.
#[derive(Debug, Default)]
pub(super) struct Framing {
    part: FramingState,
    /// Bytes of the present head that were read as whole lines.
    read: usize,
    /// Bytes in which the next line feed was looked for.
    searched: usize,
    head: Head,
    is_http_11: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FramingState {
    #[default]
    Head,
    /// A body of known length, with the bytes that are missing.
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
}

impl Framing {
    /// True if the last byte that was passed on ended a request.
    pub(super) fn is_between_requests(&self) -> bool {
        self.part == FramingState::Head
    }

    /// True if the last request was HTTP/1.1.
    pub(super) const fn is_http_11(&self) -> bool {
        self.is_http_11
    }

    /// Checks bytes that were not passed on before. Those that are held back must be given again,
    /// with more behind them.
    pub(super) fn check(&mut self, bytes: &[u8]) -> Checked {
        let mut pass = 0;
        loop {
            let rest = bytes.get(pass..).unwrap_or_default();
            match &mut self.part {
                FramingState::Body(missing) | FramingState::ChunkData(missing) => {
                    let part = usize::try_from(*missing).unwrap_or(usize::MAX).min(rest.len());
                    *missing -= part as u64;
                    pass += part;
                    if *missing > 0 {
                        return Checked::Pass(pass);
                    }
                    self.part = if matches!(self.part, FramingState::Body(_)) {
                        FramingState::Head
                    } else {
                        FramingState::ChunkEnd
                    };
                }
                part => {
                    let is_in_body = *part != FramingState::Head;
                    match self.lines(rest) {
                        Ok(Some(length)) => pass += length,
                        Ok(None) => return Checked::Pass(pass),
                        Err(why) => return Checked::Refuse { pass, why, is_in_body },
                    }
                }
            }
            if pass == bytes.len() {
                return Checked::Pass(pass);
            }
        }
    }

    /// Reads lines until the present part is complete. Returns its length, or `None` if bytes are
    /// missing.
    fn lines(&mut self, bytes: &[u8]) -> Result<Option<usize>, BadRequest> {
        loop {
            let Some(found) = bytes.get(self.searched..).and_then(|rest| memchr(b'\n', rest)) else {
                self.searched = bytes.len();
                return if bytes.len() > HEAD_BYTES_MAX { Err(BadRequest::HeadTooLarge) } else { Ok(None) };
            };
            let end = self.searched + found;
            if end > HEAD_BYTES_MAX {
                return Err(BadRequest::HeadTooLarge);
            }
            let line = bytes.get(self.read..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").ok_or(BadRequest::BareLineFeed)?;
            (self.read, self.searched) = (end + 1, end + 1);
            if let Some(next) = self.line(line)? {
                self.part = next;
                (self.read, self.searched) = (0, 0);
                return Ok(Some(end + 1));
            }
        }
    }

    /// Takes in a line of the present part. Returns what comes next if the part is complete.
    fn line(&mut self, line: &[u8]) -> Result<Option<FramingState>, BadRequest> {
        match self.part {
            FramingState::Head => {
                let Some(length) = self.head.line(line)? else { return Ok(None) };
                self.is_http_11 = self.head.is_http_11();
                self.head = Head::default();
                Ok(Some(match length {
                    Length::Known(0) => FramingState::Head,
                    Length::Known(length) => FramingState::Body(length),
                    Length::Chunked => FramingState::ChunkSize,
                }))
            }
            FramingState::ChunkSize => match chunk_size(line).ok_or(BadRequest::Chunk)? {
                0 => Ok(Some(FramingState::Trailers)),
                size => Ok(Some(FramingState::ChunkData(size))),
            },
            FramingState::ChunkEnd if line.is_empty() => Ok(Some(FramingState::ChunkSize)),
            FramingState::ChunkEnd | FramingState::Body(_) | FramingState::ChunkData(_) => Err(BadRequest::Chunk),
            FramingState::Trailers if line.is_empty() => Ok(Some(FramingState::Head)),
            FramingState::Trailers => head::name(line).map(|_| None),
        }
    }
}

/// The size of a chunk. Extensions after a semicolon are ignored, as RFC 9112 section 7.1.1 wants.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = memchr(b';', line).and_then(|end| line.get(..end)).unwrap_or(line);
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
