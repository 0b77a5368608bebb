//! A small file beside the database for what must not be lost while the database cannot be written.
//!
//! Rules:
//! - It is filled when a gateway starts, so that overwriting it later needs no room on the disk.
//! - It has two slots that are written in turns, each with a number and a checksum. A process that
//!   is killed in the middle of a write leaves the other slot as it was.
//! - A change is on the disk before it is reported as done. Several processes change it one after
//!   the other.
//! - What it holds is only what the database does not hold yet.

use crate::StoreError;
use banjia_border::audit::Hash;
use banjia_types::{Timestamp, VendorName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const SLOT_BYTES: usize = 32 * 1024;
const SLOTS: u64 = 2;
/// The first word of a slot and the version of its form.
const MAGIC: &str = "banjia-state 1";
/// Maximum time to wait for another process that holds the file.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A cut that is not in the database yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingCut {
    pub(crate) vendor: VendorName,
    pub(crate) at: Timestamp,
    pub(crate) evidence: Value,
}

impl PendingCut {
    /// True for the same cut, even if its evidence was left out.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.vendor, self.at) == (&other.vendor, other.at)
    }
}

/// That a run of the ledger cannot write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailingRun {
    pub(crate) run: String,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Accepted requests that are not in the database.
    pub(crate) requests: u64,
}

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) cuts: Vec<PendingCut>,
    pub(crate) failing: Option<FailingRun>,
}

/// The file beside one database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    path: Arc<Path>,
    /// Threads of this process write one after the other.
    writing: Arc<Mutex<()>>,
}

impl StateFile {
    pub(crate) fn beside(database: &Path) -> Self {
        let mut name = database.as_os_str().to_owned();
        name.push(".state");
        Self { path: PathBuf::from(name).into(), writing: Arc::default() }
    }

    /// Reads the content of the file, which is empty if there is no file.
    pub(crate) async fn read(&self) -> Result<State, StoreError> {
        let path = Arc::clone(&self.path);
        self.on_thread(move || read(&path)).await
    }

    /// Makes the file and fills it, so that it can be overwritten when the disk is full.
    pub(crate) async fn prepare(&self) -> Result<(), StoreError> {
        self.change(|_| {}).await
    }

    /// Changes what the file holds. It is on the disk when this returns.
    pub(crate) async fn change(&self, change: impl FnOnce(&mut State) + Send + 'static) -> Result<(), StoreError> {
        let this = self.clone();
        self.on_thread(move || {
            let _writing = this.writing.lock().unwrap_or_else(PoisonError::into_inner);
            write(&this.path, change)
        })
        .await
    }

    /// A file can be slow, and a thread that serves requests must not wait for it.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|source| StoreError::StateFile { path: self.path.to_path_buf(), source })
    }
}

fn read(path: &Path) -> io::Result<State> {
    match File::open(path) {
        Ok(file) => Ok(newest(&file, path)?.1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, change: impl FnOnce(&mut State)) -> io::Result<()> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    lock(&file)?;
    let is_new = file.metadata()?.len() < SLOTS * SLOT_BYTES as u64;
    let (number, before) = newest(&file, path)?;
    let mut after = before.clone();
    change(&mut after);
    if is_new {
        let (begin, end) = (file.metadata()?.len(), SLOTS * SLOT_BYTES as u64);
        let missing = usize::try_from(end - begin).unwrap_or(0);
        file.write_all_at(&vec![0; missing], begin)?;
        file.sync_all()?;
    } else if after == before {
        return Ok(());
    }
    let number = number + 1;
    let slot = encode(number, &mut after)?;
    file.write_all_at(slot.as_bytes(), number % SLOTS * SLOT_BYTES as u64)?;
    file.sync_data()
}

/// Waits for the file's lock. It ends when the file is dropped.
fn lock(file: &File) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WAIT => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process does not let go of it")),
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, "the file beside the database cannot be locked");
                return Ok(());
            }
        }
    }
}

