//! The floors of the gateway: a file may import files of lower floors only, and no files import
//! each other in a circle.
//!
//! A file below a folder belongs to the file that the folder is named after: a parent and its
//! children are one room. Tests may import whatever they test. An import is any `crate::NAME` or
//! `super::NAME` in the code; the names that `lib.rs` exports for other crates are not used inside.

use super::{File, Finding, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The crate's sources.
const FOLDER: &str = "crates/app/gateway/src/";

/// The rooms by floor, the highest first. Rooms of one floor do not import each other.
const FLOORS: &[&[&str]] = &[
    &["gateway"],
    &["serve", "shadow"],
    &["router", "side_requests"],
    &["handle"],
    &["drive", "models", "check"],
    &["attempt", "admission"],
    &["answer"],
    &["call"],
    &["admit"],
    &["state"],
    &["capture", "copies", "live_config"],
    &["live"],
    &["route_move"],
    &["snapshot"],
    &["capture_rules", "wrong_keys"],
    &["border", "ledger", "redact"],
    &[
        "affinity",
        "budget",
        "config",
        "cors",
        "error",
        "implausible",
        "paths",
        "reasoning",
        "request",
        "side_request_limiter",
    ],
    &[
        "access_log",
        "alert",
        "bad_request",
        "body",
        "client_network",
        "clock",
        "drain",
        "held",
        "keys",
        "lock",
        "overload",
        "problem",
        "stop_times",
    ],
];

/// A room and the rooms that it imports, each with the first line that does.
type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, (&'a str, usize)>>;

/// Every import that breaks the list of floors, and every room that the list does not have.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_floors(&graph(tree), FLOORS)
}

/// The floors, the highest first, with the rooms that each room imports.
pub(crate) fn show(tree: &Tree) -> String {
    let graph = graph(tree);
    let mut text = String::new();
    for (number, rooms) in FLOORS.iter().enumerate() {
        for room in *rooms {
            let below: Vec<_> = graph.get(room).into_iter().flat_map(BTreeMap::keys).copied().collect();
            writeln!(text, "{:>2} {room}: {}", FLOORS.len() - number, below.join(" ")).expect("a String takes text");
        }
    }
    text
}

fn check_floors(graph: &Graph<'_>, floors: &[&[&str]]) -> Vec<Finding> {
    let floor = |room: &str| floors.iter().position(|rooms| rooms.contains(&room));
    let mut findings = Vec::new();
    for (&room, imports) in graph {
        let Some(own) = floor(room) else {
            let path = format!("{FOLDER}{room}.rs");
            findings.push(Finding::new(&path, 1, "has no floor: add it to FLOORS in xtask/src/tidy/floors.rs"));
            continue;
        };
        for (&imported, &(path, line)) in imports {
            // A room without a floor is reported once, by its own name.
            if floor(imported).is_some_and(|other| other <= own) {
                let message = format!("{room} imports {imported}, which is not below it (`cargo xtask floors`)");
                findings.push(Finding::new(path, line, message));
            }
        }
    }
    let listed: BTreeSet<_> = floors.iter().copied().flatten().copied().collect();
    for room in listed.iter().filter(|room| !graph.contains_key(**room)) {
        let message = format!("the floors name {room:?}, and there is no such file: take it out of FLOORS");
        findings.push(Finding::new(&format!("{FOLDER}{room}.rs"), 1, message));
    }
    findings
}

fn graph(tree: &Tree) -> Graph<'_> {
    let files: Vec<_> = tree.rust().filter_map(|file| Some((room(&file.path)?, file))).collect();
    let rooms: BTreeSet<&str> = files.iter().map(|(room, _)| *room).collect();
    let mut graph: Graph<'_> = rooms.iter().map(|room| (*room, BTreeMap::new())).collect();
    for &(own, file) in &files {
        let own_file = file.path.strip_prefix(FOLDER).and_then(|path| path.strip_suffix(".rs")) == Some(own);
        for (line, name) in imports(file, own_file) {
            if let Some(&imported) = rooms.get(name).filter(|name| **name != own) {
                graph.entry(own).or_default().entry(imported).or_insert((&file.path, line));
            }
        }
    }
    graph
}

/// The room of a source file; `None` for the crate's face and for files of other crates.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix(FOLDER)?;
    let name = inside.split('/').next().map(|name| name.strip_suffix(".rs").unwrap_or(name))?;
    (name != "lib").then_some(name)
}

