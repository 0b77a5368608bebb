//! The name of a test is one promise in at most 50 characters.

use super::ratchet::Rule;
use super::{Finding, Tree};

/// Characters of a test's name.
const LENGTH_MAX: usize = 50;

pub(super) const RULE: Rule = Rule {
    table: "long_test_names",
    advice: "name the subject, the condition and the result in at most 50 characters",
    places,
};

fn places(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let mut is_test = false;
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(name) = function(line) {
                if is_test && name.len() > LENGTH_MAX {
                    findings.push(Finding::new(&file.path, number + 1, name));
                }
                is_test = false;
            }
        }
    }
    findings
}

/// The name of the function that begins in `line`.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_of_a_test_is_found() {
        let long = "a".repeat(51);
        let text = format!(
            "#[test]\nfn {long}() {{}}\n#[tokio::test(start_paused = true)]\n#[should_panic]\nasync fn {long}() {{}}\n\
             #[test]\nfn {}() {{}}\nfn {long}() {{}}\n",
            "a".repeat(50)
        );
        let found = places(&Tree::of(&[("crates/types/src/a.rs", &text)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 5]);
    }
}
