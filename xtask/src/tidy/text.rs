//! What may not stand in a line of code.

use super::{File, Finding, Tree};

/// The beginnings of SQL statements, as they stand in a string.
const SQL: [&str; 7] =
    ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA ", "BEGIN IMMEDIATE"];

/// A reminder belongs to an issue, or nobody is reminded.
pub(super) fn todos(tree: &Tree) -> Vec<Finding> {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (number, line) in file.text.lines().enumerate() {
            let Some(mark) = marks.iter().find(|mark| line.contains(mark.as_str())) else { continue };
            let numbered = line.split(mark.as_str()).nth(1).is_some_and(|rest| {
                rest.strip_prefix("(#").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            });
            if !numbered {
                findings.push(Finding::new(
                    &file.path,
                    number + 1,
                    format!("{mark} without an issue: write {mark}(#12)"),
                ));
            }
        }
    }
    findings
}

/// SQL has one room.
pub(super) fn sql(tree: &Tree) -> Vec<Finding> {
    let elsewhere = |file: &&File| !file.path.starts_with("crates/io/store/") && !file.path.starts_with("xtask/");
    let mut findings = Vec::new();
    for file in tree.rust().filter(elsewhere) {
        for (number, line) in file.product_lines() {
            let is_sql = SQL.iter().any(|start| line.split('"').skip(1).step_by(2).any(|text| text.starts_with(start)));
            if is_sql {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    "SQL outside crates/io/store: give store a function for it",
                ));
            }
        }
    }
    findings
}

/// `name.rs` stands beside `name/`, so that a search by file name finds it.
pub(super) fn module_files(tree: &Tree) -> Vec<Finding> {
    let is_mod = |file: &&File| file.path.ends_with("/mod.rs");
    let message = "name the file after its module and put it beside the folder";
    tree.rust().filter(is_mod).map(|file| Finding::new(&file.path, 1, message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_needs_an_issue() {
        let text = format!("// {0}: later\n// {0}(#12): later\n// {0}(x)\n", ["TO", "DO"].concat());
        let found = todos(&Tree::of(&[("crates/a/src/a.rs", &text)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn sql_is_found_outside_its_room() {
        let text = "let a = \"SELECT 1\";\nlet b = \"Update the file\";\n// SELECT\n";
        let tree = Tree::of(&[("crates/app/gateway/src/a.rs", text), ("crates/io/store/src/a.rs", text)]);
        let found = sql(&tree);
        assert_eq!((found.len(), found[0].line), (1, 1));
    }

    #[test]
    fn a_mod_file_is_found() {
        assert_eq!(module_files(&Tree::of(&[("crates/a/src/b/mod.rs", ""), ("crates/a/src/b.rs", "")])).len(), 1);
    }
}
