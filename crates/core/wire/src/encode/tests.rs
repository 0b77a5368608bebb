use super::{Encoded, Refusal, encode};
use crate::head::{BodyLimits, Head, splice_model};
use crate::notes::ForcedTool;
use crate::profile::Profile;
use crate::profile::tests::embedded;
use banjia_types::{LossLevel, LossPolicy, Operation};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

mod golden;
mod rules;

/// Encodes a chat request for a vendor's model.
pub(super) fn chat(vendor: &str, model: &str, body: &Value) -> Result<Encoded, Refusal> {
    run(&embedded(vendor), Operation::ChatCompletions, model, body.to_string())
}

fn run(profile: &Profile, operation: Operation, model: &str, body: String) -> Result<Encoded, Refusal> {
    let body = Bytes::from(body);
    let head = Head::peek(&body, operation, &BodyLimits::default()).unwrap();
    encode(profile, operation, model, &head, &body)
}

fn sent(encoded: &Encoded) -> Value {
    serde_json::from_slice(&encoded.body).unwrap()
}

/// The three vendors that businesses move to, with models that think and models that do not.
const DESTINATIONS: [(&str, &str); 5] = [
    ("alibaba", "qwen-plus"),
    ("alibaba", "qwen3.7-plus"),
    ("baidu", "ernie-5.1"),
    ("zhipu", "glm-4.7"),
    ("zhipu", "glm-5.3"),
];

/// The others.
const MORE: [(&str, &str); 5] = [
    ("deepseek", "deepseek-v4-pro"),
    ("moonshot", "kimi-k2.6"),
    ("volcengine", "doubao-seed-1.6"),
    ("siliconflow", "Qwen/Qwen3-8B"),
    ("plain-chat", "any"),
];

#[test]
fn a_pass_through_changes_the_model_and_nothing_else() {
    let body = r#"{ "model":"gpt-4o", "messages":[{"role":"user","content":"hi"}], "seed":12345678901234567890123, "x":1.0e5, "n":3 }"#;
    for profile in ["openai", "openai-compatible"] {
        let encoded = run(&embedded(profile), Operation::ChatCompletions, "m", body.into()).unwrap();
        assert_eq!(encoded.body, body.replace("gpt-4o", "m"));
        assert!(encoded.losses.is_empty() && encoded.notes.fan_out == 0);
    }
}

