//! Tool calls of vendors that name or number them in ways of their own.

use super::{IDENTITY, ends, pass_through, regular, run, text};
use crate::decode::{Decoder, FrameKind, Identity, decode_answer};
use crate::notes::Notes;
use crate::profile::Profile;
use banjia_types::{Operation, RequestId};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// A stream whose deltas hold these lists of pieces.
fn stream(deltas: &[Value]) -> String {
    let chunk = |delta: &Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let chunk =
            json!({"id": "i", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    let begin = chunk(&json!({"role": "assistant", "content": null}), Value::Null);
    let pieces: String = deltas.iter().map(|calls| chunk(&json!({"tool_calls": calls}), Value::Null)).collect();
    format!("{begin}{pieces}{}data: [DONE]\n\n", chunk(&json!({}), "tool_calls".into()))
}

/// The calls as an official SDK adds them up: by index, texts joined. Each as (id, name,
/// arguments).
fn calls_of(seen: &str) -> Vec<(String, String, String)> {
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for data in seen.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]") {
        let chunk: Value = serde_json::from_str(data).unwrap();
        for piece in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = piece["index"].as_u64().expect("each piece has its index") as usize;
            if index == calls.len() {
                calls.push(Default::default());
                assert!(piece["id"].as_str().is_some_and(|id| !id.is_empty()), "a call begins with its id: {seen}");
                assert_eq!(piece["type"], "function", "{seen}");
            }
            let call = &mut calls[index];
            call.0 += piece["id"].as_str().unwrap_or_default();
            call.1 += piece["function"]["name"].as_str().unwrap_or_default();
            call.2 += piece["function"]["arguments"].as_str().unwrap_or_default();
        }
    }
    calls
}

fn seen(profile: &Arc<Profile>, deltas: &[Value]) -> Vec<(String, String, String)> {
    let frames = run(profile, &Notes::default(), &[stream(deltas).as_bytes()]);
    assert_eq!((ends(&frames), &frames.last().unwrap().kind), (1, &FrameKind::Done), "{frames:?}");
    calls_of(&text(&frames))
}

/// Lists of deltas that each say the call `f({"x":1})`, with the id `a` if they give one.
fn one_call() -> Vec<(Option<&'static str>, Vec<Value>)> {
    let args = r#"{"x":1}"#;
    vec![
        (
            Some("a"),
            vec![json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": args}}])],
        ),
        (None, vec![json!([{"index": 0, "type": "function", "function": {"name": "f", "arguments": args}}])]),
        (None, vec![json!([{"index": 0, "id": null, "function": {"name": "f", "arguments": args}}])]),
        (None, vec![json!([{"index": 0, "id": "", "function": {"name": "f", "arguments": args}}])]),
        (None, vec![json!([{"function": {"name": "f", "arguments": {"x": 1}}}])]),
        (Some("7"), vec![json!([{"index": 0, "id": 7, "function": {"name": "f", "arguments": args}}])]),
        // A name that comes later, after empty arguments, after the arguments themselves.
        (
            Some("a"),
            vec![
                json!([{"index": 0, "id": "a", "type": "function", "function": {"arguments": ""}}]),
                json!([{"index": 0, "function": {"name": "f"}}]),
                json!([{"index": 0, "function": {"arguments": args}}]),
            ],
        ),
        (
            Some("a"),
            vec![
                json!([{"index": 0, "id": "a", "function": {"name": null, "arguments": "{\"x\""}}]),
                json!([{"index": 0, "function": {"name": "f", "arguments": ":1}"}}]),
            ],
        ),
        (
            Some("a"),
            vec![
                json!([{"index": 0, "id": "a", "function": {"arguments": args}}]),
                json!([{"index": 0, "function": {"name": "f"}}]),
            ],
        ),
        // The id comes later, with each piece, or another one with each piece.
        (
            Some("a"),
            vec![
                json!([{"index": 0, "function": {"name": "f", "arguments": ""}}]),
                json!([{"index": 0, "id": "a", "function": {"arguments": args}}]),
            ],
        ),
        (
            Some("a"),
            vec![
                json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]),
                json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}}]),
            ],
        ),
        (
            Some("a"),
            vec![
                json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]),
                json!([{"index": 0, "id": "b", "function": {"name": "", "arguments": ":1}"}}]),
            ],
        ),
    ]
}

#[test]
fn every_call_has_one_id_and_one_name() {
    for (id, deltas) in one_call() {
        for profile in [regular(), pass_through()] {
            let calls = seen(&profile, &deltas);
            let [(found, name, arguments)] = &calls[..] else { panic!("{calls:?} of {deltas:?}") };
            assert_eq!((name.as_str(), arguments.as_str()), ("f", r#"{"x":1}"#), "{deltas:?}");
            assert!(id.is_none_or(|id| id == found) && !found.is_empty(), "{found} of {deltas:?}");
        }
    }
}

#[test]
fn a_name_in_pieces_is_joined() {
    for second in ["_weather", "get_weather"] {
        let deltas = [
            json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "get", "arguments": ""}}]),
            json!([{"index": 0, "function": {"name": second}}]),
            json!([{"index": 0, "function": {"arguments": "{}"}}]),
        ];
        assert_eq!(seen(&regular(), &deltas), [("a".into(), "get_weather".into(), "{}".into())]);
    }
}

