//! IPv6 addresses that carry an IPv4 address.
//!
//! Such a packet goes back to the IPv4 address, so that address says where the caller is; the IPv6
//! prefix says only which translation is used. Only for judging places: a trusted proxy is never
//! recognised by an IPv4 address that is carried.
//!
//! Sources: RFC 4291 (compatible, mapped), RFC 2765 (translated), RFC 6052 and RFC 8215 (NAT64),
//! RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is known about the IPv4 address that an IPv6 address carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// The IPv4 address that the IPv6 address carries.
    Address(Ipv4Addr),
    /// It carries an IPv4 address that cannot be determined.
    Unknown,
}

/// The IPv4 address that `address` carries. `None` if it carries none.
pub(super) fn carried(address: Ipv6Addr) -> Option<Carried> {
    let last = Ipv4Addr::from_bits(address.to_bits() as u32);
    let from = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Compatible, mapped, translated, and NAT64 with the well-known prefix.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            Some(Carried::Address(last))
        }
        // Local NAT64 prefixes: their length, and with it the place of the IPv4 address, is the
        // network's own choice.
        [0x64, 0xff9b, ..] => Some(Carried::Unknown),
        [0x2002, high, low, ..] => Some(Carried::Address(from(high, low))),
        // Teredo: the client's address is the last, with every bit turned over.
        [0x2001, 0, ..] => Some(Carried::Address(Ipv4Addr::from_bits(!last.to_bits()))),
        // ISATAP. Callers choose this half of their address themselves, so nothing that it says is
        // believed.
        [_, _, _, _, universal, 0x5efe, ..] if universal & 0xfcff == 0 => Some(Carried::Unknown),
        _ => None,
    }
}

/// The address to look up in tables: the carried IPv4 address, else the address itself. `None` if
/// it cannot be determined.
pub(crate) fn effective(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return Some(address) };
    match carried(v6) {
        None => Some(address),
        Some(Carried::Address(v4)) => Some(v4.into()),
        Some(Carried::Unknown) => None,
    }
}
