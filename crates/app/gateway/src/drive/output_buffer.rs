//! Bytes for the client.

use crate::held::{HeldBytes, Hold};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Pieces of a stream from this size on are counted until they are written.
const LARGE_PIECE_BYTES: usize = 64 * 1024;

/// The output of one poll. One frame is passed on without a copy. Several are joined, because each
/// piece that hyper receives is a chunk of its own on the wire.
#[derive(Debug, Default)]
pub(super) struct OutputBuffer {
    first: Option<Bytes>,
    joined: Option<BytesMut>,
    /// The memory of a stream that was gathered before it is sent.
    pub(super) hold: Option<Hold>,
}

impl OutputBuffer {
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        match (&mut self.joined, self.first.take()) {
            (Some(joined), _) => joined.extend_from_slice(&bytes),
            (None, None) => self.first = Some(bytes),
            (None, Some(first)) => {
                let mut joined = BytesMut::with_capacity((first.len() + bytes.len()).next_power_of_two());
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&bytes);
                self.joined = Some(joined);
            }
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none() && self.joined.is_none()
    }

    pub(super) fn take(&mut self) -> Option<Bytes> {
        self.joined.take().map(BytesMut::freeze).or_else(|| self.first.take())
    }

    /// Takes the output, and counts a large piece until it is written: a gathered stream is sent at
    /// once, and a client may read slowly.
    pub(super) fn take_counted(&mut self, held: &Arc<HeldBytes>) -> Option<Bytes> {
        let bytes = self.take()?;
        if bytes.len() < LARGE_PIECE_BYTES {
            return Some(bytes);
        }
        Some(match self.hold.take() {
            Some(hold) => hold.cover(bytes),
            None => held.count(bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_passes_and_several_are_joined() {
        let mut output = OutputBuffer::default();
        let piece = Bytes::from_static(b"one");
        output.push(Bytes::new());
        assert!(output.is_empty());
        output.push(piece.clone());
        assert_eq!(output.take().map(|bytes| bytes.as_ptr()), Some(piece.as_ptr()));
        for part in ["a", "b", "c"] {
            output.push(Bytes::from_static(part.as_bytes()));
        }
        assert_eq!(output.take().as_deref(), Some(&b"abc"[..]));
        assert_eq!(output.take(), None);
    }
}
