//! What vendors cannot do and the gateway does.

use crate::rig::{Rig, SINGLE, hello};
use serde_json::{Value, json};

fn person_schema() -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "person", "strict": true, "schema": {
        "type": "object", "additionalProperties": false, "required": ["name", "age"],
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    }}})
}

#[tokio::test]
async fn a_schema_holds_on_every_vendor_whole_and_streamed() {
    let rig = Rig::new().await;
    for (route, _) in SINGLE {
        for stream in [false, true] {
            let mut body = hello(route, stream);
            body["messages"] = json!([{"role": "user", "content": "Ada is 36 years old. Give her as an object."}]);
            body["response_format"] = person_schema();
            let answer = rig.chat(&body).await;
            answer.is(200);
            let text = if stream {
                answer.events().is_whole(0, "stop");
                answer.events().text(0)
            } else {
                answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
            };
            let person: Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{route}: {error} in {text:?}"));
            assert!(person["name"].is_string() && person["age"].is_i64(), "{route}: {person}");
        }
    }
}

#[tokio::test]
async fn every_vendor_gives_n_choices() {
    let rig = Rig::new().await;
    for (route, _) in SINGLE {
        let mut body = hello(route, false);
        body["n"] = json!(3);
        let answer = rig.chat(&body).await.is(200).json();
        let choices = answer["choices"].as_array().unwrap();
        let indexes: Vec<_> = choices.iter().map(|choice| choice["index"].as_u64().unwrap()).collect();
        assert_eq!(indexes, [0, 1, 2], "{route}");
        assert!(choices.iter().all(|choice| !choice["message"]["content"].as_str().unwrap().is_empty()));

        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
        let streamed = rig.chat(&body).await;
        let events = streamed.is(200).events();
        for index in 0..3 {
            events.is_whole(index, "stop");
            assert!(!events.text(index).is_empty(), "{route}");
        }
        assert_eq!(events.usages().len(), 1, "{route}: {events:?}");
        let ids: std::collections::BTreeSet<_> =
            events.chunks.iter().map(|chunk| chunk["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1, "{route}");
        assert_eq!(events.usages()[0]["completion_tokens"], answer["usage"]["completion_tokens"], "{route}");
    }
    assert_eq!(rig.tally().await.answered, 8);
}

#[tokio::test]
async fn stop_strings_cut_the_same_text_on_every_vendor() {
    let rig = Rig::new().await;
    for (route, _) in SINGLE {
        let whole = rig.ask(route, false).await.is(200).json();
        let text = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        // The second word is a stop string; six of them are more than any vendor but one takes.
        let word = text.split_whitespace().nth(1).unwrap().to_owned();
        let before = text.split(&word).next().unwrap().to_owned();
        for stream in [false, true] {
            let mut body = hello(route, stream);
            body["stop"] = json!(["<|a|>", "<|b|>", "<|c|>", word]);
            let answer = rig.chat(&body).await;
            answer.is(200);
            let cut = if stream {
                answer.events().is_whole(0, "stop");
                answer.events().text(0)
            } else {
                let answer = answer.json();
                assert_eq!(answer["choices"][0]["finish_reason"], "stop");
                answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
            };
            assert_eq!(cut, before, "{route} stream={stream}");
        }
    }
}

#[tokio::test]
async fn a_forced_tool_is_called_on_every_vendor() {
    let rig = Rig::new().await;
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name, "description": name,
            "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}})
    };
    for (route, _) in SINGLE {
        for stream in [false, true] {
            let mut body = hello(route, stream);
            body["tools"] = json!([tool("note"), tool("remember")]);
            body["tool_choice"] = json!({"type": "function", "function": {"name": "remember"}});
            let answer = rig.chat(&body).await;
            answer.is(200);
            let name = if stream {
                let events = answer.events();
                assert_eq!(events.done, 1, "{route}: {events:?}");
                events
                    .deltas(0)
                    .find_map(|it| it["delta"]["tool_calls"][0]["function"]["name"].as_str().map(str::to_owned))
            } else {
                answer.json()["choices"][0]["message"]["tool_calls"][0]["function"]["name"].as_str().map(str::to_owned)
            };
            assert_eq!(name.as_deref(), Some("remember"), "{route} stream={stream}: {:?}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_schema_that_is_none_is_the_clients_error() {
    let rig = Rig::new().await;
    let mut body = hello("one-zhipu", false);
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": 7}}});
    let answer = rig.chat(&body).await;
    answer.is(400);
    assert_eq!(answer.json()["error"]["param"], "response_format");
    assert_eq!(rig.asked("zhipu"), 0);
}
