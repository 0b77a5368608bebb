use super::*;
use proptest::prelude::*;
use serde_json::json;

fn whys(schema: &Value, answer: &Value) -> Vec<String> {
    Schema::compile(schema).unwrap().check(answer).iter().map(ToString::to_string).collect()
}

fn refused(schema: &Value) -> String {
    Schema::compile(schema).unwrap_err().to_string()
}

#[test]
fn only_a_json_object_is_accepted() {
    assert_eq!(json_object(" {\"a\": 1}\n").unwrap(), json!({"a": 1}));
    let message = |text: &str| json_object(text).unwrap_err().to_string();
    assert_eq!(message("[1]"), "the answer must be a JSON object, but it is an array");
    assert_eq!(message("  "), "the answer is empty; it must be a JSON object");
    assert!(message("```json\n{}\n```").ends_with("it stands in a code fence, which must be left out"));
    assert!(message("{\"a\": [1, 2").ends_with("it seems to be cut off"));
    assert!(message("{} and more").contains("line 1 column 4"), "{}", message("{} and more"));
}

#[test]
fn a_schema_problem_has_a_place_and_no_value() {
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}}},
        "required": ["city"],
        "additionalProperties": false,
    });
    assert_eq!(whys(&schema, &json!({"city": "Xi'an", "days": [1, 2]})), Vec::<String>::new());
    let found = whys(&schema, &json!({"days": [1, "private"], "extra": true}));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().any(|why| why.starts_with("at /days/1: ") && why.contains("integer")), "{found:?}");
    assert!(found.iter().any(|why| why.contains("city") && why.contains("required")), "{found:?}");
    assert!(found.iter().all(|why| !why.contains("private")), "{found:?}");
}

#[test]
fn findings_are_bounded() {
    let schema = json!({"items": {"type": "string"}});
    assert_eq!(whys(&schema, &json!(vec![1; 1_000])).len(), FINDINGS_MAX);
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    assert!(
        refused(&json!({"properties": {"a": {"type": "text"}}}))
            .starts_with("at /properties/a/type: not a valid JSON Schema")
    );
    assert!(refused(&json!({"pattern": "("})).contains("not a valid JSON Schema"));
}

#[test]
fn references_stay_inside_and_lead_somewhere() {
    assert!(refused(&json!({"$ref": "https://example.com/a.json"})).contains("leaves the schema"));
    assert!(refused(&json!({"$ref": "file:///etc/passwd"})).contains("leaves the schema"));
    assert!(refused(&json!({"$ref": "#/$defs/none"})).contains("leads nowhere"));
    assert!(refused(&json!({"$dynamicRef": "#x"})).contains("dynamic references"));
    let spaced = json!({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "string"}}});
    assert_eq!(whys(&spaced, &json!(1)).len(), 1);
}

#[test]
fn a_tree_may_be_recursive() {
    let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {
        "type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
        "required": ["children"], "additionalProperties": false,
    }}});
    assert_eq!(whys(&tree, &json!({"children": [{"children": []}]})), Vec::<String>::new());
    let found = whys(&tree, &json!({"children": [{"children": [{}]}]}));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("at /children/0/children/0"), "{found:?}");
    assert_eq!(whys(&json!({"properties": {"next": {"$ref": "#"}}}), &json!({"next": {"next": 1}})).len(), 0);
}

#[test]
fn work_without_end_is_refused() {
    assert!(refused(&json!({"$ref": "#"})).contains("without going deeper"));
    assert!(refused(&json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}))
        .contains("without going deeper"));
    let mut doubling = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        doubling.insert(format!("d{level}"), json!({"allOf": [next, next]}));
    }
    doubling.insert("d40".into(), json!({"type": "string"}));
    assert!(refused(&json!({"$ref": "#/$defs/d0", "$defs": doubling})).contains("grows to more than"));

    let later = json!({"$ref": "#/$defs/a", "$defs": {
        "a": {"properties": {"x": {"$ref": "#/$defs/b"}}, "anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}});
    assert!(refused(&later).contains("without going deeper"));
    let hidden = json!({"dependentSchemas": {"enum": {"$ref": "#"}}});
    assert!(refused(&hidden).contains("without going deeper"));

    let chain: serde_json::Map<_, _> = (0..4_000)
        .map(|n| (format!("d{n}"), json!({"properties": {"a": {"$ref": format!("#/$defs/d{}", n + 1)}}})))
        .collect();
    assert!(refused(&json!({"$ref": "#/$defs/d0", "$defs": chain})).contains("chain of more than 128"));

    let both = json!({"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"n": {"anyOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}]}}}}});
    let mut deep = json!({});
    for _ in 0..60 {
        deep = json!({"n": deep});
    }
    assert!(whys(&both, &deep)[0].contains("nested too deeply"));
    assert_eq!(whys(&both, &json!({"n": {"n": {}}})), Vec::<String>::new());
}

