//! The memory that this process may use: the smallest limit of its control groups, else the
//! machine's memory.

use std::fs;
use std::path::{Path, PathBuf};

/// Control groups of version 1 write a huge number where there is no limit.
const NO_LIMIT: u64 = 1 << 60;

/// In bytes; `None` if the system does not say.
pub(super) fn bytes_available() -> Option<usize> {
    bytes_below(Path::new("/"))
}

fn bytes_below(root: &Path) -> Option<usize> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(|line| group_limit(root, line));
    let limit = limits.chain(machine(root)).min()?;
    usize::try_from(limit).ok()
}

/// The smallest limit on the way from a group to the root. A line is `0::/path`, or
/// `4:memory:/path` in version 1.
fn group_limit(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, kinds, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (mount, file) = match kinds {
        "" => (root.join("sys/fs/cgroup"), "memory.max"),
        _ if kinds.split(',').any(|kind| kind == "memory") => {
            (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let group = mount.join(path.trim_start_matches('/'));
    // Inside a container the path may be the host's, and only the mount's root is there.
    let folders = group.ancestors().take_while(|folder| folder.starts_with(&mount)).map(PathBuf::from);
    let limit = |folder: PathBuf| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    folders.filter_map(limit).filter(|bytes| *bytes < NO_LIMIT).min()
}

fn machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_smallest_limit_on_the_way_to_the_root_counts() {
        let root = tree(&[
            MACHINE,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "1000000\n"),
        ]);
        assert_eq!(bytes_below(root.path()), Some(1_000_000));
    }

    #[test]
    fn groups_of_version_1_are_read_too() {
        let root = tree(&[
            MACHINE,
            ("proc/self/cgroup", "5:cpu:/x\n4:hugetlb,memory:/docker/1\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n"),
        ]);
        assert_eq!(bytes_below(root.path()), Some(2_000_000));
    }

    #[test]
    fn without_a_limit_it_is_the_machines_memory() {
        let root = tree(&[
            MACHINE,
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(bytes_below(root.path()), Some(16384 * 1024));
        assert_eq!(bytes_below(tree(&[]).path()), None);
    }
}
