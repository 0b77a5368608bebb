//! Secrets at rest: texts of clients and vendors are sealed before they touch the disk.
//!
//! Rules: XChaCha20-Poly1305 with a random nonce for each value, which stands in front of it (24
//! bytes are enough to draw them blindly); the row's plain columns are authenticated with it, so
//! that no value can be moved to another row and no column changed unseen; a key leaves memory when
//! it is dropped and has no `Debug`. A database knows its key by a sealed text of its own: another
//! key is refused before anything is written with it.

use crate::key_file::{self, KEY_BYTES, KeyBytes};
use crate::{Store, StoreError};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use sqlx::sqlite::SqliteConnection;
use std::path::Path;
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;

/// What a database seals to know its key again.
const CHECK_TEXT: &[u8] = b"banjia seals with this key";
const CHECK_PLACE: &str = "seal_check";

/// A key that seals and opens. Zeroized on drop.
#[derive(Clone)]
pub struct EncryptionKey(KeyBytes);

impl EncryptionKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key, from the system's random numbers.
    pub fn random() -> Self {
        Self::new(rand::random())
    }

    /// Reads 64 hexadecimal digits; white space around them does not count.
    ///
    /// # Errors
    /// [`StoreError::BadKey`], without what was found.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        key_file::parse(text).map(Self)
    }

    /// The key in the file beside a database (`banjia.db.key` beside `banjia.db`), made once, for
    /// its owner's eyes only.
    ///
    /// # Errors
    /// A file that cannot be read or made, or that holds no key.
    pub fn beside(database: &Path) -> Result<Self, StoreError> {
        key_file::beside(database, ".key").map(Self)
    }

    /// Seals `plain` together with data that stays in clear: it opens only with the same data.
    pub(crate) fn seal(&self, associated_data: impl AsRef<[u8]>, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: plain, aad: associated_data.as_ref() };
        let sealed = self.cipher().encrypt(&nonce.into(), payload);
        let sealed = sealed.expect("only texts of more than 256 gigabytes cannot be sealed");
        let mut whole = Vec::with_capacity(NONCE_BYTES + sealed.len());
        whole.extend_from_slice(&nonce);
        whole.extend_from_slice(&sealed);
        whole
    }

    /// Opens a sealed value; `None` for another key, other associated data, or a value that was
    /// changed.
    pub(crate) fn open(&self, associated_data: impl AsRef<[u8]>, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: associated_data.as_ref() };
        self.cipher().decrypt(&(*nonce).into(), payload).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl Store {
    /// Whether this key is the database's. The first key that comes becomes it.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`], or a database that cannot be read.
    pub async fn check_seal(&self, key: &EncryptionKey) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        self.check_seal_in(key, &mut transaction).await?;
        transaction.commit().await.map_err(StoreError::sql("note the key"))
    }

    pub(crate) async fn check_seal_in(&self, key: &EncryptionKey, on: &mut SqliteConnection) -> Result<(), StoreError> {
        const FIND: &str = "SELECT sealed FROM seal_check WHERE id = 1";
        const PUT: &str = "INSERT INTO seal_check (id, sealed) VALUES (1, $1)";
        let found: Option<(Vec<u8>,)> =
            sqlx::query_as(FIND).fetch_optional(&mut *on).await.map_err(StoreError::sql("read which key it has"))?;
        match found {
            Some((sealed,)) if key.open(CHECK_PLACE, &sealed).as_deref() == Some(CHECK_TEXT) => Ok(()),
            Some(_) => Err(StoreError::WrongKey { path: self.path.to_path_buf() }),
            None => {
                let sealed = key.seal(CHECK_PLACE, CHECK_TEXT);
                sqlx::query(PUT).bind(sealed).execute(on).await.map_err(StoreError::sql("note the key"))?;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_its_key_at_its_place_and_nowhere_else() {
        let (key, other) = (EncryptionKey::random(), EncryptionKey::random());
        let sealed = key.seal("row 1", b"a text");
        assert_eq!(key.open("row 1", &sealed).as_deref(), Some(&b"a text"[..]));
        assert_eq!(key.open("row 2", &sealed), None);
        assert_eq!(other.open("row 1", &sealed), None);
        assert_ne!(sealed, key.seal("row 1", b"a text"), "a nonce must never come twice");
        assert!(!sealed.windows(6).any(|part| part == b"a text"));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(key.open("row 1", &changed), None, "a change at {place} was not seen");
            assert_eq!(key.open("row 1", &sealed[..place]), None);
        }
    }

    #[test]
    fn a_key_is_64_digits_and_nothing_else() {
        let text = "00ff".repeat(16);
        assert_eq!(EncryptionKey::parse(&format!(" {text}\n")).unwrap().0[..3], [0, 255, 0]);
        for bad in ["", "00ff", &"0g".repeat(32), &"é".repeat(32), &format!("{text}0")] {
            let error = EncryptionKey::parse(bad).err().unwrap().to_string();
            assert!(error.contains("64 hexadecimal digits"), "{error}");
        }
    }
}
