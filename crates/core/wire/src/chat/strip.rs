//! What a copy of a request may not ask for: a stream, and tools that the vendor would run.

use serde_json::Value;

/// Members that switch a vendor's own tools on: searching, browsing, running code. By the names of
/// OpenAI's API and of those that speak its wire; a member that no vendor knows does no harm when
/// it is missing.
const ACTING: [&str; 8] = [
    "web_search_options",
    "web_search",
    "enable_search",
    "search_options",
    "enable_code_interpreter",
    "plugins",
    "store",
    "background",
];
/// Members that ask for a stream.
const STREAMING: [&str; 3] = ["stream", "stream_options", "tool_stream"];

/// Takes out of a request what a copy of it may not ask for. Tools of the type `function` stay: the
/// answer only names them, and nobody runs them here.
pub fn strip_for_copy(body: &mut Value) {
    let Some(members) = body.as_object_mut() else { return };
    for name in STREAMING.iter().chain(&ACTING) {
        members.shift_remove(*name);
    }
    let Some(tools) = members.get_mut("tools").and_then(Value::as_array_mut) else { return };
    let is_function = |tool: &Value| tool.get("type").and_then(Value::as_str) == Some("function");
    let count = tools.len();
    tools.retain(is_function);
    let (are_gone, are_fewer) = (tools.is_empty(), tools.len() < count);
    if are_gone {
        for name in ["tools", "tool_choice", "parallel_tool_calls"] {
            members.shift_remove(name);
        }
        return;
    }
    let chosen = members.get("tool_choice").and_then(|choice| choice.get("type")).and_then(Value::as_str);
    if are_fewer && chosen.is_some_and(|kind| kind != "function") {
        members.shift_remove("tool_choice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tools_of_the_vendor_are_taken_out() {
        let function = json!({ "type": "function", "function": { "name": "f" } });
        let search = json!({ "type": "web_search", "web_search": { "enable": true } });
        let mut body = json!({ "messages": [], "stream": true, "stream_options": {}, "enable_search": true,
            "web_search_options": {}, "tools": [search, function], "tool_choice": { "type": "web_search" }, "seed": 1 });
        strip_for_copy(&mut body);
        assert_eq!(body, json!({ "messages": [], "tools": [function], "seed": 1 }));
        let mut body =
            json!({ "tools": [search, { "no": "type" }], "tool_choice": "auto", "parallel_tool_calls": true });
        strip_for_copy(&mut body);
        assert_eq!(body, json!({}));
        let mut body =
            json!({ "tools": [function], "tool_choice": { "type": "function", "function": { "name": "f" } } });
        let whole = body.clone();
        strip_for_copy(&mut body);
        assert_eq!(body, whole);
        let mut odd = json!([1]);
        strip_for_copy(&mut odd);
        assert_eq!(odd, json!([1]));
    }
}
