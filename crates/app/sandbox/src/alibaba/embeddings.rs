//! Alibaba's text embeddings, in both wires.

use super::Bad;
use crate::answer::{Answer, Call};
use crate::brain;
use crate::vectors::{self, Input};
use serde_json::{Value, json};

/// A model's texts per call and sizes; the default size stands first.
fn facts(model: &str) -> Option<(usize, &'static [u64])> {
    Some(match model {
        "text-embedding-v1" | "text-embedding-v2" => (25, &[1536]),
        "text-embedding-v3" => (10, &[1024, 768, 512, 256, 128, 64]),
        "text-embedding-v4" => (10, &[1024, 2048, 1536, 768, 512, 256, 128, 64]),
        "qwen3.7-text-embedding" | "qwen3.7-text-embedding-flash" => (20, &[1024, 2560, 2048, 1536, 768, 512, 256]),
        _ => return None,
    })
}

fn checked(model: &str, texts: &[String], wanted: Option<&Value>) -> Result<usize, Bad> {
    let Some((batch_max, sizes)) = facts(model) else { return Err(Bad::missing_model(model)) };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(Bad::parameter(
            "<400> InternalError.Algo.InvalidParameter: Value error, input should not be empty: input.contents",
        ));
    }
    if texts.len() > batch_max {
        return Err(Bad::parameter(format!(
            "<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should not be larger than {batch_max}.: input.contents"
        )));
    }
    match wanted.map(Value::as_u64) {
        None => Ok(sizes.first().copied().unwrap_or(1024) as usize),
        Some(Some(size)) if sizes.contains(&size) => Ok(size as usize),
        Some(_) => Err(Bad::parameter(format!(
            "<400> InternalError.Algo.InvalidParameter: Value error, dimension should be one of {sizes:?}"
        ))),
    }
}

fn tokens(texts: &[String]) -> usize {
    texts.iter().map(|text| brain::count(text)).sum()
}

pub(super) fn compatible(call: &Call<'_>) -> Result<Answer, Bad> {
    let Some(body) = call.object() else { return Err(Bad::parameter("The request body is not valid JSON.")) };
    let Some(model) = body.get("model").and_then(Value::as_str) else {
        return Err(Bad::parameter("you must provide a model parameter"));
    };
    let Some(Input::Texts(texts)) = vectors::read(body.get("input")) else {
        return Err(Bad::parameter(
            "<400> InternalError.Algo.InvalidParameter: Value error, contents is neither str nor list of str.: input.contents",
        ));
    };
    let size = checked(model, &texts, body.get("dimensions"))?;
    if body.get("encoding_format").is_some_and(|format| format != "float") {
        return Err(Bad::parameter("encoding_format only supports float."));
    }
    let count = tokens(&texts);
    let value = json!({
        "data": vectors::data(model, &texts, size, false), "model": model, "object": "list",
        "usage": {"prompt_tokens": count, "total_tokens": count}, "id": call.ids.uuid()
    });
    Ok(Answer::json(200, value))
}

pub(super) fn native(call: &Call<'_>) -> Result<Answer, Bad> {
    let Some(body) = call.object() else {
        return Err(Bad::parameter("Required body invalid, please check the request body format."));
    };
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let Some(Input::Texts(texts)) = vectors::read(body.pointer("/input/texts")) else {
        return Err(Bad::parameter("Required input parameter missing from request: input.texts"));
    };
    let size = checked(model, &texts, body.pointer("/parameters/dimension"))?;
    let one = |(at, text): (usize, &String)| json!({"embedding": vectors::write(&vectors::vector(model, text, size), false), "text_index": at});
    let embeddings: Vec<Value> = texts.iter().enumerate().map(one).collect();
    let id = call.ids.uuid();
    Ok(Answer::json(
        200,
        json!({"output": {"embeddings": embeddings}, "usage": {"total_tokens": tokens(&texts)}, "request_id": id}),
    )
    .with("x-request-id", id))
}
