//! Quirks of tools and of calls to them.

use crate::encode::{Cell, Draft};
use crate::notes::ForcedTool;
use banjia_types::LossLevel;
use serde_json::{Value, json};

fn tool_name(cell: &mut Cell) -> Option<String> {
    cell.read()["function"]["name"].as_str().map(str::to_owned)
}

fn tool_names(draft: &mut Draft<'_>) -> Vec<String> {
    draft.body.list("tools").into_iter().flatten().filter_map(tool_name).collect()
}

/// Sets the parameter to `true` on requests with tools, unless the client set it.
pub(super) fn true_with_tools(draft: &mut Draft<'_>, name: &str) {
    if !draft.body.has(name) && draft.has_tools() {
        draft.body.set(name, true.into());
    }
}

/// `tool_choice: "none"` where only `auto` exists: without tools there is nothing to choose.
pub(super) fn none_drops_tools(draft: &mut Draft<'_>, name: &str) {
    if draft.body.get(name).is_some_and(|choice| choice == "none") {
        draft.body.remove(name);
        draft.body.remove("tools");
        draft.lose(name, LossLevel::Emulated, "the tools were not sent, so none can be called");
    }
}

/// `allowed_tools` is said by offering no others.
pub(super) fn allowed_tools_are_the_tools(draft: &mut Draft<'_>, name: &str) {
    let Some(choice) = draft.body.get(name).filter(|choice| choice["type"] == "allowed_tools").cloned() else {
        return;
    };
    // The API document nests the list; some clients send it flat.
    let allowed = choice.get("allowed_tools").filter(|inner| inner.is_object()).unwrap_or(&choice);
    let mode = allowed["mode"].as_str().unwrap_or("auto").to_owned();
    let listed = allowed["tools"].as_array().cloned().unwrap_or_default();
    let is_listed = |name: &str| listed.iter().any(|tool| tool["function"]["name"] == name || tool["name"] == name);
    if let Some(tools) = draft.body.list("tools") {
        tools.retain_mut(|tool| tool_name(tool).is_some_and(|name| is_listed(&name)));
    }
    draft.body.set(name, mode.into());
    draft.lose(name, LossLevel::Exact, "only the allowed tools were sent");
}

/// `required` with a single tool is the same as naming it.
pub(super) fn only_tool_is_named(draft: &mut Draft<'_>, name: &str) {
    if draft.body.get(name).is_some_and(|choice| choice == "required") {
        let names = tool_names(draft);
        if let [only] = names.as_slice() {
            draft.body.set(name, json!({"type": "function", "function": {"name": only}}));
            draft.lose(name, LossLevel::Exact, format!("`required` became `{only}`, the only tool"));
        }
    }
}

/// Only functions are known here: other kinds of tools are left out.
pub(super) fn function_tools_only(draft: &mut Draft<'_>, name: &str) {
    let Some(tools) = draft.body.list(name) else { return };
    let mut others: Vec<String> = Vec::new();
    tools.retain_mut(|tool| match tool.text("type").as_deref() {
        Some("function") | None => true,
        Some(kind) => {
            others.push(kind.to_owned());
            false
        }
    });
    let empty = tools.is_empty();
    if empty {
        draft.body.remove(name);
    }
    if !others.is_empty() {
        draft.lose(name, LossLevel::Dropped, format!("tools of type {} are unknown here", others.join(", ")));
    }
}

/// A description is required: the name stands in for a missing one.
pub(super) fn description_filled(draft: &mut Draft<'_>, name: &str) {
    for cell in draft.body.list(name).into_iter().flatten() {
        let Some(tool) = tool_name(cell) else { continue };
        if cell.read()["function"]["description"].as_str().is_none_or(str::is_empty) {
            cell.members(|body| body.inside("function", |function| function.set("description", tool.into())));
        }
    }
}

/// A tool named `search` is refused: it goes by another name, there and back.
pub(super) fn search_tool_renamed(draft: &mut Draft<'_>, name: &str) {
    const TAKEN: &str = "search";
    let names = tool_names(draft);
    if !names.iter().any(|name| name == TAKEN) {
        return;
    }
    let mut sent = format!("{TAKEN}_tool");
    while names.contains(&sent) {
        sent.push('_');
    }
    for cell in draft.body.list(name).into_iter().flatten() {
        if tool_name(cell).as_deref() == Some(TAKEN) {
            cell.members(|tool| tool.inside("function", |function| function.set("name", sent.as_str().into())));
        }
    }
    rename_in_calls(draft, TAKEN, &sent);
    if draft.body.get("tool_choice").is_some_and(|choice| choice["function"]["name"] == TAKEN) {
        draft.body.set("tool_choice", json!({"type": "function", "function": {"name": sent}}));
    }
    if draft.notes.forced_tool == Some(ForcedTool::Named(TAKEN.into())) {
        draft.notes.forced_tool = Some(ForcedTool::Named(sent.clone()));
    }
    draft.notes.renamed_tools.push((sent.clone(), TAKEN.into()));
    draft.lose(
        "tools",
        LossLevel::Emulated,
        format!("`{TAKEN}` is called `{sent}` there and renamed back in the answer"),
    );
}

fn rename_in_calls(draft: &mut Draft<'_>, from: &str, to: &str) {
    for cell in draft.body.list("messages").into_iter().flatten() {
        let meant = |call: &Value| call["function"]["name"] == from;
        let calls = |message: &Value| message["tool_calls"].as_array().is_some_and(|calls| calls.iter().any(meant));
        let is_result = cell.text("role").as_deref() == Some("tool") && cell.read()["name"] == from;
        if is_result {
            cell.edit()["name"] = to.into();
        }
        if calls(cell.read()) {
            let all = cell.edit()["tool_calls"].as_array_mut().into_iter().flatten();
            for call in all.filter(|call| meant(call)) {
                call["function"]["name"] = to.into();
            }
        }
    }
}

/// Calls in the history carry their index.
pub(super) fn call_index_filled(draft: &mut Draft<'_>, name: &str) {
    for cell in draft.body.list(name).into_iter().flatten() {
        let missing = |call: &Value| call.is_object() && call.get("index").is_none();
        let some_missing =
            cell.read().get("tool_calls").and_then(Value::as_array).is_some_and(|calls| calls.iter().any(missing));
        if some_missing {
            let calls = cell.edit()["tool_calls"].as_array_mut().into_iter().flatten();
            for (at, call) in calls.enumerate().filter(|(_, call)| missing(call)) {
                call["index"] = at.into();
            }
        }
    }
}

/// A tool's result names its tool: the name is copied from the call that it answers.
pub(super) fn tool_name_copied(draft: &mut Draft<'_>, name: &str) {
    let mut by_id: Vec<(Value, Value)> = Vec::new();
    for cell in draft.body.list(name).into_iter().flatten() {
        let message = cell.read();
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            by_id.push((call["id"].clone(), call["function"]["name"].clone()));
        }
        let unnamed = message["role"] == "tool" && message.get("name").is_none();
        let found = by_id.iter().rev().find(|(id, _)| *id == message["tool_call_id"]).map(|(_, name)| name.clone());
        if let Some(found) = found.filter(|name| unnamed && name.is_string()) {
            cell.edit()["name"] = found;
        }
    }
}
