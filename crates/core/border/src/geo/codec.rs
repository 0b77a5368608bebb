//! The compact form of a table: boundaries, delta-coded, one byte for a country, everything
//! compressed.
//!
//! # Format after decompression
//! 1. `BJG1`, the build time (8 bytes, milliseconds, little-endian), the number of countries (1)
//!    and their codes (2 each).
//! 2. For IPv4 and then for IPv6: the number of boundaries (4), and each boundary as the distance
//!    from the previous one (LEB128) and the index of its country among the codes, from 1 on (0: no
//!    country).
//!
//! Everything is checked when it is read. A broken file is an error, and never gives a wrong
//! country because its length happens to fit.

use super::{Blocks, GeoTable};
use banjia_types::{Country, Timestamp};
use thiserror::Error;

const MAGIC: &[u8] = b"BJG1";
/// Longest decoded table. Real ones are smaller.
const DECODED_BYTES_MAX: usize = 64 << 20;
const BLOCKS_MAX: usize = 4_000_000;
const LEVEL: i32 = 19;

/// Why a table cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum GeoError {
    /// The bytes do not decompress.
    #[error("the table cannot be decompressed: {0}")]
    Compressed(String),
    /// The bytes end early or are not a table.
    #[error("the table is broken: {0}")]
    Broken(&'static str),
    /// An operator's file cannot be read.
    #[error("the file is no usable address database: {0}")]
    Mmdb(String),
}

/// One address block, including both ends. The address is in the upper bits: IPv4 in 32, IPv6 in
/// 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// Its first address.
    pub first: u64,
    /// Its last address.
    pub last: u64,
    /// Its country.
    pub country: Country,
}

/// Encodes a table. `v4` and `v6` need not be sorted. Of overlapping blocks the first in order
/// counts.
///
/// # Errors
/// More than 254 countries, which do not fit into a byte.
pub fn encode(built: Timestamp, v4: &mut [Range], v6: &mut [Range]) -> Result<Vec<u8>, GeoError> {
    let mut codes: Vec<Country> = v4.iter().chain(v6.iter()).map(|range| range.country).collect();
    codes.sort_unstable();
    codes.dedup();
    let count = u8::try_from(codes.len()).ok().filter(|count| *count < u8::MAX);
    let mut out = MAGIC.to_vec();
    out.extend(built.0.to_le_bytes());
    out.push(count.ok_or(GeoError::Broken("it has more than 254 countries"))?);
    out.extend(codes.iter().flat_map(|code| code.as_str().bytes()));
    for (ranges, last) in [(v4, u64::from(u32::MAX)), (v6, u64::MAX)] {
        ranges.sort_unstable();
        let boundaries = boundaries(ranges, last, &codes);
        out.extend((boundaries.len() as u32).to_le_bytes());
        let mut before = 0;
        for (start, code) in boundaries {
            write_number(&mut out, start - before);
            out.push(code);
            before = start;
        }
    }
    zstd::bulk::compress(&out, LEVEL).map_err(|error| GeoError::Compressed(error.to_string()))
}

/// Where the country changes, from address 0 on.
fn boundaries(ranges: &[Range], last: u64, codes: &[Country]) -> Vec<(u64, u8)> {
    let mut made: Vec<(u64, u8)> = Vec::with_capacity(ranges.len() + 1);
    let mut push = |start: u64, code: u8| {
        if let Some(end) = made.last_mut().filter(|(at, _)| *at == start) {
            end.1 = code;
        } else if made.last().map_or(0, |(_, code)| *code) != code {
            made.push((start, code));
        }
    };
    let mut free = Some(0);
    for range in ranges {
        if free.is_none_or(|free| range.first < free) {
            continue;
        }
        free = range.last.checked_add(1);
        let code = codes.binary_search(&range.country).map_or(0, |at| at as u8 + 1);
        push(range.first, code);
        if range.last < last {
            push(range.last + 1, 0);
        }
    }
    made.dedup_by(|after, before| after.1 == before.1);
    made
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn decode(bytes: &[u8]) -> Result<GeoTable, GeoError> {
    let bytes =
        zstd::bulk::decompress(bytes, DECODED_BYTES_MAX).map_err(|error| GeoError::Compressed(error.to_string()))?;
    let mut reader = Reader(&bytes);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(GeoError::Broken("it does not begin as one"));
    }
    let built = Timestamp(i64::from_le_bytes(reader.array()?));
    let [count] = reader.array()?;
    let mut codes = vec![None];
    for _ in 0..count {
        let code = Country::from_bytes(reader.array()?).ok_or(GeoError::Broken("a country is not two capitals"))?;
        codes.push(Some(code));
    }
    let v4 = reader.blocks(codes.len(), |start| u32::try_from(start).ok())?;
    let v6 = reader.blocks(codes.len(), Some)?;
    if !reader.0.is_empty() {
        return Err(GeoError::Broken("something follows its end"));
    }
    Ok(GeoTable { built, codes, v4, v6 })
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], GeoError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(GeoError::Broken("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GeoError> {
        self.take(N)?.try_into().map_err(|_| GeoError::Broken("it ends early"))
    }

    fn number(&mut self) -> Result<u64, GeoError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(GeoError::Broken("a number is too long"))
    }

    fn blocks<T>(&mut self, codes: usize, fits: impl Fn(u64) -> Option<T>) -> Result<Blocks<T>, GeoError> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        if count > BLOCKS_MAX || count > self.0.len() {
            return Err(GeoError::Broken("it promises more blocks than it has"));
        }
        let mut blocks = Blocks { starts: Vec::with_capacity(count), codes: Vec::with_capacity(count) };
        let mut start: u64 = 0;
        for at in 0..count {
            let step = self.number()?;
            start = start.checked_add(step).ok_or(GeoError::Broken("an address is out of range"))?;
            let [code] = self.array()?;
            if usize::from(code) >= codes || at > 0 && step == 0 {
                return Err(GeoError::Broken("a block has no country of the table, or two"));
            }
            blocks.starts.push(fits(start).ok_or(GeoError::Broken("an address is out of range"))?);
            blocks.codes.push(code);
        }
        Ok(blocks)
    }
}
