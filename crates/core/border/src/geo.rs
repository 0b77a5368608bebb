//! The country of an address, from tables.
//!
//! # Rules
//! - A country is a table's record of an address block, with the table's name and date. It is
//!   evidence and not truth.
//! - Addresses that stand for no place (private, loopback, shared, documentation) have no country.
//! - An IPv6 address that carries an IPv4 address is judged by that one, in each form that can be
//!   recognised. It has no place if the IPv4 address cannot be determined or is not public.
//! - The second source knows where the block was *registered*, which is not where it is used. It
//!   marks an answer and never replaces one.
//!
//! The built-in table is made from DB-IP Lite (see `data/README.md`) and decoded once, at the first
//! look-up.

mod carried;
mod codec;
#[cfg(test)]
mod tests;

pub(crate) use carried::effective;
pub use codec::{GeoError, Range, encode};

use crate::facts::{Agreement, NetworkFact};
use crate::mmdb::Mmdb;
use banjia_types::{Country, Timestamp};
use carried::{Carried, carried};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

static EMBEDDED: &[u8] = include_bytes!("../data/dbip-country.bin.zst");

/// The name of the built-in table in facts and explanations.
pub const EMBEDDED_NAME: &str = "DB-IP Lite";

/// Countries of address blocks: sorted starts, each with the country (or none) from there on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeoTable {
    built: Timestamp,
    codes: Vec<Option<Country>>,
    v4: Blocks<u32>,
    /// The upper half of an address: no block is finer than /64.
    v6: Blocks<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Blocks<T> {
    starts: Vec<T>,
    codes: Vec<u8>,
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self { starts: Vec::new(), codes: Vec::new() }
    }
}

impl<T: Ord> Blocks<T> {
    fn code(&self, address: &T) -> Option<u8> {
        let after = self.starts.partition_point(|start| start <= address);
        self.codes.get(after.checked_sub(1)?).copied()
    }
}

impl GeoTable {
    /// Reads a table that [`encode`] made.
    ///
    /// # Errors
    /// The bytes are not such a table.
    pub fn decode(bytes: &[u8]) -> Result<Self, GeoError> {
        codec::decode(bytes)
    }

    /// The built-in table.
    pub fn embedded() -> &'static Self {
        static TABLE: OnceLock<GeoTable> = OnceLock::new();
        TABLE.get_or_init(|| Self::decode(EMBEDDED).expect("a test decodes the built-in table"))
    }

    /// When the source of the table was built.
    pub const fn built(&self) -> Timestamp {
        self.built
    }

    /// The number of its blocks, in IPv4 and IPv6.
    pub const fn blocks(&self) -> (usize, usize) {
        (self.v4.starts.len(), self.v6.starts.len())
    }

    /// The country of an address. `None` if the table has none.
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        let code = match effective(address)? {
            IpAddr::V4(v4) => self.v4.code(&v4.to_bits())?,
            IpAddr::V6(v6) => self.v6.code(&((v6.to_bits() >> 64) as u64))?,
        };
        self.codes.get(usize::from(code)).copied().flatten()
    }
}

/// Why an address has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeless {
    /// It is an address of this machine.
    Loopback,
    /// It belongs to a network that exists many times (RFC 1918, RFC 4193, link-local).
    Private,
    /// It is behind the address translation of a carrier (RFC 6598).
    Shared,
    /// It is reserved for documents, tests or multicast, or belongs to nobody.
    Reserved,
    /// An IPv6 address whose IPv4 address is not public or cannot be determined. The caller may be
    /// anywhere.
    Carried,
}

impl Placeless {
    /// The reason in a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Reserved => "reserved",
            Self::Carried => "bound to an IPv4 address that is not public or not known",
        }
    }
}

/// Why an address has no place. `None` if it has one.
pub fn placeless(address: IpAddr) -> Option<Placeless> {
    match address.to_canonical() {
        IpAddr::V4(v4) => placeless_v4(v4),
        IpAddr::V6(v6) => placeless_v6(v6).or_else(|| {
            let is_public = match carried(v6)? {
                Carried::Address(v4) => placeless_v4(v4).is_none(),
                Carried::Unknown => false,
            };
            (!is_public).then_some(Placeless::Carried)
        }),
    }
}

/// The address that decides where a caller is: the carried IPv4 address if there is one, else the
/// address itself. `None` for an address without a place.
pub fn judged(address: IpAddr) -> Option<IpAddr> {
    if placeless(address).is_some() { None } else { effective(address) }
}

fn placeless_v4(v4: Ipv4Addr) -> Option<Placeless> {
    let [a, b, ..] = v4.octets();
    if v4.is_loopback() {
        Some(Placeless::Loopback)
    } else if v4.is_private() || v4.is_link_local() {
        Some(Placeless::Private)
    } else if a == 100 && b & 0xc0 == 64 {
        Some(Placeless::Shared)
    } else if a == 0 || a >= 224 || v4.is_documentation() || a == 198 && b & 0xfe == 18 {
        Some(Placeless::Reserved)
    } else {
        None
    }
}

fn placeless_v6(v6: Ipv6Addr) -> Option<Placeless> {
    let [a, b, ..] = v6.segments();
    if v6.is_loopback() {
        Some(Placeless::Loopback)
    } else if v6.is_unique_local() || v6.is_unicast_link_local() {
        Some(Placeless::Private)
    } else if v6.is_unspecified()
        || v6.is_multicast()
        || a == 0x2001 && b == 0xdb8
        // 3fff::/20, for documents (RFC 9637).
        || a == 0x3fff && b & 0xf000 == 0
    {
        Some(Placeless::Reserved)
    } else {
        None
    }
}

/// What is known about an address: from the operator's table first, then from the built-in one,
/// marked with the second source's answer.
pub fn look_up(table: &GeoTable, own: Option<&Mmdb>, address: IpAddr) -> Option<NetworkFact> {
    if placeless(address).is_some() {
        return None;
    }
    let found = own.and_then(|own| own.look_up(address));
    let asn = found.as_ref().and_then(|found| found.asn);
    let (place, source, as_of) = match (own, found.and_then(|found| found.place)) {
        (Some(own), Some(place)) => (place, Cow::Owned(own.name().to_owned()), own.built()),
        _ => (table.country(address)?.into(), Cow::Borrowed(EMBEDDED_NAME), table.built()),
    };
    let witness = registered_in(address);
    let agreement = match witness {
        None => Agreement::Alone,
        Some(country) if country == place.country => Agreement::Agree,
        Some(country) => Agreement::Differ(country),
    };
    Some(NetworkFact { place, agreement, asn, source, as_of })
}

/// The country in which the address block was registered, by the files of the regional registries.
fn registered_in(address: IpAddr) -> Option<Country> {
    let code = match effective(address)? {
        IpAddr::V4(v4) => iptocc::country_code(v4),
        IpAddr::V6(v6) => iptocc::country_code(v6),
    };
    code?.parse().ok()
}
