//! Files and folders that only their owner may read: the database, its keys and lock, and reports
//! about other people.
//!
//! Rules:
//! - A new file has mode 0600 and a new folder 0700 from its first moment.
//! - A file that is already there keeps what its owner and group may do. All others lose their
//!   access.
//! - The database's file is opened here only while it is new. SQLite's locks belong to the process,
//!   and closing a second descriptor of the file would give them up.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// The access of everybody except owner and group.
const OTHERS: u32 = 0o007;
/// Symbolic links that are followed to a file that is not there yet.
const LINKS_MAX: usize = 8;
/// Endings of the files that stand beside a database.
const BESIDE: [&str; 9] =
    ["-wal", "-shm", "-journal", ".state", ".lock", ".campaigns.lock", ".webhooks.lock", ".key", ".report-key"];

/// Makes a folder and the folders above it that are missing. Folders that are there stay as they
/// are.
///
/// # Errors
/// A folder that cannot be made.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

/// Writes a whole file, in place of what it held.
///
/// # Errors
/// A file that cannot be made or written.
pub fn write_private_file(path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = options().truncate(false).open(path)?;
    let metadata = file.metadata()?;
    // Not for a pipe or a device, such as `/dev/stdout`: it has no length, and its mode is not
    // ours.
    if metadata.is_file() {
        let mode = metadata.permissions().mode();
        if mode & OTHERS != 0 {
            hidden(path, file.set_permissions(Permissions::from_mode(mode & !OTHERS)));
        }
        file.set_len(0)?;
    }
    file.write_all(content.as_ref())
}

/// Opens a file for writing that only its owner may read, if it has to be made.
pub(crate) fn options() -> OpenOptions {
    let mut options = File::options();
    options.write(true).create(true).mode(FILE_MODE);
    options
}

/// Makes the database's file if it is not there, and takes the files of a database that is there
/// away from others.
pub(crate) fn prepare_database(path: &Path) {
    if !create_new(path) {
        hide_from_others(path);
    }
    for ending in BESIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        hide_from_others(Path::new(&name));
    }
}

/// Whether the file was made. Where it cannot be made, opening the database will say why.
fn create_new(path: &Path) -> bool {
    let mut path = PathBuf::from(path);
    for _ in 0..LINKS_MAX {
        match options().create_new(true).open(&path) {
            Ok(_) => return true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists && !path.exists() => {}
            Err(_) => return false,
        }
        // A link to a file that is not there: SQLite would make that file, for everybody to read.
        let Ok(target) = std::fs::read_link(&path) else { return false };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    false
}

/// Takes a file away from others, if it is there and they have access.
pub(crate) fn hide_from_others(path: &Path) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode();
    if metadata.is_file() && mode & OTHERS != 0 {
        hidden(path, std::fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)));
    }
}

fn hidden(path: &Path, done: io::Result<()>) {
    let path = path.display();
    match done {
        Ok(()) => tracing::warn!(%path, "this file was open to every user of this machine; it no longer is"),
        Err(error) => {
            tracing::warn!(%path, %error, "every user of this machine has access to this file: change its mode");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn open_to_all(path: &Path) {
        fs::write(path, "old and longer").unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o664)).unwrap();
    }

    #[test]
    fn a_new_file_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        write_private_file(&path, "new").unwrap();
        assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (0o600, "new"));
    }

    #[test]
    fn a_rewritten_file_is_hidden_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        open_to_all(&path);
        write_private_file(&path, "new").unwrap();
        assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (0o660, "new"));
    }

    #[test]
    fn a_device_is_written_and_keeps_its_mode() {
        let before = mode(Path::new("/dev/null"));
        write_private_file(Path::new("/dev/null"), "new").unwrap();
        assert_eq!(mode(Path::new("/dev/null")), before);
    }

    #[test]
    fn new_folders_are_open_to_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        create_private_folder(&inner).unwrap();
        create_private_folder(&inner).unwrap();
        assert_eq!((mode(&inner), mode(&folder.path().join("a"))), (0o700, 0o700));
    }

    #[test]
    fn a_database_file_is_made_before_sqlite_opens_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("banjia.db");
        prepare_database(&path);
        assert_eq!((mode(&path), fs::metadata(&path).unwrap().len()), (0o600, 0));
    }

    #[test]
    fn a_database_behind_a_link_is_made_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let (link, path) = (folder.path().join("link.db"), folder.path().join("banjia.db"));
        std::os::unix::fs::symlink("banjia.db", &link).unwrap();
        prepare_database(&link);
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_link_to_itself_ends_the_search() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink("link.db", &link).unwrap();
        prepare_database(&link);
        assert!(!link.exists());
    }

    #[test]
    fn all_files_of_an_old_database_lose_other_readers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("banjia.db");
        let names: Vec<_> = [""].iter().chain(&BESIDE).map(|ending| format!("{}{ending}", path.display())).collect();
        for name in &names {
            open_to_all(Path::new(name));
        }
        prepare_database(&path);
        for name in &names {
            assert_eq!(mode(Path::new(name)), 0o660, "{name}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "old and longer");
    }
}
