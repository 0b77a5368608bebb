//! A crate may depend only on crates of a lower layer. The folder is the layer.

use super::Finding;
use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::path::Path;

/// One crate of ours that uses another of ours.
#[derive(Debug)]
pub(super) struct Edge {
    from: String,
    from_folder: String,
    to: String,
    to_folder: String,
    in_tests: bool,
}

/// Reads the workspace's edges.
pub(super) fn edges(root: &Path) -> Result<Vec<Edge>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata does not answer")?;
    let base = metadata.workspace_root.as_std_path();
    let folder = |path: &Path| {
        let path = path.strip_prefix(base).unwrap_or(path);
        path.to_string_lossy().replace('\\', "/")
    };
    let mut edges = Vec::new();
    for package in metadata.workspace_packages() {
        let from_folder = package.manifest_path.parent().map(|path| folder(path.as_std_path())).unwrap_or_default();
        for dependency in &package.dependencies {
            let Some(path) = &dependency.path else { continue };
            edges.push(Edge {
                from: package.name.to_string(),
                from_folder: from_folder.clone(),
                to: dependency.name.clone(),
                to_folder: folder(path.as_std_path()),
                in_tests: dependency.kind == DependencyKind::Development,
            });
        }
    }
    Ok(edges)
}

pub(super) fn check(edges: &[Edge]) -> Vec<Finding> {
    edges
        .iter()
        .filter_map(|edge| Some(Finding::new(&format!("{}/Cargo.toml", edge.from_folder), 1, broken(edge)?)))
        .collect()
}

/// What is wrong with an edge. The service tests of a layer may use the sandbox beside it.
fn broken(edge: &Edge) -> Option<String> {
    let name = format!("{} -> {}", edge.from, edge.to);
    let (Some(from), Some(to)) = (layer(&edge.from_folder), layer(&edge.to_folder)) else {
        return Some(format!("{name}: a crate lives in crates/types, core, io, app, ui or banjia"));
    };
    let is_sandbox = |folder: &str| folder == "crates/app/sandbox";
    if edge.in_tests && is_sandbox(&edge.to_folder) && from >= 3 {
        return None;
    }
    if is_sandbox(&edge.from_folder) && to > 0 {
        return Some(format!("{name}: the sandbox reads the vendors' manuals for itself and may use types only"));
    }
    (from <= to).then(|| format!("{name}: layer {from} may only use lower layers, and that is layer {to}"))
}

fn layer(folder: &str) -> Option<u8> {
    let parts: Vec<&str> = folder.split('/').collect();
    match parts.as_slice() {
        ["crates", "types"] => Some(0),
        ["crates", "core", _] => Some(1),
        ["crates", "io", _] => Some(2),
        ["crates", "app", _] => Some(3),
        ["crates", "ui", _] => Some(4),
        ["crates", "banjia"] => Some(5),
        ["xtask"] => Some(6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(from: &str, to: &str, in_tests: bool) -> Vec<String> {
        let edge = Edge {
            from: from.replace('/', "-"),
            from_folder: format!("crates/{from}"),
            to: to.replace('/', "-"),
            to_folder: format!("crates/{to}"),
            in_tests,
        };
        check(&[edge]).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn downwards_is_allowed() {
        for (from, to) in [
            ("core/wire", "types"),
            ("io/store", "core/wire"),
            ("app/gateway", "io/store"),
            ("ui/cli", "app/control"),
            ("banjia", "ui/cli"),
        ] {
            assert_eq!(verdict(from, to, false), Vec::<String>::new(), "{from} -> {to}");
        }
        assert_eq!(verdict("app/gateway", "app/sandbox", true), Vec::<String>::new(), "service tests use the sandbox");
    }

    #[test]
    fn sideways_and_upwards_are_not() {
        assert!(verdict("core/wire", "core/traffic", false)[0].contains("core-wire -> core-traffic"));
        assert_eq!(verdict("core/wire", "io/store", true).len(), 1);
        assert_eq!(verdict("app/gateway", "app/control", false).len(), 1);
        assert_eq!(verdict("app/gateway", "app/sandbox", false).len(), 1);
        assert_eq!(verdict("app/control", "ui/cli", false).len(), 1);
        assert!(verdict("app/sandbox", "core/wire", false)[0].contains("for itself"));
        assert_eq!(verdict("elsewhere/x", "types", false).len(), 1);
    }
}
