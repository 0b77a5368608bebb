//! How keys are kept: as hashes only.
//!
//! Rules: the text of a key is hashed at once and then forgotten; a hash is looked up by its own bytes and then compared
//! again in constant time. Keys carry at least 128 bits of chance, so a slow password hash would add tens of milliseconds
//! per request and no safety; the pepper makes a stolen configuration file useless for checking guesses.

use banjia_types::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use subtle::ConstantTimeEq;

const PLAIN: &str = "sha256:";
const PEPPERED: &str = "hmac-sha256:";

/// The hash of a key's text. It has no `Debug` text beyond its kind: a hash of a weak key is worth guessing at.
#[derive(Clone, Copy, Eq)]
pub struct KeyHash([u8; 32]);

impl std::hash::Hash for KeyHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(...)")
    }
}

impl KeyHash {
    /// Hashes the text of a key.
    pub fn of(pepper: Option<&Secret>, key: &str) -> Self {
        let Some(pepper) = pepper else {
            return Self(Sha256::digest(key.as_bytes()).into());
        };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(pepper.expose().as_bytes()).expect("HMAC takes keys of any length");
        mac.update(key.as_bytes());
        Self(mac.finalize().into_bytes().into())
    }

    /// Reads what [`hash`] wrote, in the form that `peppered` asks for.
    ///
    /// # Errors
    /// A sentence saying what is wrong with the text.
    pub fn parse(text: &str, peppered: bool) -> Result<Self, String> {
        let (wanted, other) = if peppered { (PEPPERED, PLAIN) } else { (PLAIN, PEPPERED) };
        let hex = text.strip_prefix(wanted).ok_or_else(|| match text.strip_prefix(other) {
            Some(_) if peppered => "this key was hashed without the pepper that is set now".to_owned(),
            Some(_) => "this key was hashed with a pepper, and none is set".to_owned(),
            None => format!("a key's hash begins with {wanted:?}"),
        })?;
        let bad = || format!("a key's hash is {wanted:?} and 64 hexadecimal digits");
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

/// The text under which a key's hash is written into the configuration.
pub fn hash(pepper: Option<&Secret>, key: &str) -> String {
    let mut text = String::from(if pepper.is_some() { PEPPERED } else { PLAIN });
    for byte in KeyHash::of(pepper, key).0 {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_hash_reads_back_as_the_hash_of_its_key() {
        let pepper = Secret::new("p");
        for pepper in [None, Some(&pepper)] {
            let text = hash(pepper, "sk-one");
            assert!(KeyHash::parse(&text, pepper.is_some()).unwrap() == KeyHash::of(pepper, "sk-one"));
            assert!(KeyHash::parse(&text, pepper.is_some()).unwrap() != KeyHash::of(pepper, "sk-two"));
            assert!(KeyHash::parse(&text, pepper.is_none()).is_err());
        }
        // FIPS 180-4's own example.
        assert_eq!(hash(None, "abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_malformed_hash_is_told_apart_and_never_panics() {
        for bad in ["", "sha256:", "sha256:zz", "md5:00", "sha256:ééééééééééééééééééééééééééééééééé"]
        {
            assert!(KeyHash::parse(bad, false).is_err(), "{bad:?}");
        }
        assert_eq!(format!("{:?}", KeyHash::of(None, "abc")), "KeyHash(...)");
    }
}
