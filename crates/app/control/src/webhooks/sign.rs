//! The signature of an event: Standard Webhooks 1.0.0, symmetric (<https://www.standardwebhooks.com>, its
//! `spec/standard-webhooks.md` as read on 2026-11-26).
//!
//! Rules: HMAC-SHA256 over `ID.TIMESTAMP.BODY` with the timestamp of the attempt in seconds, in base64 after `v1,`; the key
//! is 24 to 64 bytes, written as `whsec_` and base64; no ID holds a full stop.

use banjia_types::{Secret, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// How a key is marked, so that nobody takes it for another kind of secret.
const PREFIX: &str = "whsec_";
const KEY_BYTES_MIN: usize = 24;
const KEY_BYTES_MAX: usize = 64;

/// A key that signs.
#[derive(Clone)]
pub(super) struct Signer(Zeroizing<Vec<u8>>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(...)")
    }
}

impl Signer {
    /// Reads a key; what is wrong with it is said without showing it.
    pub(super) fn read(secret: &Secret) -> Result<Self, &'static str> {
        let text = secret.expose().strip_prefix(PREFIX).ok_or("it must begin with whsec_")?;
        let key = Zeroizing::new(STANDARD.decode(text).map_err(|_| "what follows whsec_ is not base64")?);
        if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) {
            return Err("it must hold 24 to 64 bytes");
        }
        Ok(Self(key))
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(id.as_bytes());
        mac.update(format!(".{}.", seconds(at)).as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// A moment in seconds since 1970.
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(1000)
}

/// Bytes of chance as a key's text.
pub fn secret(bytes: &[u8; 32]) -> Secret {
    Secret::new(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_equals_an_independent_programs() {
        // python3: base64.b64encode(hmac.new(bytes(range(32)), b"msg_1.1720483200.{}", "sha256").digest())
        let signer = Signer::read(&secret(&std::array::from_fn(|at| at as u8))).unwrap();
        let signed = signer.sign("msg_1", Timestamp(1_720_483_200_999), b"{}");
        assert_eq!(signed, "v1,IQ6Lq3ry+TkDXnHrabfsfn42LtnNnx28+hfl7q1GSDc=");
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_being_shown() {
        for bad in ["", "hunter2", "whsec_", "whsec_%%%", "whsec_c2hvcnQ="] {
            let said = Signer::read(&Secret::new(bad)).unwrap_err();
            assert!(bad.is_empty() || bad == "whsec_" || !said.contains(bad), "{said}");
        }
        assert!(Signer::read(&secret(&[7; 32])).is_ok());
    }
}
