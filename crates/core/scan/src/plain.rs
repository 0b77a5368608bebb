//! Text without a syntax that is read here: scripts, YAML, notebooks' outputs, PHP, C#, Rust, Ruby.
//!
//! # Rules
//! - Files are read line by line, and each place is reported once a line.
//! - Hosts of vendors and variables that SDKs read are reported, but not in comments.
//! - In prose (Markdown and the like) nothing is reported: only keys are searched for, elsewhere.

use crate::find::host_of;
use crate::finding::{Confidence, Finding, Kind};
use crate::rules::ScanRules;

/// Ends of names of files that hold no text, so that nobody opens them.
const BINARY: [&str; 62] = [
    "7z",
    "a",
    "avi",
    "avif",
    "bin",
    "bmp",
    "bz2",
    "class",
    "db",
    "dll",
    "dylib",
    "eot",
    "exe",
    "flac",
    "gif",
    "gz",
    "ico",
    "icns",
    "idx",
    "jar",
    "jpeg",
    "jpg",
    "lib",
    "m4a",
    "mkv",
    "mmdb",
    "mov",
    "mp3",
    "mp4",
    "npy",
    "npz",
    "o",
    "ogg",
    "onnx",
    "otf",
    "pack",
    "parquet",
    "pdf",
    "png",
    "pt",
    "pyc",
    "rar",
    "rlib",
    "safetensors",
    "so",
    "sqlite",
    "tar",
    "tgz",
    "tif",
    "tiff",
    "ttf",
    "war",
    "wasm",
    "wav",
    "webm",
    "webp",
    "woff",
    "woff2",
    "xls",
    "xlsx",
    "xz",
    "zip",
];
/// Ends of names of prose.
const PROSE: [&str; 8] = ["md", "markdown", "mdx", "rst", "adoc", "txt", "html", "htm"];

/// The end of a file's name, in small letters.
fn end(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.rsplit_once('.').map_or(String::new(), |(_, end)| end.to_ascii_lowercase())
}

/// Returns whether a file may hold text, by its name.
pub(crate) fn may_be_text(path: &str) -> bool {
    !BINARY.contains(&end(path).as_str())
}

/// The name of a file's language in the report's counts.
pub(crate) fn language(path: &str) -> &'static str {
    match end(path).as_str() {
        "php" => "php",
        "cs" | "csx" => "csharp",
        "rs" => "rust",
        "rb" | "rake" => "ruby",
        "sh" | "bash" | "zsh" | "ps1" => "shell",
        "kt" | "kts" => "kotlin",
        "ipynb" => "notebook",
        "json" | "jsonc" => "json",
        _ => "text",
    }
}

/// Hosts and variables, each with its first byte.
pub(crate) fn find(path: &str, text: &[u8], rules: &ScanRules) -> Vec<(usize, Finding)> {
    if PROSE.contains(&end(path).as_str()) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if !is_comment(line) {
            in_line(line, start, rules, &mut found);
        }
        start += line.len();
    }
    found
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "#", "--", ";", "/*", "* ", "<!--"].iter().any(|begin| line.starts_with(begin)) && !line.starts_with("#!")
}

/// The places of one line: each host and each variable once.
fn in_line(line: &str, start: usize, rules: &ScanRules, found: &mut Vec<(usize, Finding)>) {
    let mut told: Vec<String> = Vec::new();
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "-_.:/@".contains(c);
    let mut at = 0;
    for piece in line.split_inclusive(|c: char| !is_inside(c)) {
        let word = piece.trim_end_matches(|c: char| !is_inside(c));
        let place = start + at;
        at += piece.len();
        let address = word.find("://").map_or(word, |scheme| {
            let begin = word.get(..scheme).unwrap_or_default().rfind(|c: char| !c.is_ascii_alphabetic());
            word.get(begin.map_or(0, |begin| begin + 1)..).unwrap_or(word)
        });
        let address = address.trim_end_matches(['.', ':', ',']);
        let host = host_of(address).map(|(host, _)| host).filter(|host| rules.vendor_of(host).is_some());
        let name = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let variable = Some(name.to_owned()).filter(|name| rules.env(name).is_some());
        let kind = if host.is_some() { Kind::Host } else { Kind::Environment };
        let Some(name) = host.or(variable).filter(|name| !told.contains(name)) else { continue };
        let mut finding = Finding::new(kind, Confidence::Certain);
        finding.name = Some(name.clone());
        found.push((place, finding));
        told.push(name);
    }
}
