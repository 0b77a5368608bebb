//! The hops of `Forwarded` (RFC 7239), from the right.
//!
//! # Rules
//! - Elements are separated by commas and parameters by semicolons, both outside quotes. The text
//!   is split from the left, because only then are quotes recognised.
//! - A quote that is never closed makes its whole line malformed, and every hop that could be in
//!   it.

use super::{PeerError, node};
use std::net::IpAddr;

pub(super) fn hops<'h>(
    lines: impl DoubleEndedIterator<Item = &'h [u8]>,
) -> impl Iterator<Item = Result<IpAddr, PeerError>> {
    lines.rev().flat_map(|line| {
        let elements = split(line, b',').map(|elements| elements.into_iter().rev().map(of_element).collect());
        elements.unwrap_or_else(|| vec![Err(PeerError::Malformed)])
    })
}

/// Splits at a separator outside quotes. `None` if a quote is open at the end.
fn split(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let (mut from, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if *byte == separator && !is_quoted => {
                parts.push(text.get(from..at)?);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..)?);
    (!is_quoted).then_some(parts)
}

/// The address in one element: its `for` parameter, which must occur once.
fn of_element(element: &[u8]) -> Result<IpAddr, PeerError> {
    let mut found = None;
    for pair in split(element, b';').ok_or(PeerError::Malformed)? {
        let Some(at) = pair.iter().position(|byte| *byte == b'=') else {
            if pair.trim_ascii().is_empty() {
                continue;
            }
            return Err(PeerError::Malformed);
        };
        let (name, value) = pair.split_at(at);
        if !name.trim_ascii().eq_ignore_ascii_case(b"for") {
            continue;
        }
        if found.is_some() {
            return Err(PeerError::Malformed);
        }
        found = value.get(1..).map(<[u8]>::trim_ascii);
    }
    let value = found.ok_or(PeerError::Malformed)?;
    match value {
        [b'"', inside @ .., b'"'] => node(&unescape(inside)),
        // Without quotes a token is written, which holds neither colons nor brackets.
        _ if value.iter().any(|byte| b":[]\"".contains(byte)) => Err(PeerError::Malformed),
        _ => node(value),
    }
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut unquoted = Vec::with_capacity(text.len());
    let mut is_escaped = false;
    for byte in text {
        is_escaped = *byte == b'\\' && !is_escaped;
        if !is_escaped {
            unquoted.push(*byte);
        }
    }
    unquoted
}
