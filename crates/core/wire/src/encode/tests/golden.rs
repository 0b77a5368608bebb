//! Walks `tests/golden/VENDOR/CASE`: what a client says, what the vendor hears, what is lost.
//! `UPDATE_GOLDEN=1` rewrites.
#![expect(clippy::disallowed_methods, reason = "the cases are files")]

use super::{embedded, run};
use banjia_types::Operation;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).unwrap_or_else(|error| panic!("{}: {error}", of.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    paths.sort();
    paths
}

fn check(path: &Path, found: Option<&Value>, update: bool, wrong: &mut Vec<String>) {
    if update {
        match found {
            Some(value) => fs::write(path, serde_json::to_string_pretty(value).unwrap() + "\n").unwrap(),
            None if path.exists() => fs::remove_file(path).unwrap(),
            None => {}
        }
    }
    let wanted: Option<Value> = fs::read_to_string(path).ok().map(|text| serde_json::from_str(&text).unwrap());
    // Text against text: the order of members is part of what is sent.
    if wanted.as_ref().map(Value::to_string) != found.map(Value::to_string) {
        let print = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
        wrong.push(format!("{}\n  wanted {}\n  found  {}", path.display(), print(wanted.as_ref()), print(found)));
    }
}

#[test]
fn every_case_reads_as_it_was_agreed() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (mut count, mut wrong) = (0, Vec::new());
    for case in folders(&root).iter().flat_map(|vendor| folders(vendor)).filter(|case| case.join("case.json").exists())
    {
        count += 1;
        let vendor = case.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let about: Value = serde_json::from_str(&fs::read_to_string(case.join("case.json")).unwrap()).unwrap();
        let operation = about["endpoint"].as_str().map_or(Operation::ChatCompletions, |text| text.parse().unwrap());
        let client = fs::read_to_string(case.join("client.json")).unwrap();
        let (sent, losses, refused) = match run(&embedded(vendor), operation, about["model"].as_str().unwrap(), client)
        {
            Ok(encoded) => {
                let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
                (Some(sent), Some(serde_json::to_value(&encoded.losses).unwrap()), None)
            }
            Err(refusal) => (None, None, Some(json!({"param": refusal.param, "message": refusal.message}))),
        };
        check(&case.join("sent.json"), sent.as_ref(), update, &mut wrong);
        check(&case.join("losses.json"), losses.as_ref(), update, &mut wrong);
        check(&case.join("refused.json"), refused.as_ref(), update, &mut wrong);
    }
    assert!(count > 60, "only {count} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
