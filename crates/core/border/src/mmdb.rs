//! The operator's own table, in MaxMind's file format.
//!
//! # Rules
//! - The country is read from `country.iso_code` or a flat `country_code`, a part of it from the
//!   first subdivision, and a network's number from `autonomous_system_number` or `asn`. Values
//!   that a file does not have are not guessed.
//! - The whole file is checked when it is opened, so a broken one never replaces a good one.

use crate::geo::{GeoError, effective};
use banjia_types::{Country, Place, Timestamp};
use maxminddb::Reader;
use serde::Deserialize;
use std::net::IpAddr;

/// A database in memory.
pub struct Mmdb {
    name: String,
    built: Timestamp,
    reader: Reader<Vec<u8>>,
}

impl std::fmt::Debug for Mmdb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mmdb").field("name", &self.name).field("built", &self.built).finish_non_exhaustive()
    }
}

/// A database's record of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The country, or a part of it.
    pub place: Option<Place>,
    /// The autonomous system.
    pub asn: Option<u32>,
}

#[derive(Deserialize)]
struct Record<'r> {
    #[serde(borrow)]
    country: Option<Coded<'r>>,
    country_code: Option<&'r str>,
    #[serde(default)]
    subdivisions: Vec<Coded<'r>>,
    autonomous_system_number: Option<u32>,
    asn: Option<u32>,
}

#[derive(Deserialize)]
struct Coded<'r> {
    iso_code: Option<&'r str>,
}

impl Mmdb {
    /// Opens a file's bytes and checks all of them. `name` is the table's name in facts.
    ///
    /// # Errors
    /// The bytes are no database, a broken one, or one that is not of addresses.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, GeoError> {
        let wrong = |error: maxminddb::MaxMindDbError| GeoError::Mmdb(error.to_string());
        let reader = Reader::from_source(bytes).map_err(wrong)?;
        reader.verify().map_err(wrong)?;
        let seconds = i64::try_from(reader.metadata().build_epoch).unwrap_or(0);
        Ok(Self { name: name.to_owned(), built: Timestamp(seconds.saturating_mul(1000)), reader })
    }

    /// The table's name in facts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the table was built.
    pub const fn built(&self) -> Timestamp {
        self.built
    }

    /// The record of an address, or of the IPv4 address that it carries. `None` if there is none.
    pub fn look_up(&self, address: IpAddr) -> Option<Known> {
        let found = self.reader.lookup(effective(address)?).ok()?;
        let record: Record<'_> = found.decode().ok().flatten()?;
        let country = record.country.and_then(|country| country.iso_code).or(record.country_code)?;
        let part = record.subdivisions.first().and_then(|part| part.iso_code);
        let place = match part.and_then(|part| format!("{country}-{part}").parse::<Place>().ok()) {
            Some(place) => Some(place),
            None => country.parse::<Country>().ok().map(Place::from),
        };
        Some(Known { place, asn: record.autonomous_system_number.or(record.asn) })
    }
}

#[cfg(test)]
mod written;

#[cfg(test)]
mod tests {
    use super::written::{Value, table};
    use super::*;

    fn coded(code: &str) -> Value<'_> {
        Value::Map(vec![("iso_code", Value::Text(code))])
    }

    #[test]
    fn a_file_is_read_in_both_forms_and_families() {
        let bytes = table(
            1_720_483_200,
            &[
                ("47.75.0.0/16", Value::Map(vec![("country", coded("HK"))])),
                ("2406:da1e::/32", Value::Map(vec![("country_code", Value::Text("HK")), ("asn", Value::U32(16_509))])),
                (
                    "91.198.0.0/16",
                    Value::Map(vec![
                        ("country", coded("UA")),
                        ("subdivisions", Value::List(vec![coded("43")])),
                        ("autonomous_system_number", Value::U32(64_500)),
                    ]),
                ),
                ("198.51.0.0/16", Value::Map(vec![("country", coded("Neverland"))])),
                ("203.0.0.0/16", Value::Map(vec![("asn", Value::U32(64_501))])),
            ],
        );
        let mmdb = Mmdb::from_bytes("own.mmdb", bytes).unwrap();
        assert_eq!((mmdb.name(), mmdb.built()), ("own.mmdb", Timestamp(1_720_483_200_000)));
        let known = |address: &str| mmdb.look_up(address.parse().unwrap());
        let place = |place: &str, asn| Some(Known { place: Some(place.parse().unwrap()), asn });
        assert_eq!(known("47.75.0.1"), place("HK", None));
        assert_eq!(known("::ffff:47.75.0.1"), place("HK", None), "the same address in another dress");
        assert_eq!(known("2406:da1e::1"), place("HK", Some(16_509)));
        assert_eq!(known("91.198.0.1"), place("UA-43", Some(64_500)));
        assert_eq!(known("198.51.0.1"), Some(Known { place: None, asn: None }), "no country of ours, and no guess");
        for unknown in ["203.0.0.1", "8.8.8.8", "2606:4700::1"] {
            assert_eq!(known(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_file_that_breaks_off_is_refused() {
        let whole = table(1, &[("47.75.0.0/16", Value::Map(vec![("country", coded("HK"))]))]);
        assert!(Mmdb::from_bytes("own.mmdb", whole.clone()).is_ok());
        for length in [0, 10, whole.len() / 2, whole.len() - 1] {
            assert!(Mmdb::from_bytes("own.mmdb", whole[..length].to_vec()).is_err(), "{length} bytes");
        }
        let mut bent = whole;
        bent[3..6].copy_from_slice(&[0xff; 3]);
        assert!(Mmdb::from_bytes("own.mmdb", bent).is_err(), "a record that points nowhere");
    }

    #[test]
    fn what_is_no_database_is_refused() {
        for bytes in [Vec::new(), b"hello".to_vec(), vec![0; 4096], b"\xab\xcd\xefMaxMind.com".to_vec()] {
            assert!(matches!(Mmdb::from_bytes("own.mmdb", bytes), Err(GeoError::Mmdb(_))));
        }
    }
}
