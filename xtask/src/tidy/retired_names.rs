//! Names of types that were replaced by the field's own terms and may not come back. STYLE.md says
//! why.

use super::ratchet::Rule;
use super::{Finding, Tree};

/// The names. A metaphor needs a key that only its author has.
const RETIRED: [&str; 50] = [
    "Alarm",
    "Ask",
    "Badness",
    "Brain",
    "Courier",
    "Course",
    "Crossing",
    "Curfew",
    "Desk",
    "Door",
    "Gather",
    "Goal",
    "Habits",
    "InForce",
    "Judged",
    "Kept",
    "Kinds",
    "Lasting",
    "Leg",
    "LegRequest",
    "Legs",
    "Lot",
    "Mover",
    "Part",
    "Places",
    "Purse",
    "Replay",
    "Room",
    "Rooms",
    "Rules",
    "Says",
    "SealKey",
    "Shape",
    "Tee",
    "Thought",
    "Told",
    "Trouble",
    "Turn",
    "Unfit",
    "Used",
    "Watched",
    "Way",
    "Which",
    "Whole",
    "Wish",
    "World",
    "Border",
    "By",
    "Caller",
    "Quota",
];

pub(super) const RULE: Rule =
    Rule { table: "retired_type_names", advice: "give the type the field's term; STYLE.md has the rule", places };

fn places(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(name) = defined(line).filter(|name| RETIRED.contains(name)) {
                findings.push(Finding::new(&file.path, number + 1, name));
            }
        }
    }
    findings
}

/// The name of the type or trait that `line` begins to define.
fn defined(line: &str) -> Option<&str> {
    let mut words = line.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_' && c != '(' && c != ')');
    let is_visibility = |word: &&str| matches!(*word, "pub" | "in" | "super" | "crate") || word.starts_with("pub(");
    let kind = words.find(|word| !is_visibility(word))?;
    matches!(kind, "struct" | "enum" | "trait" | "type").then(|| words.next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_a_retired_name_is_found() {
        let text = "pub(crate) struct Purse {\nenum Way {\n// struct Purse\nlet a = Purse::new();\npub struct Pursers;\n\
                    pub(super) trait Alarm: Send {\ntype Legs = Vec<u8>;\n";
        let found = places(&Tree::of(&[("crates/types/src/a.rs", text)]));
        let names: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(names, ["Purse", "Way", "Alarm", "Legs"]);
    }
}
