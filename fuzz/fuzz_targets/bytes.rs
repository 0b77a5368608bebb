//! Choices from bytes; zero when there are no more.

pub struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl<'a> Bytes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    pub fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }
}
