use super::Quirk;
use crate::encode::Draft;
use crate::head::{BodyLimits, Head};
use crate::notes::Notes;
use crate::profile::tests::embedded;
use banjia_types::Operation;
use bytes::Bytes;
use serde_json::{Value, json};

/// What a quirk makes of a body, without the model.
fn after(quirk: &str, param: &str, body: Value) -> Result<Value, String> {
    let mut body = body;
    body["model"] = "m".into();
    let bytes = Bytes::from(body.to_string());
    let plain = Bytes::from_static(br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#);
    let head = Head::peek(&plain, Operation::ChatCompletions, &BodyLimits::default()).unwrap();
    let profile = embedded("zhipu");
    let mut draft = Draft::open(&profile, "glm-4.7", &head, &bytes, Notes::default()).map_err(|r| r.to_string())?;
    Quirk::find(quirk).unwrap().apply(&mut draft, param).map_err(|refusal| refusal.to_string())?;
    let mut sent: Value = serde_json::from_slice(&draft.close().body).unwrap();
    sent.as_object_mut().unwrap().remove("model");
    Ok(sent)
}

fn turns(quirk: &str, messages: &Value) -> Result<Value, String> {
    after(quirk, "messages", json!({"messages": messages})).map(|sent| sent["messages"].clone())
}

fn text(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

#[test]
fn names_are_sorted_and_each_is_found() {
    let names: Vec<&str> = Quirk::names().collect();
    assert!(names.is_sorted(), "{names:?}");
    assert!(names.iter().all(|name| Quirk::find(name).is_some()) && Quirk::find("none").is_none());
}

#[test]
fn system_messages_become_one_in_front() {
    let messages = json!([text("user", "a"), text("system", "s"), text("assistant", "b"), text("system", "t")]);
    let wanted = json!([text("system", "s\n\nt"), text("user", "a"), text("assistant", "b")]);
    assert_eq!(turns("one_system_first", &messages).unwrap(), wanted);
    let only = json!([text("system", "s")]);
    assert_eq!(turns("not_only_system", &only).unwrap(), json!([text("user", "s")]));
    assert!(turns("not_only_system", &json!([])).is_err());
}

#[test]
fn neighbours_of_one_role_are_joined() {
    let call = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]});
    let messages = json!([text("user", "a"), text("user", "b"), call, text("assistant", "c"), text("assistant", "d")]);
    let wanted = json!([text("user", "a\n\nb"), call, text("assistant", "c\n\nd")]);
    assert_eq!(turns("same_role_turns_merged", &messages).unwrap(), wanted);
    let image = json!({"type": "image_url", "image_url": {"url": "u"}});
    let messages = json!([text("user", "a"), {"role": "user", "content": [image]}]);
    let wanted = json!([{"role": "user", "content": [{"type": "text", "text": "a"}, image]}]);
    assert_eq!(turns("same_role_turns_merged", &messages).unwrap(), wanted);
}

#[test]
fn last_words_are_checked() {
    assert!(turns("ends_with_user", &json!([text("assistant", "a")])).unwrap_err().contains("last message"));
    assert!(turns("ends_with_user", &json!([text("tool", "a")])).is_ok());
    assert!(turns("last_message_not_blank", &json!([text("user", " \n")])).is_err());
    assert!(turns("last_message_not_blank", &json!([text("user", "a")])).is_ok());
}

