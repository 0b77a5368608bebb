//! A room that is too large is two rooms.

use super::{Finding, Tree};

/// Lines of a Rust file, its test module not counted.
const LINES_MAX: usize = 600;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let count =
        |file: &super::File| if file.is_test() { file.text.lines().count() } else { file.product_lines().count() };
    tree.rust()
        .map(|file| (file, count(file)))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| {
            Finding::new(
                &file.path,
                LINES_MAX,
                format!("{lines} lines; {LINES_MAX} is the most: split it by what it is about"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "fn f() {}\n".repeat(601);
        let tested = format!("{}#[cfg(test)]\n{long}", "fn f() {}\n".repeat(600));
        let tree = Tree::of(&[("crates/a/src/long.rs", &long), ("crates/a/src/tested.rs", &tested), ("a.md", &long)]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "crates/a/src/long.rs");
    }
}
