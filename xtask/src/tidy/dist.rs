//! `dist` optimises everything: a package that `release` lowers is raised again.
//!
//! A profile inherits the levels of single packages. One that is lowered for a quick first build
//! and not raised again would serve at that level, and no test would see it.

use super::{Finding, Tree};
use toml::{Table, Value};

const PATH: &str = "Cargo.toml";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.files.iter().find(|file| file.path == PATH) else { return Vec::new() };
    let Ok(table) = file.text.parse::<Table>() else {
        return vec![Finding::new(PATH, 1, "is no TOML")];
    };
    let packages = |profile: &str| table.get("profile")?.get(profile)?.get("package")?.as_table();
    let empty = Table::new();
    let raised = packages("dist").unwrap_or(&empty);
    let lowered = packages("release").unwrap_or(&empty).iter().filter(|(_, package)| level(package) != Some(3));
    let left_low = lowered.filter(|(name, _)| raised.get(*name).and_then(level) != Some(3));
    let message =
        |name: &str| format!("`release` lowers {name}: write it into [profile.dist.package] with opt-level 3");
    left_low.map(|(name, _)| Finding::new(PATH, 1, message(name))).collect()
}

fn level(package: &Value) -> Option<i64> {
    package.get("opt-level")?.as_integer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_left_low_in_dist_is_found() {
        let text = "[profile.release.package]\na = { opt-level = 0 }\nb = { opt-level = 0 }\nc = { opt-level = 3 }\n\
                    [profile.dist.package]\na = { opt-level = 3 }\n";
        let found = check(&Tree::of(&[("Cargo.toml", text)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].message.starts_with("`release` lowers b"), "{}", found[0]);
    }

    #[test]
    fn levels_left_alone_need_no_entry() {
        let text = "[profile.release]\nopt-level = 1\n[profile.dist]\ninherits = \"release\"\n";
        assert_eq!(check(&Tree::of(&[("Cargo.toml", text)])), []);
    }
}
