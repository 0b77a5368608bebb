//! The verbs, on a profile made for the test.

use super::encode;
use crate::head::{BodyLimits, Head};
use crate::profile::Profile;
use banjia_types::{LossLevel, Operation};
use bytes::Bytes;
use serde_json::{Value, json};

fn with(rules: &str, extra: &Value) -> Result<(Value, Vec<(String, LossLevel)>), String> {
    let text = format!("vendor = \"x\"\nsource = \"s\"\nas_of = \"2026\"\n{rules}");
    let (profile, problems) = Profile::parse("x", &text, &|_| None);
    let profile = profile.unwrap_or_else(|| panic!("{problems:?}"));
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let bytes = Bytes::from(body.to_string());
    let head = Head::peek(&bytes, Operation::ChatCompletions, &BodyLimits::default()).map_err(|bad| bad.to_string())?;
    let encoded =
        encode(&profile, Operation::ChatCompletions, "m", &head, &bytes).map_err(|refusal| refusal.to_string())?;
    let mut sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    for name in ["model", "messages"] {
        sent.as_object_mut().unwrap().remove(name);
    }
    Ok((sent, encoded.losses.into_iter().map(|loss| (loss.param, loss.level)).collect()))
}

#[test]
fn each_verb_does_its_one_thing() {
    use LossLevel::{Degraded, Dropped, Exact};
    let cases: [(&str, Value, Value, Option<LossLevel>); 9] = [
        ("rename = \"b\"", json!({"a": 1}), json!({"b": 1}), Some(Exact)),
        ("clamp = { min = 0, max = 1 }", json!({"a": 7}), json!({"a": 1}), Some(Degraded)),
        ("clamp = { min = 0, max = 1 }", json!({"a": 0.5}), json!({"a": 0.5}), None),
        ("map = { high = \"max\" }", json!({"a": "high"}), json!({"a": "max"}), Some(Degraded)),
        ("max_items = 1", json!({"a": [1, 2]}), json!({"a": [1]}), Some(Dropped)),
        ("drop = true", json!({"a": 1}), json!({}), Some(Dropped)),
        ("drop = true\nneutral = [1]", json!({"a": 1.0}), json!({}), Some(Exact)),
        ("default = 5", json!({}), json!({"a": 5}), None),
        ("drop = true\nunconfirmed = true", json!({"a": 1}), json!({}), Some(Degraded)),
    ];
    for (rule, client, wanted, level) in cases {
        let (sent, losses) = with(&format!("[[param]]\nname = \"a\"\n{rule}\n"), &client).unwrap();
        assert_eq!(sent, wanted, "{rule}");
        assert_eq!(losses.first().map(|(_, level)| *level), level, "{rule}");
    }
}

#[test]
fn an_unconfirmed_fact_never_refuses_or_clamps() {
    let rule = "[[param]]\nname = \"a\"\nrefuse = \"no\"\nclamp = { max = 1 }\n";
    assert_eq!(with(rule, &json!({"a": 9})).unwrap_err(), "a: no");
    let (sent, losses) = with(&format!("{rule}unconfirmed = true\n"), &json!({"a": 9})).unwrap();
    assert_eq!((sent, losses), (json!({"a": 9}), vec![]));
}

#[test]
fn conditions_and_keep_choose_among_rules() {
    let rules = "[[param]]\nname = \"a\"\nwhen = { value_type = \"text\" }\nkeep = true\n[[param]]\nname = \"a\"\ndrop = true\n\
                 [[param]]\nname = \"b\"\nwhen = { stream = true }\ndrop = true\n\
                 [[param]]\nname = \"c\"\nwhen = { models = [\"other*\"] }\ndrop = true\n";
    let client = json!({"a": {"type": "text"}, "b": 1, "c": 1});
    assert_eq!(with(rules, &client).unwrap().0, client);
    assert_eq!(with(rules, &json!({"a": {"type": "else"}})).unwrap().0, json!({}));
}

#[test]
fn impossible_counts_of_choices_are_refused() {
    let rule = "[[param]]\nname = \"n\"\nemulate = \"fan_out\"\n";
    // `Head` refuses what is no count at all; what is left is the number of requests that one may
    // become.
    assert!(with(rule, &json!({"n": 1_000_000})).unwrap_err().contains('1'));
    assert_eq!(with(rule, &json!({"n": 128})).unwrap().0, json!({}));
}
