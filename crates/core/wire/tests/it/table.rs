//! The table of cases says which row of a vendor's reference each case proves. It must not rot.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn the_table_names_every_case_and_no_other() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let table = fs::read_to_string(golden.join("README.md")).unwrap();
    for vendor in ["zhipu", "alibaba", "baidu"] {
        let section = table.split("\n## ").find(|section| section.starts_with(vendor)).unwrap();
        let named: BTreeSet<String> = section.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let cases = fs::read_dir(golden.join(vendor)).unwrap().map(|entry| entry.unwrap());
        let there: BTreeSet<String> = cases
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        assert!(!there.is_empty());
        assert_eq!(named, there, "{vendor}: tests/golden/README.md and the folders differ");
    }
}
