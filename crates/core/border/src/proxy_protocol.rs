//! The client's address in a load balancer's header (the PROXY protocol, versions 1 and 2, by
//! HAProxy's specification of 2020-03-05).
//!
//! # Rules
//! - The header is read only if the operator configured it, and only from trusted addresses. There
//!   it is required, so a client cannot omit it.
//! - A malformed header ends the connection.
//! - Nothing is read beyond the header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

const SIGNATURE_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, including its end.
const LINE_BYTES_MAX: usize = 107;
/// The longest header of version 2 that is read: addresses and some extensions.
pub const HEADER_BYTES_MAX: usize = 536;

/// What the first bytes of a connection contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyRead {
    /// More bytes are needed.
    More,
    /// A header of this length. None: the balancer speaks for itself (a health check), or does not
    /// know.
    Header {
        /// Its length in bytes.
        length: usize,
        /// The client, as the balancer saw it.
        client: Option<SocketAddr>,
    },
    /// There is no header, or a malformed one.
    Bad(&'static str),
}

/// Reads the beginning of a connection.
pub fn read(bytes: &[u8]) -> ProxyRead {
    if bytes.first() == Some(&b'P') {
        return read_line(bytes);
    }
    if bytes.iter().zip(SIGNATURE_V2).any(|(found, wanted)| found != wanted) {
        return ProxyRead::Bad("the connection does not begin with a PROXY header");
    }
    read_binary(bytes)
}

fn read_line(bytes: &[u8]) -> ProxyRead {
    if bytes.iter().zip(b"PROXY ").any(|(found, wanted)| found != wanted) {
        return ProxyRead::Bad("the connection does not begin with a PROXY header");
    }
    let Some(end) = bytes.windows(2).take(LINE_BYTES_MAX - 1).position(|pair| pair == b"\r\n") else {
        return if bytes.len() >= LINE_BYTES_MAX {
            ProxyRead::Bad("the PROXY line has no end")
        } else {
            ProxyRead::More
        };
    };
    let client = bytes.get(..end).and_then(|line| std::str::from_utf8(line).ok()).map(of_line);
    match client {
        Some(Ok(client)) => ProxyRead::Header { length: end + 2, client },
        _ => ProxyRead::Bad("the PROXY line is malformed"),
    }
}

fn of_line(line: &str) -> Result<Option<SocketAddr>, ()> {
    let mut words = line.split(' ').skip(1);
    match words.next() {
        Some("UNKNOWN") => Ok(None),
        Some("TCP4") => of_words::<Ipv4Addr>(words),
        Some("TCP6") => of_words::<Ipv6Addr>(words),
        _ => Err(()),
    }
}

fn of_words<'w, A: FromStr + Into<IpAddr>>(mut words: impl Iterator<Item = &'w str>) -> Result<Option<SocketAddr>, ()> {
    let mut next = || words.next().ok_or(());
    let (from, to) = (next()?, next()?);
    let (from_port, to_port) = (port(next()?)?, port(next()?)?);
    let (from, _to): (A, A) = (from.parse().map_err(drop)?, to.parse().map_err(drop)?);
    let (None, _) = (words.next(), to_port) else { return Err(()) };
    Ok(Some(SocketAddr::new(from.into().to_canonical(), from_port)))
}

/// Reads a port without signs, leading zeros or spaces.
fn port(text: &str) -> Result<u16, ()> {
    let port: u16 = text.parse().map_err(drop)?;
    if port.to_string() == text { Ok(port) } else { Err(()) }
}