/// The number and the content of the slot that was written last. A file without a whole slot is
/// empty.
fn newest(file: &File, path: &Path) -> io::Result<(u64, State)> {
    let mut found: Option<(u64, State)> = None;
    let mut is_damaged = false;
    for place in 0..SLOTS {
        let mut slot = vec![0; SLOT_BYTES];
        let len = read_up_to(file, &mut slot, place * SLOT_BYTES as u64)?;
        slot.truncate(len);
        match decode(&slot) {
            Some(slot) if found.as_ref().is_none_or(|(number, _)| slot.0 > *number) => found = Some(slot),
            Some(_) => {}
            None => is_damaged |= slot.iter().any(|byte| *byte != 0),
        }
    }
    if found.is_none() && is_damaged {
        tracing::error!(path = %path.display(), "the file beside the database is damaged; a cut that only it held is lost");
    }
    Ok(found.unwrap_or_default())
}

fn read_up_to(file: &File, into: &mut [u8], from: u64) -> io::Result<usize> {
    let mut len = 0;
    while len < into.len() {
        match file.read_at(&mut into[len..], from + len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

/// `MAGIC NUMBER LENGTH SHA256`, a line break, and the content as JSON. The evidence of cuts is
/// left out where it has no room.
fn encode(number: u64, state: &mut State) -> io::Result<String> {
    let write = |state: &State| -> io::Result<Option<String>> {
        let text = serde_json::to_string(state)?;
        let hash = Hash::of(&format!("{number} {text}"));
        let slot = format!("{MAGIC} {number} {} {hash}\n{text}\n", text.len());
        Ok((slot.len() <= SLOT_BYTES).then_some(slot))
    };
    if let Some(slot) = write(state)? {
        return Ok(slot);
    }
    for cut in &mut state.cuts {
        cut.evidence = Value::Null;
    }
    write(state)?.ok_or_else(|| io::Error::other("more cuts wait than it has room for"))
}

fn decode(slot: &[u8]) -> Option<(u64, State)> {
    let text = slot.strip_prefix(MAGIC.as_bytes())?.strip_prefix(b" ")?;
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let mut header = std::str::from_utf8(&text[..end]).ok()?.split(' ');
    let number: u64 = header.next()?.parse().ok()?;
    let len: usize = header.next()?.parse().ok()?;
    let hash: Hash = header.next()?.parse().ok()?;
    let content = std::str::from_utf8(text.get(end + 1..)?.get(..len)?).ok()?;
    if Hash::of(&format!("{number} {content}")) != hash {
        return None;
    }
    Some((number, serde_json::from_str(content).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn cut(vendor: &str, at: i64) -> PendingCut {
        PendingCut { vendor: vendor.into(), at: Timestamp(at), evidence: serde_json::json!({ "said": "not here" }) }
    }

    fn vendors(path: &Path) -> Vec<String> {
        read(path).unwrap().cuts.iter().map(|cut| cut.vendor.to_string()).collect()
    }

    #[test]
    fn a_half_written_slot_leaves_the_older_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.state");
        write(&path, |state| state.cuts.push(cut("openai", 1))).unwrap();
        write(&path, |state| state.cuts.push(cut("anthropic", 2))).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let newest = usize::from(!whole[..SLOT_BYTES].windows(9).any(|part| part == b"anthropic")) * SLOT_BYTES;
        let text_len = whole[newest..].iter().position(|byte| *byte == 0).unwrap();
        for cut_at in 0..text_len - 1 {
            let mut torn = whole.clone();
            torn[newest + cut_at..newest + SLOT_BYTES].fill(0);
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(vendors(&path), ["openai"], "torn at {cut_at}");
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(vendors(&path), ["openai", "anthropic"]);
    }

    #[test]
    fn the_file_has_its_whole_length_from_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.state");
        write(&path, |_| {}).unwrap();
        let len = || std::fs::metadata(&path).unwrap().len();
        assert_eq!(len(), SLOTS * SLOT_BYTES as u64);
        for n in 0..5 {
            write(&path, |state| state.cuts.push(cut("openai", n))).unwrap();
        }
        assert_eq!(len(), SLOTS * SLOT_BYTES as u64);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn long_evidence_is_left_out_and_the_cut_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.state");
        let long = PendingCut { evidence: "x".repeat(SLOT_BYTES).into(), ..cut("openai", 1) };
        write(&path, |state| state.cuts.push(long)).unwrap();
        assert_eq!(vendors(&path), ["openai"]);
    }

    #[test]
    fn garbage_is_an_empty_file_and_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.state");
        std::fs::write(&path, [b'x'; 100]).unwrap();
        assert!(vendors(&path).is_empty());
        write(&path, |state| state.cuts.push(cut("openai", 1))).unwrap();
        assert_eq!(vendors(&path), ["openai"]);
    }
}