#[test]
fn untouched_members_keep_digits_and_order() {
    let body = r#"{"zz":12345678901234567890123,"model":"gpt-4o","messages":[{"role":"user","content":"hi","x":1e2}],"temperature":2,"aa":{"b":1.10}}"#;
    let encoded = run(&embedded("zhipu"), Operation::ChatCompletions, "glm-4-plus", body.into()).unwrap();
    let wanted = body.replace("gpt-4o", "glm-4-plus").replace(r#""temperature":2"#, r#""temperature":0.99"#);
    assert_eq!(encoded.body, wanted);
    assert_eq!(encoded.losses[0].why, "2 became 0.99, the nearest that is taken");
}

#[test]
fn a_mended_tool_keeps_the_digits_of_its_schema() {
    let tool = r#"{"type":"function","function":{"name":"search","parameters":{"maximum":12345678901234567890123,"multipleOf":1e-3}}}"#;
    let body = format!(r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":"hi"}}],"tools":[{tool}]}}"#);
    let encoded = run(&embedded("alibaba"), Operation::ChatCompletions, "qwen-plus", body).unwrap();
    let text = String::from_utf8(encoded.body.to_vec()).unwrap();
    assert!(
        text.contains(r#"{"maximum":12345678901234567890123,"multipleOf":1e-3},"description":"search_tool""#),
        "{text}"
    );
}

#[test]
fn requests_of_sdks_pass_under_the_default_policy() {
    let tool =
        json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}, "strict": true}});
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false});
    let bodies = [
        json!({}),
        // every default of the API document, spelled out
        json!({"n": 1, "temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logprobs": false, "logit_bias": {},
               "store": false, "stream": false, "parallel_tool_calls": true, "tools": [tool], "tool_choice": "auto", "service_tier": "auto",
               "metadata": {}, "user": "u", "verbosity": "medium", "modalities": ["text"], "response_format": {"type": "text"}}),
        // explicit nulls, as some SDKs print them
        json!({"stop": null, "n": null, "logit_bias": null, "tools": null, "tool_choice": null, "response_format": null, "audio": null,
               "functions": null, "web_search_options": null, "reasoning_effort": null, "seed": null}),
        // LangChain
        json!({"max_completion_tokens": 256, "temperature": 0.7, "stream": true, "stream_options": {"include_usage": true},
               "stop": ["\n\n", "END"], "tools": [tool], "tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        // Instructor and Pydantic AI
        json!({"tools": [tool], "tool_choice": "required", "parallel_tool_calls": false, "seed": 0}),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "A", "schema": schema, "strict": true}}}),
        json!({"response_format": {"type": "json_object"}}),
        // reasoning clients
        json!({"reasoning_effort": "minimal", "max_completion_tokens": 1000, "prompt_cache_key": "k", "safety_identifier": "s"}),
        json!({"n": 4, "temperature": 0, "user": "a"}),
    ];
    for (vendor, model) in DESTINATIONS.into_iter().chain(MORE) {
        for extra in &bodies {
            let mut body = json!({"model": "gpt-4o", "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}]});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let encoded = chat(vendor, model, &body).unwrap_or_else(|refusal| panic!("{vendor}: {refusal} in {body}"));
            let refused = LossPolicy::default().first_refused(&encoded.losses).cloned();
            assert_eq!(refused, None, "{vendor}/{model}: {body}");
            assert!(!String::from_utf8_lossy(&encoded.body).contains("null"), "{vendor}: a null went out");
        }
    }
}

#[test]
fn values_that_ask_for_nothing_lose_nothing() {
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "n": 1, "logprobs": false, "presence_penalty": 0,
                      "frequency_penalty": 0.0, "logit_bias": {}, "store": false, "service_tier": "auto", "parallel_tool_calls": true});
    for (vendor, model) in DESTINATIONS {
        // That a model cannot stop thinking is no fault of these values.
        for loss in chat(vendor, model, &body).unwrap().losses.iter().filter(|loss| loss.param != "thinking") {
            assert_eq!(loss.level, LossLevel::Exact, "{vendor}: {loss} {}", loss.why);
        }
    }
}

#[test]
fn what_changes_the_answer_is_dropped_aloud() {
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "logit_bias": {"5": 1}, "logprobs": true});
    for (vendor, model) in DESTINATIONS {
        let losses = chat(vendor, model, &body).unwrap().losses;
        for param in ["logit_bias", "logprobs"] {
            let loss = losses.iter().find(|loss| loss.param == param).unwrap();
            assert_eq!(loss.level, LossLevel::Dropped, "{vendor} {param}");
        }
    }
}

#[test]
fn plain_embeddings_are_not_parsed() {
    let body = r#"{ "model":"text-embedding-3-small", "input":[ "a" ] }"#;
    let encoded = run(&embedded("alibaba"), Operation::Embeddings, "text-embedding-v4", body.into()).unwrap();
    assert_eq!(encoded.body, body.replace("text-embedding-3-small", "text-embedding-v4"));
}

#[test]
fn dimensions_that_the_model_lacks_are_refused() {
    let body = r#"{"model":"m","input":"a","dimensions":3072}"#;
    let refusal = run(&embedded("alibaba"), Operation::Embeddings, "text-embedding-v4", body.into()).unwrap_err();
    assert_eq!(refusal.param, "dimensions");
    assert!(refusal.message.contains("1536"), "{refusal}");
}

#[test]
fn usage_is_asked_for_where_the_vendor_needs_it() {
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": true});
    let alibaba = chat("alibaba", "qwen-plus", &body).unwrap();
    assert_eq!(sent(&alibaba)["stream_options"], json!({"include_usage": true}));
    assert!(!alibaba.notes.include_usage);
    let mut asked = body.clone();
    asked["stream_options"] = json!({"include_usage": true});
    let zhipu = chat("zhipu", "glm-4.7", &asked).unwrap();
    assert_eq!(sent(&zhipu).get("stream_options"), None);
    assert!(zhipu.notes.include_usage);
}

