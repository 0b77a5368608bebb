//! Walks a tree and reads its files, on all processors.
//!
//! Rules: links are not followed; what cannot be read is counted and named, and ends nothing;
//! folders of installed packages are left out; environment files are read even where `.gitignore`
//! names them, which it should.

use anyhow::{Context as _, bail};
use banjia_scan::find::{FILE_BYTES_MAX, is_readable};
use banjia_scan::{Coverage, Report, Scan, ScanRules, Skip, find};
use ignore::WalkBuilder;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Folders of installed packages and of version control.
const LEFT_OUT: [&str; 8] = [".git", ".hg", ".svn", "node_modules", ".venv", "venv", "site-packages", "__pycache__"];

/// A file that was met, and why it is not read if that is known already.
type Met = (PathBuf, Option<Skip>);

/// Scans a file or everything below a folder.
pub(super) fn scan(path: &Path, all: bool) -> anyhow::Result<Report> {
    let shown = path.display();
    let about = fs::metadata(path).with_context(|| format!("{shown} cannot be scanned: is the path right?"))?;
    if !about.is_dir() && !about.is_file() {
        bail!("{shown} is neither a folder nor a file");
    }
    let files: Vec<Met> = meet(path, all).into_iter().collect();
    let scans = read_all(path, &files);
    let mut report = Report { root: shown.to_string(), coverage: Coverage::default(), findings: Vec::new() };
    for ((file, _), scan) in files.iter().zip(scans) {
        report.coverage.add(&name(path, file), &scan);
        report.findings.extend(scan.findings);
    }
    Ok(report)
}

/// All files, in the order of their names.
fn meet(path: &Path, all: bool) -> BTreeSet<Met> {
    let mut met = BTreeSet::new();
    let mut add = |respect: bool, wanted: fn(&str) -> bool| {
        let mut builder = WalkBuilder::new(path);
        builder.standard_filters(respect).hidden(false).follow_links(false).require_git(false);
        builder.filter_entry(|entry| {
            let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
            !is_dir || entry.depth() == 0 || entry.file_name().to_str().is_none_or(|name| !LEFT_OUT.contains(&name))
        });
        for entry in builder.build() {
            match entry {
                Ok(entry) => {
                    let Some(kind) = entry.file_type() else { continue };
                    let name = entry.file_name().to_string_lossy();
                    if kind.is_dir() || !wanted(&name) {
                        continue;
                    }
                    // What is neither, such as a pipe, would keep a reader waiting.
                    let skip = if kind.is_symlink() { Some(Skip::Link) } else { None };
                    let skip = if skip.is_none() && !kind.is_file() { Some(Skip::Unreadable) } else { skip };
                    met.insert((entry.into_path(), skip));
                }
                Err(error) => met.extend(path_of(&error).map(|path| (path, Some(Skip::Unreadable)))),
            }
        }
    };
    add(!all, |_| true);
    // A second look for what is ignored on purpose and matters still.
    add(false, |name| name.starts_with(".env"));
    met
}

fn path_of(error: &ignore::Error) -> Option<PathBuf> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

/// Reads all files; each processor takes the next that nobody has.
fn read_all(root: &Path, files: &[Met]) -> Vec<Scan> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Scan)>> = Mutex::new(Vec::with_capacity(files.len()));
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(files.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut own = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((path, skip)) = files.get(at) else { break };
                    let scan = skip.map_or_else(|| read(root, path), Scan::skipped);
                    own.push((at, scan));
                }
                done.lock().expect("no worker panics while it holds the list").extend(own);
            });
        }
    });
    let mut done = done.into_inner().expect("all workers are over");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, scan)| scan).collect()
}

fn read(root: &Path, path: &Path) -> Scan {
    let name = name(root, path);
    if !is_readable(&name) {
        return Scan::skipped(Skip::UnknownLanguage);
    }
    // One byte more than is allowed tells that it is too large, whatever the file system says of
    // its size.
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut text));
    match read {
        Ok(_) => find(&name, &text, ScanRules::embedded()),
        Err(_) => Scan::skipped(Skip::Unreadable),
    }
}

/// A file's name in the report: its path below what was scanned, with forward slashes.
fn name(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty());
    below.unwrap_or(path).to_string_lossy().replace('\\', "/")
}