#[test]
fn contents_take_the_shape_that_is_asked() {
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    let user = json!([{"role": "user", "content": parts}]);
    assert_eq!(turns("text_parts_joined", &user).unwrap(), json!([text("user", "a\nb")]));
    let cached =
        json!([{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}]);
    assert_eq!(turns("text_parts_joined", &cached).unwrap(), cached);
    let tool = json!([{"role": "tool", "content": parts}, {"role": "tool", "content": {"a": 1}}]);
    assert_eq!(turns("tool_content_as_text", &tool).unwrap(), json!([text("tool", "a\nb"), text("tool", "{\"a\":1}")]));
    let image = |url: Value| json!([{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]);
    let detail = image(json!({"url": "u", "detail": "low"}));
    assert_eq!(turns("image_detail_dropped", &detail).unwrap(), image(json!({"url": "u"})));
    let inline = image(json!({"url": "data:image/png;base64,QUJD"}));
    assert_eq!(turns("bare_base64_images", &inline).unwrap(), image(json!({"url": "QUJD"})));
    assert!(turns("images_refused_by_text_models", &inline).unwrap_err().contains("reads text only"));
}

#[test]
fn tools_are_named_described_and_narrowed() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    let body = json!({"tools": [tool("a"), tool("b")], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named("b")]}}});
    let wanted = json!({"tools": [tool("b")], "tool_choice": "required"});
    assert_eq!(after("allowed_tools_are_the_tools", "tool_choice", body).unwrap(), wanted);
    assert_eq!(after("only_tool_is_named", "tool_choice", wanted).unwrap()["tool_choice"], named("b"));
    let none = json!({"tools": [tool("a")], "tool_choice": "none"});
    assert_eq!(after("none_drops_tools", "tool_choice", none).unwrap(), json!({}));
    let described = after("description_filled", "tools", json!({"tools": [tool("a")]})).unwrap();
    assert_eq!(described["tools"][0]["function"]["description"], "a");
    let custom = json!({"tools": [{"type": "custom", "custom": {"name": "c"}}]});
    assert_eq!(after("function_tools_only", "tools", custom).unwrap(), json!({}));
    assert_eq!(after("true_with_tools", "p", json!({"tools": [tool("a")]})).unwrap()["p"], true);
    assert_eq!(after("true_with_tools", "p", json!({"tools": [tool("a")], "p": false})).unwrap()["p"], false);
    assert_eq!(after("true_with_tools", "p", json!({})).unwrap(), json!({}));
}

#[test]
fn a_tool_named_search_is_renamed_everywhere() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let call = |name: &str| json!({"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": name}}]});
    let body = |name: &str| json!({"tools": [tool(name), tool("search_tool")], "messages": [call(name)], "tool_choice": tool(name)});
    assert_eq!(after("search_tool_renamed", "tools", body("search")).unwrap(), body("search_tool_"));
}

#[test]
fn calls_and_their_results_are_completed() {
    let call = json!({"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "w"}}]});
    let result = json!({"role": "tool", "tool_call_id": "1", "content": "x"});
    let sent = turns("tool_name_copied", &json!([call, result])).unwrap();
    assert_eq!(sent[1]["name"], "w");
    assert_eq!(turns("call_index_filled", &json!([call])).unwrap()[0]["tool_calls"][0]["index"], 0);
}

#[test]
fn numbers_and_ids_are_brought_into_range() {
    let seed = |quirk: &str, seed: Value| after(quirk, "seed", json!({"seed": seed})).unwrap()["seed"].clone();
    assert_eq!(seed("seed_folded", json!(7)), 7);
    assert_eq!(seed("seed_folded", json!(2_147_483_648_u64)), 0);
    assert_eq!(seed("seed_folded", json!(-1)), 2_147_483_647);
    assert_eq!(seed("seed_folded", json!(u64::MAX)), 2_147_483_647);
    assert_eq!(seed("seed_folded_above_zero", json!(0)), 2_147_483_646);
    assert_eq!(seed("seed_folded_above_zero", json!(2_147_483_646)), 2_147_483_646);
    assert_eq!(seed("seed_folded_above_zero", json!(2_147_483_647)), 1);
    for id in ["", "a", "abcdef", &"x".repeat(500), &"搬".repeat(129)] {
        let sent = after("user_of_6_to_128", "user", json!({"user": id})).unwrap();
        assert!((6..=128).contains(&sent["user"].as_str().unwrap().chars().count()), "{sent}");
    }
    assert_eq!(after("zero_is_greedy", "temperature", json!({"temperature": 0})).unwrap(), json!({"do_sample": false}));
    assert_eq!(
        after("zero_is_greedy", "temperature", json!({"temperature": 0.2})).unwrap(),
        json!({"temperature": 0.2})
    );
}
