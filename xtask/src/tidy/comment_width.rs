//! A comment wraps at 100 columns: code may be wider, prose is read.

use super::ratchet::{Rule, comments};
use super::{Finding, Tree};

/// Columns of a line that is a comment.
const COLUMNS_MAX: usize = 100;

pub(super) const RULE: Rule = Rule { table: "wide_comments", advice: "wrap comments at 100 columns", places };

fn places(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (number, line) in comments(file) {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                findings.push(Finding::new(&file.path, number, format!("{columns} columns")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_over_100_columns_is_found() {
        let text = format!("    // {}\n// {}\nlet a = \"{}\";\n", "a".repeat(94), "é".repeat(97), "a".repeat(99));
        let found = places(&Tree::of(&[("crates/types/src/a.rs", &text)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1]);
    }
}
