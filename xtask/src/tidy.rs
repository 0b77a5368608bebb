//! The house rules that a compiler does not know.
//!
//! A check is a function from the tree to findings, so that its test can hand it a tree that breaks
//! the rule. A finding says where, what and what to do. Function length, unwraps and printing are
//! clippy's part.

mod changelog;
mod clocks;
mod comment_width;
mod dist;
mod floors;
mod layers;
mod names;
mod profiles;
mod ratchet;
mod retired_names;
mod sizes;
mod test_names;
mod text;

use anyhow::{Context, Error, Result};
use std::fmt;
use std::fs;
use std::path::Path;

/// Folders that hold nothing of ours.
const LEFT_OUT: [&str; 7] = [".git", "target", "node_modules", ".venv", "__pycache__", "corpus", "artifacts"];

/// The rules that older places may still break, by number.
const RATCHETS: [&ratchet::Rule; 3] = [&comment_width::RULE, &retired_names::RULE, &test_names::RULE];

/// One thing that is not as the house wants it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// One text file, by its path from the root with forward slashes.
#[derive(Debug)]
pub(crate) struct File {
    path: String,
    text: String,
}

impl File {
    fn has_ending(&self, ending: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == ending)
    }

    fn is_rust(&self) -> bool {
        self.has_ending("rs")
    }

    /// Whether the whole file is a test: its rules are looser.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "fuzz_targets"))
    }

    /// The lines that are no test, numbered from 1. A test module stands last in its file.
    fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(number, line)| (number + 1, line));
        let is_test = self.is_test();
        numbered.take_while(move |(_, line)| !is_test && line.trim() != "#[cfg(test)]")
    }
}

/// The project's text files.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads the tree below `root`. Files that are no UTF-8 are left out.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.add(root, root)?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    fn add(&mut self, root: &Path, folder: &Path) -> Result<()> {
        let shown = folder.display();
        for entry in fs::read_dir(folder).with_context(|| format!("{shown} cannot be listed"))? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_name().to_str().is_none_or(|name| LEFT_OUT.contains(&name)) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.add(root, &path)?;
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                self.files.push(File { path, text });
            }
        }
        Ok(())
    }

    fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { files: files.iter().map(file).collect() }
    }
}

/// Everything that the text of the tree shows.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    let checks = [
        sizes::check,
        names::vendors,
        names::rooms,
        text::todos,
        text::sql,
        text::module_files,
        changelog::check,
        clocks::check,
        dist::check,
        floors::check,
        profiles::check,
    ];
    let old_debts = RATCHETS.iter().flat_map(|rule| ratchet::check(tree, rule));
    checks.iter().flat_map(|check| check(tree)).chain(old_debts).collect()
}

/// Lowers the numbers of old debts to what the tree has now. Returns the path of the file.
///
/// # Errors
/// If the file of numbers cannot be read or written.
pub(crate) fn lower_ratchets(root: &Path) -> Result<&'static str> {
    let text = ratchet::lowered(&Tree::read(root)?, &RATCHETS).map_err(Error::msg)?;
    fs::write(root.join(ratchet::PATH), text).with_context(|| format!("{} cannot be written", ratchet::PATH))?;
    Ok(ratchet::PATH)
}

/// The floors of the gateway and what each file imports, for a person.
pub(crate) fn floors(tree: &Tree) -> String {
    floors::show(tree)
}

/// Who depends on whom, from `cargo metadata`.
pub(crate) fn layers(root: &Path) -> Result<Vec<Finding>> {
    Ok(layers::check(&layers::edges(root)?))
}
