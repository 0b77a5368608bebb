use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn peek(body: &str) -> Result<Head, BadBody> {
    Head::peek(&Bytes::copy_from_slice(body.as_bytes()), Endpoint::Chat, &BodyLimits::default())
}

fn refused(body: &str) -> BadBody {
    peek(body).expect_err(body)
}

#[test]
fn reads_what_routing_needs() {
    let head = peek(
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"stream":true,"user":"u1","odd":[1],
        "stream_options":{"include_usage":true},"prompt_cache_key":"k","seed":null}"#,
    )
    .unwrap();
    assert_eq!((head.model.as_str(), head.stream, head.include_usage), ("gpt-4o", true, true));
    assert_eq!((head.user.as_deref(), head.prompt_cache_key.as_deref()), (Some("u1"), Some("k")));
    assert!(head.has("odd") && head.has("seed") && !head.has("temperature"));
    assert_eq!(head.names().next(), Some("model"));
}

#[test]
fn a_doubled_key_is_refused_however_it_is_written() {
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    for doubled in [r#""model":"a","model":"b""#, r#""model":"a","mod\u0065l":"b""#, r#""model":"a","x":1,"x":1"#] {
        let problem = refused(&format!("{{{doubled},{messages}}}"));
        assert!(problem.message.contains("stands twice"), "{}", problem.message);
        assert!(problem.param.is_some());
    }
    let many: String = (0..60).map(|i| format!(r#""k{i}":1,"#)).collect();
    assert!(refused(&format!(r#"{{{many}"k3":2,"model":"a",{messages}}}"#)).message.contains("`k3`"));
}

#[test]
fn wrong_bodies_are_named() {
    let cases = [
        ("", "not valid JSON", None),
        ("[]", "expected a JSON object", None),
        (r#"{"model":"a","messages":[{"role":"#, "not valid JSON", None),
        (r#"{"model":"a","messages":[1]} x"#, "not valid JSON", None),
        (r#"{"messages":[1]}"#, "`model` is missing", Some("model")),
        (r#"{"model":null,"messages":[1]}"#, "`model` is missing", Some("model")),
        (r#"{"model":7,"messages":[1]}"#, "must be a string; found a number", Some("model")),
        (r#"{"model":"","messages":[1]}"#, "`model` is empty", Some("model")),
        (r#"{"model":"a"}"#, "`messages` is missing", Some("messages")),
        (r#"{"model":"a","messages":"hi"}"#, "found a string", Some("messages")),
        (r#"{"model":"a","messages":[ ]}"#, "`messages` is empty", Some("messages")),
        (r#"{"model":"a","messages":[1],"stream":"yes"}"#, "true or false", Some("stream")),
        (r#"{"model":"a","messages":[1],"stream_options":{}}"#, "only allowed when", Some("stream_options")),
        (r#"{"model":"a","messages":[1],"n":0}"#, "from 1 to 128", Some("n")),
        (r#"{"model":"a","messages":[1],"n":1.5}"#, "whole number", Some("n")),
    ];
    for (body, part, param) in cases {
        let problem = refused(body);
        assert!(problem.message.contains(part), "{body}: {}", problem.message);
        assert_eq!(problem.param.as_deref(), param, "{body}");
    }
    let bytes = Bytes::from_static(b"{\"model\":\"\xff\"}");
    let problem = Head::peek(&bytes, Endpoint::Chat, &BodyLimits::default()).expect_err("not UTF-8");
    assert!(problem.message.contains("not UTF-8: byte 10"), "{}", problem.message);
}

#[test]
fn depth_is_bounded_outside_strings_only() {
    let nest = |depth: usize| format!(r#"{{"model":"a","messages":[{}{}]}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(peek(&nest(60)).is_ok());
    assert!(refused(&nest(100_000)).message.contains("deeper than 64"));
    assert!(peek(&format!(r#"{{"model":"a","messages":["{}\"{{"]}}"#, "[".repeat(500))).is_ok());
}

#[test]
fn embeddings_need_an_input() {
    let peek =
        |body: &str| Head::peek(&Bytes::copy_from_slice(body.as_bytes()), Endpoint::Embeddings, &BodyLimits::default());
    assert!(peek(r#"{"model":"e","input":[[1,2],[3]]}"#).is_ok());
    for body in
        [r#"{"model":"e"}"#, r#"{"model":"e","input":""}"#, r#"{"model":"e","input":[]}"#, r#"{"model":"e","input":1}"#]
    {
        assert_eq!(peek(body).expect_err(body).param.as_deref(), Some("input"));
    }
}

#[test]
fn the_opening_stays_while_the_conversation_grows() {
    let opening = |messages: Value| {
        let body = Bytes::from(json!({"model": "a", "messages": messages}).to_string());
        Head::peek(&body, Endpoint::Chat, &BodyLimits::default()).unwrap().opening(&body)
    };
    let system = json!({"role": "system", "content": "s"});
    let first = json!({"role": "user", "content": "q"});
    let start = opening(json!([system, first]));
    assert_eq!(
        start,
        opening(json!([system, first, {"role": "assistant", "content": "a"}, {"role": "user", "content": "r"}]))
    );
    assert_ne!(start, opening(json!([system, {"role": "user", "content": "other"}])));
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let body = Bytes::from(bytes);
        let peeked = Head::peek(&body, Endpoint::Chat, &BodyLimits::default());
        prop_assert!(peeked.is_err() || !body.is_empty());
    }

    #[test]
    fn a_splice_touches_nothing_but_the_model(
        before in "[a-z]{1,8}", text in "\\PC*", old in "\\PC{1,12}", new in "\\PC{0,12}", spaces in " {0,3}",
    ) {
        let quote = |text: &str| Value::from(text).to_string();
        let around = |model: &str| {
            format!("{{\"{before}x\":{}{spaces},\"model\":{spaces}{}{spaces},\"messages\":[{}]}}", quote(&text), quote(model), quote(&text))
        };
        let body = Bytes::from(around(&old));
        let head = Head::peek(&body, Endpoint::Chat, &BodyLimits::default()).unwrap();
        prop_assert_eq!(&head.model, &old);
        prop_assert_eq!(splice_model(&body, &head, &new), Bytes::from(around(&new)));
    }
}
