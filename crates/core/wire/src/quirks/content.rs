//! Quirks of what stands in a message.

use crate::encode::{Draft, Refusal, text_of};
use banjia_types::LossLevel;
use serde_json::Value;

fn parts_of(message: &Value) -> &[Value] {
    message["content"].as_array().map_or(&[], Vec::as_slice)
}

fn is_image(part: &Value) -> bool {
    part["type"] == "image_url"
}

/// Lists of nothing but text become one string: text-only models refuse lists. Parts with
/// `cache_control` keep their shape.
pub(super) fn text_parts_joined(draft: &mut Draft<'_>, name: &str) {
    let mut count = 0;
    for cell in draft.body.list(name).into_iter().flatten() {
        if let Some(text) = cell.read().get("content").filter(|content| content.is_array()).and_then(text_of) {
            cell.edit()["content"] = text.into();
            count += 1;
        }
    }
    if count > 0 {
        draft.lose("messages.content", LossLevel::Exact, format!("the text parts of {count} messages became strings"));
    }
}

/// A tool's result is a string.
pub(super) fn tool_content_as_text(draft: &mut Draft<'_>, name: &str) {
    let mut count = 0;
    for cell in draft.body.list(name).into_iter().flatten() {
        let is_tool = cell.text("role").as_deref() == Some("tool");
        if is_tool && !cell.read()["content"].is_string() {
            let content = &cell.read()["content"];
            let text = text_of(content).unwrap_or_else(|| content.to_string());
            cell.edit()["content"] = text.into();
            count += 1;
        }
    }
    if count > 0 {
        draft.lose("messages.content", LossLevel::Exact, format!("the results of {count} tools became strings"));
    }
}

/// `detail` of images is unknown here.
pub(super) fn image_detail_dropped(draft: &mut Draft<'_>, name: &str) {
    let (mut any, mut meant) = (false, false);
    for cell in draft.body.list(name).into_iter().flatten() {
        let has_detail = |part: &Value| is_image(part) && part["image_url"].get("detail").is_some();
        if !parts_of(cell.read()).iter().any(has_detail) {
            continue;
        }
        for part in cell.edit()["content"].as_array_mut().into_iter().flatten().filter(|part| is_image(part)) {
            if let Some(detail) = part["image_url"].as_object_mut().and_then(|image| image.remove("detail")) {
                any = true;
                meant |= detail != "auto";
            }
        }
    }
    if any {
        let level = if meant { LossLevel::Degraded } else { LossLevel::Exact };
        draft.lose("messages.content.image_url.detail", level, "not sent: the vendor chooses the detail itself");
    }
}

/// Images for a model that is known to read text only cannot be honoured.
pub(super) fn images_refused_by_text_models(draft: &mut Draft<'_>, name: &str) -> Result<(), Refusal> {
    let blind = draft.facts.is_some_and(|facts| facts.images == Some(false) && !facts.cite.unconfirmed);
    let model = draft.model;
    let mut messages = draft.body.list(name).into_iter().flatten();
    if blind && messages.any(|cell| parts_of(cell.read()).iter().any(is_image)) {
        return Err(Refusal::new(
            "messages",
            format!("{model} reads text only; send images to a model that reads them"),
        ));
    }
    Ok(())
}

/// Older models take an image's base64 without the `data:` prefix.
pub(super) fn bare_base64_images(draft: &mut Draft<'_>, name: &str) {
    let mut any = false;
    let inline = |part: &Value| {
        let url = part["image_url"]["url"].as_str()?;
        url.starts_with("data:").then(|| url.split_once(";base64,"))?.map(|(_, data)| data.to_owned())
    };
    for cell in draft.body.list(name).into_iter().flatten() {
        if !parts_of(cell.read()).iter().any(|part| inline(part).is_some()) {
            continue;
        }
        for part in cell.edit()["content"].as_array_mut().into_iter().flatten() {
            if let Some(data) = inline(part) {
                part["image_url"]["url"] = data.into();
                any = true;
            }
        }
    }
    if any {
        draft.lose("messages.content.image_url", LossLevel::Exact, "inline images are sent without their data: prefix");
    }
}
