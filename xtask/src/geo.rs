//! `cargo xtask geo FILE.mmdb`: makes the built-in table of countries from a country database in
//! MaxMind's format.

use anyhow::{Context, Result};
use banjia_border::geo::{GeoTable, Range, encode};
use banjia_types::{Country, Timestamp};
use maxminddb::Reader;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::Path;

#[derive(Deserialize)]
struct Record<'r> {
    country_code: Option<&'r str>,
    #[serde(borrow)]
    country: Option<Coded<'r>>,
}

#[derive(Deserialize)]
struct Coded<'r> {
    iso_code: Option<&'r str>,
}

/// Reads `from`, writes the compact form to `to`, and says what it made.
pub(crate) fn convert(from: &Path, to: &Path) -> Result<String> {
    let bytes = std::fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    let reader = Reader::from_source(bytes)?;
    let seconds = i64::try_from(reader.metadata().build_epoch)?;
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for found in reader.networks(maxminddb::WithinOptions::default())? {
        let found = found?;
        let record: Option<Record<'_>> = found.decode()?;
        let Some(code) = record.and_then(|record| record.country_code.or_else(|| record.country?.iso_code)) else {
            continue;
        };
        let Ok(country) = code.parse::<Country>() else { continue };
        if banjia_border::country::country(country).is_none() {
            continue;
        }
        let network = found.network()?;
        let prefix = u32::from(network.prefix());
        match network.ip() {
            IpAddr::V4(ip) => {
                let first = u64::from(ip.to_bits());
                v4.push(Range { first, last: first + ((1 << (32 - prefix)) - 1), country });
            }
            IpAddr::V6(ip) => {
                let first = (ip.to_bits() >> 64) as u64;
                // Blocks finer than /64 are rounded up to it: no network that people use is
                // smaller.
                let rest = 1_u64.checked_shl(64 - prefix.min(64)).map_or(u64::MAX, |size| size - 1);
                v6.push(Range { first, last: first | rest, country });
            }
        }
    }
    let made = encode(Timestamp(seconds * 1000), &mut v4, &mut v6)?;
    let table = GeoTable::decode(&made)?;
    std::fs::write(to, &made).with_context(|| format!("writing {}", to.display()))?;
    let (blocks_v4, blocks_v6) = table.blocks();
    Ok(format!(
        "{}: {} bytes, {blocks_v4} IPv4 and {blocks_v6} IPv6 blocks, built {}",
        to.display(),
        made.len(),
        table.built().date()
    ))
}
