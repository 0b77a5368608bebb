//! Reads files that may hang, never end, or be too large.
//!
//! - Every read runs on a thread of its own and is given up after a time limit, so a network disk
//!   that does not answer blocks only that thread. These are plain threads: a runtime would wait
//!   for its own at shutdown.
//! - Every read has a bound on its bytes.
//! - A path that did not answer is not asked again until its thread comes back, so at most one
//!   thread per path is stuck.
//!
//! - [`read`], [`read_text`], [`read_start`]: one file
//! - [`list`]: the names in a folder
//! - [`version`]: detects changes
//! - [`LineBound`]: lines of a stream that may have no end

#![warn(missing_docs)]

mod line_bound;
mod thread;

pub use line_bound::LineBound;

use std::fs::{File, FileType, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Names in a folder beyond this number are an error.
const NAMES_MAX: usize = 100_000;

/// The kinds of files that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Regular files, also behind links. For everything that a process reads on its own.
    RegularFile,
    /// Pipes and devices too, such as `<(command)` or `/dev/stdin`. For files that a person gives
    /// to a command.
    AnyKind,
}

/// The bounds of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A file with more bytes is an error.
    pub bytes_max: u64,
    /// A read that takes longer is given up.
    pub within: Duration,
    /// The kinds of files that are read.
    pub accept: Accept,
}

impl Bounds {
    /// Regular files, and no other kind.
    pub const fn regular(bytes_max: u64, within: Duration) -> Self {
        Self { bytes_max, within, accept: Accept::RegularFile }
    }

    /// Regular files, pipes and devices.
    pub const fn any_kind(bytes_max: u64, within: Duration) -> Self {
        Self { bytes_max, within, accept: Accept::AnyKind }
    }
}

/// Why a file was not read. The text does not contain the path: callers write it as they show it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system reports an error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The time limit has passed.
    #[error("it did not answer within {} s", .0.as_secs_f64())]
    NoAnswer(Duration),
    /// An earlier read of the same path has not come back.
    #[error("an earlier attempt to read it has not come back")]
    StillWaiting,
    /// The file has more bytes than the bound.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// The folder has more names than the bound.
    #[error("it holds more than {NAMES_MAX} files")]
    TooMany,
    /// The path leads to something else than a regular file.
    #[error("it is {0}, and a regular file is needed")]
    NotRegular(&'static str),
    /// The bytes are not UTF-8.
    #[error("it is not text (UTF-8)")]
    NotText,
}

impl FileError {
    /// Returns true if there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Returns true if the file does not answer, as on a network disk that hangs.
    pub const fn is_no_answer(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::StillWaiting)
    }
}

/// The bytes of a file.
///
/// # Errors
/// The file cannot be read within its bounds.
pub fn read(path: &Path, bounds: Bounds) -> Result<Vec<u8>, FileError> {
    thread::run(path, bounds.within, move |path| {
        let (file, length) = open(path, bounds.accept)?;
        if length > bounds.bytes_max {
            return Err(FileError::TooLarge(bounds.bytes_max));
        }
        let mut bytes = Vec::new();
        file.take(bounds.bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bounds.bytes_max {
            return Err(FileError::TooLarge(bounds.bytes_max));
        }
        Ok(bytes)
    })
}

/// The text of a file.
///
/// # Errors
/// The file cannot be read within its bounds, or is not UTF-8.
pub fn read_text(path: &Path, bounds: Bounds) -> Result<String, FileError> {
    String::from_utf8(read(path, bounds)?).map_err(|_| FileError::NotText)
}

/// The first bytes of a file, at most `bounds.bytes_max`.
///
/// # Errors
/// The file cannot be read within its bounds.
pub fn read_start(path: &Path, bounds: Bounds) -> Result<Vec<u8>, FileError> {
    thread::run(path, bounds.within, move |path| {
        let (file, _) = open(path, bounds.accept)?;
        let mut bytes = Vec::new();
        file.take(bounds.bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

/// The paths in a folder, sorted. Folders below it are listed, not entered.
///
/// # Errors
/// The folder cannot be read within the time limit, or holds too many names.
pub fn list(folder: &Path, within: Duration) -> Result<Vec<PathBuf>, FileError> {
    thread::run(folder, within, |folder| {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            if paths.len() == NAMES_MAX {
                return Err(FileError::TooMany);
            }
            paths.push(entry?.path());
        }
        paths.sort_unstable();
        Ok(paths)
    })
}

/// Device, inode, length and time of a file. If two versions are equal, the file was not rewritten
/// between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    device: u64,
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

/// The version of a regular file, without its content.
///
/// # Errors
/// The file does not answer within the time limit, is missing, or is not a regular file.
pub fn version(path: &Path, within: Duration) -> Result<Version, FileError> {
    thread::run(path, within, |path| {
        let about = std::fs::metadata(path)?;
        refuse_kind(&about, Accept::RegularFile)?;
        let modified = about.modified().ok();
        Ok(Version { device: about.dev(), inode: about.ino(), length: about.len(), modified })
    })
}

/// Returns true if a path is a folder.
///
/// # Errors
/// The path does not answer within the time limit. A missing path is no folder.
pub fn is_folder(path: &Path, within: Duration) -> Result<bool, FileError> {
    thread::run(path, within, |path| Ok(std::fs::metadata(path).is_ok_and(|about| about.is_dir())))
}

/// Opens a file and returns its length. The kind is looked at before: opening a named pipe waits
/// for a writer.
fn open(path: &Path, accept: Accept) -> Result<(File, u64), FileError> {
    refuse_kind(&std::fs::metadata(path)?, accept)?;
    let file = File::open(path)?;
    let about = file.metadata()?;
    refuse_kind(&about, accept)?;
    let length = if about.is_file() { about.len() } else { 0 };
    Ok((file, length))
}

fn refuse_kind(about: &Metadata, accept: Accept) -> Result<(), FileError> {
    if about.is_file() || accept == Accept::AnyKind {
        return Ok(());
    }
    Err(FileError::NotRegular(kind_in_words(about.file_type())))
}

fn kind_in_words(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests;
