//! Every vendor's file says where its facts come from and how old they are. The profile's own
//! reader checks the rest.

use super::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let profiles = tree.files.iter().filter(|file| file.path.starts_with("vendors/") && file.has_ending("toml"));
    let mut findings = Vec::new();
    for file in profiles {
        let table = match file.text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                findings.push(Finding::new(&file.path, 1, format!("is no TOML: {}", error.message())));
                continue;
            }
        };
        for name in ["vendor", "source", "as_of"] {
            let said = table.get(name).and_then(toml::Value::as_str).is_some_and(|text| !text.trim().is_empty());
            if !said {
                findings.push(Finding::new(&file.path, 1, format!("`{name}` is missing")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_a_source_is_found() {
        let good = "vendor = \"a\"\nsource = \"manual\"\nas_of = \"2026-11\"\n";
        let bare = "vendor = \"a\"\nas_of = \" \"\n";
        let tree = Tree::of(&[("vendors/a.toml", good), ("vendors/b.toml", bare), ("vendors/c.toml", "= 1")]);
        let found: Vec<String> = check(&tree).into_iter().map(|finding| finding.to_string()).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "vendors/b.toml:1: `source` is missing");
    }
}
