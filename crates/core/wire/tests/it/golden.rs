//! Finding, comparing and rewriting golden files.

use banjia_wire::{Profile, embedded_profiles};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) fn profile(vendor: &str) -> Arc<Profile> {
    let text_of =
        |stem: &str| embedded_profiles().iter().find(|(found, _)| *found == stem).map(|(_, text)| (*text).to_owned());
    let text = text_of(vendor).unwrap_or_else(|| panic!("there is no profile {vendor}"));
    let (profile, problems) = Profile::parse(vendor, &text, &text_of);
    Arc::new(profile.unwrap_or_else(|| panic!("{vendor}: {problems:?}")))
}

/// The folders in a folder, sorted.
pub(crate) fn folders(parent: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Compares with a file, or rewrites it. Returns what is wrong.
pub(crate) fn compare(file: &Path, got: &str) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file, got).unwrap();
        return None;
    }
    let wanted = fs::read_to_string(file).unwrap_or_default();
    (wanted != got).then(|| format!("{}\n--- wanted\n{wanted}\n--- got\n{got}", file.display()))
}