#[test]
fn calls_are_told_apart_without_ids() {
    let call = |index: Value, name: &str, arguments: &str| json!({"index": index, "function": {"name": name, "arguments": arguments}});
    let zero = || json!(0);
    for deltas in [
        vec![json!([call(zero(), "f", "{\"x\":1}"), call(zero(), "g", "{}")])],
        vec![json!([call(zero(), "f", "{\"x\":1}")]), json!([call(zero(), "g", "{}")])],
        vec![json!([call(Value::Null, "f", "{\"x\":1}")]), json!([call(Value::Null, "g", "{}")])],
        vec![
            json!([call(zero(), "f", "{\"x\"")]),
            json!([call(zero(), "f", ":1}")]),
            json!([call(json!(1), "g", "{}")]),
        ],
    ] {
        for profile in [regular(), pass_through()] {
            let calls = seen(&profile, &deltas);
            let said: Vec<_> = calls.iter().map(|(_, name, arguments)| (name.as_str(), arguments.as_str())).collect();
            assert_eq!(said, [("f", "{\"x\":1}"), ("g", "{}")], "{deltas:?}");
            assert_ne!(calls[0].0, calls[1].0);
        }
    }
    let twice = [json!([call(zero(), "f", "{\"x\":1}")]), json!([call(zero(), "f", "{\"x\":2}")])];
    let arguments: Vec<_> = seen(&regular(), &twice).into_iter().map(|call| call.2).collect();
    assert_eq!(arguments, ["{\"x\":1}", "{\"x\":2}"], "two calls of one tool");
}

#[test]
fn one_id_for_two_calls_is_made_two() {
    let call = |index: u64, name: &str| json!({"index": index, "id": "same", "type": "function", "function": {"name": name, "arguments": "{}"}});
    for profile in [regular(), pass_through()] {
        let calls = seen(&profile, &[json!([call(0, "f")]), json!([call(1, "g")])]);
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].0, "same");
        assert_ne!(calls[1].0, "same");
    }
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    for function in
        [json!({"name": "f"}), json!({"name": "f", "arguments": ""}), json!({"name": "f", "arguments": null})]
    {
        let deltas = [
            json!([{"index": 0, "id": "a", "function": function}]),
            json!([{"index": 1, "id": "b", "function": function}]),
        ];
        let calls = seen(&regular(), &deltas);
        assert!(calls.iter().all(|call| call.2 == "{}"), "{calls:?}");
    }
}

#[test]
fn a_call_without_a_name_is_the_vendors_failure() {
    for profile in [regular(), pass_through()] {
        let deltas = [json!([{"index": 0, "id": "a", "function": {"arguments": "{}"}}])];
        let frames = run(&profile, &Notes::default(), &[stream(&deltas).as_bytes()]);
        assert!(matches!(&frames.last().unwrap().kind, FrameKind::Error(error) if error.message.contains("name")));
        let body = json!({"choices": [{"message": {"tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]}, "finish_reason": "tool_calls"}]});
        let body = Bytes::from(body.to_string());
        let error =
            decode_answer(&profile, &Notes::default(), Operation::ChatCompletions, IDENTITY, &body).unwrap_err();
        assert!(error.message.contains("name"), "{error}");
    }
}

#[test]
fn regular_calls_are_forwarded_as_they_are() {
    let deltas = [
        json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]),
        json!([{"index": 0, "function": {"arguments": "{\"id\":1,"}}]),
        json!([{"index": 0, "function": {"arguments": "\"name\":2}"}}]),
        json!([{"index": 1, "id": "b", "type": "function", "function": {"name": "f", "arguments": ""}}]),
        json!([{"index": 1, "function": {"arguments": "{}"}}]),
    ];
    let stream = stream(&deltas);
    assert_eq!(text(&run(&pass_through(), &Notes::default(), &[stream.as_bytes()])), stream);
}

#[test]
fn a_made_id_differs_between_turns() {
    let deltas = [json!([{"index": 0, "function": {"name": "f", "arguments": "{}"}}])];
    let id = |request| {
        let identity = Identity { request: RequestId(Uuid::from_u128(request)), ..IDENTITY };
        let mut decoder = Decoder::new(&regular(), &Notes::default(), identity);
        let mut frames = Vec::new();
        decoder.feed(&stream(&deltas).into(), &mut frames);
        calls_of(&text(&frames))[0].0.clone()
    };
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
}

#[test]
fn calls_of_whole_answers_are_mended_on_every_profile() {
    let answer = |calls: &Value| {
        let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
        json!({"id": "i", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}).to_string()
    };
    for call in [
        json!({"type": "function", "function": {"name": "f", "arguments": "{}"}}),
        json!({"id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}}),
        json!({"id": null, "function": {"name": "f", "arguments": {}}}),
        json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}),
        json!({"id": "a", "type": "function", "function": {"name": "f"}}),
    ] {
        for profile in [regular(), pass_through()] {
            let body = Bytes::from(answer(&json!([call, call])));
            let answer =
                decode_answer(&profile, &Notes::default(), Operation::ChatCompletions, IDENTITY, &body).unwrap();
            let seen: Value = serde_json::from_slice(&answer.body).unwrap();
            let calls = seen["choices"][0]["message"]["tool_calls"].as_array().unwrap();
            for call in calls {
                assert!(call["id"].as_str().is_some_and(|id| !id.is_empty()), "{call}");
                assert_eq!((&call["type"], &call["function"]["arguments"]), (&json!("function"), &json!("{}")));
            }
            assert_ne!(calls[0]["id"], calls[1]["id"]);
        }
    }
    let regular = answer(&json!([{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]));
    let body = Bytes::from(regular);
    let seen = decode_answer(&pass_through(), &Notes::default(), Operation::ChatCompletions, IDENTITY, &body).unwrap();
    assert_eq!(seen.body, body, "what is regular keeps its bytes");
}