#[test]
fn notes_tell_the_gateway_what_to_finish() {
    let tools = json!([{"type": "function", "function": {"name": "search", "parameters": {}}}, {"type": "function", "function": {"name": "b"}}]);
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "n": 3, "stop": ["a", "b", "c"],
                      "tools": tools, "tool_choice": "required"});
    let zhipu = chat("zhipu", "glm-4.7", &body).unwrap().notes;
    assert_eq!((zhipu.requests(), zhipu.stop), (3, vec!["b".to_owned(), "c".to_owned()]));
    assert_eq!(zhipu.forced_tool, Some(ForcedTool::Any));
    let alibaba = chat("alibaba", "qwen-plus", &body).unwrap().notes;
    assert_eq!(alibaba.renamed_tools, [("search_tool".to_owned(), "search".to_owned())]);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "A", "schema": {"type": "object"}}});
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "response_format": schema});
    assert!(chat("deepseek", "deepseek-v4-pro", &body).unwrap().notes.schema.is_some());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{0,8}".prop_map(Value::from),
        prop_oneof![
            Just("required"),
            Just("json_schema"),
            Just("json_object"),
            Just("system"),
            Just("assistant"),
            Just("tool"),
            Just("image_url"),
            Just("function")
        ]
        .prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("role"),
        Just("content"),
        Just("type"),
        Just("function"),
        Just("name"),
        Just("tool_calls"),
        Just("image_url"),
        Just("url"),
        Just("detail"),
        Just("json_schema"),
        Just("schema"),
        Just("allowed_tools"),
        Just("tools"),
        Just("text")
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..5).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Value>()),
        ]
    })
}

fn any_member() -> impl Strategy<Value = (String, Value)> {
    let names: Vec<String> = [
        "messages",
        "tools",
        "tool_choice",
        "response_format",
        "stop",
        "n",
        "seed",
        "user",
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "reasoning_effort",
        "thinking",
        "enable_thinking",
        "logprobs",
        "top_logprobs",
        "functions",
        "function_call",
        "dimensions",
        "encoding_format",
        "input",
        "metadata",
        "zz",
    ]
    .map(str::to_owned)
    .to_vec();
    (proptest::sample::select(names), any_json())
}

/// Lists that pass for messages: some sense, much nonsense.
fn any_messages() -> impl Strategy<Value = Value> {
    let role = proptest::sample::select(vec!["system", "developer", "user", "assistant", "tool"]);
    let message = (role, any_json(), any_json(), any_json()).prop_map(
        |(role, content, calls, id)| json!({"role": role, "content": content, "tool_calls": calls, "tool_call_id": id}),
    );
    proptest::collection::vec(message, 1..5).prop_map(Value::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_object_makes_encode_panic(members in proptest::collection::btree_map("[a-z_]{1,12}", any_json(), 0..4), named in proptest::collection::vec(any_member(), 0..8), messages in any_messages()) {
        let mut body: serde_json::Map<String, Value> = members.into_iter().collect();
        body.extend(named);
        body.insert("model".into(), "gpt-4o".into());
        body.insert("messages".into(), messages);
        body.entry("input").or_insert("text".into());
        let body = Bytes::from(Value::Object(body).to_string());
        for operation in [Operation::ChatCompletions, Operation::Embeddings] {
            let Ok(head) = Head::peek(&body, operation, &BodyLimits::default()) else { continue };
            for (vendor, model) in [("alibaba", "qwen3.8-max"), ("alibaba", "text-embedding-v4"), ("baidu", "ernie-5.1"), ("zhipu", "glm-5.3"), ("zhipu", "glm-4v"), ("siliconflow", "x"), ("openai", "x")] {
                let profile = embedded(vendor);
                if let Ok(encoded) = encode(&profile, operation, model, &head, &body) {
                    let value: Value = serde_json::from_slice(&encoded.body).unwrap();
                    prop_assert_eq!(&value["model"], model);
                    if profile.is_pass_through() {
                        prop_assert_eq!(encoded.body, splice_model(&body, &head, model));
                    }
                }
            }
        }
    }
}