/// The names that follow `crate::` in a file's code, also as a list in braces, with their lines. In
/// the room's own file `super::` is the crate too.
fn imports(file: &File, is_top: bool) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut open = false;
    for (number, line) in code_lines(file) {
        let code = line.split("//").next().unwrap_or_default();
        if open {
            open = !code.contains("};");
            let names = code.split(',').map(|part| part.trim().split([':', ' ', '}']).next().unwrap_or_default());
            found.extend(names.map(|name| (number, name)));
            continue;
        }
        let roots: &[&str] = if is_top { &["crate::", "super::"] } else { &["crate::"] };
        for root in roots {
            for rest in code.split(root).skip(1) {
                if let Some(list) = rest.strip_prefix('{') {
                    open = !list.contains('}');
                    let names = list.split(',').map(|part| part.trim().split([':', ' ', '}']).next());
                    found.extend(names.flatten().map(|name| (number, name)));
                } else {
                    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
                    found.extend(name.map(|name| (number, name)));
                }
            }
        }
    }
    found
}

/// The lines before a file's test module. A test module in a file of its own is one line and ends
/// nothing.
fn code_lines(file: &File) -> Vec<(usize, &str)> {
    if file.is_test() {
        return Vec::new();
    }
    let lines: Vec<_> = file.text.lines().collect();
    let is_end = |at: usize| {
        lines[at].trim() == "#[cfg(test)]" && lines.get(at + 1).is_some_and(|next| !next.trim_end().ends_with(';'))
    };
    let end = (0..lines.len()).find(|at| is_end(*at)).unwrap_or(lines.len());
    lines[..end].iter().enumerate().map(|(at, line)| (at + 1, *line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[&[&str]] = &[&["roof"], &["ground"]];

    fn found(files: &[(&str, &str)], floors: &[&[&str]]) -> Vec<String> {
        let files: Vec<_> = files.iter().map(|(name, text)| (format!("{FOLDER}{name}"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let tree = Tree::of(&files);
        check_floors(&graph(&tree), floors).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_import_from_below_is_allowed() {
        let roof = "use crate::ground::Stone;\nfn f() { crate::ground::g() }\n";
        assert_eq!(found(&[("roof.rs", roof), ("ground.rs", "")], TWO), Vec::<String>::new());
    }

    #[test]
    fn an_import_from_above_is_found() {
        let ground = "//! Not crate::roof.\nuse crate::roof::Tile;\n";
        let found = found(&[("roof.rs", ""), ("ground.rs", ground)], TWO);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/app/gateway/src/ground.rs:2: ground imports roof"), "{found:?}");
    }

    #[test]
    fn a_path_in_the_code_is_an_import() {
        assert_eq!(found(&[("roof.rs", ""), ("ground.rs", "fn f() { crate::roof::g() }\n")], TWO).len(), 1);
        assert_eq!(found(&[("roof.rs", ""), ("ground.rs", "fn f() { super::roof::g() }\n")], TWO).len(), 1);
    }

    #[test]
    fn a_list_of_imports_is_read_whole() {
        for list in ["use crate::{held, roof::Tile};\n", "use crate::{\n    held,\n    roof::Tile,\n};\n"] {
            assert_eq!(found(&[("roof.rs", ""), ("ground.rs", list)], TWO).len(), 1, "{list}");
        }
    }

    #[test]
    fn rooms_of_one_floor_do_not_import_each_other() {
        let files = [("roof.rs", "use crate::ground::Stone;\n"), ("ground.rs", "")];
        assert_eq!(found(&files, &[&["roof", "ground"]]).len(), 1);
    }

    #[test]
    fn a_file_without_a_floor_is_found() {
        let found = found(&[("roof.rs", ""), ("ground.rs", ""), ("attic.rs", "")], TWO);
        assert!(found.len() == 1 && found[0].contains("attic.rs:1: has no floor"), "{found:?}");
    }

    #[test]
    fn a_floor_without_a_file_is_found() {
        assert_eq!(found(&[("roof.rs", "")], TWO).len(), 1);
    }

    #[test]
    fn a_declared_test_file_hides_no_import() {
        let ground = "#[cfg(test)]\nmod tests;\nuse crate::roof::Tile;\n";
        assert_eq!(found(&[("roof.rs", ""), ("ground.rs", ground)], TWO).len(), 1);
    }

    #[test]
    fn parent_and_child_are_one_room() {
        let files = [
            ("roof.rs", "mod beam;\n"),
            ("roof/beam.rs", "use super::Tile;\nuse crate::roof::Tile;\nuse crate::ground::Stone;\n"),
            ("ground.rs", ""),
        ];
        assert_eq!(found(&files, TWO), Vec::<String>::new());
    }

    #[test]
    fn a_child_is_bound_by_its_rooms_floor() {
        let files = [("roof.rs", ""), ("ground.rs", ""), ("ground/cellar.rs", "use crate::roof::Tile;\n")];
        assert_eq!(found(&files, TWO).len(), 1);
    }

    #[test]
    fn a_test_may_import_from_above() {
        let ground = "fn f() {}\n#[cfg(test)]\nmod tests { use crate::roof::Tile; }\n";
        assert_eq!(found(&[("roof.rs", ""), ("ground.rs", ground)], TWO), Vec::<String>::new());
    }
}
