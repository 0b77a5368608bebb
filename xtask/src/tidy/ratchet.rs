//! Old debts that may only shrink.
//!
//! `xtask/ratchets.toml` lists, for a rule and a crate, how many places may still break the rule. A
//! crate that is not listed may have none. Fewer places than listed pass, so that two branches
//! which both pay off debts still merge; `cargo xtask ratchet` then lowers the numbers.

use super::{File, Finding, Tree};
use std::collections::BTreeMap;

/// Where the numbers stand.
pub(super) const PATH: &str = "xtask/ratchets.toml";
/// How many places a finding names.
const SHOWN_MAX: usize = 8;

/// Number of places that may break a rule, by rule and by crate.
type Limits = BTreeMap<String, BTreeMap<String, usize>>;

/// A rule whose old breaches are counted.
pub(super) struct Rule {
    /// Its table in the file of numbers.
    pub(super) table: &'static str,
    /// What to do about a place, for a person who has just added one.
    pub(super) advice: &'static str,
    /// All places that break it.
    pub(super) places: fn(&Tree) -> Vec<Finding>,
}

/// Returns one finding for each crate that breaks `rule` in more places than the file allows.
pub(super) fn check(tree: &Tree, rule: &Rule) -> Vec<Finding> {
    let limits = match read(tree) {
        Ok(limits) => limits,
        Err(message) => return vec![Finding::new(PATH, 1, message)],
    };
    let mut findings = Vec::new();
    for (name, places) in by_crate(tree, rule) {
        let allowed = limits.get(rule.table).and_then(|table| table.get(&name)).copied().unwrap_or(0);
        if places.len() > allowed {
            let shown: Vec<String> = places.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
            let message = format!(
                "{name} has {} places, {allowed} are allowed: {}. Some of them:\n  {}",
                places.len(),
                rule.advice,
                shown.join("\n  ")
            );
            findings.push(Finding::new(PATH, 1, format!("[{}] {message}", rule.table)));
        }
    }
    findings
}

/// Returns the file's text with each number lowered to what `tree` has. No number rises.
pub(super) fn lowered(tree: &Tree, rules: &[&Rule]) -> Result<String, String> {
    let old = read(tree)?;
    let mut new = Limits::new();
    for rule in rules {
        let found = by_crate(tree, rule);
        let table = old.get(rule.table).into_iter().flatten().filter_map(|(name, allowed)| {
            let count = found.get(name).map_or(0, Vec::len).min(*allowed);
            (count > 0).then(|| (name.clone(), count))
        });
        new.insert(rule.table.to_owned(), table.collect());
    }
    let body = toml::to_string(&new).map_err(|error| error.to_string())?;
    let head: Vec<&str> = text(tree)?.lines().take_while(|line| line.starts_with('#')).collect();
    Ok(format!("{}\n\n{body}", head.join("\n")))
}

fn read(tree: &Tree) -> Result<Limits, String> {
    toml::from_str(text(tree)?).map_err(|error| format!("is not a table of numbers: {}", error.message()))
}

fn text(tree: &Tree) -> Result<&str, String> {
    let file = tree.files.iter().find(|file| file.path == PATH);
    file.map(|file| file.text.as_str()).ok_or_else(|| "is missing".to_owned())
}

fn by_crate(tree: &Tree, rule: &Rule) -> BTreeMap<String, Vec<Finding>> {
    let mut crates: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for place in (rule.places)(tree) {
        crates.entry(crate_of(&place.path).to_owned()).or_default().push(place);
    }
    crates
}

/// The folder of the crate that a file belongs to: the part of its path before `src`, `tests` and
/// their like.
fn crate_of(path: &str) -> &str {
    let mut end = 0;
    for part in path.split('/') {
        if matches!(part, "src" | "tests" | "benches" | "examples" | "fuzz_targets" | "build.rs") {
            break;
        }
        end += part.len() + 1;
    }
    path.get(..end.saturating_sub(1)).unwrap_or(path)
}

/// Rust lines that are a comment from their first character on, numbered from 1.
pub(super) fn comments(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let numbered = file.text.lines().enumerate().map(|(number, line)| (number + 1, line));
    numbered.filter(|(_, line)| line.trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        table: "marks",
        advice: "remove the mark",
        places: |tree| {
            let marked = tree.rust().filter(|file| file.text.contains("mark"));
            marked.map(|file| Finding::new(&file.path, 1, "a mark")).collect()
        },
    };

    fn tree(limits: &str) -> Tree {
        Tree::of(&[
            ("crates/core/wire/src/a.rs", "mark"),
            ("crates/core/wire/tests/it/b.rs", "mark"),
            ("crates/types/src/lib.rs", "clean"),
            (PATH, limits),
        ])
    }

    #[test]
    fn more_places_than_allowed_are_found() {
        let found = check(&tree("[marks]\n\"crates/core/wire\" = 1\n"), &RULE);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("crates/core/wire has 2 places, 1 are allowed"), "{}", found[0]);
    }

    #[test]
    fn a_crate_without_a_number_may_have_none() {
        assert_eq!(check(&tree("[marks]\n\"crates/types\" = 5\n"), &RULE).len(), 1);
    }

    #[test]
    fn fewer_places_than_allowed_pass() {
        assert_eq!(check(&tree("[marks]\n\"crates/core/wire\" = 3\n"), &RULE), []);
    }

    #[test]
    fn lowering_never_raises_a_number() {
        let limits = "# Head.\n\n[marks]\n\"crates/core/wire\" = 1\n\"crates/types\" = 4\n";
        let text = lowered(&tree(limits), &[&RULE]).expect("the numbers can be read");
        assert_eq!(text, "# Head.\n\n[marks]\n\"crates/core/wire\" = 1\n");
    }

    #[test]
    fn a_broken_file_of_numbers_is_a_finding() {
        assert!(check(&tree("marks = 1"), &RULE)[0].message.contains("not a table of numbers"));
    }

    #[test]
    fn a_crate_is_the_folder_above_its_sources() {
        for (path, folder) in [
            ("crates/core/wire/src/head/check.rs", "crates/core/wire"),
            ("crates/types/src/lib.rs", "crates/types"),
            ("xtask/src/main.rs", "xtask"),
            ("crates/io/store/build.rs", "crates/io/store"),
        ] {
            assert_eq!(crate_of(path), folder);
        }
    }
}
