//! OpenAI's embeddings.

use super::{Bad, known, missing};
use crate::answer::{Answer, Call};
use crate::brain;
use crate::vectors::{self, Input};
use serde_json::{Value, json};

/// The most inputs of one request.
const INPUTS_MAX: usize = 2048;
/// The most tokens of one input.
const TOKENS_MAX: usize = 8192;

pub(super) fn serve(call: &Call<'_>) -> Result<Answer, Bad> {
    let Some(body) = call.object() else {
        return Err(Bad { param: None, ..Bad::new("", "We could not parse the JSON body of your request.") });
    };
    let members = ["input", "model", "dimensions", "encoding_format", "user"];
    if let Some(name) = body.as_object().and_then(|body| body.keys().find(|name| !members.contains(&name.as_str()))) {
        return Err(Bad { param: None, ..Bad::new("", format!("Unrecognized request argument supplied: {name}")) });
    }
    let Some(model) = body.get("model").and_then(Value::as_str) else {
        return Err(Bad { param: None, ..Bad::new("", "you must provide a model parameter") });
    };
    let full = match model {
        "text-embedding-3-large" => 3072,
        "text-embedding-3-small" | "text-embedding-ada-002" => 1536,
        other if known(other) => {
            return Err(Bad {
                status: 403,
                ..Bad::new("model", format!("You are not allowed to generate embeddings from {other}"))
            });
        }
        other => return Err(missing(other)),
    };
    let dimensions = match body.get("dimensions") {
        None => full,
        Some(_) if model == "text-embedding-ada-002" => {
            return Err(Bad::new("dimensions", "This model does not support specifying dimensions."));
        }
        Some(value) => match value.as_u64() {
            Some(wanted) if (1..=full).contains(&wanted) => wanted,
            _ => {
                return Err(Bad::new(
                    "dimensions",
                    format!("Invalid value for 'dimensions' = {value}. Must be less than or equal to {full}."),
                ));
            }
        },
    };
    let base64 = match body.get("encoding_format").map(|format| format.as_str().unwrap_or_default()) {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            return Err(Bad::new(
                "encoding_format",
                format!("Invalid value: '{other}'. Supported values are: 'float' and 'base64'."),
            )
            .code("invalid_value"));
        }
    };
    let (texts, tokens) = inputs(&body)?;
    let value = json!({
        "object": "list", "data": vectors::data(model, &texts, dimensions as usize, base64), "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}
    });
    Ok(Answer::json(200, value))
}

fn inputs(body: &Value) -> Result<(Vec<String>, usize), Bad> {
    let (texts, sizes): (Vec<String>, Vec<usize>) = match vectors::read(body.get("input")) {
        Some(Input::Texts(texts)) => {
            let sizes = texts.iter().map(|text| brain::count(text)).collect();
            (texts, sizes)
        }
        Some(Input::Tokens(lists)) => lists.into_iter().unzip(),
        None if body.get("input").is_none() => {
            return Err(Bad::new("input", "Missing required parameter: 'input'.").code("missing_required_parameter"));
        }
        None => {
            return Err(Bad::new(
                "input",
                "Invalid type for 'input': expected a string, an array of strings, or arrays of tokens.",
            )
            .code("invalid_type"));
        }
    };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(Bad::new("input", "Invalid 'input': input cannot be an empty string."));
    }
    if texts.len() > INPUTS_MAX {
        return Err(Bad::new(
            "input",
            format!("Invalid 'input': array too long. Expected an array with maximum length {INPUTS_MAX}."),
        )
        .code("array_above_max_length"));
    }
    if let Some(size) = sizes.iter().find(|size| **size > TOKENS_MAX) {
        return Err(Bad::new(
            "input",
            format!("This model's maximum context length is {TOKENS_MAX} tokens, however you requested {size} tokens."),
        )
        .code("context_length_exceeded"));
    }
    Ok((texts, sizes.iter().sum()))
}
