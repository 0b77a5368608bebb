//! Countries, territories and parts of them, by their ISO 3166 codes.
//!
//! # Rules
//! - A code here has the right form. `banjia_border::country` decides whether such a place exists.
//! - Hong Kong, Macao and Taiwan have codes of their own in ISO 3166-1 and are never replaced by
//!   another.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// An ISO 3166-1 alpha-2 code, or the user-assigned `XK`, in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The code of two ASCII capitals. `None` for other bytes.
    pub const fn from_bytes(code: [u8; 2]) -> Option<Self> {
        if code[0].is_ascii_uppercase() && code[1].is_ascii_uppercase() { Some(Self(code)) } else { None }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a code is two ASCII capitals")
    }

    /// A number below 676 that identifies the code, for tables.
    pub const fn index(self) -> usize {
        (self.0[0] - b'A') as usize * 26 + (self.0[1] - b'A') as usize
    }

    /// The code with this [`index`](Self::index). `None` from 676 on.
    pub const fn from_index(index: usize) -> Option<Self> {
        if index < 676 { Some(Self([b'A' + (index / 26) as u8, b'A' + (index % 26) as u8])) } else { None }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Country {
    type Err = String;

    /// Reads `HK`. Lower case is refused: a list with it was never reviewed.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        <[u8; 2]>::try_from(text.as_bytes())
            .ok()
            .and_then(Self::from_bytes)
            .ok_or_else(|| format!("a country is two capital letters of ISO 3166-1, for example HK; found {text:?}"))
    }
}

/// The part of an ISO 3166-2 code after the dash: one to three capitals or digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subdivision {
    bytes: [u8; 3],
    length: u8,
}

impl Subdivision {
    /// The part as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).expect("a part has at most three bytes");
        std::str::from_utf8(bytes).expect("a part is ASCII")
    }
}

/// A country or territory, or a part of one: `HK`, `UA-43`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The country or territory.
    pub country: Country,
    /// Its part, if the place is one.
    pub part: Option<Subdivision>,
}

impl From<Country> for Place {
    fn from(country: Country) -> Self {
        Self { country, part: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            Some(part) => f.pad(&format!("{}-{}", self.country, part.as_str())),
            None => self.country.fmt(f),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    /// Reads `HK` or `UA-43`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((country, part)) = text.split_once('-') else { return text.parse().map(|c: Country| c.into()) };
        let fits = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if part.is_empty() || part.len() > 3 || !part.as_bytes().iter().all(fits) {
            return Err(format!("a part of a country is written as in ISO 3166-2, for example UA-43; found {text:?}"));
        }
        let mut bytes = [0; 3];
        for (slot, byte) in bytes.iter_mut().zip(part.bytes()) {
            *slot = byte;
        }
        Ok(Self { country: country.parse()?, part: Some(Subdivision { bytes, length: part.len() as u8 }) })
    }
}

macro_rules! serde_as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(Country, Place);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_form() {
        for good in ["HK", "CN", "XK", "UA-43", "FR-GF", "GB-ENG", "UA-09"] {
            let place: Place = good.parse().unwrap();
            assert_eq!(place.to_string(), good);
            assert_eq!(Country::from_index(place.country.index()), Some(place.country));
        }
        for bad in ["", "hk", "H", "HKG", "H1", "UA-", "UA-4343", "UA-a", "UA43", "-43", "香"] {
            assert!(bad.parse::<Place>().is_err(), "{bad:?} must be refused");
        }
        assert_eq!(Country::from_index(676), None);
    }
}