#[test]
fn size_and_depth_of_a_schema_are_bounded() {
    assert!(refused(&json!({"enum": vec![0; 30_000]})).contains("more than 20000 values"));
    let mut deep = json!({});
    for _ in 0..70 {
        deep = json!({"not": deep});
    }
    assert!(refused(&deep).contains("64 levels"));
}

#[test]
fn a_pattern_cannot_run_away() {
    let schema = json!({"pattern": "^(a+)+$"});
    assert_eq!(whys(&schema, &json!(format!("{}b", "a".repeat(5_000)))).len(), 1);
    let backtracking = json!({"pattern": "^(?=(a+)+$)(a+)+b\\1$"});
    if let Ok(schema) = Schema::compile(&backtracking) {
        assert_eq!(schema.check(&json!("a".repeat(5_000))).len(), 1);
    }
}

#[test]
fn a_tool_call_must_be_one_that_was_offered() {
    let tools = json!([
        {"type": "function", "function": {"name": "weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}},
        {"type": "function", "function": {"name": "now"}},
        {"type": "function", "function": {"name": "odd", "parameters": {"type": 7}}},
    ]);
    let check = |name: &str, arguments: &str| -> Vec<String> {
        tool_call(&tools, name, arguments).iter().map(ToString::to_string).collect()
    };
    assert_eq!(check("weather", "{\"city\": \"Kunming\"}"), Vec::<String>::new());
    assert_eq!(check("now", ""), Vec::<String>::new());
    assert_eq!(check("odd", "{}"), Vec::<String>::new());
    assert_eq!(check("wether", "{}"), ["there is no tool \"wether\"; the tools are: weather, now, odd"]);
    assert!(check("weather", "{}")[0].contains("city"));
    assert!(check("weather", "{\"city\":")[0].contains("not valid JSON"));
    assert!(check("now", "[]")[0].contains("must be a JSON object, but they are an array"));
    assert!(tool_call(&json!("none"), "now", "{}")[0].message.starts_with("there is no tool"));
}

#[test]
fn the_language_is_told_by_script() {
    for (text, expected) in [
        ("今天昆明的天气很好。", Language::Chinese),
        ("请运行 cargo build，然后打开 target 目录。", Language::Chinese),
        ("The weather in Kunming is fine today.", Language::English),
        ("The capital is 北京, a city of many millions.", Language::English),
        ("こんにちは、世界の皆さん", Language::Other),
        ("안녕하세요 여러분", Language::Other),
        ("Привет, как дела?", Language::Other),
        ("42", Language::Other),
        ("", Language::Other),
    ] {
        assert_eq!(language(text), expected, "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just("#".to_owned()), Just("#/$defs/a".into()), Just("object".into()), "[a-z(+*$]{0,6}"]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 5, |inner| {
        let names = prop_oneof![
            Just("$ref"),
            Just("$defs"),
            Just("a"),
            Just("properties"),
            Just("items"),
            Just("anyOf"),
            Just("allOf"),
            Just("type"),
            Just("required"),
            Just("pattern"),
            Just("not"),
            Just("if"),
            Just("then"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..5)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_schema_and_no_answer_panics_or_hangs(schema in any_json(), answer in any_json()) {
        if let Ok(schema) = Schema::compile(&schema) {
            prop_assert!(schema.check(&answer).len() <= FINDINGS_MAX);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,60}", name in ".{0,8}") {
        let read = json_object(&text);
        prop_assert_eq!(read.is_ok(), serde_json::from_str::<serde_json::Map<String, Value>>(&text).is_ok());
        prop_assert!(!tool_call(&json!([]), &name, &text).is_empty());
        language(&text);
    }
}
