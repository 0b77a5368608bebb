//! `errors.json` of each vendor: error answers from its manual and the class that each must have.

use crate::golden::{folders, profile, root};
use banjia_wire::classify;
use serde::Deserialize;
use serde_json::Value;
use std::fs;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    status: u16,
    body: Value,
    class: String,
}

#[test]
fn errors_have_the_class_of_the_manual() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for folder in folders(&root()) {
        let vendor = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let Ok(text) = fs::read_to_string(folder.join("errors.json")) else { continue };
        let profile = profile(&vendor);
        for case in serde_json::from_str::<Vec<Case>>(&text).unwrap() {
            let error = classify(&profile, case.status, None, case.body.to_string().as_bytes());
            if error.class.as_str() != case.class {
                wrong.push(format!("{vendor} {} {}: {} wanted, {}", case.status, case.body, case.class, error.class));
            }
            cases += 1;
        }
    }
    assert!(cases > 80, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
