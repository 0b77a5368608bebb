//! Where the wall clock may be read.
//!
//! It may be set at any time, so a span between two of its readings means nothing. The fewer files
//! read it, the easier it is to see that each of them wants a date.

use super::{File, Finding, Tree};

/// The calls that read it.
const READINGS: [&str; 7] =
    ["SystemTime::now", "Utc::now", "Local::now", "date_now", "UNIX_EPOCH.elapsed", "now_utc", "now_local"];

/// The files that read it, each for dates only.
const MAY_READ: [&str; 7] = [
    "crates/app/control/examples/campaign_run.rs",
    "crates/app/control/src/mail.rs",
    "crates/app/gateway/src/clock.rs",
    "crates/app/sandbox/src/answer.rs",
    "crates/banjia/src/clock.rs",
    "crates/io/store/src/pool.rs",
    "xtask/src/tidy/clocks.rs",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let elsewhere = |file: &&File| !MAY_READ.contains(&file.path.as_str());
    let message = "reads the wall clock: measure a span with tokio's `Instant`, or take the date as an argument";
    let mut findings = Vec::new();
    for file in tree.rust().filter(elsewhere) {
        for (number, line) in file.product_lines() {
            let code = line.split("//").next().unwrap_or_default();
            if READINGS.iter().any(|reading| code.contains(reading)) {
                findings.push(Finding::new(&file.path, number, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_outside_the_listed_files_is_found() {
        let code = "// SystemTime::now() is not read here\nlet at = chrono::Utc::now();\n";
        let test = "fn f() {}\n#[cfg(test)]\nmod tests { fn f() { SystemTime::now(); } }\n";
        let tree = Tree::of(&[
            ("crates/app/gateway/src/admit.rs", code),
            ("crates/app/gateway/src/clock.rs", code),
            ("crates/app/gateway/src/drive.rs", test),
            ("crates/app/gateway/tests/it/main.rs", code),
        ]);
        let found = check(&tree);
        let places: Vec<_> = found.iter().map(|finding| (finding.path.as_str(), finding.line)).collect();
        assert_eq!(places, [("crates/app/gateway/src/admit.rs", 2)]);
    }

    #[test]
    fn a_monotonic_reading_is_not_found() {
        let tree =
            Tree::of(&[("crates/app/gateway/src/admit.rs", "let at = Instant::now();\nlet at = clock.now();\n")]);
        assert!(check(&tree).is_empty());
    }
}