fn read_binary(bytes: &[u8]) -> ProxyRead {
    let Some(&[version, family, high, low]) = bytes.get(12..16).and_then(|head| head.first_chunk::<4>()) else {
        return ProxyRead::More;
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let length = 16 + rest;
    if length > HEADER_BYTES_MAX {
        return ProxyRead::Bad("the PROXY header is longer than any balancer writes");
    }
    let Some(body) = bytes.get(16..length) else { return ProxyRead::More };
    match (version, family) {
        (0x20, _) | (0x21, 0x00) => ProxyRead::Header { length, client: None },
        (0x21, 0x11) => of_body::<4, 12>(length, body),
        (0x21, 0x21) => of_body::<16, 36>(length, body),
        (0x21, _) => ProxyRead::Bad("the PROXY header is for something else than TCP"),
        _ => ProxyRead::Bad("the PROXY header has an unknown version or command"),
    }
}

/// Addresses of `SIZE` bytes: source, destination, source port, destination port, `ALL` bytes
/// together.
fn of_body<const SIZE: usize, const ALL: usize>(length: usize, body: &[u8]) -> ProxyRead
where
    [u8; SIZE]: Into<IpAddr>,
{
    let Some(all) = body.first_chunk::<ALL>() else {
        return ProxyRead::Bad("the PROXY header is shorter than its addresses");
    };
    let source = all.first_chunk::<SIZE>().copied();
    let port = all.get(2 * SIZE..2 * SIZE + 2).and_then(|port| port.first_chunk::<2>()).copied();
    let client = source.zip(port).map(|(source, port)| {
        let address: IpAddr = source.into();
        SocketAddr::new(address.to_canonical(), u16::from_be_bytes(port))
    });
    ProxyRead::Header { length, client }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(length: usize, client: &str) -> ProxyRead {
        ProxyRead::Header { length, client: Some(client.parse().unwrap()) }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header_bytes = SIGNATURE_V2.to_vec();
        header_bytes.extend([command, family]);
        header_bytes.extend((body.len() as u16).to_be_bytes());
        header_bytes.extend(body);
        header_bytes
    }

    #[test]
    fn both_versions_and_families_are_read() {
        let line = b"PROXY TCP4 47.75.0.1 10.0.0.1 51000 443\r\nGET / HTTP/1.1\r\n";
        assert_eq!(read(line), header(41, "47.75.0.1:51000"));
        assert_eq!(read(b"PROXY TCP6 2408:8000::1 fd00::1 51000 443\r\n"), header(43, "[2408:8000::1]:51000"));
        assert_eq!(read(b"PROXY UNKNOWN ffff::1 what ever\r\n"), ProxyRead::Header { length: 33, client: None });
        let body = [47, 75, 0, 1, 10, 0, 0, 1, 0xc7, 0x38, 1, 187];
        assert_eq!(read(&v2(0x21, 0x11, &body)), header(28, "47.75.0.1:51000"));
        let mut body = [0; 36];
        body[..2].copy_from_slice(&[0x24, 0x08]);
        body[15] = 1;
        body[32..34].copy_from_slice(&51000_u16.to_be_bytes());
        assert_eq!(read(&v2(0x21, 0x21, &body)), header(52, "[2408::1]:51000"));
        assert_eq!(read(&v2(0x20, 0x00, &[])), ProxyRead::Header { length: 16, client: None });
        assert_eq!(read(&v2(0x20, 0x11, &body)), ProxyRead::Header { length: 52, client: None });
    }

    #[test]
    fn what_is_forged_or_broken_is_refused() {
        for bad in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 47.75.0.1 10.0.0.1 51000\r\n",
            "PROXY TCP4 47.75.0.1 10.0.0.1 51000 443 9\r\n",
            "PROXY TCP4 2408::1 10.0.0.1 51000 443\r\n",
            "PROXY TCP6 47.75.0.1 fd00::1 51000 443\r\n",
            "PROXY TCP4 47.75.0.1 10.0.0.1 65536 443\r\n",
            "PROXY TCP4 47.75.0.1 10.0.0.1 051000 443\r\n",
            "PROXY TCP4  47.75.0.1 10.0.0.1 51000 443\r\n",
            "PROXY UDP4 47.75.0.1 10.0.0.1 51000 443\r\n",
            "PROXX",
            "proxy TCP4",
            "\r\n\r\nGET",
        ] {
            assert!(matches!(read(bad.as_bytes()), ProxyRead::Bad(_)), "{bad:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
        assert!(matches!(read(long.as_bytes()), ProxyRead::Bad(_)));
        for (command, family, size) in [
            (0x21, 0x11, 11),
            (0x21, 0x12, 12),
            (0x21, 0x31, 216),
            (0x22, 0x11, 12),
            (0x11, 0x11, 12),
            (0x21, 0x11, 600),
        ] {
            assert!(
                matches!(read(&v2(command, family, &vec![0; size])), ProxyRead::Bad(_)),
                "{command:x} {family:x} {size}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_header_in_pieces_is_the_same_header(body in prop::collection::vec(any::<u8>(), 12..60), at: prop::sample::Index) {
            for whole in [v2(0x21, 0x11, &body), b"PROXY TCP4 47.75.0.1 10.0.0.1 51000 443\r\n".to_vec()] {
                let part = &whole[..at.index(whole.len())];
                prop_assert_eq!(read(part), ProxyRead::More);
                let is_header = matches!(read(&whole), ProxyRead::Header { .. });
                prop_assert!(is_header);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            read(&bytes);
        }
    }
}
