//! `changelog.d/NAME.KIND.md`: one file per change, so that two changes never meet in one file.

use super::{Finding, Tree};

const KINDS: [&str; 4] = ["added", "changed", "fixed", "removed"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let fragments = tree.files.iter().filter_map(|file| Some((file, file.path.strip_prefix("changelog.d/")?)));
    let mut findings = Vec::new();
    for (file, name) in fragments {
        let parts: Vec<&str> = name.split('.').collect();
        let named = matches!(parts.as_slice(), [name, kind, "md"] if !name.is_empty() && KINDS.contains(kind));
        if !named {
            let message = format!("a fragment is called NAME.KIND.md, with a kind of {}", KINDS.join(", "));
            findings.push(Finding::new(&file.path, 1, message));
        }
        if file.text.trim().is_empty() {
            findings.push(Finding::new(&file.path, 1, "the fragment is empty: say what changes for the user"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_checked() {
        let tree = Tree::of(&[
            ("changelog.d/gateway.added.md", "A gateway."),
            ("changelog.d/gateway.new.md", "A gateway."),
            ("changelog.d/sandbox.added.md", " \n"),
            ("README.md", ""),
        ]);
        let paths: Vec<String> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["changelog.d/gateway.new.md", "changelog.d/sandbox.added.md"]);
    }
}
