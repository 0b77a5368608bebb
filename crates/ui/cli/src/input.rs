//! Files that a person gives to a command: a pipe such as `<(command)` is as good as a file, and
//! all have bounds.

use anyhow::Context as _;
use banjia_files::{Bounds, LineBound, read_text};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

/// A pipe must be at its end within this time.
const WITHIN: Duration = Duration::from_mins(2);
/// The longest line of a file that is read line by line: one exchange.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The whole text of a file.
///
/// # Errors
/// A file that cannot be read, or one with more than `bytes_max` bytes.
pub fn text(path: &Path, bytes_max: u64) -> anyhow::Result<String> {
    let bounds = Bounds::any_kind(bytes_max, WITHIN);
    read_text(path, bounds).with_context(|| format!("cannot read {}", path.display()))
}

/// A file to be read line by line, as long as it is.
///
/// # Errors
/// A file that cannot be opened.
pub fn lines(path: &Path) -> anyhow::Result<impl BufRead + use<>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(LineBound::new(BufReader::new(file), LINE_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_an_end_is_an_error() {
        let error = format!("{:#}", text(Path::new("/dev/zero"), 1_000).unwrap_err());
        assert_eq!(error, "cannot read /dev/zero: it has more than 1000 bytes");
    }

    #[test]
    fn a_line_without_an_end_is_an_error() {
        let line = lines(Path::new("/dev/zero")).unwrap().lines().next().unwrap();
        assert!(line.unwrap_err().to_string().contains("a line has more than"));
    }
}
