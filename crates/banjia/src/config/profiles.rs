//! Vendor profiles: those built into the binary, and those in a folder of the operator's.
//!
//! Rules: a file in the folder replaces the built-in profile of the same name; a built-in profile that cannot be read is
//! a fault of this program and is said so, never skipped.

use super::report::{Finding, Findings};
use banjia_files::{Bounds, FileError, list, read_text};
use banjia_gateway::Profiles;
use banjia_wire::{Problem, Profile, embedded_profiles};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A profile, and the folder of profiles, must be read within this time.
const READ_WITHIN: Duration = Duration::from_secs(5);
const BOUNDS: Bounds = Bounds::regular(1024 * 1024, READ_WITHIN);

/// The profiles that are known, before they are compiled.
pub(crate) struct Known {
    /// File stem -> where it came from and its text.
    texts: BTreeMap<String, (String, String)>,
    /// A folder, or a profile in it, that could not be read.
    unreadable: Option<(PathBuf, FileError)>,
}

/// The built-in profiles alone.
pub(crate) fn embedded() -> Known {
    let own = |(stem, text): &(&str, &str)| {
        ((*stem).to_owned(), (format!("vendors/{stem}.toml (built in)"), (*text).to_owned()))
    };
    Known { texts: embedded_profiles().iter().map(own).collect(), unreadable: None }
}

/// The built-in profiles and those in `folder`.
pub(crate) fn load(folder: &Path) -> Known {
    let mut known = embedded();
    known.unreadable = add_folder(&mut known.texts, folder).err();
    known
}

fn add_folder(texts: &mut BTreeMap<String, (String, String)>, folder: &Path) -> Result<(), (PathBuf, FileError)> {
    for path in list(folder, READ_WITHIN).map_err(|error| (folder.to_owned(), error))? {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let (Some(stem), Some("toml")) = (stem, path.extension().and_then(|end| end.to_str())) {
            let text = read_text(&path, BOUNDS).map_err(|error| (path.clone(), error))?;
            texts.insert(stem.to_owned(), (path.display().to_string(), text));
        }
    }
    Ok(())
}

impl Known {
    /// Compiles one more profile from `text`, which may extend a known one.
    pub(crate) fn parse(&self, stem: &str, shown: &str, text: &str) -> (Option<Profile>, Findings) {
        let find_base = |name: &str| self.texts.get(name).map(|(_, text)| text.clone());
        let (profile, problems) = Profile::parse(stem, text, &find_base);
        let mut findings = Findings::new(shown, text);
        for problem in problems {
            findings.add(finding(problem));
        }
        findings.sort();
        (profile, findings)
    }

    /// Compiles all; what is wrong goes into `findings`, a folder that cannot be read at `span`.
    pub(crate) fn into_map(self, findings: &mut Findings, span: Option<std::ops::Range<usize>>) -> Profiles {
        if let Some((path, error)) = &self.unreadable {
            let message = format!("cannot read the profiles in {}: {error}", path.display());
            findings
                .add(Finding::problem(span, message).hint("relative paths start at the configuration file's folder"));
        }
        let mut profiles = Profiles::new();
        for (stem, (shown, text)) in &self.texts {
            let (profile, found) = self.parse(stem, shown, text);
            findings.add_file(found);
            profiles.extend(profile.map(|profile| (stem.clone(), Arc::new(profile))));
        }
        profiles
    }
}

fn finding(problem: Problem) -> Finding {
    Finding { hint: problem.hint, ..Finding::problem(Some(problem.span), problem.message) }
}
