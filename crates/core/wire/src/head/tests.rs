use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn peek(text: &str) -> Result<Head, BadBody> {
    Head::peek(&Bytes::copy_from_slice(text.as_bytes()), Operation::ChatCompletions, &BodyLimits::default())
}

/// The refusal of a chat body, as (param, code, part of the message).
fn check_refused(text: &str, param: Option<&str>, code: Option<&str>, part: &str) {
    let bad = peek(text).expect_err(text);
    assert_eq!((bad.param.as_deref(), bad.code), (param, code), "{text}: {bad}");
    assert!(bad.message.contains(part), "{text}: {bad}");
}

const TURNS: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

#[test]
fn a_head_knows_what_routing_needs() {
    let head = peek(&format!(
        r#" {{"model":"a","stream":true,"stream_options":{{"include_usage":true}},"n":3,"user":"u","prompt_cache_key":"","x":[1],{TURNS}}} "#
    ))
    .unwrap();
    assert_eq!((head.model.as_str(), head.stream, head.include_usage, head.choices), ("a", true, true, 3));
    assert_eq!((head.user.as_deref(), head.prompt_cache_key.as_deref()), (Some("u"), None));
    assert!(head.has("x") && !head.has("y"));
    assert_eq!(head.names().count(), 8);
}

#[test]
fn null_is_the_same_as_nothing() {
    let head = peek(&format!(
        r#"{{"model":"a","stream":null,"stream_options":null,"n":null,"temperature":null,"tools":null,{TURNS}}}"#
    ))
    .unwrap();
    assert!(!head.stream && !head.include_usage);
}

