//! What an answer says about a fact.

use super::ask::{Asker, Key, Reply};
use super::facts::{Fact, is_known_finish};
use super::{Finding, Standing};
use banjia_types::ErrorClass;
use banjia_wire::{Profile, UsagePlacement};
use serde_json::{Value, json};

/// At most so many names are shown.
const NAMES_SHOWN_MAX: usize = 5;
/// A vendor's message is shown up to this many characters.
const MESSAGE_CHARS_MAX: usize = 90;

use Standing::{Confirmed, Differs, Unclear};

type Judgement = (Standing, String);

/// Asks about `fact` and judges the answer.
pub(super) async fn judge(asker: &Asker, fact: &Fact) -> Finding {
    let (standing, seen) = match ask(asker, fact).await {
        Ok(judged) => judged,
        Err(error) => (Unclear, format!("{error:#}")),
    };
    Finding { fact: in_words(fact), standing, seen }
}

fn in_words(fact: &Fact) -> String {
    match fact {
        Fact::KeyWorks { .. } => "the key is accepted".to_owned(),
        Fact::Models { .. } => "the models endpoint lists the profile's models".to_owned(),
        Fact::Chat { model } => format!("{model} answers with a known finish reason and usage"),
        Fact::Stream { usage, .. } => format!("a stream ends with [DONE], usage {}", placement(*usage)),
        Fact::Refused { param, value, because, .. } => format!("{param} = {value} {because}"),
        Fact::Tools { .. } => "a tool call comes back".to_owned(),
        Fact::JsonMode { .. } => "JSON mode gives an object".to_owned(),
        Fact::BadKey { .. } => "a wrong key is an error of class auth".to_owned(),
        Fact::UnknownModel => "an unknown model is an error of class model_gone".to_owned(),
        Fact::Dimensions { model, dimensions } => {
            let length = dimensions.map_or_else(|| "(unknown)".to_owned(), |length| length.to_string());
            format!("{model} gives vectors of length {length}")
        }
        Fact::Batch { model, texts_max } => format!("{model} takes {texts_max} texts in one call and no more"),
    }
}

const fn placement(usage: UsagePlacement) -> &'static str {
    match usage {
        UsagePlacement::OwnChunk => "in a chunk of its own",
        UsagePlacement::OnFinishChunk => "on the finish chunk",
    }
}

async fn ask(asker: &Asker, fact: &Fact) -> anyhow::Result<Judgement> {
    let profile = &asker.profile;
    let none = Value::Null;
    let chat = |model: &str, client: Value| {
        let model = model.to_owned();
        async move { asker.chat(&model, client, &Value::Null, Key::Given).await }
    };
    Ok(match fact {
        Fact::KeyWorks { model } => key_works(profile, &chat(model, json!({})).await?),
        Fact::Models { known } => {
            let path = profile.path(banjia_types::Operation::Models).unwrap_or("/models");
            models(profile, known, &asker.get(path).await?)
        }
        Fact::Chat { model } => whole(profile, &chat(model, json!({})).await?),
        Fact::Stream { model, usage } => {
            let client = json!({ "stream": true, "stream_options": { "include_usage": true } });
            stream(profile, *usage, &chat(model, client).await?)
        }
        Fact::Refused { model, param, value, is_certain, .. } => {
            let reply = asker.chat(model, json!({}), &json!({ param: value }), Key::Given).await?;
            refused(profile, *is_certain, &reply)
        }
        Fact::Tools { model } => tools(profile, &chat(model, with_tool()).await?),
        Fact::JsonMode { model } => {
            let client = json!({
                "messages": [{ "role": "user", "content": "Answer with a JSON object that has the key ok." }],
                "response_format": { "type": "json_object" },
            });
            json_mode(profile, &chat(model, client).await?)
        }
        Fact::BadKey { model } => {
            class(profile, ErrorClass::Auth, &asker.chat(model, json!({}), &none, Key::Wrong).await?)
        }
        Fact::UnknownModel => {
            class(profile, ErrorClass::ModelGone, &chat("banjia-probe-no-such-model", json!({})).await?)
        }
        Fact::Dimensions { model, dimensions } => vectors(profile, *dimensions, &asker.embed(model, 1).await?),
        Fact::Batch { model, texts_max } => {
            let (fits, over) = (asker.embed(model, *texts_max).await?, asker.embed(model, texts_max + 1).await?);
            batch(profile, *texts_max, &fits, &over)
        }
    })
}

