//! Writes small tables in MaxMind's file format, for tests: none that is in use may be kept here.
//!
//! After "MaxMind DB File Format Specification" 2.0 (maxmind.github.io/MaxMind-DB, read on
//! 2026-11-26): a binary tree with 24-bit records, sixteen zero bytes, the data, and behind a
//! marker the metadata.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// A value of the format; only what tables of countries use.
pub(crate) enum Value<'v> {
    Text(&'v str),
    U16(u16),
    U32(u32),
    U64(u64),
    List(Vec<Value<'v>>),
    Map(Vec<(&'v str, Value<'v>)>),
}

impl Value<'_> {
    fn write(&self, into: &mut Vec<u8>) {
        // Sizes up to 28 stand in the first byte; types above 7 in a second one.
        let size = |size: usize| u8::try_from(size).ok().filter(|size| *size < 29).expect("a short value");
        match self {
            Self::Text(text) => {
                into.push(2 << 5 | size(text.len()));
                into.extend_from_slice(text.as_bytes());
            }
            Self::U16(number) => {
                into.push(5 << 5 | 2);
                into.extend_from_slice(&number.to_be_bytes());
            }
            Self::U32(number) => {
                into.push(6 << 5 | 4);
                into.extend_from_slice(&number.to_be_bytes());
            }
            Self::U64(number) => {
                into.extend_from_slice(&[8, 9 - 7]);
                into.extend_from_slice(&number.to_be_bytes());
            }
            Self::List(values) => {
                into.extend_from_slice(&[size(values.len()), 11 - 7]);
                for value in values {
                    value.write(into);
                }
            }
            Self::Map(pairs) => {
                into.push(7 << 5 | size(pairs.len()));
                for (key, value) in pairs {
                    Self::Text(key).write(into);
                    value.write(into);
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Node(usize),
    Data(usize),
}

/// A whole file: networks as `"2406:da1e::/32"`, IPv4 under `::/96` as the format wants it, each
/// with its record.
pub(crate) fn table(built: u64, networks: &[(&str, Value<'_>)]) -> Vec<u8> {
    let (mut nodes, mut data) = (vec![[Next::Nothing; 2]], Vec::new());
    for (network, record) in networks {
        let (bits, length) = network_bits(network);
        let offset = data.len();
        record.write(&mut data);
        let mut at = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[at][side] = Next::Data(offset);
            } else if let Next::Node(next) = nodes[at][side] {
                at = next;
            } else {
                nodes.push([Next::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[at][side] = Next::Node(next);
                at = next;
            }
        }
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for next in nodes.iter().flatten() {
        let record = match next {
            Next::Nothing => count,
            Next::Node(node) => *node,
            Next::Data(offset) => count + 16 + offset,
        };
        file.extend_from_slice(&u32::try_from(record).expect("a small table").to_be_bytes()[1..]);
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(MARKER);
    metadata(u32::try_from(count).expect("a small table"), built).write(&mut file);
    file
}

fn metadata(count: u32, built: u64) -> Value<'static> {
    Value::Map(vec![
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(built)),
        ("database_type", Value::Text("Test-Country")),
        ("description", Value::Map(vec![("en", Value::Text("made by a test"))])),
        ("ip_version", Value::U16(6)),
        ("languages", Value::List(vec![Value::Text("en")])),
        ("node_count", Value::U32(count)),
        ("record_size", Value::U16(24)),
    ])
}

fn network_bits(network: &str) -> (u128, u32) {
    let (address, length) = network.split_once('/').expect("a network");
    let length: u32 = length.parse().expect("a length");
    match address.parse().expect("an address") {
        IpAddr::V4(v4) => (u128::from(Ipv4Addr::to_bits(v4)), length + 96),
        IpAddr::V6(v6) => (Ipv6Addr::to_bits(v6), length),
    }
}