#[test]
fn a_refused_body_names_the_parameter() {
    let missing = Some("missing_required_parameter");
    let kind = Some("invalid_type");
    check_refused("", None, None, "empty");
    check_refused("[1]", None, None, "JSON object");
    check_refused("{\"model\":", None, None, "not valid JSON");
    check_refused(&format!(r#"{{"model":"a",{TURNS}}}x"#), None, None, "not valid JSON");
    check_refused(&format!("{{{TURNS}}}"), Some("model"), missing, "model");
    check_refused(&format!(r#"{{"model":null,{TURNS}}}"#), Some("model"), missing, "model");
    check_refused(&format!(r#"{{"model":7,{TURNS}}}"#), Some("model"), kind, "a string is expected, and a number");
    check_refused(&format!(r#"{{"model":"",{TURNS}}}"#), Some("model"), Some("empty_value"), "empty");
    check_refused(r#"{"model":"a"}"#, Some("messages"), missing, "messages");
    check_refused(r#"{"model":"a","messages":"hi"}"#, Some("messages"), kind, "an array is expected, and a string");
    check_refused(r#"{"model":"a","messages":[ ]}"#, Some("messages"), Some("empty_value"), "one message");
    check_refused(&format!(r#"{{"model":"a","stream":"yes",{TURNS}}}"#), Some("stream"), kind, "a boolean");
    check_refused(&format!(r#"{{"model":"a","temperature":"1",{TURNS}}}"#), Some("temperature"), kind, "a number");
    check_refused(
        &format!(r#"{{"model":"a","n":0,{TURNS}}}"#),
        Some("n"),
        Some("integer_below_min_value"),
        "at least 1",
    );
    check_refused(
        &format!(r#"{{"model":"a","n":129,{TURNS}}}"#),
        Some("n"),
        Some("integer_above_max_value"),
        "at most",
    );
    check_refused(&format!(r#"{{"model":"a","n":1.5,{TURNS}}}"#), Some("n"), kind, "an integer");
    // Options of a stream that is none are the vendor's to judge: OpenAI's own SDK tests send them.
    let options = r#""stream_options":{"include_usage":true}"#;
    assert!(peek(&format!(r#"{{"model":"a",{options},{TURNS}}}"#)).is_ok());
    let odd = format!(r#"{{"model":"a","stream":true,"stream_options":{{"include_usage":1}},{TURNS}}}"#);
    check_refused(&odd, Some("stream_options.include_usage"), kind, "boolean");
    check_refused(&format!(r#"{{"model":"\ud800",{TURNS}}}"#), Some("model"), Some("invalid_value"), "text");
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    check_refused(&format!(r#"{{"model":"a","model":"b",{TURNS}}}"#), Some("model"), None, "more than once");
    check_refused(&format!(r#"{{"model":"a","mod\u0065l":"b",{TURNS}}}"#), Some("model"), None, "more than once");
    check_refused(&format!(r#"{{"model":"a","x":1,"x":2,{TURNS}}}"#), Some("x"), None, "more than once");
}

#[test]
fn shape_is_bounded() {
    let deep = |levels: usize| format!(r#"{{"model":"a","x":{}{},{TURNS}}}"#, "[".repeat(levels), "]".repeat(levels));
    assert!(peek(&deep(63)).is_ok());
    check_refused(&deep(64), None, None, "64 levels");
    check_refused(&deep(100_000), None, None, "");
    let brackets_in_text = format!(r#"{{"model":"a","x":"\"{}\\",{TURNS}}}"#, "[".repeat(100));
    assert!(peek(&brackets_in_text).is_ok());
    let many = (0..300).map(|number| format!(r#""x{number}":1"#)).collect::<Vec<_>>().join(",");
    check_refused(&format!(r#"{{{many},"model":"a",{TURNS}}}"#), None, None, "256 parameters");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let body = Bytes::from_static(b"{\"model\":\"\xff\"}");
    let bad = Head::peek(&body, Operation::ChatCompletions, &BodyLimits::default()).unwrap_err();
    assert!(bad.message.contains("UTF-8") && bad.message.contains("10"), "{bad}");
}

#[test]
fn embeddings_need_an_input() {
    let peek = |text: &'static str| {
        Head::peek(&Bytes::from_static(text.as_bytes()), Operation::Embeddings, &BodyLimits::default())
    };
    assert!(peek(r#"{"model":"e","input":[1,2]}"#).is_ok());
    for (body, param) in [
        (r#"{"model":"e"}"#, "input"),
        (r#"{"model":"e","input":""}"#, "input"),
        (r#"{"model":"e","input":[]}"#, "input"),
        (r#"{"model":"e","input":{}}"#, "input"),
        (r#"{"model":"e","input":"x","dimensions":"1024"}"#, "dimensions"),
    ] {
        assert_eq!(peek(body).unwrap_err().param.as_deref(), Some(param), "{body}");
    }
}

#[test]
fn the_opening_stays_while_the_conversation_grows() {
    let opening = |turns: &str| {
        let body = Bytes::from(format!(r#"{{"model":"a","messages":[{turns}]}}"#));
        Head::peek(&body, Operation::ChatCompletions, &BodyLimits::default()).unwrap().opening(&body)
    };
    let (system, user) = (r#"{"role":"system","content":"s"}"#, r#"{"role":"user","content":"u"}"#);
    let first = opening(&format!("{system},{user}"));
    assert_eq!(first, opening(&format!(r#"{system},{user},{{"role":"assistant","content":"a"}}"#)));
    assert_ne!(first, opening(&format!(r#"{system},{{"role":"user","content":"v"}}"#)));
    assert_ne!(first, opening(user));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\]{1,4}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let body = Bytes::from(bytes);
        for operation in [Operation::ChatCompletions, Operation::Embeddings] {
            if let Ok(head) = Head::peek(&body, operation, &BodyLimits::default()) {
                head.opening(&body);
            }
        }
    }

    #[test]
    fn near_json_never_panics(text in r#"[\{\}\[\]",:\\0-9a-z\. ]{0,60}"#) {
        prop_assert!(peek(&text).is_err());
    }

    #[test]
    fn a_splice_touches_nothing_but_the_model(
        extras in prop::collection::btree_map("x[a-z\"\\\\]{0,4}", json(), 0..5),
        old in ".{1,12}",
        new in ".{0,12}",
        pretty in any::<bool>(),
        at in 0_usize..6,
    ) {
        let mut members: Vec<(String, Value)> = extras.into_iter().collect();
        members.insert(at.min(members.len()), ("model".into(), old.clone().into()));
        members.push(("messages".into(), serde_json::json!([{"role": "user", "content": "\"model\":\"x\""}])));
        let print = |members: &[(String, Value)]| {
            let value: Value = members.iter().cloned().collect();
            if pretty { format!("{value:#}") } else { value.to_string() }
        };
        let body = Bytes::from(print(&members));
        let head = Head::peek(&body, Operation::ChatCompletions, &BodyLimits::default()).unwrap();
        prop_assert_eq!(&head.model, &old);
        let spliced = splice_model(&body, &head, &new);
        for member in &mut members {
            if member.0 == "model" {
                member.1 = new.clone().into();
            }
        }
        prop_assert_eq!(std::str::from_utf8(&spliced).unwrap(), print(&members));
    }
}