fn with_tool() -> Value {
    json!({
        "messages": [{ "role": "user", "content": "What is the weather in Beijing? Use the tool." }],
        "tools": [{ "type": "function", "function": {
            "name": "weather",
            "description": "The weather of a city.",
            "parameters": { "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] },
        }}],
    })
}

/// An error in short: status, class, code, message.
fn told(profile: &Profile, reply: &Reply) -> String {
    let error = reply.error(profile);
    let message: String = error.message.chars().take(MESSAGE_CHARS_MAX).collect();
    let code = error.code.map_or_else(String::new, |code| format!(" {code}"));
    format!("{} {}{code}: {message}", reply.status, error.class)
}

/// An error where an answer was due: wrong parameters say that the profile is wrong, everything else says nothing.
fn no_answer(profile: &Profile, reply: &Reply) -> Judgement {
    let is_ours = reply.error(profile).class == ErrorClass::BadRequest;
    (if is_ours { Differs } else { Unclear }, told(profile, reply))
}

fn key_works(profile: &Profile, reply: &Reply) -> Judgement {
    if reply.is_good() {
        return (Confirmed, "200".to_owned());
    }
    let is_locked = matches!(reply.error(profile).class, ErrorClass::Auth | ErrorClass::Region);
    (if is_locked { Differs } else { Unclear }, told(profile, reply))
}

fn models(profile: &Profile, known: &[String], reply: &Reply) -> Judgement {
    if !reply.is_good() {
        return no_answer(profile, reply);
    }
    let answer = reply.json();
    let listed: Vec<&str> =
        answer["data"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str()).collect();
    let missing: Vec<&str> = known.iter().map(String::as_str).filter(|name| !listed.contains(name)).collect();
    let more = listed.iter().filter(|name| profile.model(name).is_none()).count();
    if listed.is_empty() {
        return (Unclear, "it lists nothing".to_owned());
    }
    let also = format!("{} listed, {more} of them not in the profile", listed.len());
    if missing.is_empty() {
        return (Confirmed, also);
    }
    let names: Vec<_> = missing.iter().take(NAMES_SHOWN_MAX).copied().collect();
    let rest = missing.len() - names.len();
    let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    (Differs, format!("{also}; not listed: {}{rest}", names.join(", ")))
}

fn whole(profile: &Profile, reply: &Reply) -> Judgement {
    if !reply.is_good() {
        return no_answer(profile, reply);
    }
    let answer = reply.json();
    let finish = answer["choices"][0]["finish_reason"].as_str();
    let usage = answer["usage"]["prompt_tokens"].as_u64().zip(answer["usage"]["completion_tokens"].as_u64());
    match (finish, usage) {
        (Some(reason), Some((prompt, completion))) if is_known_finish(profile, reason) => {
            (Confirmed, format!("{reason}, {prompt} + {completion} tokens"))
        }
        (Some(reason), Some(_)) => (Differs, format!("unknown finish reason {reason:?}")),
        (None, _) => (Differs, "200 without a finish reason".to_owned()),
        (_, None) => (Differs, "200 without usage".to_owned()),
    }
}

fn stream(profile: &Profile, expected: UsagePlacement, reply: &Reply) -> Judgement {
    if !reply.is_good() {
        return no_answer(profile, reply);
    }
    let text = String::from_utf8_lossy(&reply.body);
    let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect();
    let chunks: Vec<Value> = events.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
    let finish = chunks.iter().position(|chunk| chunk["choices"][0]["finish_reason"].is_string());
    let usage = chunks.iter().rposition(|chunk| chunk["usage"].is_object());
    let own = usage.is_some_and(|at| chunks[at]["choices"].as_array().is_none_or(Vec::is_empty));
    let seen = match usage {
        None => None,
        Some(_) if own => Some(UsagePlacement::OwnChunk),
        Some(_) => Some(UsagePlacement::OnFinishChunk),
    };
    let mut faults = Vec::new();
    if events.last() != Some(&"[DONE]") {
        faults.push("no [DONE]".to_owned());
    }
    if finish.is_none() {
        faults.push("no finish reason".to_owned());
    }
    match seen {
        None => faults.push("no usage".to_owned()),
        Some(seen) if seen != expected => faults.push(format!("usage {}", placement(seen))),
        Some(_) => {}
    }
    if faults.is_empty() {
        return (Confirmed, format!("{} chunks", chunks.len()));
    }
    (Differs, faults.join(", "))
}

fn refused(profile: &Profile, is_certain: bool, reply: &Reply) -> Judgement {
    if reply.is_good() {
        let standing = if is_certain { Differs } else { Unclear };
        return (standing, if is_certain { "accepted" } else { "accepted: known or ignored" }.to_owned());
    }
    let standing = if reply.error(profile).class == ErrorClass::BadRequest { Confirmed } else { Unclear };
    (standing, told(profile, reply))
}

fn tools(profile: &Profile, reply: &Reply) -> Judgement {
    if !reply.is_good() {
        return no_answer(profile, reply);
    }
    let answer = reply.json();
    let call = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
    let arguments: Option<Value> = call["arguments"].as_str().and_then(|text| serde_json::from_str(text).ok());
    match (call["name"].as_str(), arguments) {
        (Some(name), Some(arguments)) => (Confirmed, format!("{name}({arguments})")),
        (Some(name), None) => (Differs, format!("{name} with arguments that are no JSON")),
        (None, _) => (Unclear, "the model answered in words".to_owned()),
    }
}

fn json_mode(profile: &Profile, reply: &Reply) -> Judgement {
    if !reply.is_good() {
        return no_answer(profile, reply);
    }
    let answer = reply.json();
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap_or("");
    match serde_json::from_str::<Value>(content) {
        Ok(Value::Object(_)) => (Confirmed, "an object".to_owned()),
        _ if answer["choices"][0]["finish_reason"] == "length" => (Unclear, "the answer was cut short".to_owned()),
        _ => (Differs, "the answer is no JSON object".to_owned()),
    }
}

fn class(profile: &Profile, expected: ErrorClass, reply: &Reply) -> Judgement {
    if reply.is_good() {
        return (Differs, "200: it was accepted".to_owned());
    }
    let standing = if reply.error(profile).class == expected { Confirmed } else { Differs };
    (standing, told(profile, reply))
}

fn vectors(profile: &Profile, expected: Option<u32>, reply: &Reply) -> Judgement {
    if !reply.is_good() {
        return no_answer(profile, reply);
    }
    let length = reply.json()["data"][0]["embedding"].as_array().map(Vec::len);
    let seen = length.map_or_else(|| "no vector".to_owned(), |length| format!("length {length}"));
    let standing = match (expected, length) {
        (Some(expected), Some(length)) if expected as usize == length => Confirmed,
        (Some(_), Some(_)) => Differs,
        _ => Unclear,
    };
    (standing, seen)
}

fn batch(profile: &Profile, texts_max: usize, fits: &Reply, over: &Reply) -> Judgement {
    let count = |reply: &Reply| reply.json()["data"].as_array().map_or(0, Vec::len);
    match (fits.is_good(), over.is_good()) {
        (true, false) if count(fits) == texts_max => (Confirmed, format!("{} for one more", told(profile, over))),
        (true, true) => (Differs, format!("{} texts are taken too", texts_max + 1)),
        (true, false) => (Differs, format!("{} vectors for {texts_max} texts", count(fits))),
        (false, _) => no_answer(profile, fits),
    }
}
