//! Reasoning beside tool calls: OpenAI's wire has no place for it, and some vendors want it back
//! with the tool's result.

use serde_json::Value;

/// The reasoning in a message of a whole answer, or in the delta of a chunk: both name it alike.
pub fn reasoning_text(message: &Value) -> Option<&str> {
    message.get("reasoning_content").and_then(Value::as_str)
}

/// The ids of the tool calls in a message or a delta. Pieces of a call after its first have none.
pub fn tool_call_ids(message: &Value) -> impl Iterator<Item = &str> {
    let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    calls.filter_map(|call| call.get("id").and_then(Value::as_str))
}

/// Puts reasoning back into the messages of a request that have tool calls and no reasoning of
/// their own. `find` gives the reasoning that came with the call of this id. Returns whether
/// anything was changed.
pub fn put_back_reasoning<T: AsRef<str>>(request: &mut Value, mut find: impl FnMut(&str) -> Option<T>) -> bool {
    let mut is_changed = false;
    let messages = request.get_mut("messages").and_then(Value::as_array_mut);
    for message in messages.into_iter().flatten() {
        if message.get("reasoning_content").is_some_and(|text| !text.is_null()) {
            continue;
        }
        let found = tool_call_ids(message).find_map(&mut find);
        if let Some(text) = found {
            message["reasoning_content"] = Value::from(text.as_ref());
            is_changed = true;
        }
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn own_reasoning_stays_as_it_is() {
        let mut request = json!({"messages": [
            {"role": "assistant", "tool_calls": [{"id": "a"}]},
            {"role": "assistant", "tool_calls": [{"id": "a"}], "reasoning_content": "mine"},
        ]});
        assert!(put_back_reasoning(&mut request, |id| (id == "a").then_some("kept")));
        assert_eq!(request["messages"][0]["reasoning_content"], "kept");
        assert_eq!(request["messages"][1]["reasoning_content"], "mine");
    }

    #[test]
    fn a_message_without_a_known_call_stays_as_it_is() {
        let mut request = json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "b"}]}, 7]});
        let before = request.clone();
        assert!(!put_back_reasoning(&mut request, |id| (id == "a").then_some("kept")));
        assert_eq!(request, before);
    }
}
