//! Secret keys in files beside a database, made once, for their owner's eyes only.

use crate::StoreError;
use crate::private_file::hide_from_others;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize as _, Zeroizing};

pub(crate) const KEY_BYTES: usize = 32;
/// The most that is read of a key's file: the digits, and some room for a line break.
const KEY_FILE_BYTES_MAX: u64 = 256;

/// The bytes of a key. Zeroized on drop; no `Debug` of them.
pub(crate) type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// The key that signs the reports of a database's moves. It is another one than that of the
/// captures, which may be handed to whoever must read them.
#[derive(Clone)]
pub struct ReportKey(KeyBytes);

impl ReportKey {
    /// The key in the file beside a database (`banjia.db.report-key` beside `banjia.db`), made
    /// once.
    ///
    /// # Errors
    /// A file that cannot be read or made, or that holds no key.
    pub fn beside(database: &Path) -> Result<Self, StoreError> {
        beside(database, ".report-key").map(Self)
    }

    /// The seed of an Ed25519 key.
    pub fn seed(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl std::fmt::Debug for ReportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReportKey")
    }
}

/// Reads 64 hexadecimal digits; white space around them does not count.
pub(crate) fn parse(text: &str) -> Result<KeyBytes, StoreError> {
    let digits = text.trim().as_bytes();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if digits.len() != 2 * KEY_BYTES {
        return Err(StoreError::BadKey { place: None });
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |place: usize| char::from(pair[place]).to_digit(16);
        let (high, low) = digit(0).zip(digit(1)).ok_or(StoreError::BadKey { place: None })?;
        *byte = (high * 16 + low) as u8;
    }
    Ok(key)
}

/// The key in the file that is named as the database and `ending`.
pub(crate) fn beside(database: &Path, ending: &str) -> Result<KeyBytes, StoreError> {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    let path = PathBuf::from(name);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    let made = Zeroizing::new(rand::random());
    match make(&path, &made) {
        Ok(()) => Ok(made),
        // Another process made one in the meantime: both must use the same.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read(&path)?.ok_or(StoreError::KeyFile { path, source: error })
        }
        Err(source) => Err(StoreError::KeyFile { path, source }),
    }
}

fn read(path: &Path) -> Result<Option<KeyBytes>, StoreError> {
    let failed = |source| StoreError::KeyFile { path: path.to_owned(), source };
    // Opening a named pipe waits for a writer.
    if std::fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return Err(failed(std::io::Error::new(ErrorKind::InvalidInput, "it is no regular file")));
    }
    let file = match File::open(path) {
        Ok(file) => {
            hide_from_others(path);
            file
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    let read = file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text);
    let key = parse(&text);
    text.zeroize();
    read.map_err(failed)?;
    key.map(Some).map_err(|_| StoreError::BadKey { place: Some(path.to_owned()) })
}

/// Written under another name and then linked, so that a process that is killed leaves no half key.
fn make(path: &Path, key: &KeyBytes) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Such a file can be read and written by its owner only.
    let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(folder)?;
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 1));
    for byte in key.iter() {
        text.extend([byte >> 4, byte & 15].map(|half| char::from_digit(u32::from(half), 16).unwrap_or('0')));
    }
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map(drop).map_err(|error| error.error)
}
