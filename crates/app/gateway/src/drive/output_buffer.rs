//! Bytes on their way to the client.

use bytes::{Bytes, BytesMut};

/// What one turn of the drive gives out. One frame leaves as it came; several are joined, because each piece that hyper is
/// given costs a chunk of its own on the wire.
#[derive(Debug, Default)]
pub(super) struct OutputBuffer {
    first: Option<Bytes>,
    joined: Option<BytesMut>,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_leaves_as_it_came_and_several_are_joined() {
        let mut out = OutputBuffer::default();
        let piece = Bytes::from_static(b"one");
        out.push(Bytes::new());
        assert!(out.is_empty());
        out.push(piece.clone());
        assert_eq!(out.take().map(|bytes| bytes.as_ptr()), Some(piece.as_ptr()));
        for part in ["a", "b", "c"] {
            out.push(Bytes::from_static(part.as_bytes()));
        }
        assert_eq!(out.take().as_deref(), Some(&b"abc"[..]));
        assert_eq!(out.take(), None);
    }
}
