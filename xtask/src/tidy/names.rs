//! Names where they do not belong: a vendor's in general code, and rooms called after nothing.

use super::{File, Finding, Tree};

/// Names of vendors, of their products and of their hosts' domains.
const VENDORS: [&str; 16] = [
    "alibaba",
    "dashscope",
    "qwen",
    "baidu",
    "qianfan",
    "ernie",
    "zhipu",
    "bigmodel",
    "glm",
    "deepseek",
    "moonshot",
    "kimi",
    "volcengine",
    "doubao",
    "siliconflow",
    "minimax",
];

/// Where a vendor may be called by its name: the two rooms for what data cannot say, the sandbox,
/// the commands that set up the sandbox's vendors, and this list.
const MAY_NAME: [&str; 6] = [
    "crates/core/wire/src/codec",
    "crates/core/wire/src/quirks",
    "crates/app/sandbox/",
    "crates/banjia/src/demo",
    "bench/",
    "xtask/",
];

/// Names that say nothing.
const EMPTY: [&str; 7] = ["manager", "helper", "helpers", "util", "utils", "common", "misc"];

pub(super) fn vendors(tree: &Tree) -> Vec<Finding> {
    let bound = |file: &&File| !MAY_NAME.iter().any(|room| file.path.starts_with(room));
    let mut findings = Vec::new();
    for file in tree.rust().filter(bound) {
        for (number, line) in file.product_lines() {
            let code = line.split("//").next().unwrap_or_default().to_lowercase();
            if let Some(name) = VENDORS.iter().find(|name| words(&code).any(|word| word == **name)) {
                let message = format!("names the vendor {name:?}: say it in vendors/*.toml, or in a quirk or codec");
                findings.push(Finding::new(&file.path, number, message));
            }
        }
    }
    findings
}

pub(super) fn rooms(tree: &Tree) -> Vec<Finding> {
    let empty = |file: &&File| {
        let stem = file.path.trim_end_matches(".rs");
        stem.split('/').any(|part| EMPTY.contains(&part))
    };
    let message = "a room's name says what it is for";
    tree.rust().filter(empty).map(|file| Finding::new(&file.path, 1, message)).collect()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_in_general_code_is_found() {
        let code = "fn f(v: &str) -> bool { v == \"zhipu\" }\n";
        let comment = "// as zhipu does\n";
        let test = "fn f() {}\n#[cfg(test)]\nmod tests { const V: &str = \"zhipu\"; }\n";
        let tree = Tree::of(&[
            ("crates/core/wire/src/encode.rs", code),
            ("crates/core/wire/src/head.rs", comment),
            ("crates/core/wire/src/sse.rs", test),
            ("crates/core/wire/src/quirks/turns.rs", code),
            ("crates/app/sandbox/src/zhipu.rs", code),
            ("crates/app/gateway/tests/it/main.rs", code),
        ]);
        let found = vendors(&tree);
        assert_eq!(
            found.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(),
            ["crates/core/wire/src/encode.rs"]
        );
    }

    #[test]
    fn a_room_called_after_nothing_is_found() {
        let tree = Tree::of(&[
            ("crates/a/src/utils.rs", ""),
            ("crates/a/src/common/x.rs", ""),
            ("crates/a/src/commons.rs", ""),
        ]);
        assert_eq!(rooms(&tree).len(), 2);
    }
}
