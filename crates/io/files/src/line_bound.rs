//! Lines of a stream that may have no end.

use std::io::{self, BufRead, Read};

/// A reader that fails when a line is longer than a bound, so that collecting lines needs bounded
/// memory. After the error it is at its end.
#[derive(Debug)]
pub struct LineBound<R> {
    inner: R,
    bytes_max: usize,
    /// Bytes of the current line that were handed out.
    in_line: usize,
    has_failed: bool,
}

impl<R: BufRead> LineBound<R> {
    /// Reads from `inner`; a line has at most `bytes_max` bytes.
    pub const fn new(inner: R, bytes_max: usize) -> Self {
        Self { inner, bytes_max, in_line: 0, has_failed: false }
    }
}

impl<R: BufRead> Read for LineBound<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        for (to, from) in into.iter_mut().zip(available) {
            *to = *from;
        }
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for LineBound<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.has_failed {
            return Ok(&[]);
        }
        if self.in_line > self.bytes_max {
            self.has_failed = true;
            let message = format!("a line has more than {} bytes", self.bytes_max);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if self.has_failed {
            return;
        }
        // The bytes are still in the buffer, so this reads nothing.
        let taken = self.inner.fill_buf().ok().and_then(|buffer| buffer.get(..count)).unwrap_or_default();
        self.in_line = match taken.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => count - at - 1,
            None => self.in_line.saturating_add(count),
        };
        self.inner.consume(count);
    }
}
